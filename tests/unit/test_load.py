"""The loader: every sealed segment reaches the store, once, as it is."""

import errno
import itertools
import logging
import os
import time
from pathlib import Path

import pytest

import pipeline.load
import pipeline.load_breaker
from pipeline.load import Loader
from pipeline.segment import header_bytes
from pipeline.store_errors import StoreRefused, StoreUnavailable
from pipeline.withdrawal.narrow import SegmentError
from pipeline.withdrawal.objections import ObjectionsError
from tests import loading
from tests.loading import HEADERS, LINE, Store, away, did, loader, seal
from tests.spool_disk import segments

root, store, at_once = loading.root, loading.store, loading.at_once
pytestmark = pytest.mark.usefixtures("at_once")


def test_one_insert_a_segment(root: Path, store: Store) -> None:
    """A segment's bytes are the insert's body, its id is the insert's token."""
    seal(root, "events-0002", LINE * 3)
    seal(root, "counts-0001", LINE)

    assert did(segments=2, rows=4) == loader(root, store).run_once()
    assert [
        ("counts", HEADERS["counts"] + LINE, "0001"),
        ("events", HEADERS["events"] + LINE * 3, "0002"),
    ] == store.calls
    assert ["counts-0001.ndjson", "events-0002.ndjson"] == [
        path.name for path in segments(root, "loaded")
    ]
    assert [] == segments(root, "sealed", "open", "failed")


def test_oldest_first(root: Path, store: Store) -> None:
    """Segments of a table are loaded in the order of their ids."""
    for number in (3, 1, 2):
        seal(root, f"events-000{number}", b'["line %d"]\n' % number)
    loader(root, store).run_once()

    assert [b'["line %d"]' % number for number in (1, 2, 3)] == store.rows


def test_nothing_to_do(root: Path, store: Store) -> None:
    """Nothing sealed is nothing loaded; loaded segments are not loaded again."""
    seal(root, "events-0001")
    one = loader(root, store)

    assert [did(1, 1), did(), did()] == [one.run_once() for _ in range(3)]
    assert 1 == len(store.calls)


def test_dead_writers_are_made_up_for(root: Path, store: Store) -> None:
    """What a writer left open when it died is loaded, without its torn line."""
    seal(root, "events-0001", LINE + LINE + b'["tor', state="open")

    assert did(1, 2) == loader(root, store).run_once()
    assert HEADERS["events"] + LINE * 2 == store.calls[0][1]


def test_away(root: Path, store: Store) -> None:
    """While the store is away segments wait; nothing is lost or set aside."""
    for number in range(3):
        seal(root, f"events-000{number}")
    one = loader(root, store)
    store.before = away

    assert [did()] * 3 == [one.run_once() for _ in range(3)]
    assert "NETWORK_ERROR" == one.problem
    assert 3 == len(segments(root, "sealed"))

    store.heal()

    assert did(3, 3, inserts=1) == one.run_once()
    assert "" == one.problem
    assert [LINE.strip()] * 3 == store.rows


def test_committed_and_then_away(root: Path, store: Store) -> None:
    """An answer that got lost is asked for again: same bytes, same token, once."""
    path = seal(root, "events-0001", LINE * 2)
    body = path.read_bytes()
    one = loader(root, store)
    store.after = away
    for _ in range(4):
        one.run_once()
    store.heal()

    assert did(1, 2) == one.run_once()
    assert [("events", body, "0001")] * 5 == store.calls
    assert [LINE.strip()] * 2 == store.rows


def test_crash_between_insert_and_rename(root: Path, store: Store) -> None:
    """A loader that dies after its insert leaves the segment to the next one."""

    def die(_token: str) -> None:
        raise KeyboardInterrupt

    seal(root, "events-0001")
    store.after = die
    with pytest.raises(KeyboardInterrupt):
        loader(root, store).run_once()
    store.heal()

    assert 1 == len(segments(root, "sealed"))
    assert did(1, 1) == loader(root, store).run_once()
    assert [LINE.strip()] == store.rows


def test_away_in_the_middle(root: Path, store: Store) -> None:
    """What was loaded before the store went stays loaded; the rest waits in order."""

    def away_at_events(token: str) -> None:
        if token == "0002":
            raise StoreUnavailable(0, "NETWORK_ERROR")

    for name in ("counts-0001", "events-0002"):
        seal(root, name)
    store.before = away_at_events
    one = loader(root, store)

    assert did(1, 1) == one.run_once()
    assert ["0001", "0002"] == [token for _, _, token in store.calls]

    store.heal()

    assert did(1, 1) == one.run_once()
    assert ["0001", "0002"] == store.tokens


def test_refused(root: Path, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """What the engine refuses is set aside with its reason; the rest goes on."""

    def refuse_two(token: str) -> None:
        if token not in ("0001", "0003"):
            raise StoreRefused(27, "CANNOT_PARSE_INPUT", "near canary")

    for number in (1, 2, 3):
        seal(root, f"events-000{number}")
    content = (root / "sealed" / "events-0002.ndjson").read_bytes()
    store.before = refuse_two
    one = loader(root, store)
    with caplog.at_level(logging.ERROR, "kastana.load"):
        done = one.run_once()
    failed = {path.name: path for path in segments(root, "failed")}

    assert did(segments=2, rows=2, failed=1) == done
    assert {"events-0002.ndjson", "events-0002.reason"} == set(failed)
    assert content == failed["events-0002.ndjson"].read_bytes()
    assert "27 CANNOT_PARSE_INPUT\n" == failed["events-0002.reason"].read_text()
    assert 0o600 == failed["events-0002.reason"].stat().st_mode & 0o777
    assert "waits in failed/" in caplog.text
    assert "canary" not in caplog.text
    assert did() == one.run_once()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        LINE,
        header_bytes(["sites"], ["String"]) + LINE,
        HEADERS["counts"] + LINE,
        HEADERS["events"].replace(b"UInt64", b"UInt32", 1) + LINE,
        HEADERS["events"][:-1],
    ],
)
def test_other_columns(root: Path, store: Store, body: bytes) -> None:
    """A segment with another header than the policy's never reaches the store."""
    (root / "sealed" / "events-0001.ndjson").write_bytes(body)

    assert did(failed=1) == loader(root, store).run_once()
    assert [] == store.calls
    assert "0 SEGMENT_HEADER\n" == (root / "failed" / "events-0001.reason").read_text(
        encoding="utf-8"
    )


def test_unknown_table(root: Path, store: Store) -> None:
    """A segment of a table that the policy does not have is set aside."""
    (root / "sealed" / "moods-0001.ndjson").write_bytes(HEADERS["events"] + LINE)

    assert did(failed=1) == loader(root, store).run_once()
    assert [] == store.calls


def test_put_back(root: Path, store: Store) -> None:
    """A segment that a person put back is loaded under the token it had."""
    seal(root, "events-0001", state="failed").rename(
        root / "sealed" / "events-0001.ndjson"
    )

    assert did(1, 1) == loader(root, store).run_once()
    assert ["0001"] == store.tokens


def test_kept_for_a_while(root: Path, store: Store) -> None:
    """A loaded segment is kept from its loading on, then it goes."""
    path = seal(root, "events-0001")
    os.utime(path, (0, time.time() - 5000))
    one = loader(root, store, keep_s=1000.0)
    one.run_once()
    one.run_once()
    (kept,) = segments(root, "loaded")

    assert "events-0001.ndjson" == kept.name

    os.utime(kept, (0, time.time() - 1001))
    one.run_once()

    assert [] == segments(root, "loaded")


def test_only_loaded_is_purged(root: Path, store: Store) -> None:
    """Nothing that waits or failed is ever purged, however old."""
    store.before = away
    for state in ("sealed", "failed"):
        os.utime(seal(root, "events-0001", state=state), (0, 0))
    loader(root, store, keep_s=0.0).run_once()

    assert 2 == len(segments(root, "sealed", "failed"))


def test_purged_though_the_store_is_away(root: Path, store: Store) -> None:
    """Expiry does not wait for the store."""
    store.before = away
    seal(root, "events-0002")
    os.utime(seal(root, "events-0001", state="loaded"), (0, 0))
    one = loader(root, store)
    one.run_once()

    assert [] == segments(root, "loaded")


def test_a_disk_that_lets_nothing_go(
    root: Path,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What cannot be purged keeps nothing from being loaded, and goes later."""
    caplog.set_level(logging.WARNING)
    old = seal(root, "events-0001", state="loaded")
    os.utime(old, (0, 0))
    one = loader(root, store)
    with monkeypatch.context() as patch:

        def refuse(path: Path, **options: bool) -> None:
            if path == old:
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
            unlink(path, **options)

        unlink = Path.unlink
        patch.setattr(Path, "unlink", refuse)
        one.run_once()
        seal(root, "events-0002")
        assert did(1, 1) == one.run_once()
    assert old in segments(root, "loaded")
    assert ["loaded segments not purged: Read-only file system"] == caplog.messages

    one.run_once()
    assert ["events-0002.ndjson"] == [path.name for path in segments(root, "loaded")]


def test_pauses_grow(root: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that stays away is asked ever less often, within a bound."""
    monkeypatch.setattr(pipeline.load_breaker, "FIRST_PAUSE_S", 0.2)
    now = [1000.0]
    monkeypatch.setattr(pipeline.load_breaker.time, "monotonic", lambda: now[0])
    seal(root, "events-0001")
    store.before = away
    one = loader(root, store)
    asked: list[float] = []
    for _ in range(5000):
        before = len(store.calls)
        one.run_once()
        if len(store.calls) > before:
            asked.append(now[0])
        now[0] += 0.05
    pauses = [later - earlier for earlier, later in itertools.pairwise(asked)]

    assert 0.1 <= pauses[0] <= 0.25
    assert all(
        min(0.2 * 2**number, 30) / 2 <= pause <= min(0.2 * 2**number, 30) + 0.1
        for number, pause in enumerate(pauses)
    )
    assert pauses[-1] > 10

    # Once it is back, the next outage begins with a short pause again.
    store.heal()
    now[0] += 60
    one.run_once()
    seal(root, "events-0002")
    store.before = away
    one.run_once()
    now[0] += 0.21
    calls = len(store.calls)
    one.run_once()

    assert calls + 1 == len(store.calls)


def test_away_is_said_once(
    root: Path, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """An outage is one warning and its end one line, not one a try."""
    seal(root, "events-0001")
    one = loader(root, store)
    store.before = away
    with caplog.at_level(logging.INFO, "kastana.load"):
        for _ in range(5):
            one.run_once()
        store.heal()
        one.run_once()

    assert ["the store is away: NETWORK_ERROR; events wait in the spool"] == [
        entry.getMessage() for entry in caplog.records if entry.levelname == "WARNING"
    ]
    assert 1 == caplog.text.count("segments are loaded again")


class Steps:
    """A narrower and a ledger that note what they are asked, in one list."""

    header = HEADERS["counts"]

    def __init__(self, store: Store) -> None:
        self.noted: list[str] = []
        self.fault: Exception | None = None
        self.empty = False
        store.before = lambda token: self.noted.append(f"insert {token}")

    def read(self, path: Path) -> tuple[bytes, int]:
        """Narrow a segment of events, or count the lines it has."""
        self._note("narrow", path)
        if self.empty:
            path.write_bytes(HEADERS["events"])
        content = path.read_bytes()
        return content, content.count(b"\n") - 2

    def chain(self, path: Path) -> None:
        """Link a segment of choices: it has another header afterwards."""
        self._note("chain", path)
        path.write_bytes(self.header + (b"" if self.empty else LINE))

    def loaded(self, path: Path) -> None:
        """Take note; the segment is still where it was."""
        assert path.exists()
        self._note("loaded", path)

    def _note(self, what: str, path: Path) -> None:
        self.noted.append(f"{what} {path.stem.partition('-')[2]}")
        if self.fault is not None:
            raise self.fault


def test_narrowed_before_each_attempt(root: Path, store: Store) -> None:
    """Segments of events, and only those, are narrowed, at every attempt again."""
    steps = Steps(store)
    store.after = away
    seal(root, "events-0001")
    one = Loader(root, store, HEADERS, 600.0, narrower=steps, ledger=None)
    one.run_once()
    store.after = lambda _token: None
    seal(root, "counts-0000")
    one.run_once()

    assert [
        *("narrow 0001", "insert 0001"),
        "insert 0000",
        *("narrow 0001", "insert 0001"),
    ] == steps.noted


def test_linked_before_and_noted_after(root: Path, store: Store) -> None:
    """Choices are linked, inserted as they then are, and noted, one after another."""
    steps = Steps(store)
    for number in (2, 1):
        seal_choices(root, f"consents-000{number}")
    one = Loader(root, store, HEADERS, 600.0, narrower=steps, ledger=steps)

    assert did(2, 2) == one.run_once()
    assert [
        *("chain 0001", "insert 0001", "loaded 0001"),
        *("chain 0002", "insert 0002", "loaded 0002"),
    ] == steps.noted
    assert [("consents", steps.header + LINE)] * 2 == [
        (table, body) for table, body, _ in store.calls
    ]


def test_choices_wait_in_order(root: Path, store: Store) -> None:
    """While the oldest cannot be loaded no newer one is linked, and none is noted."""
    steps = Steps(store)
    store.after = away
    for number in (1, 2):
        seal_choices(root, f"consents-000{number}")
    one = Loader(root, store, HEADERS, 600.0, ledger=steps)
    one.run_once()

    assert ["chain 0001", "insert 0001"] == steps.noted


@pytest.mark.parametrize("name", ["events-0001", "consents-0001"])
def test_nothing_left(root: Path, store: Store, name: str) -> None:
    """A segment without a row any more is done without an insert."""
    steps = Steps(store)
    steps.empty = True
    seal_choices(root, name)
    one = Loader(root, store, HEADERS, 600.0, narrower=steps, ledger=steps)

    assert did(1, 0, inserts=0) == one.run_once()
    assert [] == store.calls
    assert [f"{name}.ndjson"] == [path.name for path in segments(root, "loaded")]


def test_line_that_cannot_be_judged(root: Path, store: Store) -> None:
    """A segment that cannot be held to the objections is set aside, never stored."""
    steps = Steps(store)
    steps.fault = SegmentError(7)
    seal(root, "events-0001")
    one = Loader(root, store, HEADERS, 600.0, narrower=steps)

    assert did(failed=1) == one.run_once()
    assert [] == store.calls
    assert "0 SEGMENT_LINE\n" == (root / "failed" / "events-0001.reason").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (ObjectionsError("damaged", 7), "objections damaged in line 7"),
        (OSError(28, "No space left on device"), "No space left on device"),
    ],
)
def test_cannot_be_narrowed_now(
    root: Path,
    store: Store,
    caplog: pytest.LogCaptureFixture,
    fault: Exception,
    words: str,
) -> None:
    """Events wait until the objections, or the disk, can be used; others do not."""
    steps = Steps(store)
    steps.fault = fault
    seal(root, "events-0001")
    seal(root, "counts-0000")
    one = Loader(root, store, HEADERS, 600.0, narrower=steps)

    assert [did(1, 1), did()] == [one.run_once() for _ in range(2)]
    assert words == one.problem
    assert ["counts"] == [table for table, _, _ in store.calls]
    assert 1 == len(segments(root, "sealed"))
    assert words in caplog.text

    steps.fault = None

    assert did(1, 1) == one.run_once()
    assert "" == one.problem


def seal_choices(root: Path, name: str) -> None:
    """Put a segment into the spool as the edge writes it."""
    (root / "sealed" / f"{name}.ndjson").write_bytes(
        HEADERS[name.partition("-")[0]] + LINE
    )
