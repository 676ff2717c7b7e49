-- title: Web vitals
-- meaning: The 75th percentile of each metric by page and day, and the share rated good. Milliseconds; CLS has no unit.
-- purpose: service_optimisation
-- order: day, web_vital_name, samples DESC
SELECT
    site,
    toDate(occurred_at) AS day,
    web_vital_name,
    url_path,
    device_type,
    round(quantile(0.75)(web_vital_value), 3) AS p75,
    round(countIf(web_vital_rating = 'good') / count(), 3) AS good_share,
    count() AS samples
FROM kastana.events FINAL
WHERE event_name = 'web_vital' AND NOT synthetic
GROUP BY site, day, web_vital_name, url_path, device_type
