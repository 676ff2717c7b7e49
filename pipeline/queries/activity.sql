-- title: Events
-- meaning: One row an event that was kept, without the columns that only say how it was handled.
-- purpose: usage_analytics
-- order: site, occurred_at
SELECT
    site,
    toDate(occurred_at) AS day,
    occurred_at,
    event_name,
    custom_name,
    url_domain,
    url_path,
    page_title,
    referrer_domain,
    traffic_source,
    traffic_medium,
    utm_campaign,
    geo_country_iso_code,
    device_type,
    os_name,
    user_agent_name,
    browser_language,
    visitor_id,
    visitor_scope,
    engaged_ms,
    scroll_depth,
    target_url_domain,
    properties
FROM kastana.events FINAL
WHERE NOT synthetic
