"""
Step 8, when the store is away: how often it is asked, and what is told of it.

A circuit breaker of three states. `closed`: segments are loaded. `open`: the last
attempt failed, nothing is tried until a pause is over. `half_open`: the pause is over,
one segment is tried; if it is taken the breaker closes, else it opens for longer.
Pauses double up to a bound and are jittered, so that several loaders do not come back
in step.
"""

import random
import time
from typing import Literal

import msgspec

from pipeline.clock import now_ms

State = Literal["closed", "open", "half_open"]
STATES: tuple[State, ...] = ("closed", "open", "half_open")
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 30.0


class Status(msgspec.Struct, frozen=True):
    """
    What can be told of a breaker.

    Attributes:
        state: as above.
        since_ms: since when it is not closed, or closed again; ms since 1970 UTC.
        attempts: how many attempts failed one after another.
        problem: what failed, in words that quote nothing; empty when closed.

    """

    state: State
    since_ms: int
    attempts: int
    problem: str


class Breaker:
    """Says when to try; is told what became of it."""

    def __init__(self) -> None:
        self._state: State
        self._since_ms: int
        self._attempts: int
        self._problem: str
        self._pause_s: float
        self._not_before: float
        self._reset()

    @property
    def status(self) -> Status:
        """What can be told now."""
        return Status(self._state, self._since_ms, self._attempts, self._problem)

    def allows(self) -> bool:
        """Say if an attempt may be made now; what is open becomes half open."""
        if self._state == "closed":
            return True
        if time.monotonic() < self._not_before:
            return False
        self._state = "half_open"
        return True

    def failed(self, problem: str) -> bool:
        """Note a failed attempt; say if it is the first one of an outage."""
        first = self._state == "closed"
        if first:
            self._since_ms = now_ms()
        self._state = "open"
        self._attempts += 1
        self._problem = problem
        jitter = random.uniform(0.5, 1)  # noqa: S311 - no secret
        self._not_before = time.monotonic() + self._pause_s * jitter
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
        return first

    def succeeded(self) -> bool:
        """Note that an attempt worked; say if that ends an outage."""
        if self._state == "closed":
            return False
        self._reset()
        return True

    def _reset(self) -> None:
        self._state = "closed"
        self._since_ms = now_ms()
        self._attempts = 0
        self._problem = ""
        self._pause_s = FIRST_PAUSE_S
        self._not_before = 0.0
