"""What the senders know: what was acknowledged, and what may or may not be there."""

import random
import threading
import uuid
from dataclasses import dataclass, field
from typing import Any

# Rows without anybody's consent; numbers alone; choices, and rows under consent.
ROWS, COUNTED, CHOICES = "opt-out.example", "opt-in.example", "shop.example"
# Where the pages of those lie who withdraw before the round is over.
WITHDRAWN = "/w/"


@dataclass(frozen=True)
class Sent:
    """What an event would add to the totals of its site."""

    site: str
    views: int = 0
    engaged_ms: int = 0


@dataclass
class Counted:
    """How many events of a path were acknowledged, and how many else were sent."""

    acknowledged: int = 0
    unknown: int = 0


@dataclass
class Journal:
    """
    All that was sent, since the store was empty; threads share it.

    Attributes:
        sent: every event whose row can be looked for, by its page.
        acknowledged: pages of those that got 202.
        choices: ids of choices that were sent, and whether they got 202.
        counted: by path.
        refused: answers 503 in this round.
        failed: requests of this round that got no answer.
        wrong: answers that no fault explains.

    """

    sent: dict[str, Sent] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    choices: dict[str, bool] = field(default_factory=dict)
    counted: dict[str, Counted] = field(default_factory=dict)
    refused: int = 0
    failed: int = 0
    wrong: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _round: list["Request"] = field(default_factory=list)

    def begin(self) -> None:
        """Begin a round."""
        self.refused = self.failed = 0
        self._round.clear()

    def sending(self, request: "Request") -> None:
        """Note a request before its first attempt."""
        with self._lock:
            self.sent.update(request.rows)
            self.choices.update(dict.fromkeys(request.choices, False))
            if request.counted:
                here = self.counted.setdefault(request.path, Counted())
                here.unknown += request.counted

    def taken(self, request: "Request") -> None:
        """Note that a request got its 202; the first one counts."""
        with self._lock:
            if request.acknowledged:
                return
            request.acknowledged = True
            self._round.append(request)
            self.acknowledged.update(request.rows)
            self.choices.update(dict.fromkeys(request.choices, True))
            if request.counted:
                self.counted[request.path].unknown -= request.counted
                self.counted[request.path].acknowledged += request.counted

    def missed(self, *, refused: bool) -> None:
        """Note an attempt that was refused, or got no answer."""
        with self._lock:
            if refused:
                self.refused += 1
            else:
                self.failed += 1

    def object(self, words: str) -> None:
        """Note an answer that no fault explains."""
        with self._lock:
            self.wrong.append(words)

    def lose(self) -> None:
        """Take what this round's events were promised for nothing; choices stay."""
        with self._lock:
            for request in self._round:
                self.acknowledged.difference_update(request.rows)
                if request.counted:
                    self.counted[request.path].unknown += request.counted
                    self.counted[request.path].acknowledged -= request.counted

    @property
    def answered(self) -> int:
        """How many events and choices of this round were acknowledged."""
        return sum(one.size for one in self._round)


@dataclass(eq=False)
class Request:
    """
    One request; repeated as it is.

    Attributes:
        door: the path it goes to.
        body: what is sent, as JSON has it.
        rows: what is to be a row each, by page.
        choices: ids of choices.
        counted: how many of its events are to be counted.
        path: under which they are.
        acknowledged: whether it got its 202.

    """

    door: str
    body: Any
    rows: dict[str, Sent] = field(default_factory=dict)
    choices: list[str] = field(default_factory=list)
    counted: int = 0
    path: str = ""
    acknowledged: bool = False

    @property
    def size(self) -> int:
        """How many events, or choices, it brings."""
        return len(self.body) if isinstance(self.body, list) else 1


def uuid7(moment_ms: int, chance: random.Random) -> str:
    """Return an id as a client makes it."""
    mixed = (moment_ms << 80) | chance.getrandbits(80)
    mixed = mixed & ~(0xF << 76) | 0x7 << 76
    return str(uuid.UUID(int=mixed & ~(0x3 << 62) | 0x2 << 62))
