-- title: Pages
-- meaning: Views and visitors of each page by day; engaged seconds are what its pings report divided by its views, scroll depth is the median of what its pings report; both are empty without pings. Counted views, of which nothing else is known, stand apart.
-- purpose: usage_analytics
-- order: day, views DESC, url_path
SELECT
    site,
    day,
    url_path,
    sum(page_views) AS views,
    sum(counted_views) AS counted_views,
    uniqMergeIf(people, page_views > 0) AS visitors,
    if(views = 0 OR sum(pings) = 0, NULL, round(sum(engaged) / 1000 / views, 1)) AS engaged_seconds,
    if(sum(pings) = 0, NULL, round(quantileMerge(0.5)(scrolled))) AS scroll_depth
FROM
(
    SELECT
        site,
        toDate(occurred_at) AS day,
        url_path,
        countIf(event_name = 'page_view') AS page_views,
        0 AS counted_views,
        uniqStateIf(visitor_id, visitor_id != 0) AS people,
        countIf(event_name = 'page_ping') AS pings,
        sumIf(engaged_ms, event_name = 'page_ping') AS engaged,
        quantileStateIf(0.5)(scroll_depth, event_name = 'page_ping') AS scrolled
    FROM kastana.events FINAL
    WHERE event_name IN ('page_view', 'page_ping') AND NOT synthetic
    GROUP BY site, day, url_path
    UNION ALL
    SELECT
        site,
        toDate(occurred_at) AS day,
        url_path,
        0 AS page_views,
        sum(events) AS counted_views,
        uniqStateIf(toUInt64(0), 0) AS people,
        0 AS pings,
        0 AS engaged,
        quantileStateIf(0.5)(toUInt8(0), 0) AS scrolled
    FROM kastana.counts
    WHERE event_name = 'page_view' AND outcome = 'counted' AND NOT synthetic
        AND NOT hasAny(outcome_reasons, ['robot', 'headless', 'automated', 'datacenter', 'referrer_spam', 'rate', 'prefetch'])
    GROUP BY site, day, url_path
)
GROUP BY site, day, url_path
