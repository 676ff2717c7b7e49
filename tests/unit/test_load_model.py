"""The loader against a store that does all that stores do, and dies of it itself."""

import os
import tempfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

import pipeline.durable
import pipeline.load
import pipeline.load_breaker
from pipeline.load_plans import prepare
from pipeline.segment import make_folders
from tests.loading import BAD, Store, away, failed_rows, loader, seal


class Killed(BaseException):
    """What a process never sees: its own kill -9."""


def die(_token: str) -> None:
    """Die in the middle of an insert."""
    raise Killed


class LoaderMachine(RuleBasedStateMachine):
    """Segments come, passes end in every way; each row is stored or set aside, once."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(pipeline.load_breaker, "FIRST_PAUSE_S", 0.0)
        self.patch.setattr(pipeline.load, "JOIN_ROWS", 8)
        self.folder = tempfile.TemporaryDirectory()
        self.root = Path(self.folder.name)
        self.left = -1
        disk = SimpleNamespace(**vars(os))
        disk.fsync = self.fsync
        self.patch.setattr(pipeline.durable, "os", disk)

    def fsync(self, _descriptor: int) -> None:
        """Sync nothing, which no kill can tell; die when the time has come."""
        self.left -= 1
        if self.left == 0:
            raise Killed

    @initialize()
    def start(self) -> None:
        """Make a spool, and a loader for it."""
        make_folders(self.root)
        prepare(self.root)
        self.store = Store()
        self.loader = loader(self.root, self.store)
        self.acknowledged: Counter[bytes] = Counter()
        self.segments = 0

    @rule(
        table=st.sampled_from(["events", "counts"]),
        bad=st.lists(st.booleans(), min_size=1, max_size=6),
    )
    def arrive(self, table: str, bad: list[bool]) -> None:
        """A segment is sealed; some of its rows will be refused."""
        self.segments += 1
        lines = [
            BAD if refused else b'["row %d %d"]\n' % (self.segments, place)
            for place, refused in enumerate(bad)
        ]
        seal(self.root, f"{table}-{self.segments:08}", b"".join(lines))
        self.acknowledged.update(line.strip() for line in lines)

    @rule(
        how=st.sampled_from(["takes", "away", "answer lost", "dies", "dies after"]),
        after=st.integers(0, 6),
    )
    def load(self, how: str, after: int) -> None:
        """A pass, of which some insert ends so."""
        calls = [0]

        def sometimes(token: str) -> None:
            calls[0] += 1
            if calls[0] > after and how != "takes":
                (away if how in ("away", "answer lost") else die)(token)

        if how in ("away", "dies"):
            self.store.before = sometimes
        else:
            self.store.after = sometimes
        self.run_once()
        self.store.heal()

    @rule(step=st.integers(1, 30))
    def killed(self, step: int) -> None:
        """A pass that is killed at some change of the disk."""
        self.left = step
        self.run_once()
        self.left = -1

    @rule()
    def restart(self) -> None:
        """Another process goes on."""
        self.loader = loader(self.root, self.store)

    @rule()
    def put_back(self) -> None:
        """An operator gives the store again what it refused."""
        for path in (self.root / "failed").glob("*.ndjson"):
            path.rename(self.root / "sealed" / path.name)
            path.with_suffix(".reason").unlink()

    def run_once(self) -> None:
        """Run a pass; a killed loader is followed by another."""
        try:
            self.loader.run_once()
        except Killed:
            self.left = -1
            self.loader = loader(self.root, self.store)

    @invariant()
    def nothing_twice(self) -> None:
        """No row is in the store twice, and none that nobody sent."""
        if hasattr(self, "acknowledged"):
            assert Counter(self.store.rows) <= self.acknowledged

    def teardown(self) -> None:
        """With a store that works, each row is in it or set aside, once."""
        try:
            if hasattr(self, "acknowledged"):
                while self.loader.run_once().more:
                    continue
                found = Counter([*self.store.rows, *failed_rows(self.root)])
                assert self.acknowledged == found
                assert not list((self.root / "sealed").glob("*.ndjson"))
        finally:
            self.patch.undo()
            self.folder.cleanup()


TestLoaderMachine = LoaderMachine.TestCase
TestLoaderMachine.settings = settings(
    max_examples=40, stateful_step_count=20, deadline=None
)
