-- title: Load tests
-- meaning: What became of events that were sent by a load test (`kastana replay`), by day. No other view has them.
-- purpose: usage_analytics
-- order: day, event_name, outcome, reasons
SELECT
    site,
    toDate(occurred_at) AS day,
    event_name,
    outcome,
    arrayStringConcat(outcome_reasons, ', ') AS reasons,
    sum(number) AS events
FROM
(
    SELECT site, occurred_at, event_name, outcome, outcome_reasons, toUInt64(1) AS number
    FROM kastana.events FINAL
    WHERE synthetic
    UNION ALL
    SELECT site, occurred_at, event_name, outcome, outcome_reasons, events AS number
    FROM kastana.counts
    WHERE synthetic
)
GROUP BY site, day, event_name, outcome, reasons
