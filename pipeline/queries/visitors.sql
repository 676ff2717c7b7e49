-- title: Visitors and sessions
-- meaning: Visitors with a pseudonym and their sessions by day. A session ends after 30 minutes of silence and counts on the day it begins: of one that goes on past midnight (UTC) the next day has the visitor but no session. Views of visitors without a pseudonym are in anonymous_views. Readers of e-mails are left out, and what a server sends without naming a visitor.
-- purpose: usage_analytics
-- order: site, day
SELECT
    site,
    day,
    uniqExactIf(visitor_id, visitor_id != 0) AS visitors,
    countIf(visitor_id != 0 AND (previous IS NULL OR dateDiff('second', previous, occurred_at) > 1800)) AS sessions,
    countIf(event_name = 'page_view' AND visitor_id != 0) AS views,
    countIf(event_name = 'page_view' AND visitor_id = 0) AS anonymous_views
FROM
(
    SELECT
        site,
        toDate(occurred_at) AS day,
        visitor_id,
        event_name,
        occurred_at,
        lagInFrame(toNullable(occurred_at)) OVER (
            PARTITION BY site, visitor_id ORDER BY occurred_at
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS previous
    FROM kastana.events FINAL
    WHERE event_name NOT IN ('email_open', 'email_click')
        AND NOT (door = 'server' AND visitor_id = 0)
        AND NOT synthetic
)
GROUP BY site, day
