"""
From the wire to the decision: what restricts never widens, over all packs and places.

The engine and the merge have such tests of their own; this one runs requests through
the decoders, the choice of packs, the merge and the gate together.
"""

from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.assess import Assessor, circumstances
from pipeline.caller import device_of, header_flags
from pipeline.gate import decide
from pipeline.merge import add_flags
from pipeline.robots import agents_and_referrers
from schemas.consent import ASKED, CATEGORIES
from schemas.packs import RANK, load_packs
from schemas.policy import load_policy
from schemas.site import Site, make_site
from tests.builders import raw_event
from tests.gpp_strings import encode_gpp
from tests.tc_strings import CREATED_MS, encode_tc

ROBOTS = agents_and_referrers()
NOW_MS = CREATED_MS + 86_400_000
PACKS = load_packs()
ASSESSOR = Assessor(load_policy(), PACKS)
SITES = [
    make_site("example.com", {"rules": [name]}) for name in PACKS.jurisdictions
] + [
    make_site("example.com", {"rules": ["auto"]}),
    make_site("example.com", {"rules": list(PACKS.jurisdictions)}),
]
PLACES = ["", "DE", "FR", "GB", "US-CA", "US-CO", "US-NV", "BR", "CA-QC", "JP"]
GRANTING = encode_tc(
    publisher_purpose_consents=range(1, 12), special_feature_opt_ins=[1]
)
OPTED_OUT = encode_gpp(
    {"usnat": {"SaleOptOut": 1, "SharingOptOut": 1, "TargetedAdvertisingOptOut": 1}}
)
NOT_OPTED_OUT = encode_gpp({"usnat": {"SaleOptOut": 2}})

claims = st.fixed_dictionaries(
    {},
    optional={
        **{name: st.sampled_from([True, "requested", "unknown"]) for name in ASKED},
        "gdpr": st.sampled_from([0, 1]),
        "gdpr_consent": st.just(GRANTING),
        "gpp": st.just(NOT_OPTED_OUT),
        "gpp_sid": st.sampled_from(["7", "8", "2"]),
        "us_privacy": st.sampled_from(["1YNN", "1---"]),
        "gcs": st.just("G111"),
        "gcd": st.sampled_from(["11r1r1r1r5", "11t1t1t1t5"]),
        "categoryPreferences": st.just({"analytics": True, "ads": True}),
        "updated_at": st.just(NOW_MS - 1000),
    },
)
headers = st.fixed_dictionaries({}, optional={"sec-gpc": st.just("0")})

RESTRICTING: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({}, {"sec-gpc": "1"}),
    ({}, {"dnt": "1"}),
    ({}, {"save-data": "on"}),
    ({}, {"sec-purpose": "prefetch"}),
    ({"gpc": True}, {}),
    ({"objection": True}, {}),
    ({"child": True}, {}),
    ({"age_band": "under_13"}, {}),
    ({"coppa": 1}, {}),
    ({"gdpr": 1}, {}),
    ({"us_privacy": "1YYN"}, {}),
    ({"us_privacy": "broken"}, {}),
    ({"gpp": OPTED_OUT}, {}),
    ({"gpp": NOT_OPTED_OUT[:-3]}, {}),
    ({"gpp": "broken"}, {}),
    ({"gdpr_consent": encode_tc()}, {}),
    ({"gdpr_consent": GRANTING[:40]}, {}),
    ({"gdpr_consent": GRANTING.lower()}, {}),
    ({"gcs": "G100", "gcd": "11m1m1m1m5"}, {}),
    ({"gcs": "broken"}, {}),
    ({"categoryPreferences": {"analytics": False, "ads": False}}, {}),
    ({"method": "implied"}, {}),
    ({"policy_version": "1999-01-01"}, {}),
    ({"updated_at": NOW_MS - 400 * 86_400_000}, {}),
    *(({name: False}, {}) for name in ASKED),
    *(({name: "withdrawn"}, {}) for name in ASKED),
]


def levels(
    consent: dict[str, Any], sent: dict[str, str], site: Site, place: str
) -> tuple[dict[str, int], frozenset[str]]:
    """Return the rank of each category's level, and the fields that stay away."""
    raw = raw_event(
        consent=consent, headers=sent, occurred_ms=NOW_MS, received_ms=NOW_MS
    )
    assessment = ASSESSOR.assess(raw, site, place)
    robots = ROBOTS.flags(raw, device_of(raw))
    told = circumstances(raw, assessment.consent, robots, header_flags(raw.headers))
    state = add_flags(assessment.consent, told)
    grants = {name: decide(name, state, assessment.rules) for name in CATEGORIES}
    ranks = {name: RANK[grant.outcome] for name, grant in grants.items()}
    return ranks, frozenset().union(*(grant.absent for grant in grants.values()))


@settings(max_examples=400)
@given(
    claims,
    headers,
    st.sampled_from(RESTRICTING),
    st.sampled_from(SITES),
    st.sampled_from(PLACES),
)
def test_a_restrictive_signal_never_widens(
    consent: dict[str, Any],
    sent: dict[str, str],
    restricting: tuple[dict[str, Any], dict[str, str]],
    site: Site,
    place: str,
) -> None:
    """Whatever a request says, one more restriction leaves at most as much."""
    more, more_headers = restricting
    # "gdpr=1" in place of "gdpr=0" gives a string its voice back, which may be a grant.
    assume("gdpr" not in more or consent.get("gdpr") != 0)
    before, _ = levels(consent, sent, site, place)
    after, _ = levels({**consent, **more}, {**sent, **more_headers}, site, place)
    for category in CATEGORIES:
        assert after[category] <= before[category], category


@settings(max_examples=300)
@given(claims, st.data(), st.sampled_from(SITES), st.sampled_from(PLACES))
def test_taking_consent_away_never_widens(
    consent: dict[str, Any], data: st.DataObject, site: Site, place: str
) -> None:
    """To say less, or no in place of yes, leaves at most as much."""
    said = [name for name in ASKED if consent.get(name) is True]
    if not said:
        return
    category = data.draw(st.sampled_from(said))
    before, _ = levels(consent, {}, site, place)
    for less in (None, False, "unknown", "refused", "withdrawn", "expired"):
        after, _ = levels({**consent, category: less}, {}, site, place)
        for name in CATEGORIES:
            assert after[name] <= before[name], (name, less)


@settings(max_examples=200)
@given(claims, st.sampled_from(SITES), st.sampled_from(PLACES))
def test_a_place_that_is_not_known_is_the_strictest(
    consent: dict[str, Any], site: Site, place: str
) -> None:
    """No geography, a proxy, a lookup that failed: never better than to be known."""
    known, _ = levels(consent, {}, site, place)
    unknown, _ = levels(consent, {}, site, "")
    for name in CATEGORIES:
        assert unknown[name] <= known[name]
