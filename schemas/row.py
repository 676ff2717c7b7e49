"""
The rows that are kept: what a segment's lines hold, and nothing else can.

`Row` == the fields of policy.toml == the columns of kastana.events, in this
order; a test pins all three. There is no field an address, an agent string or a
cookie would fit in.
"""

import msgspec


class Row(msgspec.Struct, frozen=True):
    """One kept event. Times are UTC text, `YYYY-MM-DD hh:mm:ss.mmm`."""

    event_id: str
    event_name: str
    site: str
    occurred_at: str
    received_at: str
    outcome: str
    outcome_reasons: list[str]
    regime: str
    regime_version: str
    regime_switches: list[str]
    decision_row: str
    policy_version: str
    consent_category: str
    consent_preference: str
    consent_statistics: str
    consent_marketing: str
    consent_precise_location: str
    consent_signals: list[str]
    consent_sources: list[str]
    consent_problems: list[str]
    consent_given_at: str
    door: str
    visitor_id: int
    visitor_scope: str
    client_address: str
    geo_continent_code: str
    geo_country_iso_code: str
    geo_region_iso_code: str
    geo_locality_name: str
    geo_source: str
    geo_latitude: float | None
    geo_longitude: float | None
    geo_cell: str
    device_type: str
    os_name: str
    os_version: str
    user_agent_name: str
    user_agent_version: str
    screen_class: str
    viewport_class: str
    browser_language: str
    time_zone: str
    url_domain: str
    url_path: str
    url_query: str
    page_title: str
    referrer_domain: str
    referrer_path: str
    traffic_source: str
    traffic_medium: str
    utm_source: str
    utm_medium: str
    utm_campaign: str
    utm_term: str
    utm_content: str
    utm_id: str
    ad_click: str
    custom_name: str
    properties: dict[str, str]
    engaged_ms: int
    scroll_depth: int
    target_url_domain: str
    target_url_path: str
    form_id: str
    exception_type: str
    exception_message: str
    exception_stacktrace: str
    app_version: str
    web_vital_name: str
    web_vital_value: float
    web_vital_rating: str
    navigation_type: str
    mailing: str
    mail_verdict: str
    synthetic: int


class CountRow(msgspec.Struct, frozen=True):
    """A number of events of which only this is kept; `occurred_at` is the hour."""

    event_name: str
    site: str
    occurred_at: str
    outcome: str
    outcome_reasons: list[str]
    regime: str
    regime_version: str
    decision_row: str
    policy_version: str
    geo_country_iso_code: str
    device_type: str
    url_path: str
    synthetic: int
    events: int


class ConsentRow(msgspec.Struct, frozen=True):
    """
    One consent choice, as the edge knows it; the keeper links it into the ledger.

    Attributes:
        record_id: UUID; a repeated record has the same, and is kept once.
        event_time: when the choice was made, UTC text as in `Row`.
        event_state: ConsentGiven, ConsentRefused … of the Data Privacy Vocabulary.
        principal: pseudonym of this site alone; 0 is none.
        notice: name or hash of the text that was shown.
        signal_hash: keyed hash of the raw signals, hexadecimal.
        schema_version: shape of the record, `27560:2023`.

    """

    record_id: str
    site: str
    event_time: str
    received_at: str
    event_state: str
    principal: int
    principal_scope: str
    consent_preference: str
    consent_statistics: str
    consent_marketing: str
    consent_precise_location: str
    consent_flags: list[str]
    consent_sources: list[str]
    consent_method: str
    policy_version: str
    notice: str
    regime: str
    regime_version: str
    jurisdiction: str
    signal_hash: str
    decoder_version: str
    collector_version: str
    browser_language: str
    schema_version: str
