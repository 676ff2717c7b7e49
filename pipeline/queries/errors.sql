-- title: Errors
-- meaning: Exceptions and crashes by day, type, message and page, with the browsers they happened in.
-- purpose: service_optimisation
-- order: day, occurrences DESC, exception_type
SELECT
    site,
    toDate(occurred_at) AS day,
    event_name,
    exception_type,
    exception_message,
    url_path,
    groupUniqArray(5)(user_agent_name) AS browsers,
    count() AS occurrences
FROM kastana.events FINAL
WHERE event_name IN ('exception', 'app_crash') AND NOT synthetic
GROUP BY site, day, event_name, exception_type, exception_message, url_path
