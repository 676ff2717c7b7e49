"""The path of one event: what becomes of it, and what never comes out of it."""

from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.gate import decide
from pipeline.geo.files import Spot
from pipeline.jurisdiction import replay
from pipeline.location import Location, Locator
from pipeline.process import Processor, Result
from pipeline.salt import DaySalt
from pipeline.withdrawal.objections import Objections, entries_of
from pipeline.withdrawal.standing import Entry
from schemas.consent import ASKED, ConsentState
from schemas.event import EVENT_TYPES
from schemas.packs import load_packs
from schemas.policy import load_policy
from schemas.precision import Precision
from schemas.row import CountRow, Row
from schemas.site import Site
from tests.builders import DAY_MS, NOON_MS, raw_event
from tests.strategies import RULES, STATES

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:139.0) Gecko/20100101 Firefox/139.0"
ROBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
MAIL_PROXY = (
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 "
    "(via ggpht.com GoogleImageProxy)"
)
YES = {"statistics": True}
NO = {"statistics": False}
BOT = {"user_agent": ROBOT}


class Atlas:
    """A locator that knows one place."""

    edition = 0

    def spot(self, _address: str) -> Spot:
        """Say that every address is in Berlin."""
        return Spot("DE", "DE-BE", "Berlin", 3_400_000, 0, "EU")

    def locate(self, _address: str, _precision: Precision, _spot: Spot) -> Location:
        """Say that every address is in Berlin."""
        return Location("DE", "DE-BE", "Berlin", "address", "EU")


@pytest.fixture(scope="module")
def processor(tmp_path_factory: pytest.TempPathFactory) -> Processor:
    """The path, with a locator that knows one place."""
    salts = DaySalt(tmp_path_factory.mktemp("salt") / "day.salt")
    nobody = Objections(tmp_path_factory.mktemp("data") / "objections")
    return Processor(load_policy(), Atlas(), b"k" * 32, salts, nobody)  # type: ignore[arg-type]


def run(
    processor: Processor,
    name: str = "page_view",
    /,
    *,
    site: Site = Site("example.com"),  # noqa: B008 - immutable
    **fields: Any,
) -> Result:
    """Process one event, by default from a Firefox."""
    raw = raw_event(name, **{"user_agent": FIREFOX, **fields})
    return processor.process(raw, site)


def test_events_of_one_request_that_come_together(processor: Processor) -> None:
    """Who calls is read once, also where both are new; each step is told of once."""
    raws = [raw_event("page_view", user_agent=f"{FIREFOX} together") for _ in range(2)]
    steps: list[str] = []

    one, other = processor.process_all(
        [(raw, Site("example.com"), "") for raw in raws], steps.append
    )

    assert isinstance(one, Result)
    assert isinstance(other, Result)
    assert one.treatment.caller is other.treatment.caller
    assert ["locate", "meet", "judge", "read", "enrich", "minimise"] == steps


GIVEN = "identified: consent_given"
UNKNOWN = "counted: no_consent"
STALE = "counted: consent_expired"
PLACE = {"latitude": 1, "longitude": 2}

CASES: list[tuple[str, dict[str, Any], str]] = [
    # event, what is special about it, what becomes of it
    ("page_view", {"consent": YES}, GIVEN),
    ("page_view", {"consent": NO}, "dropped: consent_refused"),
    ("page_view", {}, UNKNOWN),
    ("page_view", {"consent": {}}, UNKNOWN),
    ("page_view", {"consent": {"marketing": True}}, UNKNOWN),
    (
        "page_view",
        {"consent": {"statistics": "requested"}},
        "counted: consent_requested",
    ),
    ("page_view", {"consent": {**YES, "policy_version": "2024-01-01"}}, STALE),
    ("page_view", {"consent": {**YES, "updated_at": 1}}, STALE),
    ("page_view", {"consent": {**YES, "updated_at": "2024-01-01T00:00:00Z"}}, STALE),
    ("page_view", {"consent": {**YES, "updated_at": "2025-05-31T00:00:00Z"}}, GIVEN),
    # The script may say what no header says.
    ("page_view", {"consent": YES, "gpc": True}, "anonymous: signal_gpc"),
    ("page_view", {"consent": YES, "dnt": True}, "anonymous: signal_dnt"),
    # Errors need no consent and get no pseudonym without it.
    ("exception", {}, "anonymous: essential no_consent"),
    ("app_crash", {"consent": NO}, "anonymous: essential consent_refused"),
    ("exception", {"consent": YES}, "identified: essential"),
    # Coordinates have a consent of their own.
    ("location", {**PLACE, "consent": YES}, GIVEN),
    ("location", PLACE, "dropped: no_consent"),
    (
        "location",
        {**PLACE, "consent": {**YES, "precise_location": False}},
        "dropped: consent_refused",
    ),
    ("location", {**PLACE, "consent": {**YES, "precise_location": True}}, GIVEN),
    (
        "location",
        {**PLACE, "consent": {"precise_location": True}},
        "anonymous: consent_given no_statistics_consent",
    ),
    # The sender may choose the category of some events, never of others.
    ("custom", {"name": "x", "consent": YES}, GIVEN),
    (
        "custom",
        {"name": "x", "category": "marketing", "consent": YES},
        "dropped: no_consent",
    ),
    (
        "custom",
        {"name": "x", "category": "preference", "consent": {"preference": True}},
        "anonymous: consent_given no_statistics_consent",
    ),
    (
        "page_view",
        {"category": "preference", "consent": {"preference": True}},
        UNKNOWN,
    ),
    # Robots and driven browsers are counted apart, whatever they consent to.
    ("page_view", {**BOT, "consent": YES}, "counted: robot"),
    ("page_view", {**BOT}, "counted: robot"),
    ("page_view", {**BOT, "consent": NO}, "dropped: consent_refused"),
    ("exception", {**BOT}, "counted: essential robot"),
    (
        "page_view",
        {"consent": YES, "automated": True},
        "counted: automated",
    ),
    (
        "page_view",
        {**BOT, "consent": YES, "automated": True},
        "counted: robot",
    ),
    # What a server sends has the server's agent, a mail its proxy's.
    ("page_view", {**BOT, "consent": YES, "door": "server"}, GIVEN),
    ("email_open", {"consent": YES, "user_agent": MAIL_PROXY}, GIVEN),
    ("email_click", {**BOT, "consent": YES}, GIVEN),
]


def said(result: Result) -> str:
    """Return outcome and reasons as the tables write them."""
    return f"{result.outcome}: {' '.join(result.reasons)}"


@pytest.mark.parametrize(("name", "fields", "expected"), CASES)
def test_outcomes(
    processor: Processor, name: str, fields: dict[str, Any], expected: str
) -> None:
    """Each event ends where its request leads it, with the reasons why."""
    result = run(processor, name, **fields)

    assert expected == said(result)
    assert result.outcome == result.row.outcome
    assert list(result.reasons) == result.row.outcome_reasons
    assert (result.outcome in ("identified", "anonymous")) is isinstance(
        result.row, Row
    )


@pytest.mark.parametrize(
    ("header", "value", "consent", "expected"),
    [
        ("sec-gpc", "1", YES, "anonymous: signal_gpc"),
        ("dnt", "1", YES, "anonymous: signal_dnt"),
        ("sec-gpc", "1, 1", YES, "anonymous: signal_gpc"),
        ("sec-gpc", "0", YES, GIVEN),
        ("sec-gpc", "true", YES, GIVEN),
        ("sec-gpc", " 1", YES, "anonymous: signal_gpc"),
        ("dnt", "0", YES, GIVEN),
        ("dnt", "unspecified", YES, GIVEN),
        # That a signal is not there is no consent.
        ("dnt", "0", {}, UNKNOWN),
        ("sec-gpc", "0", {}, UNKNOWN),
        # What was fetched ahead was perhaps never seen.
        ("sec-purpose", "prefetch", YES, "dropped: prefetch"),
        ("sec-purpose", "prefetch;prerender", {}, "dropped: prefetch"),
        ("purpose", "prefetch", {}, "dropped: prefetch"),
        ("x-moz", "prefetch", {}, "dropped: prefetch"),
        ("x-moz", "prefetch", NO, "dropped: prefetch"),
    ],
)
def test_headers(
    processor: Processor,
    header: str,
    value: str,
    consent: dict[str, bool],
    expected: str,
) -> None:
    """Exactly "1" is a signal; a prefetch leaves its reason alone."""
    assert expected == said(run(processor, headers={header: value}, consent=consent))


@pytest.mark.parametrize(
    ("rules", "outcome"),
    [
        ("eu_strict", "counted"),
        ("us_other", "identified"),
        ("eu_fr_exempt", "anonymous"),
    ],
)
def test_regime(processor: Processor, rules: str, outcome: str) -> None:
    """Where nothing was said the site's rule pack decides, and the row names it."""
    result = run(processor, site=Site("example.com", (rules,)))

    assert outcome == result.outcome
    assert rules == result.row.regime


def test_identified_row(processor: Processor) -> None:
    """What statistics consent keeps: coarse, and without a query."""
    row = run(
        processor,
        url="https://example.com/a?q=secret&utm_source=news#part",
        referrer="https://www.google.com/search?q=secret",
        language="de-DE",
        time_zone="Europe/Berlin",
        consent={**YES, "marketing": False},
        visitor="browser_0123456789",
    ).row

    assert isinstance(row, Row)
    assert {
        "client_address": "203.0.113.0",
        "geo_country_iso_code": "DE",
        "geo_locality_name": "Berlin",
        "user_agent_name": "Firefox",
        "user_agent_version": "139",
        "url_domain": "example.com",
        "url_path": "/a",
        "utm_source": "news",
        "visitor_scope": "persistent",
        "consent_statistics": "given",
        "consent_marketing": "refused",
        "consent_preference": "unknown",
    }.items() <= msgspec.structs.asdict(row).items()
    assert row.visitor_id != 0
    assert "secret" not in str(row)


def test_mail_has_no_place(processor: Processor) -> None:
    """A mail's address is its proxy's: neither network nor place are kept."""
    row = run(processor, "email_open", consent=YES, recipient="token").row

    assert isinstance(row, Row)
    assert ("", "", "none", "persistent") == (
        row.client_address,
        row.geo_country_iso_code,
        row.geo_source,
        row.visitor_scope,
    )


@pytest.mark.parametrize(
    ("country", "place"),
    [("FR", ("FR", "header")), ("QQ", ("DE", "time_zone")), ("", ("DE", "time_zone"))],
)
def test_a_place_without_the_address(
    tmp_path: Path, country: str, place: tuple[str, str]
) -> None:
    """The proxy's word, if there is such a country; else the time zone."""
    salts = DaySalt(tmp_path / "day.salt")
    nobody = Objections(tmp_path / "objections")
    processor = Processor(load_policy(), Locator(), b"k" * 32, salts, nobody)
    row = run(processor, consent=YES, country=country, time_zone="Europe/Berlin").row

    assert isinstance(row, Row)
    assert place == (row.geo_country_iso_code, row.geo_source)


def test_ad_click_needs_marketing(processor: Processor) -> None:
    """The name of a click parameter stays with marketing consent, its value never."""
    url = "https://example.com/?gclid=canary"
    without = run(processor, url=url, consent=YES).row
    granted = run(processor, url=url, consent={**YES, "marketing": True}).row

    assert isinstance(without, Row)
    assert isinstance(granted, Row)
    assert ("", "gclid") == (without.ad_click, granted.ad_click)
    assert "canary" not in str(granted)


def test_dropped_leaves_its_reason_alone(processor: Processor) -> None:
    """Of a dropped event no page, place or device remains."""
    row = run(processor, url="https://example.com/canary", consent=NO).row

    assert isinstance(row, CountRow)
    assert ("", "", "") == (row.url_path, row.geo_country_iso_code, row.device_type)


def test_counted_leaves_a_number(processor: Processor) -> None:
    """Of a counted event hour, page, country and kind of device remain."""
    row = run(processor, url="https://example.com/page?x").row

    assert isinstance(row, CountRow)
    assert ("/page", "DE", "desktop", "2025-06-01 12:00:00.000") == (
        row.url_path,
        row.geo_country_iso_code,
        row.device_type,
        row.occurred_at,
    )


# Made-up words that no list of browsers, countries or reasons contains.
canaries = st.text("bcdfghjkmpqvwxz", min_size=10, max_size=14)
consents = st.dictionaries(
    st.sampled_from(["preference", "statistics", "marketing", "precise_location"]),
    st.sampled_from([*STATES, True, False]),
)
OWN = {
    "link_click": {"target_url": "https://example.org/"},
    "file_download": {"target_url": "https://example.org/a"},
    "custom": {"name": "buy"},
    "web_vital": {"web_vital_name": "LCP", "web_vital_value": 1},
    "location": {"latitude": 48.137154, "longitude": 11.576124},
}


@given(
    name=st.sampled_from(sorted(EVENT_TYPES)),
    word=canaries,
    hosts=st.tuples(st.integers(1, 254), st.integers(1, 254)),
    consent=consents,
    rules=st.sampled_from(RULES),
    gpc=st.booleans(),
)
@settings(max_examples=250)
def test_raw_stays_in_memory(  # noqa: PLR0913 - one a source of raw data
    processor: Processor,
    name: str,
    word: str,
    hosts: tuple[int, int],
    consent: dict[str, Any],
    rules: tuple[str, ...],
    *,
    gpc: bool,
) -> None:
    """
    No address, agent, header, query, token or uncalled-for coordinate comes out.

    Whatever the event, consent and regime.
    """
    address = f"198.51.{hosts[0]}.{hosts[1]}"
    mail = name.startswith("email")
    raw = raw_event(
        name,
        address=address,
        user_agent=f"{FIREFOX} {word}",
        referer=f"https://example.com/?{word}",
        headers={"accept-language": "de", "sec-ch-ua": f'"{word}";v="1"'},
        url=f"https://{word}:{word}@example.com/a?{word}={word}#{word}",
        referrer=f"https://example.org/a?{word}#{word}",
        visitor=f"visitor_{word}",
        time_zone=f"Europe/{word}",
        consent={**consent, "policy_version": "2025-05-16"},
        gpc=gpc,
        **OWN.get(name, {}),
        **({"recipient": word} if mail else {}),
    )
    result = processor.process(raw, Site("example.com", rules))
    values = msgspec.structs.asdict(result.row)
    written = orjson.dumps(values).decode()

    assert word not in written
    assert address not in written
    assert values.get("client_address", "") in ("", f"198.51.{hosts[0]}.0")
    precise = consent.get("precise_location") in (True, "given")
    assert ("48.13" not in written) or (precise and result.outcome == "identified")
    if result.outcome != "identified":
        assert values.get("visitor_id", 0) == 0
        assert values.get("client_address", "") == ""
        assert NOON_MS % 3_600_000 != 0
        assert values["occurred_at"].endswith(":00:00.000")


def test_pixel_without_url(processor: Processor) -> None:
    """A picture in a page is told by its Referer; one in a mail is not."""
    page = run(
        processor, door="pixel", referer="https://example.com/p?x=1", consent=YES
    ).row
    mail = run(
        processor,
        "email_open",
        door="pixel",
        referer="https://mail.example/inbox/jane",
        consent=YES,
    ).row

    assert isinstance(page, Row)
    assert isinstance(mail, Row)
    assert ("/p", "") == (page.url_path, mail.url_path)


def test_nobody_asks_for_no_salt(tmp_path: Path) -> None:
    """Where nothing may be kept of a visitor not even the salt is touched."""
    salts = DaySalt(tmp_path / "day.salt")
    nobody = Objections(tmp_path / "objections")
    processor = Processor(load_policy(), Atlas(), b"k" * 32, salts, nobody)  # type: ignore[arg-type]
    run(processor)
    assert not (tmp_path / "day.salt").exists()
    run(processor, consent=YES)
    assert (tmp_path / "day.salt").exists()


@given(
    name=st.sampled_from(["page_view", "exception", "custom", "email_open"]),
    consent=st.dictionaries(
        st.sampled_from(["preference", "statistics", "marketing"]),
        st.sampled_from([*STATES, True, False]),
    ),
    rules=st.sampled_from(RULES),
    gpc=st.booleans(),
    dnt=st.booleans(),
)
@settings(max_examples=150)
def test_a_decision_can_be_made_again_from_its_row(  # noqa: PLR0913 - what decides
    processor: Processor,
    name: str,
    consent: dict[str, Any],
    rules: tuple[str, ...],
    *,
    gpc: bool,
    dnt: bool,
) -> None:
    """What a row says of consent and rules leads to the row's own outcome."""
    own = {"name": "buy"} if name == "custom" else {}
    fields: dict[str, Any] = {"consent": consent, "gpc": gpc, "dnt": dnt, **own}
    result = run(processor, name, site=Site("example.com", rules), **fields)
    row = result.row
    if isinstance(row, CountRow):
        assert (row.regime, row.decision_row) != ("", "")
        return
    again = replay(
        row.regime,
        row.regime_version,
        frozenset(row.regime_switches),
        row.received_at[:10] if row.outcome == "identified" else "2025-06-01",
        load_packs(),
    )
    state = ConsentState(
        row.consent_preference,  # type: ignore[arg-type]
        row.consent_statistics,  # type: ignore[arg-type]
        row.consent_marketing,  # type: ignore[arg-type]
        row.consent_precise_location,  # type: ignore[arg-type]
        tuple(row.consent_signals),
    )
    grant = decide(row.consent_category, state, again)  # type: ignore[arg-type]
    assert (row.outcome, row.outcome_reasons, row.decision_row) == (
        grant.outcome,
        list(grant.reasons),
        grant.decision_row,
    )


GRANTED_MS = NOON_MS - 3_600_000


@pytest.mark.parametrize(
    ("kind", "categories", "consent", "expected"),
    [
        ("withdrawn", ("statistics",), YES, "dropped: consent_withdrawn"),
        ("withdrawn", ("marketing",), YES, GIVEN),
        # A later withdrawal beats any claim with an older time, or with none.
        (
            "withdrawn",
            ("statistics",),
            {**YES, "updated_at": GRANTED_MS - 1},
            "dropped: consent_withdrawn",
        ),
        ("withdrawn", ("statistics",), {**YES, "updated_at": GRANTED_MS + 1}, GIVEN),
        ("erased", (), YES, "dropped: erased"),
        ("child", (), YES, "dropped: consent_withdrawn"),
    ],
)
def test_what_was_withdrawn_here_is_withdrawn(
    tmp_path: Path,
    kind: Any,
    categories: tuple[Any, ...],
    consent: dict[str, Any],
    expected: str,
) -> None:
    """Before any claim counts, the collector asks what it knows itself."""
    objections = Objections(tmp_path / "objections")
    salts = DaySalt(tmp_path / "day.salt")
    processor = Processor(load_policy(), Atlas(), b"k" * 32, salts, objections)  # type: ignore[arg-type]
    visitor = {"visitor": "browser_0123456789"}
    raw = raw_event(**visitor)
    entry = Entry(
        GRANTED_MS, "example.com", processor.candidate(raw).id, kind, categories
    )
    objections.append([entry])

    assert expected == said(run(processor, consent=consent, **visitor))
    # Nobody else's consent is touched by it.
    assert GIVEN == said(run(processor, consent=YES, visitor="browser_9876543210"))


def test_who_withdrew_everything_leaves_numbers_of_faults_alone(
    tmp_path: Path,
) -> None:
    """Row 1: of an essential event a counter, of any other the reason."""
    objections = Objections(tmp_path / "objections")
    salts = DaySalt(tmp_path / "day.salt")
    processor = Processor(load_policy(), Atlas(), b"k" * 32, salts, objections)  # type: ignore[arg-type]
    visitor = {"visitor": "browser_0123456789"}
    who = processor.candidate(raw_event(**visitor)).id
    objections.append([Entry(GRANTED_MS, "example.com", who, "withdrawn", ASKED)])
    fault = run(processor, "exception", consent=YES, **visitor)
    view = run(processor, consent=YES, **visitor)

    assert "counted: essential consent_withdrawn" == said(fault)
    assert "dropped: consent_withdrawn" == said(view)
    assert ("1", "1") == (fault.row.decision_row, view.row.decision_row)


def test_whoever_asks_is_told_of_a_withdrawal(tmp_path: Path) -> None:
    """Also where nothing is open, and an event's visitor would not be looked up."""
    objections = Objections(tmp_path / "objections")
    salts = DaySalt(tmp_path / "day.salt")
    processor = Processor(load_policy(), Atlas(), b"k" * 32, salts, objections)  # type: ignore[arg-type]
    raw = raw_event()
    who = processor.candidate(raw).id
    objections.append([Entry(NOON_MS, "example.com", who, "withdrawn", ASKED)])
    site = Site("example.com")

    assert processor.treat(raw, site, told=True).consent.statistics == "withdrawn"
    assert processor.treat(raw, site).visitor.id == 0


def test_a_childs_past_is_purged_once(tmp_path: Path) -> None:
    """The first word of a child under a pseudonym asks for a purge, the next not."""
    objections = Objections(tmp_path / "objections")
    salts = DaySalt(tmp_path / "day.salt")
    processor = Processor(load_policy(), Atlas(), b"k" * 32, salts, objections)  # type: ignore[arg-type]
    child = {"visitor": "browser_0123456789", "consent": {**YES, "child": True}}
    first = run(processor, **child)

    assert "counted: child" == said(first)
    assert first.treatment.purge
    assert not run(processor, visitor="browser_0123456789", consent=YES).treatment.purge
    # Under the name that lasts, and under the day's: rows may have either.
    visitor = first.treatment.visitor
    assert [True, False] == [lasting for _, lasting in visitor.pseudonyms()]
    objections.append(
        entries_of(visitor, time_ms=NOON_MS, site="example.com", kind="child")
    )
    assert not run(processor, **child).treatment.purge
    # And without the word it stays a child's.
    again = run(processor, visitor="browser_0123456789", consent=YES)
    assert again.outcome in ("counted", "dropped")


def test_every_row_says_how_far_its_pseudonym_reaches(processor: Processor) -> None:
    """None, a day, a browser's life, an account's; and none where there is no row."""
    token = "browser_0123456789"
    rows = [
        run(processor, consent=consent, **fields).row
        for consent, fields in [
            (YES, {}),
            (YES, {"visitor": token}),
            (YES, {"visitor": token, "account": "jane"}),
            (YES, {"account": "jane", "door": "server"}),
            (YES, {"door": "server"}),
        ]
    ]
    gpc = run(processor, consent=YES, gpc=True, account="jane").row

    assert ["day", "persistent", "account", "account", "none"] == [
        row.visitor_scope for row in rows if isinstance(row, Row)
    ]
    assert isinstance(gpc, Row)
    assert (0, "") == (gpc.visitor_id, gpc.visitor_scope)


@pytest.mark.parametrize("consent", [{}, NO, {"preference": True}])
def test_without_statistics_nothing_remains_of_an_account(
    processor: Processor, consent: dict[str, Any]
) -> None:
    """Rows and counters of a signed-in visitor are those of any other."""
    for name in ("page_view", "exception"):
        signed_in = run(processor, name, consent=consent, account="jane").row
        anyone = run(processor, name, consent=consent).row

        assert anyone == signed_in


WHO = {
    "account": {"account": "jane"},
    "token": {"visitor": "browser_0123456789"},
    "both": {"account": "jane", "visitor": "browser_0123456789"},
}


@pytest.mark.parametrize("kind", ["withdrawn", "erased", "child"])
@pytest.mark.parametrize("withdrew", WHO)
def test_a_withdrawal_survives_signing_in_and_out(
    tmp_path: Path, kind: Any, withdrew: str
) -> None:
    """Whoever is known by two names has withdrawn when one of them did."""
    objections = Objections(tmp_path / "objections")
    salts = DaySalt(tmp_path / "day.salt")
    processor = Processor(load_policy(), Atlas(), b"k" * 32, salts, objections)  # type: ignore[arg-type]
    who = processor.candidate(raw_event(door="server", **WHO[withdrew]))
    categories = ASKED if kind == "withdrawn" else ()
    objections.append(
        entries_of(
            who,
            time_ms=GRANTED_MS,
            site="example.com",
            kind=kind,
            categories=categories,
        )
    )

    for name, fields in WHO.items():
        known = withdrew in ("both", name) or name == "both"
        result = run(processor, consent=YES, door="server", **fields)
        assert known is not (result.outcome == "identified")


@pytest.mark.parametrize("fields", [WHO["account"], WHO["token"]])
def test_who_withdrew_is_known_where_nothing_is_open(
    tmp_path: Path, fields: dict[str, Any]
) -> None:
    """A fault of theirs becomes a number, which of anyone else it would not."""
    objections = Objections(tmp_path / "objections")
    salts = DaySalt(tmp_path / "day.salt")
    processor = Processor(load_policy(), Atlas(), b"k" * 32, salts, objections)  # type: ignore[arg-type]
    before = run(processor, "exception", consent=NO, **fields)
    who = processor.candidate(raw_event(**fields))
    objections.append(
        entries_of(
            who,
            time_ms=GRANTED_MS,
            site="example.com",
            kind="withdrawn",
            categories=ASKED,
        )
    )
    after = run(processor, "exception", consent=NO, **fields)

    assert "anonymous: essential consent_refused" == said(before)
    assert "counted: essential consent_withdrawn" == said(after)


def test_a_withdrawal_survives_midnight(tmp_path: Path) -> None:
    """Made on either side of it, it holds on both, and when the night is over."""
    midnight = NOON_MS - NOON_MS % DAY_MS + DAY_MS
    for made in (-5, 5):
        folder = tmp_path / str(made)
        folder.mkdir()
        objections = Objections(folder / "objections")
        salts = DaySalt(folder / "day.salt")
        processor = Processor(load_policy(), Atlas(), b"k" * 32, salts, objections)  # type: ignore[arg-type]

        def view(minute: int, processor: Processor = processor) -> Result:
            now_ms = midnight + minute * 60_000
            return run(processor, consent=YES, received_ms=now_ms, occurred_ms=now_ms)

        before = view(-10)
        assert isinstance(before.row, Row)
        if made > 0:
            after = view(1)
            assert isinstance(after.row, Row)
            assert (before.row.visitor_id, "day") == (
                after.row.visitor_id,
                after.row.visitor_scope,
            )
        now_ms = midnight + made * 60_000
        who = processor.candidate(
            raw_event(user_agent=FIREFOX, received_ms=now_ms, occurred_ms=now_ms)
        )
        objections.append(
            entries_of(
                who,
                time_ms=now_ms,
                site="example.com",
                kind="withdrawn",
                categories=ASKED,
            )
        )

        assert ["dropped"] * 3 == [view(m).outcome for m in (6, 100, 720)]
        assert before.row.visitor_id in dict(who.pseudonyms())


@pytest.mark.parametrize(
    ("fields", "noted"),
    [
        ({"consent": YES}, True),
        ({"consent": NO}, False),
        ({"consent": {"marketing": True}, "category": "marketing"}, False),
        ({}, False),
        ({"consent": YES, "gpc": True}, False),
        ({"consent": YES, "visitor": "browser_0123456789"}, False),
        ({"consent": YES, "account": "jane"}, False),
        ({"consent": YES, **BOT}, False),
    ],
)
def test_the_bridge_over_midnight_needs_consent(
    tmp_path: Path, fields: dict[str, Any], *, noted: bool
) -> None:
    """Of whoever is not identified, or lasts anyway, nothing is noted at night."""
    objections = Objections(tmp_path / "objections")
    salts = DaySalt(tmp_path / "day.salt")
    processor = Processor(load_policy(), Atlas(), b"k" * 32, salts, objections)  # type: ignore[arg-type]
    late = NOON_MS - NOON_MS % DAY_MS + DAY_MS - 60_000
    run(processor, "custom", name="x", received_ms=late, occurred_ms=late, **fields)

    assert noted is (tmp_path / "day.bridge").exists()


def test_a_child_is_purged_under_all_its_names(tmp_path: Path) -> None:
    """A device that is new to a known child's account is purged as well."""
    objections = Objections(tmp_path / "objections")
    salts = DaySalt(tmp_path / "day.salt")
    processor = Processor(load_policy(), Atlas(), b"k" * 32, salts, objections)  # type: ignore[arg-type]
    said_so = {"consent": {**YES, "child": True}, "door": "server"}
    for fields in (WHO["account"], WHO["both"]):
        first = run(processor, **said_so, **fields).treatment
        assert first.purge
        objections.append(
            entries_of(first.visitor, time_ms=NOON_MS, site="example.com", kind="child")
        )
        assert not run(processor, **said_so, **fields).treatment.purge
    token = run(processor, door="server", consent=YES, **WHO["token"])

    assert "child" in token.treatment.consent.flags


def test_paths_do_not_matter(processor: Processor, tmp_path: Path) -> None:
    """Processing writes nothing anywhere but the day's salt."""
    before = sorted(tmp_path.rglob("*"))
    run(processor, consent=YES)

    assert before == sorted(tmp_path.rglob("*"))
