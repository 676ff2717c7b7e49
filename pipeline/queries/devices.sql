-- title: Devices
-- meaning: Page views and visitors by kind of device, operating system and browser, by day.
-- purpose: usage_analytics
-- order: day, views DESC, device_type
SELECT
    site,
    toDate(occurred_at) AS day,
    device_type,
    os_name,
    user_agent_name,
    count() AS views,
    uniqExactIf(visitor_id, visitor_id != 0) AS visitors
FROM kastana.events FINAL
WHERE event_name = 'page_view' AND NOT synthetic
GROUP BY site, day, device_type, os_name, user_agent_name
