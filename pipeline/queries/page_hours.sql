-- title: Page hours
-- meaning: Views, visitors and engaged seconds by hour, page, country and kind of device, from the rollup; visitors are those of that hour, so add up views but not visitors. Counted views, of which nothing else is known, stand apart.
-- purpose: usage_analytics
-- order: hour, views DESC, url_path
SELECT
    site,
    toDate(hour) AS day,
    hour,
    url_path,
    geo_country_iso_code,
    device_type,
    sum(page_views) AS views,
    sum(counted) AS counted_views,
    uniqExactMerge(people) AS visitors,
    round(sum(engaged) / 1000, 1) AS engaged_seconds
FROM
(
    SELECT
        site,
        hour,
        url_path,
        geo_country_iso_code,
        device_type,
        views AS page_views,
        toUInt64(0) AS counted,
        visitors AS people,
        engaged_ms AS engaged
    FROM kastana.page_hours_states
    UNION ALL
    SELECT
        site,
        toDateTime(occurred_at, 'UTC') AS hour,
        url_path,
        geo_country_iso_code,
        device_type,
        toUInt64(0) AS page_views,
        sum(events) AS counted,
        uniqExactStateIf(toUInt64(0), 0) AS people,
        toUInt64(0) AS engaged
    FROM kastana.counts
    WHERE event_name = 'page_view' AND outcome = 'counted' AND NOT synthetic
        AND NOT hasAny(outcome_reasons, ['robot', 'headless', 'automated', 'datacenter', 'referrer_spam', 'rate', 'prefetch'])
    GROUP BY site, hour, url_path, geo_country_iso_code, device_type
)
GROUP BY site, day, hour, url_path, geo_country_iso_code, device_type
