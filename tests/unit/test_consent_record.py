"""Records of choices: what was chosen is proved, and nothing else is told."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.identify import NOBODY, Visitor
from pipeline.ledger.record import Said, read_choice, record, signal_hash
from pipeline.signals.reading import Reading
from schemas.consent import ASKED, CATEGORIES, DENIED, FLAGS, ConsentClaim
from schemas.event import ConsentChoice, PageView
from schemas.outcome import Invalid
from schemas.policy import load_policy
from schemas.raw_event import RawEvent
from schemas.row import ConsentRow
from tests.builders import EVENT_ID, NOON_MS
from tests.strategies import STATES

KEY = b"s" * 32
SITE = "example.com"
POLICY = load_policy()
VISITOR = Visitor(2**63 + 5, "persistent")
ACTIONS = ("give", "refuse", "change", "withdraw")


class Rules:
    """The packs of a site in France."""

    regime = "every+eu_fr_exempt"
    version = "2026-11-23+2026-11-23"


class Treatment:
    """A request from Paris."""

    def __init__(self, readings: list[Reading], place: str = "FR-75C") -> None:
        self.readings = readings
        self.rules = Rules()
        self.place = place


def choice(action: str = "give", **fields: Any) -> ConsentChoice:
    """Return a choice as decoding gives it."""
    content = {"event": "consent", "site": SITE, "action": action, **fields}
    made: ConsentChoice = msgspec.convert(content, ConsentChoice)
    return made


def raw_choice(action: str = "give", **changes: Any) -> RawEvent:
    """Return a choice with its request; what is no part of one is a field of it."""
    parts: dict[str, Any] = {
        "event_id": EVENT_ID,
        "door": "script",
        "address": "203.0.113.77",
        "user_agent": "Canary/1.0",
        "referer": "https://canary.example/",
        "headers": {},
        "occurred_ms": NOON_MS - 1500,
        "received_ms": NOON_MS,
        "cookies": (),
    }
    for key in parts.keys() & changes.keys():
        parts[key] = changes.pop(key)
    return RawEvent(event=choice(action, **changes), **parts)


def own(states: Mapping[str, Any], *flags: str, **fields: Any) -> Reading:
    """Return what the consent object says."""
    return Reading("own", states, frozenset(flags), **fields)


def made(raw: RawEvent, *readings: Reading, visitor: Visitor = VISITOR) -> ConsentRow:
    """Return a record."""
    event = raw.event
    assert isinstance(event, ConsentChoice)
    said = read_choice(event, readings)
    assert isinstance(said, Said)
    return record(raw, said, Treatment(list(readings)), visitor, KEY, POLICY)


# ------------------------------------------------------------- what a choice comes to
@pytest.mark.parametrize(
    ("action", "states", "event_state"),
    [
        ("give", {"statistics": "given"}, "ConsentGiven"),
        ("give", {"statistics": "given", "marketing": "refused"}, "ConsentGiven"),
        ("refuse", {"statistics": "refused"}, "ConsentRefused"),
        ("refuse", {}, "ConsentRefused"),
        ("refuse", {"marketing": "requested"}, "ConsentRefused"),
        ("change", {"marketing": "given", "statistics": "refused"}, "ConsentGiven"),
        ("change", {"statistics": "refused"}, "ConsentRefused"),
        ("change", {"statistics": "withdrawn"}, "ConsentRefused"),
        ("withdraw", {}, "ConsentWithdrawn"),
        ("withdraw", {"statistics": "given"}, "ConsentWithdrawn"),
    ],
)
def test_event_state(action: str, states: dict[str, str], event_state: str) -> None:
    """The state follows from the action and from what is given."""
    said = read_choice(choice(action), [own(states)])

    assert isinstance(said, Said)
    assert event_state == said.event_state


@pytest.mark.parametrize(
    ("action", "states", "field"),
    [
        ("give", {}, "consent"),
        ("give", {"statistics": "refused"}, "consent"),
        ("give", {"statistics": "expired"}, "consent"),
        ("give", {"statistics": "requested"}, "consent"),
        ("refuse", {"statistics": "given", "marketing": "refused"}, "consent"),
        ("refuse", {"statistics": "expired"}, "consent"),
        ("change", {}, "consent"),
        ("change", {"statistics": "unknown"}, "consent"),
    ],
)
def test_disagreement(action: str, states: dict[str, str], field: str) -> None:
    """An action that its own states do not bear out is an error."""
    said = read_choice(choice(action), [own(states)])

    assert isinstance(said, Invalid)
    assert (field, SITE) == (said.field, said.site)


@pytest.mark.parametrize("action", ["give", "refuse", "change"])
@pytest.mark.parametrize("categories", [[], ["statistics"]])
def test_only_a_withdrawal_names_categories(action: str, categories: list[str]) -> None:
    """What the list would mean elsewhere is anyone's guess."""
    said = read_choice(
        choice(action, categories=categories), [own({"statistics": "given"})]
    )

    assert isinstance(said, Invalid)
    assert "categories" == said.field


def test_most_restrictive_source_counts() -> None:
    """What another signal of the request refuses is not given."""
    readings = [own({"statistics": "given"}), Reading("tcf", {"statistics": "refused"})]

    assert isinstance(read_choice(choice("give"), readings), Invalid)


def test_refusal_without_states_is_of_everything() -> None:
    """Nobody who refuses has to say what."""
    said = read_choice(choice("refuse"), [])

    assert isinstance(said, Said)
    assert dict.fromkeys(ASKED, "refused") == said.states


def test_refusal_of_one() -> None:
    """A refusal of one category says nothing of the others."""
    said = read_choice(choice("refuse"), [own({"marketing": "refused"})])

    assert isinstance(said, Said)
    assert ("marketing",) == said.denied
    assert "unknown" == said.states["statistics"]


@pytest.mark.parametrize("categories", [None, []])
def test_withdrawal_of_everything(categories: list[str] | None) -> None:
    """A withdrawal that names nothing is about all of it, whatever stands beside."""
    said = read_choice(
        choice("withdraw", categories=categories), [own({"statistics": "given"})]
    )

    assert isinstance(said, Said)
    assert dict.fromkeys(ASKED, "withdrawn") == said.states


def test_withdrawal_of_one() -> None:
    """A withdrawal of one category leaves the others as they are said to be."""
    said = read_choice(
        choice("withdraw", categories=["marketing"]),
        [own({"statistics": "given", "marketing": "given"})],
    )

    assert isinstance(said, Said)
    assert (("statistics",), ("marketing",)) == (said.given, said.denied)


def test_a_child_gives_nothing() -> None:
    """What a child gives is recorded, and ends no withdrawal."""
    said = read_choice(choice("give"), [own({"statistics": "given"}, "child")])

    assert isinstance(said, Said)
    assert ("ConsentGiven", ()) == (said.event_state, said.given)


readings = st.lists(
    st.builds(
        Reading,
        source=st.sampled_from(["own", "tcf", "cookiebot"]),
        states=st.dictionaries(
            st.sampled_from(CATEGORIES), st.sampled_from(STATES), max_size=5
        ),
        flags=st.frozensets(st.sampled_from(sorted(FLAGS))),
    ),
    max_size=3,
)


@given(st.sampled_from(ACTIONS), readings)
def test_what_is_recorded_holds_together(action: str, said_by: list[Reading]) -> None:
    """State, action and categories never contradict each other."""
    said = read_choice(choice(action), said_by)

    if isinstance(said, Invalid):
        assert action != "withdraw"
        return
    assert not set(said.given) & set(said.denied)
    if said.event_state == "ConsentGiven":
        assert action in ("give", "change")
        assert "given" in said.states.values()
    else:
        assert set(said.states.values()) & DENIED
    assert action != "refuse" or not said.given


# -------------------------------------------------------------------------- the record
def test_record() -> None:
    """Everything of a record, once."""
    raw = raw_choice(
        consent={"statistics": True, "policy_version": "2025-05-16"},
        notice="banner-7",
        language="de-CH",
    )
    row = made(raw, own({"statistics": "given", "marketing": "refused"}, "gpc"))

    assert {
        "record_id": EVENT_ID,
        "site": SITE,
        "event_time": "2025-06-01 12:34:55.289",
        "received_at": "2025-06-01 12:34:56.789",
        "event_state": "ConsentGiven",
        "principal": 2**63 + 5,
        "principal_scope": "persistent",
        "consent_preference": "unknown",
        "consent_statistics": "given",
        "consent_marketing": "refused",
        "consent_precise_location": "unknown",
        "consent_flags": ["gpc"],
        "consent_sources": ["own"],
        "consent_method": "explicit",
        "policy_version": "2025-05-16",
        "notice": "banner-7",
        "regime": "every+eu_fr_exempt",
        "regime_version": "2026-11-23+2026-11-23",
        "jurisdiction": "FR",
        "signal_hash": signal_hash(raw, KEY),
        "decoder_version": "1",
        "collector_version": row.collector_version,
        "browser_language": "de",
        "schema_version": "27560:2023",
    } == msgspec.to_builtins(row)
    assert row.collector_version[0].isdecimal()


def test_record_of_nobody() -> None:
    """Without a pseudonym there is none."""
    row = made(raw_choice("refuse"), visitor=NOBODY)

    assert (0, "none") == (row.principal, row.principal_scope)


@pytest.mark.parametrize(
    ("claim", "version"),
    [
        (None, POLICY.version),
        ({"statistics": True}, POLICY.version),
        ({"statistics": True, "policy_version": "2024-01-01"}, "2024-01-01"),
        ({"statistics": True, "policy_version": "carla@bird.example"}, ""),
        ({"statistics": True, "policy_version": "2024-01-01 carla"}, ""),
        (
            {
                "statistics": True,
                "policy_version": "\u0662\u0660\u0662\u0664-\u0660\u0661-\u0660\u0661",
            },
            "",
        ),
    ],
)
def test_policy_version(claim: dict[str, Any] | None, version: str) -> None:
    """The version that was referred to; no text of anyone's own."""
    row = made(raw_choice(consent=claim), own({"statistics": "given"}))

    assert version == row.policy_version


@pytest.mark.parametrize(
    ("fields", "headers", "language"),
    [
        ({"language": "zh-Hant-TW"}, {}, "zh"),
        ({}, {"accept-language": "fr-CA,fr;q=0.9,en;q=0.8"}, "fr"),
        ({"language": "carla@bird.example"}, {}, ""),
        ({}, {}, ""),
    ],
)
def test_language(
    fields: dict[str, Any], headers: dict[str, str], language: str
) -> None:
    """Of the language its region does not remain."""
    raw = raw_choice("refuse", headers=headers, **fields)

    assert language == made(raw).browser_language


def test_notice_is_redacted() -> None:
    """A name of a notice that is an e-mail address is none."""
    row = made(raw_choice("refuse", notice="for carla.canary@bird.example v2"))

    assert "canary" not in row.notice
    assert row.notice.endswith(" v2")


@pytest.mark.parametrize(
    ("place", "country"), [("US-CA", "US"), ("DE", "DE"), ("", "")]
)
def test_jurisdiction_is_a_country(place: str, country: str) -> None:
    """Of the place its region does not remain."""
    said = read_choice(choice("refuse"), [])
    assert isinstance(said, Said)
    row = record(raw_choice("refuse"), said, Treatment([], place), NOBODY, KEY, POLICY)

    assert country == row.jurisdiction


def test_method() -> None:
    """A choice that mere use stands for is not recorded as an explicit one."""
    row = made(raw_choice("refuse", consent={"method": "implied"}))

    assert "implied" == row.consent_method


def test_nothing_raw_is_in_a_record() -> None:
    """No address, agent, token, recipient, string or cookie."""
    raw = raw_choice(
        consent={
            "statistics": True,
            "gdpr_consent": "CPcanarystring",
            "gpp": "DBcanary",
            "us_privacy": "1YNcanary",
            "consentUrl": "https://canary.example/",
        },
        visitor="canary-visitor-token",
        recipient="canary-recipient",
        url="https://canary.example/",
        title="canary",
        headers={"sec-gpc": "canary", "dnt": "canary"},
        cookies=(("CookieConsent", "canary"),),
    )
    row = made(raw, own({"statistics": "given"}))
    text = json.dumps(msgspec.to_builtins(row)).lower()

    assert "canary" not in text
    assert "203.0.113" not in text


def test_only_choices_are_recorded() -> None:
    """Another event is a defect of the caller."""
    said = read_choice(choice("refuse"), [])
    assert isinstance(said, Said)
    raw = raw_choice("refuse")
    raw.event = PageView(site=SITE)

    with pytest.raises(TypeError, match="ConsentChoice"):
        record(raw, said, Treatment([]), NOBODY, KEY, POLICY)


# ---------------------------------------------------------------------- the signals
def hashed(**changes: Any) -> str:
    """Return the hash of a choice with one thing changed."""
    base: dict[str, Any] = {
        "consent": {"gdpr_consent": "CPxyz", "statistics": True},
        "headers": {"sec-gpc": "1", "accept-language": "de"},
        "cookies": (("a", "1"), ("b", "2")),
    }
    key = changes.pop("key", KEY)
    return signal_hash(raw_choice(**{**base, **changes}), key)


def test_signal_hash_form() -> None:
    """128 bits, the same for the same."""
    assert 32 == len(hashed())
    assert set(hashed()) <= set("0123456789abcdef")
    assert hashed() == hashed()


@pytest.mark.parametrize(
    "changes",
    [
        {"consent": {"gdpr_consent": "CPxyZ", "statistics": True}},
        {"consent": {"gdpr_consent": "CPxyz"}},
        {"consent": None},
        {"headers": {"sec-gpc": "0"}},
        {"headers": {"dnt": "1", "sec-gpc": "1"}},
        {"cookies": (("a", "1"),)},
        {"gpc": True},
        {"dnt": True},
        {"event_id": EVENT_ID[:-1] + "2"},
        {"site": "other.example"},
        {"key": b"t" * 32},
    ],
)
def test_signal_hash_is_of_everything(changes: dict[str, Any]) -> None:
    """Another signal, record, site or key gives another hash."""
    assert hashed() != hashed(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"address": "192.0.2.1"},
        {"user_agent": "other"},
        {"headers": {"sec-gpc": "1", "accept-language": "fr"}},
        {"cookies": (("b", "2"), ("a", "1"))},
        {"notice": "other"},
    ],
)
def test_signal_hash_is_of_signals_alone(changes: dict[str, Any]) -> None:
    """What is no signal can be presented without it."""
    assert hashed() == hashed(**changes)


def test_signal_hash_of_what_is_no_text() -> None:
    """A header of bytes that are no UTF-8 is hashed like any other."""
    assert hashed(headers={"sec-gpc": "\udcff"}) != hashed()


class LaterClaim(ConsentClaim, frozen=True):
    """A consent object of a version to come."""

    newer: str | None = None


def test_signal_hash_outlives_new_fields() -> None:
    """A member that was left empty, or was not known then, is not part of the hash."""
    explicit = {"gdpr_consent": "CPxyz", "statistics": True, "marketing": None}
    later = raw_choice(headers={"sec-gpc": "1"}, cookies=(("a", "1"), ("b", "2")))
    claim = LaterClaim(gdpr_consent="CPxyz", statistics=True)
    later.event = msgspec.structs.replace(later.event, consent=claim)

    assert hashed() == hashed(consent=explicit) == signal_hash(later, KEY)
