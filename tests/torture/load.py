"""The load: a few clients that send, and send again as the tracker does."""

import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.product import CHROME
from tests.torture.journal import (
    CHOICES,
    COUNTED,
    ROWS,
    WITHDRAWN,
    Journal,
    Request,
    Sent,
    uuid7,
)

# Shorter than what is stopped stays stopped.
ANSWER_S = 2.0
_CLIENTS = 3
# The longest pause between two requests: of the first ones, and of all others.
_QUICK, _QUICK_S, _SLOW_S = 40, 0.05, 0.4
_REQUESTS = 100
_AGAIN_S = 40.0
_HOUR_MS = 3_600_000


class Client(threading.Thread):
    """Sends until told to stop; what got no 202 is mostly sent again, with its ids."""

    def __init__(
        self, journal: Journal, url: str, name: str, seed: str, *, withdraws: bool
    ) -> None:
        """
        Describe a client.

        Args:
            journal: where it notes what becomes of its requests.
            url: of the collector.
            name: unlike that of any other client on this folder.
            seed: of what it does.
            withdraws: whether it agrees to something and withdraws that.

        """
        super().__init__(daemon=True)
        self.stopping = threading.Event()
        self._journal = journal
        self._address = url.removeprefix("http://")
        self._name = name
        self._withdraws = withdraws
        self._chance = random.Random(seed)  # noqa: S311 - no secret
        self._again: list[Request] = []
        self._connection: http.client.HTTPConnection | None = None
        self._pages = 0
        self._makes = self._plan()

    def run(self) -> None:
        """Send a round's requests, and again what failed."""
        try:
            for number, make in enumerate(self._makes):
                most = _QUICK_S if number < _QUICK else _SLOW_S
                if number and self.stopping.wait(self._chance.uniform(0, most)):
                    break
                self._one(make())
            while not self.stopping.wait(0.05):
                self._repeat()
        finally:
            self._close()

    def finish(self) -> None:
        """Send again what is left, now that nothing is in the way; withdraw."""
        if self._withdraws:
            leaving = self._leave()
            self._journal.sending(leaving)
            self._again.append(leaving)
        end = time.monotonic() + _AGAIN_S
        while self._again and time.monotonic() < end:
            self._repeat()
            if self._again:
                time.sleep(0.1)
        self._close()
        if self._again:
            self._journal.object("still refused though nothing is in the way")

    def _plan(self) -> list[Callable[[], Request]]:
        """Return what makes each request; at once, so that only the seed decides."""
        kinds = [self._rows, self._counted, self._consented, self._give, self._leave]
        # One of them withdraws: early, or not before all is stored.
        leaves = self._chance.choice([0, 5]) if self._withdraws else 0
        plan = self._chance.choices(kinds, (60, 15, 15, 5, leaves), k=_REQUESTS)
        return [self._withdrawing, *plan] if self._withdraws else plan

    def _one(self, request: Request) -> None:
        self._journal.sending(request)
        if not self._send(request) and self._chance.random() < 0.8:
            # A counter is not told from its repetition by another process.
            if not request.counted:
                self._again.append(request)
        elif not request.counted and self._chance.random() < 0.1:
            # Its answer went astray on the way.
            self._again.append(request)

    def _repeat(self) -> None:
        waiting, self._again = self._again, []
        self._again += [one for one in waiting if not self._send(one)]

    def _send(self, request: Request) -> bool:
        """Make an attempt; return if it was acknowledged."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(
                self._address, timeout=ANSWER_S
            )
        try:
            self._connection.request(
                "POST", request.door, json.dumps(request.body), {"User-Agent": CHROME}
            )
            answer = self._connection.getresponse()
            said = json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            self._journal.missed(refused=False)
            self._close()
            self.stopping.wait(0.02)
            return False
        if answer.status == 503:
            self._journal.missed(refused=True)
            self.stopping.wait(0.02)
            return False
        if (202, request.size) != (answer.status, said.get("accepted")):
            self._journal.object(f"{request.door} answered {answer.status} {said}")
        self._journal.taken(request)
        return True

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _rows(self) -> Request:
        """Views and pings that are kept without being asked."""
        return self._events(ROWS, f"/{self._name}")

    def _consented(self) -> Request:
        """Views of someone who agreed and stays."""
        agreed = {"consent": {"statistics": True}, "visitor": self._who("k")}
        return self._events(CHOICES, f"/{self._name}", **agreed)

    def _withdrawing(self) -> Request:
        """Views of someone who agreed and will withdraw: none may be left."""
        agreed = {"consent": {"statistics": True}, "visitor": self._who("w")}
        request = self._events(CHOICES, f"{WITHDRAWN}{self._name}", **agreed)
        return Request(request.door, request.body, path=WITHDRAWN)

    def _counted(self) -> Request:
        """Views of someone who was not asked: numbers."""
        path = f"/{self._name}"
        request = self._events(COUNTED, path)
        return Request("/e", request.body, counted=len(request.body), path=path)

    def _give(self) -> Request:
        """Somebody agrees."""
        return self._choice("give", self._who("g"))

    def _leave(self) -> Request:
        """Somebody withdraws, under load."""
        return self._choice("withdraw", self._who("w"))

    def _choice(self, action: str, visitor: str) -> Request:
        identity = uuid7(time.time_ns() // 1_000_000, self._chance)
        body: dict[str, Any] = {
            "site": CHOICES,
            "action": action,
            "visitor": visitor,
            "event_id": identity,
        }
        if action == "give":
            body["consent"] = {"statistics": True}
        return Request("/consent", body, choices=[identity])

    def _events(self, site: str, path: str, **fields: Any) -> Request:
        rows, made = {}, []
        for _ in range(self._chance.randint(1, 6)):
            # Of an id only a key is stored; a page of its own can be found again.
            self._pages += 1
            page = path if site == COUNTED else f"{path}/{self._pages}"
            one = self._event(site, page, fields)
            views = int(one["event"] == "page_view")
            rows[page] = Sent(site, views, one.get("engaged_ms", 0))
            made.append(one)
        return Request("/e", made, rows=rows)

    def _event(self, site: str, path: str, fields: dict[str, Any]) -> dict[str, Any]:
        # In hours that are over, which rollups have put away, and far enough from
        # now that a clock that steps back does not correct it.
        ago = self._chance.choice([3, 4, 5, 20, 30])
        moment = time.time_ns() // 1_000_000 - ago * _HOUR_MS
        event = {
            "event": self._chance.choice(["page_view", "page_view", "page_ping"]),
            "site": site,
            "url": f"https://{site}{path}",
            "event_id": uuid7(moment, self._chance),
            "occurred_at": moment,
            **fields,
        }
        if event["event"] == "page_ping":
            event["engaged_ms"] = self._chance.randint(1, 30_000)
        return event

    def _who(self, kind: str) -> str:
        return f"{kind}-{self._name}-0123456789abcdef"


@contextmanager
def under_load(
    journal: Journal, url: str, name: str, seed: str, settle: Callable[[], None]
) -> Iterator[None]:
    """
    Let clients send meanwhile; afterwards, until what is to be kept is acknowledged.

    Args:
        journal: where they note it.
        url: of the collector.
        name: of the round.
        seed: of what they do.
        settle: called when they have stopped, before the last withdrawal.

    """
    clients = [
        Client(
            journal, url, f"{name}-{number}", f"{seed}/{number}", withdraws=number == 0
        )
        for number in range(_CLIENTS)
    ]
    for client in clients:
        client.start()
    try:
        yield
    finally:
        for client in clients:
            client.stopping.set()
        for client in clients:
            client.join(60)
    settle()
    for client in clients:
        client.finish()
