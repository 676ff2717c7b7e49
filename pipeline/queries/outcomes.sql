-- title: Outcomes
-- meaning: What became of every event by day: kept with or without a pseudonym, counted, dropped or invalid, and why.
-- purpose: legal_compliance
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
    WHERE NOT synthetic
    UNION ALL
    SELECT site, occurred_at, event_name, outcome, outcome_reasons, events AS number
    FROM kastana.counts
    WHERE NOT synthetic
)
GROUP BY site, day, event_name, outcome, reasons
