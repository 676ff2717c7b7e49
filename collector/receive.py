"""
Step 1, receive: the doors for events.

Each handler reads its request within bounds, asks `doors` for a verdict, makes
the rows durable, and only then answers.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Literal

from aiohttp import web

from collector import respond
from collector.call import Call
from collector.desk import Desk, call_of
from collector.doors import Arrival, Doors, Verdict
from collector.limit import SiteRateError
from collector.links import MAX_SIGNED_CHARACTERS
from collector.metrics import tally
from collector.protocol import Express, Way, Whole
from collector.repeats import Repeats
from pipeline.process import Result
from pipeline.salt import SaltError
from pipeline.spool import Spool, SpoolError
from pipeline.withdrawal.objections import Objections, ObjectionsError, entries_of
from schemas.outcome import Invalid
from schemas.row import CountRow, Row
from schemas.settings import Durability

# The doors that nearly all requests are for.
Door = Literal["events", "pixel"]
# Requests that are judged together, and bytes of their bodies. More of them push each
# other out of the processor's memory, and let the first one wait.
_AT_A_TIME = 32
_BYTES_AT_A_TIME = 65_536
# How long they wait at most for a disk that is busy with those before them.
_WAIT_S = 0.005


class Receiver:
    """The handlers of one edge process."""

    def __init__(
        self, desk: Desk, doors: Doors, spool: Spool, objections: Objections
    ) -> None:
        """Bind the handlers to the doors, and to what is behind them."""
        self._desk = desk
        self._doors = doors
        self._spool = spool
        self._objections = objections
        self._repeats = Repeats()
        settings = desk.settings
        self._durability: dict[Door, Durability] = {
            "events": settings.durability_events,
            "pixel": settings.durability_pixel,
        }
        self._later: set[asyncio.Task[None]] = set()
        self._waiting: list[_Taken] = []
        self._due: asyncio.TimerHandle | None = None
        spool.at_rest(self._judge_waiting)
        self._events = desk.guard("events", self.events)
        self._pixel = desk.guard("pixel", self.pixel)

    @property
    def express(self) -> Express:
        """The doors that nearly all requests are for."""
        return {
            ("POST", "/e"): Way(partial(self.together, "events"), self._events),
            ("GET", "/p.gif"): Way(partial(self.together, "pixel"), self._pixel),
        }

    def routes(self) -> list[web.RouteDef]:
        """Return the public routes."""
        guard = self._desk.guard
        return [
            web.post("/e", self._events),
            web.options("/e", guard("preflight", self._desk.preflight)),
            web.get("/p.gif", self._pixel),
            web.get("/r/{signed}", guard("redirect", self.redirect)),
        ]

    def together(self, door: Door, asked: Sequence[Whole]) -> None:
        """
        Answer requests that came in one round of the loop, now or when kept.

        While the disk is busy with others they wait for it and for more, which cost
        less together: one alone takes twice the time, and the disk's turn comes no
        sooner. Who need not wait for a disk does not.
        """
        waiting = self._waiting
        for one in asked:
            tell = partial(self._tell, door, one)
            try:
                headers = self._headers(door, one.call)
                refusal = self._refusal(door, one, headers)
            except Exception as error:  # noqa: BLE001 - the outermost frame
                tell(self._desk.defect(error))
                continue
            if refusal is None:
                waiting.append(_Taken(door, one.call, one.body, headers, tell))
                one.taken()
            else:
                tell(refusal)
        waits = self._spool.busy and self._durability[door] != "memory"
        if not waits or len(waiting) >= _AT_A_TIME:
            self._judge_waiting()
        elif waiting and self._due is None:
            loop = asyncio.get_running_loop()
            self._due = loop.call_later(_WAIT_S, self._judge_waiting)

    def _judge_waiting(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self._judge(waiting)

    def _refusal(
        self, door: Door, one: Whole, headers: Mapping[str, str]
    ) -> web.StreamResponse | None:
        """Return the answer to what is not even looked at, None for the rest."""
        closed = self._desk.closed(door)
        if closed is not None:
            return closed
        limited = self._desk.limited(one.call, headers)
        if limited is not None:
            return _failed(door, limited, "rate_limited")
        return None if door == "pixel" else self._desk.larger(one.body, headers)

    def _tell(self, door: Door, whole: Whole, response: web.StreamResponse) -> None:
        self._desk.note(door, response)
        whole.answer(response)

    def _headers(self, door: Door, call: Call) -> Mapping[str, str]:
        """Return what an answer of this door says beside the usual."""
        return {} if door == "pixel" else self._desk.cors_of(call.header("origin"))

    async def events(self, request: web.Request) -> web.StreamResponse:
        """`POST /e`, of which not all was there at once."""
        call = call_of(request)
        headers = self._desk.cors(request)
        limited = self._desk.limited(call, headers)
        if limited is not None:
            return limited
        body = await self._desk.body(request, headers)
        if isinstance(body, web.Response):
            return body
        return await self._alone("events", call, body, headers)

    async def pixel(self, request: web.Request) -> web.StreamResponse:
        """`GET /p.gif`: the same bytes and 200 whatever consent said."""
        call = call_of(request)
        limited = self._desk.limited(call, {})
        if limited is not None:
            return _failed("pixel", limited, "rate_limited")
        return await self._alone("pixel", call, b"", {})

    async def _alone(
        self, door: Door, call: Call, body: bytes, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        answer: asyncio.Future[web.StreamResponse]
        answer = asyncio.get_running_loop().create_future()

        def tell(response: web.StreamResponse) -> None:
            # A handler that was cancelled does not wait any more.
            if not answer.done():
                answer.set_result(response)

        self._judge([_Taken(door, call, body, headers, tell)])
        return await answer

    def _judge(self, waiting: Sequence["_Taken"]) -> None:
        """Have requests judged and kept, as many at a time as are quicker together."""
        for some in _parts(waiting):
            try:
                self._doors.together(some)
            except Exception as error:  # noqa: BLE001 - the outermost frame
                for one in some:
                    one.outcome = error
            for one in some:
                try:
                    self._settle(one)
                except Exception as error:  # noqa: BLE001 - the outermost frame
                    one.tell(self._desk.defect(error))

    def _settle(self, one: "_Taken") -> None:
        """Keep what stays of a request, and have it answered when that is safe."""
        # An error holds the frames that it came through, and they hold all requests.
        verdict, one.outcome = one.outcome, None
        if type(verdict) is not Verdict:
            one.tell(self._unjudged(one, verdict))
            return
        taking = self._begin(verdict, one.call)
        try:
            answer = _Answer(
                one, self._response(one, verdict), _counts(verdict, taking.fresh)
            )
            if taking.waits:
                # Rare, and it may take a while.
                task = asyncio.create_task(self._settle_later(one, taking, answer))
                self._later.add(task)
                task.add_done_callback(self._later.discard)
                return
            self._put(taking, answer)
        except BaseException:
            self._repeats.end(taking.keys, durable=False)
            raise

    def _put(self, taking: "_Taking", answer: "_Answer") -> None:
        """Hand rows over; until they are safe nothing but their answer is held."""
        keys, number = taking.keys, len(taking.rows)

        def kept(problem: SpoolError | None) -> None:
            self._repeats.end(keys, durable=problem is None)
            failure = None
            if problem is not None:
                try:
                    failure = self._unkept(problem, number, answer.headers)
                except Exception as error:  # noqa: BLE001 - the outermost frame
                    failure = self._desk.defect(error)
            self._answer(answer, failure)

        try:
            self._spool.put(taking.rows, self._durability[answer.door], kept)
        except SpoolError as error:
            kept(error)

    async def _settle_later(
        self, one: "_Taken", taking: "_Taking", answer: "_Answer"
    ) -> None:
        durability = self._durability[one.door]
        try:
            failure = await self._keep(one.call, taking, one.headers, durability)
        except Exception as error:  # noqa: BLE001 - the outermost frame
            one.tell(self._desk.defect(error))
        else:
            self._answer(answer, failure)

    def _answer(self, answer: "_Answer", failure: web.Response | None) -> None:
        """Answer when the rows are safe, or when they cannot be made so."""
        try:
            if failure is not None:
                response = _failed(answer.door, failure)
            else:
                response = answer.response
                for name, label, by in answer.counts:
                    tally(name, label, by=by)
        except Exception as error:  # noqa: BLE001 - the outermost frame
            response = self._desk.defect(error)
        answer.tell(response)

    def _response(self, one: "_Taken", verdict: Verdict) -> web.StreamResponse:
        """Return the answer to what is kept."""
        headers = self._debug(one.call, verdict)
        if one.door == "pixel":
            if verdict.bad:
                headers[respond.ERROR_HEADER] = verdict.bad[0].code
            return respond.pixel(headers)
        all_headers = {**one.headers, **headers} if headers else one.headers
        if verdict.error is not None:
            return respond.refused(verdict, all_headers)
        return respond.accepted(verdict, all_headers)

    async def redirect(self, request: web.Request) -> web.Response:
        """`GET /r/<signed>`: count the click, then send the reader on."""
        call = call_of(request)
        signed = request.match_info["signed"]
        if len(signed) > MAX_SIGNED_CHARACTERS:
            signed = ""
        verdict = self._doors.redirect(call, signed)
        if verdict.error is not None:
            _count(verdict)
            return respond.error(verdict.error, verdict.status)
        # A scanner's HEAD is told from a click by the verdict on its event. And the
        # reader goes on even when the click cannot be kept: a full disk is not the
        # reader's business.
        if self._desk.limited(call, {}) is None:
            taking = self._begin(verdict, call)
            durability = self._desk.settings.durability_redirect
            if await self._keep(call, taking, {}, durability) is None:
                _count(verdict, taking.fresh)
        return respond.redirect(verdict.target, self._debug(call, verdict))

    async def _keep(
        self,
        call: Call,
        taking: "_Taking",
        headers: Mapping[str, str],
        durability: Durability,
    ) -> web.Response | None:
        """Make rows durable; return an answer only on failure."""
        fresh, repeated = taking.fresh, taking.repeated
        durable = False
        try:
            if taking.purges:
                await self._purge(fresh, call)
            if taking.rows:
                await self._spool.append(taking.rows, durability)
            durable = True
        except (ObjectionsError, OSError) as error:
            return self._undecided(error, headers)
        except SpoolError as error:
            return self._unkept(error, len(taking.rows), headers)
        finally:
            self._repeats.end(taking.keys, durable=durable)
        if repeated and not all([await first for first in repeated]):
            failed = SpoolError("the first of a repeated event failed", full=False)
            return self._unkept(failed, len(repeated), headers)
        return None

    async def _purge(self, results: Sequence[Result], call: Call) -> None:
        """See to it that what was kept under a child's pseudonym goes."""
        children = {
            (one.row.site, one.treatment.visitor)
            for one in results
            if one.treatment.purge
        }
        entries = [
            entry
            for site, visitor in children
            for entry in entries_of(
                visitor, time_ms=call.received_ms, site=site, kind="child"
            )
        ]
        await asyncio.to_thread(self._objections.append, entries)

    def _begin(self, verdict: Verdict, call: Call) -> "_Taking":
        """
        Part the new events from the repeated, whose first is waited for.

        From here on every id that was begun is ended, or its repetitions wait.
        """
        complaints = self._doors.complaints(verdict, call) if verdict.bad else []
        taking = _Taking()
        for one in verdict.good:
            first = self._repeats.begin(one.key) if one.key else None
            if first is not None:
                taking.repeated.append(first)
                continue
            taking.fresh.append(one)
            taking.rows.append(one.row)
            if one.key:
                taking.keys.append(one.key)
            if one.treatment.purge:
                taking.purges = True
        taking.rows += complaints
        return taking

    def _unkept(
        self, error: SpoolError, events: int, headers: Mapping[str, str]
    ) -> web.Response:
        code = "spool_full" if error.full else "spool_failed"
        return self._desk.unkept(code, str(error), events=events, headers=headers)

    def _unjudged(
        self, one: "_Taken", error: Verdict | Exception | None
    ) -> web.StreamResponse:
        """Return the answer to a request of which nobody can say what becomes."""
        if isinstance(error, SiteRateError):
            overrun = self._desk.overrun(error, one.headers)
            return _failed(one.door, overrun, "rate_limited")
        if isinstance(error, ObjectionsError):
            return _failed(one.door, self._undecided(error, one.headers))
        if isinstance(error, SaltError | OSError):
            # Of a disk the salt's file is the only one asked for before the spool.
            words = "the day's salt cannot be read now"
            headers = one.headers
            unkept = self._desk.unkept(
                "salt_unusable", words, events=1, headers=headers
            )
            return _failed(one.door, unkept)
        defect = error if isinstance(error, Exception) else RuntimeError()
        return self._desk.defect(defect)

    def _undecided(
        self, error: ObjectionsError | OSError, headers: Mapping[str, str]
    ) -> web.Response:
        """Answer while nobody can say who withdrew: then nothing is taken."""
        code = error.code if isinstance(error, ObjectionsError) else "unwritable"
        return self._desk.unkept(
            "objections_unusable",
            "withdrawals cannot be looked up now",
            events=1,
            headers=headers,
            cause=f"({code})",
        )

    def _debug(self, call: Call, verdict: Verdict) -> dict[str, str]:
        if call.header("x-kastana-debug") != "1":
            return {}
        names = {result.row.site for result in verdict.good}
        names |= {bad.site for bad in verdict.bad}
        sites = [self._doors.sites.get(name) for name in names]
        if not all(site is not None and site.debug for site in sites):
            return {}
        return {respond.DEBUG_HEADER: respond.debug_text(verdict)}


class _Taken(Arrival):
    """An arrival, and how to answer it; its repr says nothing."""

    __slots__ = ("door", "headers", "tell")

    def __init__(
        self,
        door: Door,
        call: Call,
        body: bytes,
        headers: Mapping[str, str],
        tell: Callable[[web.StreamResponse], None],
    ) -> None:
        super().__init__(call, None if door == "pixel" else body)
        self.door: Door = door
        self.headers = headers
        self.tell = tell


class _Answer:
    """What is said, and counted, once the rows of a request are safe."""

    __slots__ = ("counts", "door", "headers", "response", "tell")

    def __init__(
        self,
        one: _Taken,
        response: web.StreamResponse,
        counts: "Sequence[tuple[str, str, int]]",
    ) -> None:
        self.tell = one.tell
        self.door = one.door
        self.headers = one.headers
        self.response = response
        self.counts = counts


class _Taking:
    """What is taken of a verdict: rows, and the ids that are new with them."""

    __slots__ = ("fresh", "keys", "purges", "repeated", "rows")

    def __init__(self) -> None:
        self.fresh: list[Result] = []
        self.keys: list[str] = []
        self.repeated: list[Awaitable[bool]] = []
        self.rows: list[Row | CountRow] = []
        self.purges = False

    @property
    def waits(self) -> bool:
        """True when more than the disk is waited for."""
        return self.purges or bool(self.repeated)


def _parts(waiting: Sequence[_Taken]) -> Iterator[Sequence[_Taken]]:
    """Yield requests, in order, as many as are judged together."""
    begin = size = 0
    for end, one in enumerate(waiting, 1):
        size += len(one.body or b"")
        if end - begin == _AT_A_TIME or size >= _BYTES_AT_A_TIME or end == len(waiting):
            yield waiting[begin:end]
            begin, size = end, 0


def _counts(
    verdict: Verdict, fresh: Sequence[Result]
) -> Sequence[tuple[str, str, int]]:
    """Return what is added to which counter, and under which label."""
    if len(fresh) == len(verdict.results) == 1:
        # Nearly always so: nothing has to be added up.
        (one,) = fresh
        reasons = [("kastana_event_reasons_total", why, 1) for why in one.reasons]
        return [("kastana_events_total", one.outcome, 1), *reasons]
    found: Counter[tuple[str, str]] = Counter()
    again = len(verdict.good) - len(fresh)
    if again:
        found["kastana_event_reasons_total", "repeated"] = again
    for result in fresh:
        found["kastana_events_total", result.outcome] += 1
        for reason in result.reasons:
            found["kastana_event_reasons_total", reason] += 1
    bad = verdict.bad or ((verdict.error,) if verdict.error else ())
    for invalid in bad:
        found["kastana_events_total", "invalid"] += 1
        found["kastana_event_reasons_total", invalid.code] += 1
    return [(*key, by) for key, by in found.items()]


def _count(verdict: Verdict, fresh: Sequence[Result] = ()) -> None:
    for name, label, by in _counts(verdict, fresh):
        tally(name, label, by=by)


def _failed(door: Door, failure: web.Response, code: str = "") -> web.StreamResponse:
    """Return a refusal as the door says it: a picture is one in any case."""
    if door != "pixel":
        return failure
    headers = {"Retry-After": failure.headers["Retry-After"]}
    if code:
        headers[respond.ERROR_HEADER] = code
    return respond.pixel(headers, failure.status)


async def not_found(request: web.Request) -> web.Response:
    """Answer every path and method that has no door."""
    headers = {"Access-Control-Allow-Origin": "*"}
    if request.path in ("/e", "/p.gif", "/k.js", "/consent"):
        message = f"{request.path} does not answer {request.method}"
        return respond.error(Invalid("method_not_allowed", message), 405, headers)
    return respond.error(Invalid("not_found", "nothing lives here"), 404, headers)
