"""Links and their verification: whatever is changed in a chain is found."""

import copy
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.folder import Folder, FolderError
from pipeline.clock import time_text
from pipeline.ledger.chain import START, Head, Key, link, record_hash
from pipeline.ledger.heads import (
    Heads,
    HeadsError,
    Pending,
    read_heads,
    write_heads,
)
from pipeline.ledger.verify import Expiry, VerifyResult, verify
from schemas.policy import load_policy
from tests.builders import DAY_MS, NOON_MS, consent_row
from tests.ledger_fixture import DAYS, growing, record_id
from tests.strategies import texts

TYPES = {name: column.type for name, column in load_policy().ledger.items()}
SITE = "example.com"
KEY = (SITE, "c1")
HASH = re.compile(r"[0-9a-f]{64}")
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "UUID": st.uuids().map(str),
    "String": texts,
    "LowCardinality(String)": texts,
    "DateTime64(3, 'UTC')": st.integers(0, 4_000_000_000_000).map(time_text),
    "Array(LowCardinality(String))": st.lists(texts, max_size=3),
    "UInt64": st.integers(0, 2**64 - 1),
}


def linked(*moments: int, site: str = SITE, first: Head | None = None) -> list[Any]:
    """Return a chain of records, one for each moment, ms since 1970."""
    records, head = [], first or Head()
    for number, moment in enumerate(moments, start=head.sequence + 1):
        row = consent_row(record_id=record_id(number), site=site)
        record, head = link(msgspec.structs.asdict(row), head, "c1", time_text(moment))
        records.append(record)
    return records


def heads_of(records: list[Any]) -> Heads:
    """Return what the writer of these records knows."""
    heads: dict[Key, Head] = {
        (one["site"], one["chain"]): Head(
            one["sequence"], one["hash"], one["recorded_at"]
        )
        for one in records
    }
    return Heads(heads)


def checked(records: list[Any], heads: Heads | None, days: int = DAYS) -> VerifyResult:
    """Verify records on the noon of a day."""
    return verify(iter(records), lambda: heads, Expiry(NOON_MS, days))


def found(records: list[Any], heads: Heads | None) -> list[tuple[str, int]]:
    """Return what is wrong, and where."""
    return [(one.kind, one.sequence) for one in checked(records, heads).breaks]


CHAIN = linked(*(NOON_MS - 5000 + n for n in range(5)))
KNOWN = heads_of(CHAIN)


# ------------------------------------------------------------------------------- links
def test_first_and_next() -> None:
    """The first record is tied to nothing, each other one to the one before it."""
    first, second, *_ = CHAIN

    assert (1, "", START) == (
        first["sequence"],
        first["prev_hash"],
        first["prev_recorded_at"],
    )
    assert (2, first["hash"], first["recorded_at"]) == (
        second["sequence"],
        second["prev_hash"],
        second["prev_recorded_at"],
    )
    assert list(TYPES) == list(first)
    assert HASH.fullmatch(first["hash"])


def test_known_hash() -> None:
    """The canonical form is what the documentation says: anyone can make it again."""
    import hashlib
    import json

    record = CHAIN[2]
    empty = {"", 0, START, "00000000-0000-0000-0000-000000000000"}
    covered = {
        name: value
        for name, value in record.items()
        if name != "hash" and value != [] and value not in empty
    }
    text = json.dumps(
        covered, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )

    assert hashlib.sha256(text.encode()).hexdigest() == record["hash"]


def test_a_new_column_leaves_old_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A column that a later policy adds is empty in old records: they stay whole."""
    more = {**TYPES, "mood": "LowCardinality(String)"}
    monkeypatch.setattr("pipeline.ledger.chain.ledger_types", lambda: more)
    record = {**CHAIN[0], "mood": ""}

    assert CHAIN[0]["hash"] == record_hash(record)
    assert CHAIN[0]["hash"] != record_hash({**record, "mood": "good"})


# ------------------------------------------------------------------------------ verify
def test_whole() -> None:
    """Several chains that are as their writers left them."""
    other = linked(NOON_MS, NOON_MS, site="other.example")
    result = checked([*CHAIN, *other], heads_of([*CHAIN, *other]))

    assert VerifyResult(7, 2, (), heads=True) == result
    assert result.intact


def test_empty() -> None:
    """A ledger in which nothing was recorded is whole."""
    assert VerifyResult(0, 0, (), heads=True) == checked([], Heads())
    assert VerifyResult(0, 0, (), heads=False) == checked([], None)


@given(
    st.lists(st.integers(0, 10_000), min_size=1, max_size=6),
    st.data(),
)
def test_any_change_is_found(moments: list[int], data: st.DataObject) -> None:
    """Another value in any one column of any one record breaks its chain."""
    records = linked(*(NOON_MS - moment for moment in moments))
    heads = heads_of(records)
    assert checked(records, heads).intact
    place = data.draw(st.integers(0, len(records) - 1))
    name = data.draw(st.sampled_from(list(TYPES)))
    was = records[place][name]
    records[place][name] = data.draw(
        VALUES[TYPES[name]].filter(lambda value: value != was)
    )
    if name in {"site", "chain", "sequence"}:
        # The store gives them in order, whatever is in them.
        records.sort(key=lambda one: (one["site"], one["chain"], one["sequence"]))

    assert not checked(records, heads).intact


@given(st.integers(1, 12), st.data())
def test_anything_missing_is_found(count: int, data: st.DataObject) -> None:
    """Any part of a chain that is taken out is missed, wherever it was."""
    records = linked(*(NOON_MS - count + n for n in range(count)))
    start = data.draw(st.integers(0, count - 1))
    end = data.draw(st.integers(start + 1, count))
    left = records[:start] + records[end:]
    if end == count:
        expected = ("tail", start + 1)
    else:
        expected = ("gap" if start else "start", end + 1)

    assert [expected] == found(left, heads_of(records))


@given(st.integers(2, 8), st.data())
def test_any_order_but_the_own_is_found(count: int, data: st.DataObject) -> None:
    """Records that change places are found, though each of them is genuine."""
    records = linked(*(NOON_MS - count + n for n in range(count)))
    one, other = sorted(
        data.draw(
            st.lists(st.integers(0, count - 1), min_size=2, max_size=2, unique=True)
        )
    )
    mixed = copy.deepcopy(records)
    keeper = ("sequence", "recorded_at", "prev_recorded_at", "prev_hash", "hash")
    for name in set(TYPES) - set(keeper):
        mixed[one][name], mixed[other][name] = records[other][name], records[one][name]

    assert [("hash", one + 1)] == found(mixed, heads_of(records))


def rewritten(place: int, **changes: Any) -> list[Any]:
    """Return the chain with one record changed and given the hash that fits."""
    records = copy.deepcopy(CHAIN)
    records[place].update(changes)
    records[place]["hash"] = record_hash(records[place])
    return records


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (rewritten(1, notice="x"), [("link", 3)]),
        (rewritten(1, prev_hash="0" * 64), [("link", 2)]),
        (rewritten(0, prev_hash="0" * 64), [("link", 1)]),
        (rewritten(1, prev_recorded_at=START), [("link", 2)]),
        (rewritten(2, recorded_at="2025-05-01 00:00:00.000"), [("link", 3)]),
        (rewritten(4, notice="x"), [("tail", 5)]),
        (rewritten(4, recorded_at="2000-01-01 00:00:00.000"), [("link", 5)]),
        ([CHAIN[0], *rewritten(0, notice="x")[:1], *CHAIN[1:]], [("fork", 1)]),
        ([*CHAIN[:4], *rewritten(4, notice="x")[4:], CHAIN[4]], [("fork", 5)]),
        ([*CHAIN, *rewritten(4, notice="x")[4:]], [("fork", 5)]),
        (rewritten(0, sequence=0), [("start", 0)]),
        ([CHAIN[1], *CHAIN[1:]], [("start", 2)]),
    ],
)
def test_rewritten(records: list[Any], expected: list[tuple[str, int]]) -> None:
    """A hash that was made to fit does not help: the next record has the old one."""
    assert expected == found(records, KNOWN)


def test_rewritten_from_there_on() -> None:
    """Who makes all later hashes fit is betrayed by what the writer knows."""
    head = Head(1, CHAIN[0]["hash"], CHAIN[0]["recorded_at"])
    records = [CHAIN[0], *linked(*(NOON_MS - 4000 + n for n in range(4)), first=head)]
    longer = [CHAIN[0], *linked(*(NOON_MS - 4000 + n for n in range(6)), first=head)]

    assert [] == found(records, None)
    assert [("tail", 5)] == found(records, KNOWN)
    assert [("tail", 5)] == found(longer, KNOWN)


def test_first_break_only() -> None:
    """Of each chain the first break is named, in the order of the chains."""
    other = linked(NOON_MS, NOON_MS, NOON_MS, site="a.example")
    known = heads_of([*CHAIN, *other])
    records = copy.deepcopy([*other, *CHAIN])
    for record in records[1:]:
        record["notice"] = "x"
    breaks = checked(records, known).breaks

    assert [("a.example", "hash", 2), (SITE, "hash", 1)] == [
        (one.site, one.kind, one.sequence) for one in breaks
    ]
    assert [record_id(2), record_id(1)] == [one.record_id for one in breaks]


def test_big_numbers_as_text() -> None:
    """A store that writes 64-bit numbers as texts is read as well."""
    records = [
        {**one, "sequence": str(one["sequence"]), "principal": str(one["principal"])}
        for one in CHAIN
    ]

    assert [] == found(records, KNOWN)


# -------------------------------------------------------------- the ledger that grows
def test_grows_meanwhile() -> None:
    """What is loaded while the records are read is neither missing nor too much."""
    for seen in (3, 4, 5):
        reads = growing([heads_of(CHAIN[:3]), KNOWN])

        assert verify(CHAIN[:seen], reads, Expiry(NOON_MS, DAYS)).intact


def test_pending_is_not_ahead() -> None:
    """A segment that is just being inserted may be there, or not yet."""
    before = heads_of(CHAIN[:3])
    pending = Pending("consents-1.ndjson", heads_of(CHAIN).heads)
    heads = msgspec.structs.replace(before, pending=pending)

    assert [] == found(CHAIN[:3], heads)
    assert [] == found(CHAIN, heads)
    assert [("ahead", 5)] == found(CHAIN, msgspec.structs.replace(before, pending=None))
    assert [] == found(CHAIN, Heads(pending=pending))
    # Of a writer's very first segment nothing but this is known.
    first = Pending("consents-1.ndjson", before.heads)
    assert [("ahead", 5)] == found(CHAIN, Heads(pending=first))


def test_ahead_of_an_unknown_site() -> None:
    """A chain of this writer for a site that it never wrote of is not its own."""
    other = linked(NOON_MS, site="other.example")

    assert [("ahead", 1)] == found([*CHAIN, *other], KNOWN)


def test_other_writers_are_not_known() -> None:
    """Where a chain of another folder ends cannot be told here."""
    theirs = []
    head = Head()
    for one in CHAIN:
        record, head = link(one, head, "c0", one["recorded_at"])
        theirs.append(record)

    assert [] == found([*theirs, *CHAIN], KNOWN)


def test_one_site_only() -> None:
    """Asked for one site, what is not read of the others is not missing."""
    other = linked(NOON_MS, site="other.example")
    known = heads_of([*CHAIN, *other])
    expired = Expiry(NOON_MS, DAYS)

    assert verify(CHAIN, lambda: known, expired, SITE).intact
    assert not verify(CHAIN[:4], lambda: known, expired, SITE).intact
    assert not verify([], lambda: known, expired, SITE).intact
    assert not verify(CHAIN, lambda: known, expired).intact


# -------------------------------------------------------------------------- expiry
OLD_MS = NOON_MS - 10 * DAY_MS
LONG = linked(OLD_MS, OLD_MS + 1, OLD_MS + 2, NOON_MS - 2, NOON_MS - 1)


@pytest.mark.parametrize(
    ("left", "days", "expected"),
    [
        (LONG[3:], 9, []),
        (LONG[4:], 9, [("start", 5)]),
        (LONG[3:], 11, [("start", 4)]),
        (LONG[2:], 9, []),
        ([LONG[0], *LONG[3:]], 9, []),
        ([LONG[0], *LONG[4:]], 9, [("gap", 5)]),
        (LONG[:3], 9, [("tail", 4)]),
        ([], 9, [("tail", 1)]),
    ],
)
def test_expired(left: list[Any], days: int, expected: list[tuple[str, int]]) -> None:
    """What has expired may be gone; what has not may not."""
    breaks = checked(left, heads_of(LONG), days).breaks

    assert expected == [(one.kind, one.sequence) for one in breaks]


def test_expired_as_a_whole() -> None:
    """A chain of which every record has expired may be gone."""
    assert checked([], heads_of(LONG[:3]), days=9).intact
    assert checked(LONG[:1], heads_of(LONG[:3]), days=9).intact


@pytest.mark.parametrize(("hours", "gone"), [(0, True), (0.9, True), (1.1, False)])
def test_slack(hours: float, gone: bool) -> None:  # noqa: FBT001 - the expectation
    """The engine's clock may be an hour ahead of ours."""
    recorded = time_text(NOON_MS - DAY_MS + round(hours * 3_600_000))

    assert gone is Expiry(NOON_MS, 1)(recorded)


# ------------------------------------------------------------------------------- heads
def test_chain_id(tmp_path: Path) -> None:
    """A folder is the same in the ledger for ever, and no other has its name."""
    names = [Folder(tmp_path / name).chain_id() for name in "aab"]

    assert re.fullmatch(r"[0-9a-f]{32}", names[0])
    assert names[0] == names[1] != names[2]
    assert 0o600 == (tmp_path / "a" / "chain.id").stat().st_mode & 0o777
    assert tmp_path / "a" / "heads.json" == Folder(tmp_path / "a").heads


def test_damaged_chain_id(tmp_path: Path) -> None:
    """A damaged name is said, not replaced by another one."""
    folder = Folder(tmp_path)
    (tmp_path / "chain.id").write_text("abc", encoding="ascii")

    with pytest.raises(FolderError, match=r"chain\.id is not 32 hexadecimal"):
        folder.chain_id()


def test_heads_survive(tmp_path: Path) -> None:
    """What is written is what is read, and nobody else may read it."""
    path = tmp_path / "heads.json"
    heads = Heads(
        {KEY: Head(3, "ab", START), ("a\tb\u2028", "c2"): Head(1, "cd", START)},
        "consents-1.ndjson",
        Pending("consents-2.ndjson", {KEY: Head(4, "ef", START)}),
    )

    assert read_heads(path) is None

    write_heads(path, Heads())
    write_heads(path, heads)

    assert heads == read_heads(path)
    assert 0o600 == path.stat().st_mode & 0o777
    assert [path] == list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"{}", b"null", b'{"heads": []}', b"\xff"])
def test_damaged_heads(tmp_path: Path, content: bytes) -> None:
    """What is no such file is refused, not taken for an empty one."""
    path = tmp_path / "heads.json"
    path.write_bytes(content)

    with pytest.raises(HeadsError, match="is damaged"):
        read_heads(path)
