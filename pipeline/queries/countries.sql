-- title: Countries
-- meaning: Page views and visitors by country and region, by day; the city is left out on purpose. Location data: IP Geolocation by DB-IP (db-ip.com), unless another database is configured.
-- purpose: usage_analytics
-- order: day, views DESC, geo_country_iso_code
SELECT
    site,
    toDate(occurred_at) AS day,
    geo_country_iso_code,
    geo_region_iso_code,
    count() AS views,
    uniqExactIf(visitor_id, visitor_id != 0) AS visitors
FROM kastana.events FINAL
WHERE event_name = 'page_view' AND NOT synthetic
GROUP BY site, day, geo_country_iso_code, geo_region_iso_code
