"""
The account of a run: what was acknowledged against what is in the store.

    accepted = identified + anonymous + counted + dropped, by reason

The store is asked through ClickHouse's HTTP interface, before the run and after it, for
what load tests left on the run's sites; the run is the difference. Two runs on one site
at the same time cannot be told apart.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import aiohttp
import msgspec
import orjson

from schemas.ddl import DATABASE

# What an accepted event can become.
KEPT: Final = ("identified", "anonymous", "counted", "dropped")
# What a refused event leaves: a counter, if its site is known.
COUNTED_ERRORS: Final = frozenset(
    {
        "bad_format",
        "bad_key",
        "bad_time",
        "key_in_page",
        "key_required",
        "method_not_allowed",
        "missing_field",
        "origin_not_allowed",
        "out_of_range",
        "too_long",
        "unknown_event",
        "unknown_field",
        "wrong_type",
    }
)
_SQL: Final = f"""
SELECT site, outcome, reasons, sum(number) AS events
FROM
(
    SELECT site, outcome, arrayStringConcat(outcome_reasons, ', ') AS reasons,
        count() AS number
    FROM {DATABASE}.events FINAL WHERE synthetic GROUP BY site, outcome, reasons
    UNION ALL
    SELECT site, outcome, arrayStringConcat(outcome_reasons, ', ') AS reasons,
        sum(events) AS number
    FROM {DATABASE}.counts WHERE synthetic GROUP BY site, outcome, reasons
)
GROUP BY site, outcome, reasons
FORMAT JSONCompactEachRow
"""  # noqa: S608 - our own names
_ASK_S: Final = 60.0
# A second look at an account that is right: nothing may come after it.
_SETTLE_S: Final = 1.0

Key = tuple[str, str, str]
Totals = Counter[Key]
Ask = Callable[[], Awaitable[Totals]]


class StoreError(Exception):
    """The store cannot be asked; the words name no secret."""


class Account(msgspec.Struct, frozen=True):
    """
    The two sides of the account.

    Attributes:
        accepted: events that were acknowledged.
        unknown: events of which no answer told what became of them.
        stored: what is in the store, by outcome and reasons; refused ones left out.
        refused: events that were refused one by one, and leave a counter.
        refused_stored: those counters.
        seconds: how long it took until both sides were the same, or given up.

    """

    accepted: int
    unknown: int
    stored: dict[tuple[str, str], int]
    refused: int
    refused_stored: int
    seconds: float

    @property
    def total(self) -> int:
        """What is in the store of accepted events."""
        return sum(self.stored.values())

    @property
    def missing(self) -> int:
        """Acknowledged events that are not there."""
        return max(0, self.accepted - self.total)

    @property
    def surplus(self) -> int:
        """Events that are there, and of which nobody can say where they come from."""
        return max(0, self.total - self.accepted - self.unknown)

    @property
    def right(self) -> bool:
        """Whether nothing is missing and nothing is there twice."""
        least, most = self.refused, self.refused + self.unknown
        return (
            not self.missing
            and not self.surplus
            and least <= self.refused_stored <= most
        )


class Asker:
    """Asks a keeper, or a ClickHouse server, for what load tests left."""

    def __init__(self, url: str) -> None:
        """
        Name the server.

        Args:
            url: http or https, with user and password if it asks for them.

        Raises:
            StoreError: when it is no such URL.

        """
        try:
            parts = urlsplit(url)
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            raise StoreError("the URL to check at is none") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise StoreError("the URL to check at is none of http or https")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self.url = f"{parts.scheme}://{host}{port}{parts.path or '/'}"
        self._headers = {}
        if parts.username:
            login = (unquote(part or "") for part in (parts.username, parts.password))
            self._headers["Authorization"] = aiohttp.encode_basic_auth(*login)

    async def ask(self) -> Totals:
        """
        Return events by site, outcome and reasons.

        Raises:
            StoreError: when it does not answer, or not what was asked for.

        """
        timeout = aiohttp.ClientTimeout(total=_ASK_S)
        try:
            async with (
                aiohttp.ClientSession(
                    headers=self._headers, timeout=timeout
                ) as session,
                session.post(self.url, data=_SQL.encode()) as answer,
            ):
                body = await answer.read()
                status = answer.status
        except (aiohttp.ClientError, TimeoutError):
            raise StoreError(f"{self.url} does not answer") from None
        if status != 200:  # noqa: PLR2004 - HTTP's own number
            raise StoreError(f"{self.url} answers {status}")
        try:
            rows: list[Any] = [orjson.loads(line) for line in body.splitlines()]
            return Counter(
                {(site, outcome, why): int(n) for site, outcome, why, n in rows}
            )
        except (orjson.JSONDecodeError, TypeError, ValueError):
            raise StoreError(f"{self.url} answers something else") from None


async def settle(  # noqa: PLR0913 - the two sides, and how long to wait
    ask: Ask,
    before: Totals,
    sites: AbstractSet[str],
    accepted: int,
    unknown: int,
    invalid: Counter[str],
    wait_s: float,
) -> Account:
    """
    Return the account, once both sides are the same or the time is over.

    Args:
        ask: gives what is in the store.
        before: what was in it before the run.
        sites: whose events were sent.
        accepted: events that were acknowledged.
        unknown: events of which nobody said what became of them.
        invalid: events that were refused one by one, by code.
        wait_s: how long segments may take until they are loaded, seconds.

    Raises:
        StoreError: when the store cannot be asked, to the last.

    """
    refused = sum(n for code, n in invalid.items() if code in COUNTED_ERRORS)
    start = time.monotonic()
    pause, was_right = 0.2, False
    while True:
        try:
            after = await ask()
        except StoreError:
            # A store that is started again may have been away for a moment.
            if time.monotonic() - start >= wait_s:
                raise
            was_right = False
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 5.0)
            continue
        stored, counters = difference(after, before, sites)
        passed = time.monotonic() - start
        account = Account(
            accepted, unknown, stored, refused, counters, round(passed, 1)
        )
        if account.surplus or passed >= wait_s or (was_right and account.right):
            return account
        was_right = account.right
        await asyncio.sleep(_SETTLE_S if was_right else pause)
        pause = min(pause * 1.5, 5.0)


def difference(
    after: Totals, before: Totals, sites: AbstractSet[str]
) -> tuple[dict[tuple[str, str], int], int]:
    """Return what came to some sites, by outcome and reasons; and refused ones."""
    found: Counter[tuple[str, str]] = Counter()
    refused = 0
    for (site, outcome, reasons), number in after.items():
        more = number - before[site, outcome, reasons]
        if site not in sites or not more:
            continue
        if outcome in KEPT:
            found[outcome, reasons] += more
        else:
            refused += more
    return dict(sorted(found.items())), refused
