-- title: Referrers
-- meaning: Where page views came from by day: source, medium and the host before. Moves within the site are left out.
-- purpose: usage_analytics
-- order: day, views DESC, traffic_source
SELECT
    site,
    toDate(occurred_at) AS day,
    traffic_source,
    traffic_medium,
    referrer_domain,
    count() AS views,
    uniqExactIf(visitor_id, visitor_id != 0) AS visitors
FROM kastana.events FINAL
WHERE event_name = 'page_view' AND traffic_medium != 'internal' AND NOT synthetic
GROUP BY site, day, traffic_source, traffic_medium, referrer_domain
