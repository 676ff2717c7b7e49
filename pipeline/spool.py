"""
Step 7, spool: rows become lines on disk before anyone is told they are safe.

What a segment is, and how it is recovered, is in `pipeline.segment`; how a group is
written in `pipeline.spool_writer`.

Invariants
----------
- `append` returns when its rows are what their class promises. All that arrived in
  one round of the event loop, and while the last group was written, is one group,
  with one `fdatasync` (group commit), on a thread of its own.
- Consent choices are always of the class `fsync`.
- What waits in memory, `open/` and `sealed/` is bounded by `max_bytes`: an append that
  would overstep it is refused, before anything of it is kept. Nothing is dropped.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from pipeline.sealing import PLAIN, Sealing
from pipeline.spool_lines import Line, encode
from pipeline.spool_room import Limits
from pipeline.spool_writer import Done, Problems, SpoolError, Writer
from schemas.row import ConsentRow, CountRow, Row
from schemas.settings import Durability

__all__ = ["Limits", "Spool", "SpoolError"]


class _Append(msgspec.Struct, gc=False):
    """Some rows that were handed over, and whom to tell, while somebody is to be."""

    lines: list[Line]
    size: int
    durability: Durability
    done: "Callable[[SpoolError | None], None] | None"


class Spool:
    """One process's end of the spool; use as `async with Spool.running(…)`."""

    def __init__(self, writer: Writer) -> None:
        """Bind a writer; `running` starts its thread."""
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        # What this round of the loop brought; then what the thread has not taken.
        self._arrived: list[_Append] = []
        self._queue: queue.SimpleQueue[list[_Append] | None] = queue.SimpleQueue()
        self._group: list[_Append] = []
        self._pending = 0
        # Appends that the thread has, and was not yet told of.
        self._under_way = 0
        self._ended = self._loop.create_future()
        self._closing = False
        self._at_rest: Callable[[], None] | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def running(
        cls,
        root: Path,
        headers: Mapping[str, bytes],
        limits: Limits,
        sealing: Sealing = PLAIN,
    ) -> AsyncIterator["Spool"]:
        """
        Run the writer's thread; on leaving, commit what waits and seal everything.

        Args:
            root: the spool's folder.
            headers: the header lines of each table's segments.
            limits: sizes and ages.
            sealing: the keys.

        """
        spool = cls(Writer(root, headers, limits, sealing))
        thread = threading.Thread(target=spool._work, name="spool")
        thread.start()
        try:
            yield spool
        finally:
            spool._closing = True
            spool._hand_over()
            spool._queue.put(None)
            await spool._ended

    @property
    def full(self) -> bool:
        """True when there is no room and appends are refused."""
        return self._left < 0

    @property
    def busy(self) -> bool:
        """True while the thread is at work: what comes now is another group."""
        return self._under_way > 0

    def at_rest(self, call: Callable[[], None]) -> None:
        """Call something, on the loop, each time that it is busy no more."""
        self._at_rest = call

    async def broken(self) -> None:
        """Return when the writer's thread has ended though nobody told it to."""
        await asyncio.wait([self._ended])

    @property
    def done(self) -> Done:
        """What was written so far."""
        return self._writer.done

    async def append(
        self,
        rows: Sequence[Row | CountRow | ConsentRow],
        durability: Durability = "fsync",
    ) -> None:
        """
        Return when the rows are safe; how safe says the class.

        Args:
            rows: of any tables.
            durability: `fsync`: on the disk, whatever happens to the machine.
                `write`: with the kernel; they survive the death of this process by
                any signal, and are lost when the machine dies within the moment
                until their segment is sealed. `memory`: in this process; they are
                written with the next group, and are lost when the process is killed
                before that. A stop in order loses none of any class.

        Raises:
            SpoolError: when they are not. Of rows for two tables one table's may
                have been kept: a sender that repeats them repeats their ids.

        """
        safe: asyncio.Future[None] = self._loop.create_future()

        def done(problem: SpoolError | None) -> None:
            # A caller that went away does not wait for its answer any more.
            if safe.done():
                return
            if problem is None:
                safe.set_result(None)
            else:
                safe.set_exception(problem)

        self.put(rows, durability, done)
        await safe

    def put(
        self,
        rows: Sequence[Row | CountRow | ConsentRow],
        durability: Durability,
        done: Callable[[SpoolError | None], None],
    ) -> None:
        """
        Call `done` when the rows are safe, with what went wrong if they are not.

        It is called once, on the loop, at once where there is nothing to wait for;
        and it must not raise. Arguments otherwise as of `append`.

        Raises:
            SpoolError: when they are refused; then `done` is not called.

        """
        if self._closing or self._ended.done():
            message = "the spool is not running"
            raise SpoolError(message, full=False)
        if not rows:
            done(None)
            return
        lines, size = [], 0
        for row in rows:
            line = encode(row)
            lines.append(line)
            size += len(line.text) + 1
            if line.table == "consents":
                durability = "fsync"
        if size > self._left:
            message = "the spool has reached its bound"
            raise SpoolError(message, full=True)
        waits = durability != "memory"
        if not self._arrived:
            self._loop.call_soon(self._hand_over)
        self._arrived.append(_Append(lines, size, durability, done if waits else None))
        self._pending += size
        if not waits:
            done(None)

    @property
    def _left(self) -> int:
        return self._writer.room.left(self._pending + self._writer.owed_bytes)

    def _hand_over(self) -> None:
        if self._arrived:
            self._under_way += len(self._arrived)
            self._queue.put(self._arrived)
            self._arrived = []

    def _work(self) -> None:
        """Commit groups until told to end: the thread."""
        defect: BaseException | None = None
        try:
            while (group := self._next_group()) is not None:
                self._group = group
                self._commit(group)
            self._writer.close()
        except BaseException as error:  # noqa: BLE001 - raised where the spool ends
            defect = error
        finally:
            self._loop.call_soon_threadsafe(self._end, defect)

    def _next_group(self) -> list[_Append] | None:
        """Wait for appends, or for something else to do; None is the end."""
        try:
            group = self._queue.get(timeout=self._writer.pause())
            while group is not None and not self._queue.empty():
                more = self._queue.get_nowait()
                if more is None:
                    # The end comes after this group.
                    self._queue.put(None)
                    break
                group += more
        except queue.Empty:
            return []
        return group

    def _commit(self, group: list[_Append]) -> None:
        classes: dict[Durability, list[_Append]] = {}
        for append in group:
            classes.setdefault(append.durability, []).append(append)

        def tell(durability: Durability, problems: Problems) -> None:
            appends = classes[durability]
            self._loop.call_soon_threadsafe(self._answer, appends, problems)

        lines = {name: [one.lines for one in some] for name, some in classes.items()}
        self._writer.commit(lines, tell)

    def _answer(self, appends: list[_Append], problems: Problems) -> None:
        """Tell each caller if its rows are safe."""
        for append in appends:
            self._pending -= append.size
            done, append.done = append.done, None
            if done is None:
                continue
            problem = None
            if problems:
                tables = {line.table for line in append.lines} & problems.keys()
                problem = problems[tables.pop()] if tables else None
            done(problem)
        self._under_way -= len(appends)
        if not self._under_way and self._at_rest is not None:
            self._at_rest()

    def _end(self, defect: BaseException | None) -> None:
        """Leave nobody waiting for a thread that is gone."""
        left = [*self._group, *self._arrived]
        while not self._queue.empty():
            left += self._queue.get_nowait() or []
        for append in left:
            if append.done is not None:
                append.done(SpoolError("the spool stopped", full=False))
        if defect is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(defect)
