CREATE DATABASE IF NOT EXISTS kastana;

CREATE TABLE IF NOT EXISTS kastana.events
(
    `event_id` UUID EPHEMERAL COMMENT 'Id of the event, made by the client or at the door; 64 bits that stand for it are stored, as event_key. Kind: log. Purposes: usage_analytics, legal_compliance. Consent: essential.',
    `event_name` LowCardinality(String) COMMENT 'What happened. Kind: activity. Purposes: usage_analytics. Consent: essential.' CODEC(ZSTD(3)),
    `site` LowCardinality(String) COMMENT 'Site the event belongs to. Kind: activity. Purposes: usage_analytics. Consent: essential.' CODEC(ZSTD(3)),
    `occurred_at` DateTime64(3, 'UTC') COMMENT 'When it happened, the client\'s clock corrected. Kind: log. Purposes: usage_analytics. Consent: essential.' CODEC(ZSTD(3)),
    `received_at` DateTime64(3, 'UTC') COMMENT 'When it arrived. Kind: log. Purposes: usage_analytics, abuse_prevention. Consent: essential.' CODEC(ZSTD(3)),
    `outcome` LowCardinality(String) COMMENT 'What the consent gate decided. Kind: consent_record. Purposes: legal_compliance. Consent: essential.' CODEC(ZSTD(3)),
    `outcome_reasons` Array(LowCardinality(String)) COMMENT 'Why it decided so. Kind: consent_record. Purposes: legal_compliance. Consent: essential.' CODEC(ZSTD(3)),
    `regime` LowCardinality(String) COMMENT 'Rule packs that decided, joined by +. Kind: consent_record. Purposes: legal_compliance. Consent: essential.' CODEC(ZSTD(3)),
    `regime_version` LowCardinality(String) COMMENT 'Versions of those packs, in the same order. Kind: consent_record. Purposes: legal_compliance. Consent: essential.' CODEC(ZSTD(3)),
    `regime_switches` Array(LowCardinality(String)) COMMENT 'What the site had turned on in them. Kind: consent_record. Purposes: legal_compliance. Consent: essential.' CODEC(ZSTD(3)),
    `decision_row` LowCardinality(String) COMMENT 'Row of the decision table that decided. Kind: consent_record. Purposes: legal_compliance. Consent: essential.' CODEC(ZSTD(3)),
    `policy_version` LowCardinality(String) COMMENT 'Version of this policy it was decided under. Kind: consent_record. Purposes: legal_compliance. Consent: essential.' CODEC(ZSTD(3)),
    `consent_category` LowCardinality(String) COMMENT 'Which consent the event needs. Kind: consent_record. Purposes: legal_compliance. Consent: essential.' CODEC(ZSTD(3)),
    `consent_preference` LowCardinality(String) COMMENT 'Consent state for preference. Kind: consent_record. Purposes: legal_compliance. Consent: essential.' CODEC(ZSTD(3)),
    `consent_statistics` LowCardinality(String) COMMENT 'Consent state for statistics. Kind: consent_record. Purposes: legal_compliance. Consent: essential.' CODEC(ZSTD(3)),
    `consent_marketing` LowCardinality(String) COMMENT 'Consent state for marketing. Kind: consent_record. Purposes: legal_compliance. Consent: essential.' CODEC(ZSTD(3)),
    `consent_precise_location` LowCardinality(String) COMMENT 'Consent state for precise location. Kind: consent_record. Purposes: legal_compliance. Consent: essential.' CODEC(ZSTD(3)),
    `consent_signals` Array(LowCardinality(String)) COMMENT 'Restrictive signals that were honoured, such as gpc. Kind: consent_record. Purposes: legal_compliance. Consent: essential.' CODEC(ZSTD(3)),
    `consent_sources` Array(LowCardinality(String)) COMMENT 'Which signals told the consent: own, tcf, a consent manager. Kind: consent_record. Purposes: legal_compliance. Consent: essential.' CODEC(ZSTD(3)),
    `consent_problems` Array(LowCardinality(String)) COMMENT 'What could not be read of them, or did not count. Kind: consent_record. Purposes: legal_compliance. Consent: essential.' CODEC(ZSTD(3)),
    `consent_given_at` DateTime64(3, 'UTC') COMMENT 'When the consent was given, as far as that was said. Kind: consent_record. Purposes: legal_compliance. Consent: essential.' CODEC(ZSTD(3)),
    `door` LowCardinality(String) COMMENT 'How it arrived: script, pixel, redirect, server. Kind: log. Purposes: usage_analytics, abuse_prevention. Consent: essential.' CODEC(ZSTD(3)),
    `visitor_id` UInt64 COMMENT 'Pseudonym of the visitor on this site; 0 is none. Kind: identifiers. Purposes: usage_analytics. Consent: statistics.' CODEC(ZSTD(3)) TTL toDateTime(occurred_at) + INTERVAL 395 DAY,
    `visitor_scope` LowCardinality(String) COMMENT 'How far the pseudonym reaches: none, day, persistent, account. Kind: identifiers. Purposes: usage_analytics. Consent: statistics.' CODEC(ZSTD(3)),
    `client_address` LowCardinality(String) COMMENT 'Network the request came from, at most IPv4 /24 or IPv6 /48. Kind: log. Purposes: abuse_prevention, usage_analytics. Consent: statistics.' CODEC(ZSTD(3)) TTL toDateTime(occurred_at) + INTERVAL 30 DAY,
    `geo_continent_code` LowCardinality(String) COMMENT 'Continent: AF, AN, AS, EU, NA, OC, SA. Kind: approximate_location. Purposes: usage_analytics. Consent: essential.' CODEC(ZSTD(3)),
    `geo_country_iso_code` LowCardinality(String) COMMENT 'Country, ISO 3166-1. Kind: approximate_location. Purposes: usage_analytics. Consent: essential.' CODEC(ZSTD(3)),
    `geo_region_iso_code` LowCardinality(String) COMMENT 'Region, ISO 3166-2. Kind: approximate_location. Purposes: usage_analytics. Consent: essential.' CODEC(ZSTD(3)),
    `geo_locality_name` LowCardinality(String) COMMENT 'City. Kind: approximate_location. Purposes: usage_analytics. Consent: statistics.' CODEC(ZSTD(3)),
    `geo_source` LowCardinality(String) COMMENT 'What the location was derived from: address, header, time_zone, none. Kind: approximate_location. Purposes: usage_analytics. Consent: essential.' CODEC(ZSTD(3)),
    `geo_latitude` Nullable(Float64) COMMENT 'Latitude that the device reported, degrees. Kind: precise_location. Purposes: usage_analytics. Consent: precise_location.' CODEC(ZSTD(3)) TTL toDateTime(occurred_at) + INTERVAL 30 DAY,
    `geo_longitude` Nullable(Float64) COMMENT 'Longitude that the device reported, degrees. Kind: precise_location. Purposes: usage_analytics. Consent: precise_location.' CODEC(ZSTD(3)) TTL toDateTime(occurred_at) + INTERVAL 30 DAY,
    `geo_cell` LowCardinality(String) COMMENT 'Area of many square kilometres that the device reported to be in, an H3 cell. Kind: approximate_location. Purposes: usage_analytics. Consent: statistics.' CODEC(ZSTD(3)),
    `device_type` LowCardinality(String) COMMENT 'Kind of device. Kind: device. Purposes: usage_analytics. Consent: essential.' CODEC(ZSTD(3)),
    `os_name` LowCardinality(String) COMMENT 'Operating system family. Kind: device. Purposes: usage_analytics, service_optimisation. Consent: essential.' CODEC(ZSTD(3)),
    `os_version` LowCardinality(String) COMMENT 'Operating system, major version. Kind: device. Purposes: usage_analytics, service_optimisation. Consent: statistics.' CODEC(ZSTD(3)),
    `user_agent_name` LowCardinality(String) COMMENT 'Browser family. Kind: device. Purposes: usage_analytics, service_optimisation. Consent: essential.' CODEC(ZSTD(3)),
    `user_agent_version` LowCardinality(String) COMMENT 'Browser, major version. Kind: device. Purposes: usage_analytics, service_optimisation. Consent: statistics.' CODEC(ZSTD(3)),
    `screen_class` LowCardinality(String) COMMENT 'Width of the screen as a class. Kind: device. Purposes: usage_analytics. Consent: statistics.' CODEC(ZSTD(3)),
    `viewport_class` LowCardinality(String) COMMENT 'Width of the window as a class. Kind: device. Purposes: usage_analytics. Consent: statistics.' CODEC(ZSTD(3)),
    `browser_language` LowCardinality(String) COMMENT 'Preferred language. Kind: device. Purposes: usage_analytics. Consent: statistics.' CODEC(ZSTD(3)),
    `time_zone` LowCardinality(String) COMMENT 'Time zone of the browser. Kind: device. Purposes: usage_analytics. Consent: statistics.' CODEC(ZSTD(3)),
    `url_domain` LowCardinality(String) COMMENT 'Host of the page. Kind: activity. Purposes: usage_analytics. Consent: essential.' CODEC(ZSTD(3)),
    `url_path` LowCardinality(String) COMMENT 'Path of the page, without query, personal data redacted. Kind: activity. Purposes: usage_analytics. Consent: essential.' CODEC(ZSTD(3)),
    `url_query` String COMMENT 'Parameters of the page that the site allows, personal data redacted. Kind: activity. Purposes: usage_analytics. Consent: statistics.' CODEC(ZSTD(3)),
    `page_title` LowCardinality(String) COMMENT 'Title of the page, personal data redacted. Kind: activity. Purposes: usage_analytics. Consent: statistics.' CODEC(ZSTD(3)),
    `referrer_domain` LowCardinality(String) COMMENT 'Host of the page before. Kind: activity. Purposes: usage_analytics. Consent: statistics.' CODEC(ZSTD(3)),
    `referrer_path` LowCardinality(String) COMMENT 'Path of the page before, without query. Kind: activity. Purposes: usage_analytics. Consent: statistics.' CODEC(ZSTD(3)),
    `traffic_source` LowCardinality(String) COMMENT 'Where the visit came from. Kind: activity. Purposes: usage_analytics, campaign_measurement. Consent: statistics.' CODEC(ZSTD(3)),
    `traffic_medium` LowCardinality(String) COMMENT 'What kind of source that is. Kind: activity. Purposes: usage_analytics, campaign_measurement. Consent: statistics.' CODEC(ZSTD(3)),
    `utm_source` LowCardinality(String) COMMENT 'Campaign source from the page\'s own parameters. Kind: activity. Purposes: campaign_measurement. Consent: statistics.' CODEC(ZSTD(3)),
    `utm_medium` LowCardinality(String) COMMENT 'Campaign medium from the page\'s own parameters. Kind: activity. Purposes: campaign_measurement. Consent: statistics.' CODEC(ZSTD(3)),
    `utm_campaign` LowCardinality(String) COMMENT 'Campaign name from the page\'s own parameters. Kind: activity. Purposes: campaign_measurement. Consent: statistics.' CODEC(ZSTD(3)),
    `utm_term` LowCardinality(String) COMMENT 'Campaign term from the page\'s own parameters. Kind: activity. Purposes: campaign_measurement. Consent: statistics.' CODEC(ZSTD(3)),
    `utm_content` LowCardinality(String) COMMENT 'Campaign content from the page\'s own parameters. Kind: activity. Purposes: campaign_measurement. Consent: statistics.' CODEC(ZSTD(3)),
    `utm_id` LowCardinality(String) COMMENT 'Campaign id from the page\'s own parameters. Kind: activity. Purposes: campaign_measurement. Consent: statistics.' CODEC(ZSTD(3)),
    `ad_click` LowCardinality(String) COMMENT 'Name, never the value, of an advertising click parameter. Kind: activity. Purposes: campaign_measurement. Consent: marketing.' CODEC(ZSTD(3)),
    `custom_name` LowCardinality(String) COMMENT 'Name the site gave the event. Kind: activity. Purposes: usage_analytics. Consent: essential.' CODEC(ZSTD(3)),
    `properties` Map(LowCardinality(String), String) COMMENT 'Flat properties the site sent, personal data redacted. Kind: activity. Purposes: usage_analytics. Consent: statistics.' CODEC(ZSTD(3)),
    `engaged_ms` UInt32 COMMENT 'Time the page was visible and in focus, milliseconds. Kind: activity. Purposes: usage_analytics. Consent: statistics.' CODEC(T64, ZSTD(1)),
    `scroll_depth` UInt8 COMMENT 'Furthest part of the page that was seen, percent. Kind: activity. Purposes: usage_analytics. Consent: statistics.' CODEC(ZSTD(3)),
    `target_url_domain` LowCardinality(String) COMMENT 'Host of the link or file. Kind: activity. Purposes: usage_analytics. Consent: statistics.' CODEC(ZSTD(3)),
    `target_url_path` LowCardinality(String) COMMENT 'Path of the link or file, without query. Kind: activity. Purposes: usage_analytics. Consent: statistics.' CODEC(ZSTD(3)),
    `form_id` LowCardinality(String) COMMENT 'Name of the form in the page. Kind: activity. Purposes: usage_analytics. Consent: statistics.' CODEC(ZSTD(3)),
    `exception_type` LowCardinality(String) COMMENT 'Type of the error. Kind: log. Purposes: service_optimisation. Consent: essential.' CODEC(ZSTD(3)),
    `exception_message` String COMMENT 'Message of the error, personal data redacted. Kind: log. Purposes: service_optimisation. Consent: essential.' CODEC(ZSTD(3)) TTL toDateTime(occurred_at) + INTERVAL 90 DAY,
    `exception_stacktrace` String COMMENT 'Where it happened in the code, without queries. Kind: log. Purposes: service_optimisation. Consent: essential.' CODEC(ZSTD(3)) TTL toDateTime(occurred_at) + INTERVAL 90 DAY,
    `app_version` LowCardinality(String) COMMENT 'Version of the application that crashed. Kind: performance. Purposes: service_optimisation. Consent: essential.' CODEC(ZSTD(3)),
    `web_vital_name` LowCardinality(String) COMMENT 'Metric: LCP, CLS, INP, FCP, TTFB. Kind: performance. Purposes: service_optimisation. Consent: statistics.' CODEC(ZSTD(3)),
    `web_vital_value` Float64 COMMENT 'Value of the metric: milliseconds, CLS has no unit. Kind: performance. Purposes: service_optimisation. Consent: statistics.' CODEC(ZSTD(3)),
    `web_vital_rating` LowCardinality(String) COMMENT 'Rating of the value: good, needs-improvement, poor. Kind: performance. Purposes: service_optimisation. Consent: statistics.' CODEC(ZSTD(3)),
    `navigation_type` LowCardinality(String) COMMENT 'How the page was reached: navigate, reload, back-forward…. Kind: performance. Purposes: service_optimisation. Consent: statistics.' CODEC(ZSTD(3)),
    `mailing` LowCardinality(String) COMMENT 'Which mailing an e-mail event belongs to. Kind: activity. Purposes: campaign_measurement. Consent: statistics.' CODEC(ZSTD(3)),
    `mail_verdict` LowCardinality(String) COMMENT 'Who opened or clicked: human, proxy, prefetch, scanner. Kind: activity. Purposes: campaign_measurement, abuse_prevention. Consent: statistics.' CODEC(ZSTD(3)),
    `synthetic` UInt8 COMMENT '1 if it was sent by a load test and is nobody\'s visit. Kind: log. Purposes: usage_analytics. Consent: essential.' CODEC(ZSTD(3)),
    `event_key` UInt64 DEFAULT if(toUnixTimestamp64Milli(UUIDv7ToDateTime(`event_id`, 'UTC')) = 0, bitOr(9223372036854775808, bitShiftRight(sipHash64(`event_id`), 1)), bitOr(bitShiftLeft(toUInt64(intDiv(toUnixTimestamp64Milli(UUIDv7ToDateTime(`event_id`, 'UTC')) % 86400000, 11)), 40), bitShiftRight(sipHash64(`event_id`), 24))) COMMENT 'Short form of event_id' CODEC(Delta, ZSTD(3))
)
ENGINE = ReplacingMergeTree()
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (site, event_name, toDate(occurred_at), event_key)
TTL toDateTime(occurred_at) + INTERVAL 760 DAY DELETE
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, merge_with_ttl_timeout = 3600
COMMENT 'One row an event that was kept. Policy 2025-05-16, definition c8ce12ca5ef97a1c.';

CREATE TABLE IF NOT EXISTS kastana.counts
(
    `event_name` LowCardinality(String) COMMENT 'What happened. Kind: activity. Purposes: usage_analytics. Consent: essential.' CODEC(ZSTD(3)),
    `site` LowCardinality(String) COMMENT 'Site the event belongs to. Kind: activity. Purposes: usage_analytics. Consent: essential.' CODEC(ZSTD(3)),
    `occurred_at` DateTime64(3, 'UTC') COMMENT 'When it happened, the client\'s clock corrected. Kind: log. Purposes: usage_analytics. Consent: essential.' CODEC(ZSTD(3)),
    `outcome` LowCardinality(String) COMMENT 'What the consent gate decided. Kind: consent_record. Purposes: legal_compliance. Consent: essential.' CODEC(ZSTD(3)),
    `outcome_reasons` Array(LowCardinality(String)) COMMENT 'Why it decided so. Kind: consent_record. Purposes: legal_compliance. Consent: essential.' CODEC(ZSTD(3)),
    `regime` LowCardinality(String) COMMENT 'Rule packs that decided, joined by +. Kind: consent_record. Purposes: legal_compliance. Consent: essential.' CODEC(ZSTD(3)),
    `regime_version` LowCardinality(String) COMMENT 'Versions of those packs, in the same order. Kind: consent_record. Purposes: legal_compliance. Consent: essential.' CODEC(ZSTD(3)),
    `decision_row` LowCardinality(String) COMMENT 'Row of the decision table that decided. Kind: consent_record. Purposes: legal_compliance. Consent: essential.' CODEC(ZSTD(3)),
    `policy_version` LowCardinality(String) COMMENT 'Version of this policy it was decided under. Kind: consent_record. Purposes: legal_compliance. Consent: essential.' CODEC(ZSTD(3)),
    `geo_country_iso_code` LowCardinality(String) COMMENT 'Country, ISO 3166-1. Kind: approximate_location. Purposes: usage_analytics. Consent: essential.' CODEC(ZSTD(3)),
    `device_type` LowCardinality(String) COMMENT 'Kind of device. Kind: device. Purposes: usage_analytics. Consent: essential.' CODEC(ZSTD(3)),
    `url_path` String COMMENT 'Path of the page, without query, personal data redacted. Kind: activity. Purposes: usage_analytics. Consent: essential.' CODEC(ZSTD(3)),
    `synthetic` UInt8 COMMENT '1 if it was sent by a load test and is nobody\'s visit. Kind: log. Purposes: usage_analytics. Consent: essential.' CODEC(ZSTD(3)),
    `events` UInt64 COMMENT 'Number of events' CODEC(ZSTD(3))
)
ENGINE = SummingMergeTree(events)
PARTITION BY toYYYYMM(occurred_at)
ORDER BY (site, event_name, occurred_at, outcome, outcome_reasons, policy_version, url_path, geo_country_iso_code, device_type, regime, regime_version, decision_row, synthetic)
TTL toDateTime(occurred_at) + INTERVAL 1130 DAY DELETE
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, merge_with_ttl_timeout = 3600
COMMENT 'Numbers of events of which nothing else was kept, and of those that were dropped, by reason. Policy 2025-05-16, definition 3803a5a4b4360034.';

CREATE TABLE IF NOT EXISTS kastana.consents
(
    `record_id` UUID COMMENT 'Id of the record, the same when its sender repeats it. Kind: consent_record. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `site` LowCardinality(String) COMMENT 'Site the choice was made on. Kind: consent_record. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `event_time` DateTime64(3, 'UTC') COMMENT 'When the choice was made. Kind: consent_record. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `received_at` DateTime64(3, 'UTC') COMMENT 'When the choice arrived. Kind: log. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `event_state` LowCardinality(String) COMMENT 'What became of the consent, as the Data Privacy Vocabulary names it. Kind: consent_record. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `principal` UInt64 COMMENT 'Pseudonym of who chose, on this site alone; 0 is none. Kind: identifiers. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `principal_scope` LowCardinality(String) COMMENT 'How far that pseudonym reaches: none, day, persistent, account. Kind: identifiers. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `consent_preference` LowCardinality(String) COMMENT 'State for preference after the choice. Kind: consent_record. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `consent_statistics` LowCardinality(String) COMMENT 'State for statistics after the choice. Kind: consent_record. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `consent_marketing` LowCardinality(String) COMMENT 'State for marketing after the choice. Kind: consent_record. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `consent_precise_location` LowCardinality(String) COMMENT 'State for precise location after the choice. Kind: consent_record. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `consent_flags` Array(LowCardinality(String)) COMMENT 'Restrictive signals that came with the choice. Kind: consent_record. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `consent_sources` Array(LowCardinality(String)) COMMENT 'What the choice was read from. Kind: consent_record. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `consent_method` LowCardinality(String) COMMENT 'How the choice was made: explicit, implied. Kind: consent_record. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `policy_version` LowCardinality(String) COMMENT 'Version of this policy that the choice refers to. Kind: consent_record. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `notice` LowCardinality(String) COMMENT 'Name or hash of the text that was shown. Kind: consent_record. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `regime` LowCardinality(String) COMMENT 'Rule packs in force for the choice. Kind: consent_record. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `regime_version` LowCardinality(String) COMMENT 'Version of those rule packs. Kind: consent_record. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `jurisdiction` LowCardinality(String) COMMENT 'Country whose rules applied, ISO 3166-1. Kind: approximate_location. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `signal_hash` String COMMENT 'Keyed hash of the signals as they came; not the signals. Kind: consent_record. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `decoder_version` LowCardinality(String) COMMENT 'Version of the decoders that read the signals. Kind: consent_record. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `collector_version` LowCardinality(String) COMMENT 'Version of Kastana that took the choice. Kind: consent_record. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `browser_language` LowCardinality(String) COMMENT 'Language the choice was offered in, without region. Kind: device. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `schema_version` LowCardinality(String) COMMENT 'Shape of the record: ISO/IEC TS 27560:2023. Kind: consent_record. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `recorded_at` DateTime64(3, 'UTC') COMMENT 'When the record was put into the ledger, never before the one before it. Kind: log. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `chain` LowCardinality(String) COMMENT 'Who wrote it into the ledger: the id of a data folder. Kind: log. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `sequence` UInt64 COMMENT 'Place in the site\'s chain of that writer, from 1. Kind: log. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `prev_recorded_at` DateTime64(3, 'UTC') COMMENT 'When the record before it was put into the ledger. Kind: log. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `prev_hash` String COMMENT 'Hash of the record before it. Kind: log. Purposes: legal_compliance.' CODEC(ZSTD(3)),
    `hash` String COMMENT 'SHA-256 of everything else in the record. Kind: log. Purposes: legal_compliance.' CODEC(ZSTD(3))
)
ENGINE = MergeTree()
PARTITION BY toYYYYMM(recorded_at)
ORDER BY (site, chain, sequence)
TTL toDateTime(recorded_at) + INTERVAL 1490 DAY DELETE
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, merge_with_ttl_timeout = 3600
COMMENT 'Ledger of consent choices, append-only: each record holds the hash of the one before it. Policy 2025-05-16, definition 91f493f093d1779b.';

CREATE TABLE IF NOT EXISTS kastana.page_hours_marks
(
    `site` LowCardinality(String) COMMENT 'Site' CODEC(ZSTD(1)),
    `hour` DateTime('UTC') COMMENT 'Hour' CODEC(Delta, ZSTD(1)),
    `marks` SimpleAggregateFunction(sum, UInt64) COMMENT 'How many rows were added to it, or went' CODEC(ZSTD(1)),
    `built` SimpleAggregateFunction(max, Tuple(build UInt64, seen UInt64)) COMMENT 'Its last build, and the marks that this has seen' CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (site, hour)
TTL hour + INTERVAL 760 DAY DELETE
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, merge_with_ttl_timeout = 3600
COMMENT 'Not complete';

CREATE TABLE IF NOT EXISTS kastana.page_hours_built
(
    `site` LowCardinality(String) COMMENT 'Site' CODEC(ZSTD(1)),
    `hour` DateTime('UTC') COMMENT 'Hour' CODEC(Delta, ZSTD(1)),
    `build` UInt64 COMMENT 'Which build it is of' CODEC(ZSTD(1)),
    `url_path` String COMMENT 'Path of the page, without query, personal data redacted' CODEC(ZSTD(1)),
    `geo_country_iso_code` LowCardinality(String) COMMENT 'Country, ISO 3166-1' CODEC(ZSTD(1)),
    `device_type` LowCardinality(String) COMMENT 'Kind of device' CODEC(ZSTD(1)),
    `views` SimpleAggregateFunction(sum, UInt64) COMMENT 'Page views' CODEC(ZSTD(1)),
    `visitors` AggregateFunction(uniqExact, UInt64) COMMENT 'Visitors with a pseudonym who viewed it' CODEC(ZSTD(1)) TTL hour + INTERVAL 395 DAY,
    `engaged_ms` SimpleAggregateFunction(sum, UInt64) COMMENT 'Time it was visible and in focus, milliseconds' CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(hour)
ORDER BY (site, hour, build, url_path, geo_country_iso_code, device_type)
TTL hour + INTERVAL 760 DAY DELETE
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, merge_with_ttl_timeout = 3600
COMMENT 'Views, visitors and engaged time by site, hour, page, country and kind of device';

CREATE MATERIALIZED VIEW IF NOT EXISTS kastana.page_hours_marking TO kastana.page_hours_marks AS
SELECT site, toDateTime(toStartOfHour(occurred_at), 'UTC') AS hour, count() AS marks
FROM kastana.events
WHERE (event_name IN ('page_view', 'page_ping')) AND NOT synthetic
GROUP BY site, hour;

CREATE OR REPLACE VIEW kastana.page_hours_states AS
SELECT site, hour, url_path, geo_country_iso_code, device_type, views, visitors, engaged_ms
FROM kastana.page_hours_built
INNER JOIN
(
    SELECT site, hour, tupleElement(max(built), 'build') AS build
    FROM kastana.page_hours_marks GROUP BY site, hour HAVING sum(marks) = tupleElement(max(built), 'seen')
) AS settled USING (site, hour, build)
UNION ALL
SELECT site, toDateTime(toStartOfHour(occurred_at), 'UTC') AS hour, url_path, geo_country_iso_code, device_type,
    countIf(event_name = 'page_view') AS views,
    uniqExactStateIf(visitor_id, (event_name = 'page_view') AND visitor_id != 0) AS visitors,
    sumIf(toUInt64(engaged_ms), event_name = 'page_ping') AS engaged_ms
FROM kastana.events FINAL
WHERE (event_name IN ('page_view', 'page_ping')) AND NOT synthetic AND toYYYYMM(occurred_at) IN (SELECT toYYYYMM(hour) FROM (SELECT site, hour FROM kastana.page_hours_marks GROUP BY site, hour HAVING NOT (sum(marks) = tupleElement(max(built), 'seen')))) AND toDate(occurred_at) IN (SELECT toDate(hour) FROM (SELECT site, hour FROM kastana.page_hours_marks GROUP BY site, hour HAVING NOT (sum(marks) = tupleElement(max(built), 'seen')))) AND (site, toDateTime(toStartOfHour(occurred_at), 'UTC')) IN (SELECT site, hour FROM (SELECT site, hour FROM kastana.page_hours_marks GROUP BY site, hour HAVING NOT (sum(marks) = tupleElement(max(built), 'seen'))))
GROUP BY site, hour, url_path, geo_country_iso_code, device_type;

CREATE OR REPLACE VIEW kastana.page_hours_drift AS
SELECT site, hour, url_path, geo_country_iso_code, device_type, toDate(hour) AS day, sumIf(`views_`, NOT own) AS views, sumIf(`views_`, own) AS source_views, sumIf(`visitors_`, NOT own) AS visitors, sumIf(`visitors_`, own) AS source_visitors, sumIf(`engaged_ms_`, NOT own) AS engaged_ms, sumIf(`engaged_ms_`, own) AS source_engaged_ms
FROM
(
SELECT site, hour, url_path, geo_country_iso_code, device_type, 0 AS own, sum(views) AS `views_`, uniqExactMerge(visitors) AS `visitors_`, sum(engaged_ms) AS `engaged_ms_`
FROM kastana.page_hours_states
WHERE hour > now() - INTERVAL 394 DAY GROUP BY site, hour, url_path, geo_country_iso_code, device_type
UNION ALL
SELECT site, hour, url_path, geo_country_iso_code, device_type, 1 AS own, sum(views) AS `views_`, uniqExactMerge(visitors) AS `visitors_`, sum(engaged_ms) AS `engaged_ms_`
FROM (
SELECT site, toDateTime(toStartOfHour(occurred_at), 'UTC') AS hour, url_path, geo_country_iso_code, device_type,
    countIf(event_name = 'page_view') AS views,
    uniqExactStateIf(visitor_id, (event_name = 'page_view') AND visitor_id != 0) AS visitors,
    sumIf(toUInt64(engaged_ms), event_name = 'page_ping') AS engaged_ms
FROM kastana.events FINAL
WHERE (event_name IN ('page_view', 'page_ping')) AND NOT synthetic AND occurred_at > now() - INTERVAL 394 DAY
GROUP BY site, hour, url_path, geo_country_iso_code, device_type
) WHERE hour > now() - INTERVAL 394 DAY GROUP BY site, hour, url_path, geo_country_iso_code, device_type
)
GROUP BY site, hour, url_path, geo_country_iso_code, device_type, day
HAVING views != source_views OR visitors != source_visitors OR engaged_ms != source_engaged_ms;

CREATE OR REPLACE VIEW kastana.activity AS
SELECT
    site,
    toDate(occurred_at) AS day,
    occurred_at,
    event_name,
    custom_name,
    url_domain,
    url_path,
    page_title,
    referrer_domain,
    traffic_source,
    traffic_medium,
    utm_campaign,
    geo_country_iso_code,
    device_type,
    os_name,
    user_agent_name,
    browser_language,
    visitor_id,
    visitor_scope,
    engaged_ms,
    scroll_depth,
    target_url_domain,
    properties
FROM kastana.events FINAL
WHERE NOT synthetic;

CREATE OR REPLACE VIEW kastana.countries AS
SELECT
    site,
    toDate(occurred_at) AS day,
    geo_country_iso_code,
    geo_region_iso_code,
    count() AS views,
    uniqExactIf(visitor_id, visitor_id != 0) AS visitors
FROM kastana.events FINAL
WHERE event_name = 'page_view' AND NOT synthetic
GROUP BY site, day, geo_country_iso_code, geo_region_iso_code;

CREATE OR REPLACE VIEW kastana.devices AS
SELECT
    site,
    toDate(occurred_at) AS day,
    device_type,
    os_name,
    user_agent_name,
    count() AS views,
    uniqExactIf(visitor_id, visitor_id != 0) AS visitors
FROM kastana.events FINAL
WHERE event_name = 'page_view' AND NOT synthetic
GROUP BY site, day, device_type, os_name, user_agent_name;

CREATE OR REPLACE VIEW kastana.errors AS
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
GROUP BY site, day, event_name, exception_type, exception_message, url_path;

CREATE OR REPLACE VIEW kastana.load_tests AS
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
GROUP BY site, day, event_name, outcome, reasons;

CREATE OR REPLACE VIEW kastana.mailings AS
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
GROUP BY site, day, mailing;

CREATE OR REPLACE VIEW kastana.outcomes AS
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
GROUP BY site, day, event_name, outcome, reasons;

CREATE OR REPLACE VIEW kastana.page_hours AS
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
GROUP BY site, day, hour, url_path, geo_country_iso_code, device_type;

CREATE OR REPLACE VIEW kastana.pages AS
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
GROUP BY site, day, url_path;

CREATE OR REPLACE VIEW kastana.referrers AS
SELECT
    site,
    toDate(occurred_at) AS day,
    traffic_source,
    traffic_medium,
    referrer_domain,
    count() AS views,
    uniqExactIf(visitor_id, visitor_id != 0) AS visitors
FROM kastana.events FINAL
WHERE event_name = 'page_view' AND traffic_medium != 'internal' AND NOT synthetic
GROUP BY site, day, traffic_source, traffic_medium, referrer_domain;

CREATE OR REPLACE VIEW kastana.visitors AS
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
GROUP BY site, day;

CREATE OR REPLACE VIEW kastana.web_vitals AS
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
GROUP BY site, day, web_vital_name, url_path, device_type;
