-- title: Mailings
-- meaning: Opens and clicks of each mailing by day. Readers are known by the sender's token and only with their consent; opens without it are counted without the mailing's name.
-- purpose: campaign_measurement
-- order: day, mailing
SELECT
    site,
    day,
    mailing,
    sum(opened) AS opens,
    sum(clicked) AS clicks,
    uniqExactIf(reader, reader != 0) AS readers
FROM
(
    SELECT
        site,
        toDate(occurred_at) AS day,
        mailing,
        toUInt64(event_name = 'email_open') AS opened,
        toUInt64(event_name = 'email_click') AS clicked,
        visitor_id AS reader
    FROM kastana.events FINAL
    WHERE event_name IN ('email_open', 'email_click')
    UNION ALL
    SELECT
        site,
        toDate(occurred_at) AS day,
        '' AS mailing,
        if(event_name = 'email_open', events, 0) AS opened,
        if(event_name = 'email_click', events, 0) AS clicked,
        toUInt64(0) AS reader
    FROM kastana.counts
    WHERE event_name IN ('email_open', 'email_click') AND outcome = 'counted'
)
GROUP BY site, day, mailing
