"""The spool against a model: whatever happens, each row is what its class promised."""

import os
import random
import shutil
import tempfile
from pathlib import Path

import orjson
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from pipeline.sealing import PLAIN, Sealing
from pipeline.segment import read_segment, recover
from pipeline.spool_lines import Line, encode
from pipeline.spool_room import Limits, waiting_bytes
from pipeline.spool_writer import Problems, Writer
from schemas.row import Row
from schemas.settings import Durability
from tests.builders import headers, row
from tests.spool_disk import IDLE_S, Disk, disk_under_spool

LIMITS = Limits(seal_bytes=12_000, seal_seconds=IDLE_S, max_bytes=65_536)
PLACE = Row.__struct_fields__.index("page_title")
CLASSES: tuple[Durability, ...] = ("fsync", "write", "memory")


class PowerDisk(Disk):
    """A disk that knows how much of each file a power cut leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.synced: dict[int, int] = {}

    def fdatasync(self, descriptor: int) -> None:
        """Sync, unless that fails."""
        super().fdatasync(descriptor)
        self._remember(descriptor)

    def fsync(self, descriptor: int) -> None:
        """Sync a file or folder, unless that fails."""
        super().fsync(descriptor)
        self._remember(descriptor)

    def _remember(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        self.synced[status.st_ino] = status.st_size

    def cut_power(self, root: Path, chance: random.Random) -> None:
        """Take from open files some of what was never synced."""
        for path in (root / "open").iterdir():
            status = path.stat()
            safe = min(self.synced.get(status.st_ino, 0), status.st_size)
            os.truncate(path, chance.randint(safe, status.st_size))


class SpoolMachine(RuleBasedStateMachine):
    """One writer, the keeper's recovery beside it, and what may befall both."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.disk = PowerDisk()
        self.patch = disk_under_spool(self.disk)
        self.patch.__enter__()
        self.number = 0
        # Titles by what they were promised; what nobody was told of, or was lost
        # as its class allows, may be there.
        self.must: dict[str, Durability] = {}
        self.may: set[str] = set()
        self.loaded: list[str] = []

    @initialize(keyed=st.booleans())
    def begin(self, *, keyed: bool) -> None:
        """Start with an empty folder, with or without a key."""
        self.sealing = Sealing([bytes(32)]) if keyed else PLAIN
        self.writer = Writer(self.root, headers(), LIMITS, self.sealing)

    @rule(
        appends=st.lists(
            st.tuples(st.sampled_from(CLASSES), st.integers(1, 2)), max_size=4
        ),
        size=st.sampled_from([10, 2_000]),
    )
    def commit(self, appends: list[tuple[Durability, int]], size: int) -> None:
        """Commit a group of several callers, as far as there is room."""
        group: dict[Durability, list[list[Line]]] = {}
        titles: dict[Durability, list[list[str]]] = {}
        pending = self.writer.owed_bytes
        for durability, count in appends:
            names = [f"{self.number + step}".ljust(size) for step in range(count)]
            self.number += count
            lines = [encode(row(page_title=name)) for name in names]
            need = sum(len(line.text) + 1 for line in lines)
            if need <= self.writer.room.left(pending):
                pending += need
                group.setdefault(durability, []).append(lines)
                titles.setdefault(durability, []).append(names)

        def tell(durability: Durability, problems: Problems) -> None:
            names = {name for some in titles[durability] for name in some}
            if problems:
                self.may |= names
            else:
                self.must |= dict.fromkeys(names, durability)

        self.writer.commit(group, tell)

    @rule(call=st.sampled_from(["write", "fdatasync", "fsync", "open", "ftruncate"]))
    def break_disk(self, call: str) -> None:
        """From now on a call fails."""
        self.disk.fail(call)

    @rule(room=st.integers(0, 6_000))
    def fill_disk(self, room: int) -> None:
        """From now on there is this much room."""
        self.disk.budget = room

    @rule()
    def mend_disk(self) -> None:
        """The disk works again."""
        self.disk.errors.clear()
        self.disk.budget = None

    @rule()
    def kill(self) -> None:
        """Kill the process: what was in its memory alone is gone."""
        owed = [line for some in self.writer._owed.values() for line in some]
        self.lose({title for title in self.must if self.holds(owed, title)})
        self.restart()

    @rule(seed=st.integers(0, 1 << 16))
    def cut_power(self, seed: int) -> None:
        """Cut the power: what was not synced is gone, or a part of it."""
        here = set(self.titles("sealed", "open")) - set(self.titles("sealed"))
        owed = [line for some in self.writer._owed.values() for line in some]
        here |= {title for title in self.must if self.holds(owed, title)}
        self.lose({it for it in here if self.must.get(it, "fsync") != "fsync"})
        self.disk.cut_power(self.root, random.Random(seed))  # noqa: S311 - no secret
        self.restart()

    @rule()
    def recover_beside(self) -> None:
        """The keeper looks for orphans while the writer goes on."""
        if not self.disk.errors and self.disk.budget is None:
            recover(self.root, self.sealing)

    @rule()
    def load(self) -> None:
        """The loader takes what is sealed; that is room again."""
        for path in (self.root / "sealed").iterdir():
            self.loaded += self.rows_of(path)
            path.unlink()
        self.writer.room._measured -= 10
        self.writer.room.measure()

    @invariant()
    def within_the_bound(self) -> None:
        """What waits is never more than the bound."""
        assert waiting_bytes(self.root) <= LIMITS.max_bytes

    def teardown(self) -> None:
        """In the end everything promised is there, once."""
        try:
            self.mend_disk()
            self.writer.close()
            recover(self.root, self.sealing)
            kept = [*self.loaded, *self.titles("sealed")]

            assert len(kept) == len(set(kept))
            assert set() == self.must.keys() - set(kept)
            assert set() == set(kept) - self.must.keys() - self.may
            assert [] == list((self.root / "open").iterdir())
        finally:
            self.patch.__exit__(None, None, None)
            shutil.rmtree(self.root)

    def lose(self, titles: set[str]) -> None:
        """Take promises back that ended here."""
        for title in titles:
            assert self.must.pop(title) != "fsync"
            self.may.add(title)

    def restart(self) -> None:
        """Start another process where one died; the disk is as it is."""
        for segment in self.writer._segments.values():
            os.close(segment._file)
        self.mend_disk()
        recover(self.root, self.sealing)
        self.writer = Writer(self.root, headers(), LIMITS, self.sealing)

    def holds(self, lines: list[Line], title: str) -> bool:
        """Say if one of the lines has the title."""
        return any(f'"{title}"'.encode() in line.text for line in lines)

    def titles(self, *states: str) -> list[str]:
        """Return the titles of all whole rows in these states."""
        paths = [path for it in states for path in (self.root / it).iterdir()]
        return [title for path in paths for title in self.rows_of(path)]

    def rows_of(self, path: Path) -> list[str]:
        """Return a segment's titles; a torn line or frame has none."""
        if path.parent.name == "open":
            whole = self.sealing.whole(path.stem, path.read_bytes())
            content = path.read_bytes() if whole is None else whole[1]
        else:
            content = read_segment(path, self.sealing)
        lines = content.rpartition(b"\n")[0].split(b"\n")[2:]
        return [orjson.loads(line)[PLACE] for line in lines]


SpoolTest = SpoolMachine.TestCase
SpoolTest.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
