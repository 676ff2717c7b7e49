"""Rounds of torture: set up, load, do something, heal, compare; until one is wrong."""

import random
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.torture.check import check
from tests.torture.journal import Journal
from tests.torture.load import under_load
from tests.torture.scenarios import SCENARIOS, Scenario
from tests.torture.stage import Mode, Stage, ViolationError, stage_on

# How many rounds a mode lasts; and how many kills, after which the server would wait
# for seconds before it starts a process again.
_ROUNDS = 5
_KILLS = 2
STORES = ("engine", "server")


@dataclass(frozen=True)
class Plan:
    """
    What a run is.

    Attributes:
        folder: where its data folders are made.
        seed: of all chance.
        rounds: how many at most; 0: no bound.
        minutes: after how many no round is begun.
        stores: which of `STORES`.
        scenarios: their names, in this order again and again; empty: all, shuffled.
        mounts: whether small disks can be mounted.

    """

    folder: Path
    seed: str
    rounds: int = 0
    minutes: float = 10.0
    stores: Sequence[str] = STORES
    scenarios: Sequence[str] = ()
    mounts: bool = False


class Run:
    """A plan being carried out."""

    def __init__(self, plan: Plan) -> None:
        """Begin to count."""
        self._plan = plan
        self._end = time.monotonic() + plan.minutes * 60
        self._number = 0
        self.times: dict[str, int] = {}

    def run(self) -> bool:
        """Do rounds until the plan is done; return False after a violation."""
        stages = 0
        while self._goes_on:
            for store in self._plan.stores:
                folder = self._plan.folder / f"{stages:03d}-{store}"
                stages += 1
                try:
                    self._on(folder, server=store == "server")
                except ViolationError as violation:
                    self._tell(folder, violation)
                    return False
                shutil.rmtree(folder)
                if not self._goes_on:
                    break
        return True

    @property
    def _goes_on(self) -> bool:
        done = 0 < self._plan.rounds <= self._number
        return not done and time.monotonic() < self._end

    def _on(self, folder: Path, *, server: bool) -> None:
        """Do the rounds of one data folder: each scenario once."""
        chance = random.Random(f"{self._plan.seed}/{folder.name}")  # noqa: S311 - no secret
        journal = Journal()
        with stage_on(folder, server=server, mounts=self._plan.mounts) as stage:
            modes = _modes(chance, server=server)
            for turn, scenario in enumerate(self._deck(stage, chance)):
                if not self._goes_on:
                    break
                if turn % _ROUNDS == 0 or stage.kills >= _KILLS:
                    stage.set_up(next(modes))
                    print(f"{stage.mode}", flush=True)
                self._round(stage, journal, scenario)
            if stage.product.process is not None:
                stage.end_product()

    def _deck(self, stage: Stage, chance: random.Random) -> list[Scenario]:
        named = [SCENARIOS[name] for name in self._plan.scenarios]
        deck = [one for one in named or SCENARIOS.values() if one.fits(stage)]
        if not deck:
            raise SystemExit("none of these scenarios can be done here")
        if not named:
            chance.shuffle(deck)
        return deck

    def _round(self, stage: Stage, journal: Journal, scenario: Scenario) -> None:
        self._number += 1
        self.times[scenario.name] = self.times.get(scenario.name, 0) + 1
        seed = f"{self._plan.seed}/{self._number}"
        chance = random.Random(seed)  # noqa: S311 - no secret
        stage.lossy = False
        journal.begin()
        began = time.monotonic()
        verdict = "violated"
        try:
            name, url = f"r{self._number}", stage.product.url
            settle = chance.choice([stage.settle, _at_once])
            with under_load(journal, url, name, seed, settle):
                scenario.act(stage, chance)
                stage.heal()
                time.sleep(chance.uniform(0, 0.5))
            if stage.lossy and stage.mode.durability == "memory":
                journal.lose()
            check(stage, journal)
            verdict = "held"
        finally:
            print(
                f"{self._number:5d} {scenario.name:20s} "
                f"{time.monotonic() - began:5.1f} s "
                f"{journal.answered:4d} acknowledged {journal.refused:4d} refused "
                f"{journal.failed:4d} unanswered  {verdict}",
                flush=True,
            )

    def _tell(self, folder: Path, violation: ViolationError) -> None:
        print(f"\nVIOLATION: {violation}")
        print(f"seed {self._plan.seed}, round {self._number}; what is left: {folder}")


def _at_once() -> None:
    """Wait for nothing."""


def _modes(chance: random.Random, *, server: bool) -> Iterator[Mode]:
    """Yield ways to set up the product, each class and number of edges early."""
    while True:
        durabilities = ["fsync", "write", "memory"]
        chance.shuffle(durabilities)
        for number, durability in enumerate(durabilities):
            yield Mode(
                server,
                workers=1 + (number + chance.randint(0, 1)) % 2,
                durability=durability,
                encrypted=chance.random() < 0.5,
                free_bytes=chance.choice([0, 262_144]),
                max_bytes=chance.choice([1 << 30, 131_072]),
            )
