-- title: Mailings
-- meaning: Opens and clicks of each mailing by day, kept apart by who was behind them. Opens and clicks are those of people: by their own reader (human_), through their provider's proxy (proxy_), and those of which it is not known; pictures loaded ahead (prefetched_) and what gateways looked at (scanner_) are not among them. Three links followed by one reader within two seconds are a gateway's, the first of them too. Readers are known by the sender's token and only with their consent; opens without it are counted without the mailing's name.
-- purpose: campaign_measurement
-- order: day, mailing
SELECT
    site,
    day,
    mailing,
    sumIf(opened, verdict NOT IN ('prefetch', 'scanner')) AS opens,
    sumIf(clicked, verdict NOT IN ('prefetch', 'scanner')) AS clicks,
    uniqExactIf(reader, reader != 0 AND verdict NOT IN ('prefetch', 'scanner')) AS readers,
    sumIf(opened, verdict = 'human') AS human_opens,
    sumIf(opened, verdict = 'proxy') AS proxy_opens,
    sumIf(opened, verdict = 'prefetch') AS prefetched_opens,
    sumIf(opened, verdict = 'scanner') AS scanner_opens,
    sumIf(clicked, verdict = 'human') AS human_clicks,
    sumIf(clicked, verdict = 'proxy') AS proxy_clicks,
    sumIf(clicked, verdict = 'scanner') AS scanner_clicks
FROM
(
    SELECT
        site,
        toDate(occurred_at) AS day,
        mailing,
        mail_verdict AS verdict,
        toUInt64(event_name = 'email_open') AS opened,
        toUInt64(event_name = 'email_click') AS clicked,
        visitor_id AS reader
    FROM kastana.events FINAL
    WHERE (event_name = 'email_open' OR (event_name = 'email_click' AND visitor_id = 0))
        AND NOT synthetic
    UNION ALL
    SELECT
        site,
        toDate(occurred_at) AS day,
        mailing,
        if(max(ahead) OVER (
            PARTITION BY site, mailing, visitor_id ORDER BY ms
            RANGE BETWEEN 1999 PRECEDING AND CURRENT ROW
        ) >= 3, 'scanner', mail_verdict) AS verdict,
        toUInt64(0) AS opened,
        toUInt64(1) AS clicked,
        visitor_id AS reader
    FROM
    (
        SELECT
            site,
            occurred_at,
            toUnixTimestamp64Milli(occurred_at) AS ms,
            mailing,
            mail_verdict,
            visitor_id,
            uniqExact(target_url_domain, target_url_path) OVER (
                PARTITION BY site, mailing, visitor_id ORDER BY ms
                RANGE BETWEEN CURRENT ROW AND 1999 FOLLOWING
            ) AS ahead
        FROM kastana.events FINAL
        WHERE event_name = 'email_click' AND visitor_id != 0 AND NOT synthetic
    )
    UNION ALL
    SELECT
        site,
        toDate(occurred_at) AS day,
        '' AS mailing,
        '' AS verdict,
        if(event_name = 'email_open', events, 0) AS opened,
        if(event_name = 'email_click', events, 0) AS clicked,
        toUInt64(0) AS reader
    FROM kastana.counts
    WHERE event_name IN ('email_open', 'email_click') AND outcome = 'counted' AND NOT synthetic
)
GROUP BY site, day, mailing
