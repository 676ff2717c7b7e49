"""Taking a choice: in force before it is proved, proved before it is answered."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.choices import Taken, UnkeptError
from collector.doors import Asked
from pipeline.spool import SpoolError
from pipeline.withdrawal.objections import ObjectionsError
from schemas.consent import ASKED
from schemas.event import ConsentChoice, PageView
from schemas.outcome import Invalid
from schemas.raw_event import RawEvent
from schemas.site import Site
from tests.builders import DAY_MS, EVENT_ID, NOON_MS
from tests.consent_stage import AGENT, RECIPIENT, SITE, TOKEN, Stage

ADDRESS = "203.0.113.77"
GIVEN = {"statistics": True, "marketing": False}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A stage of its own for each test."""
    return Stage(tmp_path)


def asked(action: str, /, door: str = "script", **changes: Any) -> Asked:
    """Return a choice as a door hands it on."""
    occurred_ms = changes.pop("occurred_ms", NOON_MS)
    received_ms = changes.pop("received_ms", NOON_MS)
    event: ConsentChoice = msgspec.convert(
        {"event": "consent", "site": SITE, "action": action, **changes}, ConsentChoice
    )
    raw = RawEvent(
        event=event,
        event_id=event.event_id or EVENT_ID,
        door=door,
        address=ADDRESS,
        user_agent=AGENT,
        referer="",
        headers={},
        occurred_ms=occurred_ms,
        received_ms=received_ms,
    )
    return Asked(Site(SITE), raw)


async def take(stage: Stage, action: str, /, **changes: Any) -> Taken:
    """Take a choice that is one."""
    taken = await stage.choices.take(asked(action, **changes))
    assert isinstance(taken, Taken)
    return taken


def browser(stage: Stage) -> int:
    """Return the pseudonym that the browser's events have today."""
    return stage.browser_id(ADDRESS, NOON_MS)


# ------------------------------------------------------------------ whose choice it is
async def test_withdrawal_is_of_everyone_known(stage: Stage) -> None:
    """Token, recipient and today's browser: as their events are stored."""
    await take(stage, "withdraw", visitor=TOKEN, recipient=RECIPIENT)

    everyone = {stage.token_id(), stage.recipient_id(), browser(stage)}
    assert 3 == len(everyone)
    assert {("withdrawn", one, ASKED) for one in everyone} == stage.named()


async def test_withdrawal_without_a_token(stage: Stage) -> None:
    """A browser that was never given a token withdraws all the same."""
    taken = await take(stage, "withdraw")

    assert {("withdrawn", browser(stage), ASKED)} == stage.named()
    assert (browser(stage), "day") == (taken.row.principal, taken.row.principal_scope)


async def test_withdrawal_by_a_server(stage: Stage) -> None:
    """A server's address is no visitor's."""
    taken = await take(stage, "withdraw", door="server", visitor=TOKEN)

    assert {("withdrawn", stage.token_id(), ASKED)} == stage.named()
    assert (stage.token_id(), "persistent") == (
        taken.row.principal,
        taken.row.principal_scope,
    )


async def test_withdrawal_by_a_server_that_speaks_for_a_browser(stage: Stage) -> None:
    """With a key of the site it names the visitor's own address and agent."""
    one = asked("withdraw", door="server")
    one.raw.trusted = True
    await stage.choices.take(one)

    assert {("withdrawn", browser(stage), ASKED)} == stage.named()


async def test_withdrawal_by_a_link(stage: Stage) -> None:
    """A mail reader's address and agent are no visitor's either."""
    await take(stage, "withdraw", door="redirect", recipient=RECIPIENT)

    assert {("withdrawn", stage.recipient_id(), ASKED)} == stage.named()


async def test_withdrawal_of_one_category(stage: Stage) -> None:
    """The others stay."""
    await take(
        stage, "withdraw", door="server", visitor=TOKEN, categories=["marketing"]
    )

    assert {("withdrawn", stage.token_id(), ("marketing",))} == stage.named()


async def test_record_names_the_token_first(stage: Stage) -> None:
    """Of several pseudonyms the record has the browser's lasting one."""
    taken = await take(stage, "withdraw", visitor=TOKEN, recipient=RECIPIENT)
    mail = await take(stage, "withdraw", recipient=RECIPIENT)

    assert stage.token_id() == taken.row.principal
    assert stage.recipient_id() == mail.row.principal


@pytest.mark.parametrize(
    ("action", "consent"),
    [("refuse", None), ("change", {"marketing": False}), ("give", {"marketing": True})],
)
async def test_no_pseudonym_without_consent(
    stage: Stage, action: str, consent: dict[str, bool] | None
) -> None:
    """Who refuses, or gives no statistics, gets no pseudonym by that."""
    taken = await take(stage, action, consent=consent)

    assert (0, "none") == (taken.row.principal, taken.row.principal_scope)
    assert set() == stage.named()


async def test_grant_with_a_token(stage: Stage) -> None:
    """What is given ends a withdrawal, what is refused is one."""
    taken = await take(stage, "give", door="server", visitor=TOKEN, consent=GIVEN)

    assert {
        ("given", stage.token_id(), ("statistics",)),
        ("withdrawn", stage.token_id(), ("marketing",)),
    } == stage.named()
    assert stage.token_id() == taken.row.principal


async def test_grant_by_a_browser_without_token(stage: Stage) -> None:
    """It ends what that browser withdrew today; the record names nobody."""
    taken = await take(stage, "give", consent=GIVEN)

    assert {("given", browser(stage), ("statistics",))} == stage.named()
    assert 0 == taken.row.principal


async def test_withdrawal_gives_nothing(stage: Stage) -> None:
    """What a withdrawal leaves as it is, it does not give."""
    await take(
        stage, "withdraw", visitor=TOKEN, categories=["marketing"], consent=GIVEN
    )

    assert {"withdrawn"} == {one.kind for one in stage.entries()}


# ------------------------------------------------------------------------------- times
async def test_withdrawal_counts_from_its_arrival(stage: Stage) -> None:
    """However long ago it was made: nothing kept since stays for that."""
    await take(stage, "withdraw", visitor=TOKEN, occurred_ms=NOON_MS - DAY_MS)

    assert {NOON_MS} == {one.time_ms for one in stage.entries()}


@pytest.mark.parametrize(
    ("occurred_ms", "updated_at", "counts_from"),
    [
        (NOON_MS - 5, None, NOON_MS - 5),
        (NOON_MS - 5, NOON_MS - 9, NOON_MS - 9),
        (NOON_MS - 9, NOON_MS - 5, NOON_MS - 9),
    ],
)
async def test_grant_counts_from_when_it_was_given(
    stage: Stage, occurred_ms: int, updated_at: int | None, counts_from: int
) -> None:
    """A grant that is told of late does not undo a later withdrawal."""
    consent = {"statistics": True, "updated_at": updated_at}
    await take(
        stage,
        "give",
        door="server",
        visitor=TOKEN,
        consent=consent,
        occurred_ms=occurred_ms,
    )

    assert [counts_from] == [one.time_ms for one in stage.entries()]


async def test_grant_after_withdrawal_is_as_any_other(stage: Stage) -> None:
    """What is answered and recorded does not depend on what was chosen before."""
    fresh = await take(stage, "give", visitor=TOKEN, consent=GIVEN)
    await take(stage, "withdraw", visitor=TOKEN, received_ms=NOON_MS + 1)
    later = NOON_MS + 2
    again = await take(
        stage,
        "give",
        visitor=TOKEN,
        consent=GIVEN,
        received_ms=later,
        occurred_ms=later,
    )
    row = msgspec.structs.replace(
        again.row, event_time=fresh.row.event_time, received_at=fresh.row.received_at
    )
    standing = stage.objections.standing(
        SITE, stage.token_id(), given_ms=later, received_ms=later
    )

    assert fresh.row == row
    assert frozenset({"marketing"}) == standing.withdrawn


# ------------------------------------------------------------------------------- order
async def test_withdrawn_before_it_is_recorded(stage: Stage) -> None:
    """First in force, then proved."""
    await take(stage, "withdraw", visitor=TOKEN)

    assert ["objection", "record"] == stage.log


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ObjectionsError("full"), "spool_full"),
        (ObjectionsError("damaged", 3), "objections_unusable"),
        (OSError(28, "No space left on device", "/secret/path"), "spool_failed"),
    ],
)
async def test_unkept_withdrawal_is_not_recorded(
    stage: Stage, error: Exception, code: str
) -> None:
    """No record says that a withdrawal is in force which is not."""
    stage.objections.error = error
    with pytest.raises(UnkeptError) as caught:
        await take(stage, "withdraw", visitor=TOKEN)

    assert code == caught.value.code
    assert "secret" not in str(caught.value)
    assert [] == stage.disk.rows


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SpoolError("the spool is full", full=True), "spool_full"),
        (SpoolError("the disk failed", full=False), "spool_failed"),
    ],
)
async def test_unrecorded_withdrawal_is_in_force(
    stage: Stage, error: SpoolError, code: str
) -> None:
    """A disk that fails half-way errs on the visitor's side."""
    stage.disk.error = error
    with pytest.raises(UnkeptError) as caught:
        await take(stage, "withdraw", visitor=TOKEN)

    assert code == caught.value.code
    assert ("withdrawn", stage.token_id(), ASKED) in stage.named()


async def test_unreadable_objections(stage: Stage) -> None:
    """Who cannot look up withdrawals takes no choice either."""
    (stage.objections._path).write_bytes(b"not a line\n")
    with pytest.raises(UnkeptError) as caught:
        await take(stage, "give", visitor=TOKEN, consent=GIVEN)

    assert "objections_unusable" == caught.value.code
    assert [] == stage.disk.rows


# ------------------------------------------------------------------------- repetitions
async def test_repeated_choice(stage: Stage) -> None:
    """It is acknowledged again, and neither recorded nor put into force again."""
    first = await take(stage, "withdraw", visitor=TOKEN, event_id=EVENT_ID)
    entries = stage.entries()
    again = await take(
        stage, "withdraw", visitor=TOKEN, event_id=EVENT_ID, received_ms=NOON_MS + 9
    )

    assert (False, True) == (first.repeated, again.repeated)
    assert [first.row] == stage.disk.rows
    assert entries == stage.entries()


async def test_repeated_at_once(stage: Stage) -> None:
    """Two at the same time are one."""
    both = await asyncio.gather(
        *(take(stage, "withdraw", visitor=TOKEN, event_id=EVENT_ID) for _ in range(2))
    )

    assert [False, True] == sorted(one.repeated for one in both)
    assert 1 == len(stage.disk.rows)


async def test_repeated_after_a_failure(stage: Stage) -> None:
    """What failed was not taken: the repetition is the first."""
    stage.disk.error = SpoolError("the disk failed", full=False)
    both = await asyncio.gather(
        *(
            stage.choices.take(asked("withdraw", visitor=TOKEN, event_id=EVENT_ID))
            for _ in range(2)
        ),
        return_exceptions=True,
    )
    stage.disk.error = None
    taken = await take(stage, "withdraw", visitor=TOKEN, event_id=EVENT_ID)

    assert ["spool_failed"] * 2 == [getattr(one, "code", "") for one in both]
    assert not taken.repeated
    assert [taken.row] == stage.disk.rows


@pytest.mark.parametrize(
    "other",
    [
        {"action": "withdraw"},
        {"action": "give", "consent": {"statistics": True}},
        {"action": "give", "consent": GIVEN, "visitor": TOKEN + "2"},
        {"action": "give", "consent": {**GIVEN, "gdpr_consent": "CPx"}},
        {"action": "give", "consent": GIVEN, "notice": "other"},
        {"action": "give", "consent": GIVEN, "recipient": RECIPIENT, "visitor": None},
    ],
)
async def test_an_id_does_not_swallow_another_choice(
    stage: Stage, other: dict[str, Any]
) -> None:
    """A withdrawal under an id that was used before is a withdrawal."""
    await take(stage, "give", visitor=TOKEN, consent=GIVEN, event_id=EVENT_ID)
    changes = {"visitor": TOKEN, "event_id": EVENT_ID, **other}
    again = await take(stage, changes.pop("action"), **changes)

    assert not again.repeated
    assert 2 == len(stage.disk.rows)


async def test_choices_without_an_id_are_all_new(stage: Stage) -> None:
    """Only a sender's own id says that two are one."""
    for _ in range(2):
        assert not (await take(stage, "refuse")).repeated
    assert 2 == len(stage.disk.rows)


# ---------------------------------------------------------------------------- accounts
ACCOUNT = "jane@example.com"


async def test_withdrawal_of_who_is_signed_in(stage: Stage) -> None:
    """Under the account, the token and today's browser: signing out undoes nothing."""
    taken = await take(stage, "withdraw", account=ACCOUNT, visitor=TOKEN)

    everyone = {stage.account_id(ACCOUNT), stage.token_id(), browser(stage)}
    assert 3 == len(everyone)
    assert {("withdrawn", one, ASKED) for one in everyone} == stage.named()
    assert (stage.account_id(ACCOUNT), "account") == (
        taken.row.principal,
        taken.row.principal_scope,
    )
    lasting = {entry.visitor_id: entry.lasting for entry in stage.entries()}
    assert dict.fromkeys(everyone, True) | {browser(stage): False} == lasting


async def test_choices_of_an_account_by_a_server(stage: Stage) -> None:
    """The account alone is enough."""
    await take(stage, "give", door="server", account=ACCOUNT, consent=GIVEN)

    who = stage.account_id(ACCOUNT)
    assert {
        ("given", who, ("statistics",)),
        ("withdrawn", who, ("marketing",)),
    } == stage.named()


@pytest.mark.parametrize("door", ["script", "server"])
async def test_an_account_is_named_by_consent_alone(stage: Stage, door: str) -> None:
    """Who gives no statistics is not on record as the account that was handed in."""
    refused = await take(stage, "refuse", door=door, account=ACCOUNT)
    other = await take(
        stage, "give", door=door, account=ACCOUNT, consent={"preference": True}
    )
    token = await take(stage, "refuse", door=door, account=ACCOUNT, visitor=TOKEN)

    assert [(0, "none"), (0, "none"), (stage.token_id(), "persistent")] == [
        (taken.row.principal, taken.row.principal_scope)
        for taken in (refused, other, token)
    ]
    assert "given" not in {kind for kind, _, _ in stage.named()}


async def test_an_account_is_never_stored(stage: Stage, tmp_path: Path) -> None:
    """Neither the list nor the ledger has anything but its keyed hash."""
    for action, consent in (("give", GIVEN), ("withdraw", None), ("refuse", None)):
        await take(stage, action, account=ACCOUNT, consent=consent)

    assert stage.entries()
    kept = [(tmp_path / "objections").read_bytes()]
    kept += [msgspec.json.encode(row) for row in stage.disk.rows]
    assert [] == [content for content in kept if b"jane" in content]


# -------------------------------------------------------------------------- at midnight
@pytest.mark.parametrize("action", ["withdraw", "give"])
async def test_a_choice_about_midnight_holds_on_both_sides(
    stage: Stage, action: str
) -> None:
    """What a browser chooses by night is chosen under its pseudonyms of both days."""
    midnight = NOON_MS - NOON_MS % DAY_MS + DAY_MS
    before = stage.browser_id(ADDRESS, midnight - 60_000)
    late = {"received_ms": midnight - 60_000, "occurred_ms": midnight - 60_000}
    consent = {"statistics": True} if action == "give" else None
    await take(stage, action, consent=consent, **late)
    after = stage.browser_id(ADDRESS, midnight + 60_000)

    assert {before, after} == {who for _, who, _ in stage.named()}
    assert {False} == {entry.lasting for entry in stage.entries()}


# ------------------------------------------------------------------------------ others
async def test_disagreement_changes_nothing(stage: Stage) -> None:
    """A choice that contradicts itself is neither in force nor recorded."""
    taken = await stage.choices.take(
        asked("give", visitor=TOKEN, consent={"statistics": False})
    )

    assert isinstance(taken, Invalid)
    assert [] == stage.log


async def test_only_choices_are_taken(stage: Stage) -> None:
    """Another event is a defect of the caller."""
    one = asked("refuse")
    one.raw.event = PageView(site=SITE)

    with pytest.raises(TypeError, match="ConsentChoice"):
        await stage.choices.take(one)


# --------------------------------------------------------------------------- children
@pytest.mark.parametrize("action", ["give", "refuse", "withdraw"])
async def test_a_childs_choice_closes_and_purges(stage: Stage, action: str) -> None:
    """Whatever is chosen: under each pseudonym known, and nothing is given."""
    states = {"statistics": action == "give", "child": True}
    await take(stage, action, visitor=TOKEN, consent=states)

    kinds = {(kind, who) for kind, who, _ in stage.named()}
    assert {("child", stage.token_id()), ("child", browser(stage))} <= kinds
    assert "given" not in {kind for kind, _ in kinds}


async def test_a_withdrawal_parts_what_goes_from_what_stays(stage: Stage) -> None:
    """Of states that say both, those that are denied are withdrawn, and no others."""
    states = {"statistics": True, "marketing": False}
    taken = await take(stage, "withdraw", door="server", visitor=TOKEN, consent=states)

    assert {("withdrawn", stage.token_id(), ("marketing",))} == stage.named()
    assert taken.row.consent_statistics == "given"
    assert taken.row.consent_marketing == "withdrawn"
