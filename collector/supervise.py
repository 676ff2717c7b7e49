"""
`kastana serve`: one keeper and N edges on one machine, started again when they die,
and replaced without a gap when the server is told to reload (SIGHUP).

The keeper's death never stops collection: edges go on spooling. Told to end, the
edges drain first, then the keeper loads what they sealed. All edges accept from one
socket, which is held here: what waits in its queue outlives every one of them.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from collector.address import ListenError, handed_over, listen_on
from collector.child import CONFIGURATION_EXIT, Child
from collector.ending import until_told
from collector.folder import Folder, FolderError
from collector.ready import answers
from collector.spool_keys import VARIABLE
from collector.standing import Standing, read_standing, write_standing
from schemas.settings import Settings, SettingsError, as_environment

_log = logging.getLogger("kastana.serve")
# How long what a killed server started may take to notice.
_ORPHANS_S = 20.0
_LOOK_S = 0.1
_START_S = 60.0


class Supervisor:
    """The processes of one server."""

    def __init__(
        self,
        settings: Settings,
        folder: Folder,
        again: Callable[[], Settings],
        listener: socket.socket,
    ) -> None:
        """
        Describe the server; nothing is started.

        Args:
            settings: those in force.
            folder: the data folder.
            again: reads the settings once more, for a reload.
            listener: what the edges accept from.

        """
        self._settings = settings
        self._folder = folder
        self._again = again
        self._listener = listener
        self._handed = False
        self._reloads = 0
        self._running: dict[Child, asyncio.Task[None]] = {}
        self._keeper = self._describe("keeper", "keeper", settings)
        self._edges = self._describe_edges(settings, listener)

    async def run(self) -> int:
        """Keep the processes running until told to end; return the exit code."""
        hung_up = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, hung_up.set)
        self._tell("")
        for child in (self._keeper, *self._edges):
            self._start(child)
        first = [self._keeper, *self._edges]
        ends = [
            asyncio.create_task(until_told()),
            *(asyncio.create_task(child.fatal.wait()) for child in first),
        ]
        beside = [
            asyncio.create_task(_announce(self._settings)),
            asyncio.create_task(self._reload_when(hung_up)),
        ]
        await asyncio.wait([*ends, beside[1]], return_when=asyncio.FIRST_COMPLETED)
        for task in (*ends, *beside):
            await _cancel(task)
        # From here on nobody new is let in, but by the edges that still drain.
        self._listener.close()
        keepers = [child for child in self._running if child.name == "keeper"]
        await self._end(*(child for child in self._running if child not in keepers))
        await self._end(*keepers)
        failed = any(child.fatal.is_set() for child in first)
        return CONFIGURATION_EXIT if failed else 0

    async def reload(self) -> str:
        """
        Replace all processes by new ones: new code, settings, lists and keys.

        Return why not, or an empty text. New edges work before the old are told to
        end; when they do not start, all stays as it was.
        """
        try:
            settings = self._again()
            if settings.data != self._settings.data:
                return "`data` cannot change while the server runs"
            as_environment(settings)
            listener = self._listener
            if settings.listen != self._settings.listen:
                listener = listen_on(settings.listen)
        except (SettingsError, ListenError) as error:
            return str(error)
        fresh = self._describe_edges(settings, listener)
        if not await self._try(fresh):
            if listener is not self._listener:
                listener.close()
            return "a new edge did not start; its words are in the log"
        old, self._edges = self._edges, fresh
        if listener is not self._listener:
            self._listener.close()
            self._listener = listener
        await self._end(*old)
        return await self._reload_keeper(settings)

    async def _reload_keeper(self, settings: Settings) -> str:
        """Replace the keeper; there can be only one, so the old one ends first."""
        before, self._settings = self._settings, settings
        await self._end(self._keeper)
        self._keeper = self._describe("keeper", "keeper", settings)
        if await self._try([self._keeper]):
            return ""
        self._keeper = self._describe("keeper", "keeper", before)
        self._start(self._keeper)
        return "the new keeper did not start, so the old settings hold for it; its words are in the log"  # noqa: E501

    async def _reload_when(self, hung_up: asyncio.Event) -> None:
        while True:
            await hung_up.wait()
            hung_up.clear()
            self._reloads += 1
            problem = await self.reload()
            if problem:
                _log.error("not reloaded: %s", problem)
            else:
                _log.info("reloaded")
            self._tell(problem)

    async def _try(self, children: Sequence[Child]) -> bool:
        """Start processes; return if all work now. If not, none is left."""
        for child in children:
            self._start(child)
        waits = [asyncio.create_task(_all_ready(children))]
        waits += [asyncio.create_task(_failed(child)) for child in children]
        try:
            await asyncio.wait(
                waits, timeout=_START_S, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in waits:
                await _cancel(task)
        done = all(child.ready.is_set() for child in children)
        if not done:
            await self._end(*children)
        return done

    def _start(self, child: Child) -> None:
        self._running[child] = asyncio.create_task(child.run())

    async def _end(self, *children: Child) -> None:
        await asyncio.gather(*(child.stop() for child in children))
        for child in children:
            await _cancel(self._running.pop(child))

    def _describe_edges(
        self, settings: Settings, listener: socket.socket
    ) -> list[Child]:
        return [
            self._describe(f"edge {number}", "edge", settings, listener)
            for number in range(settings.workers)
        ]

    def _describe(
        self,
        name: str,
        role: str,
        settings: Settings,
        listener: socket.socket | None = None,
    ) -> Child:
        """Describe a process that has these settings, whatever becomes of the file."""
        # -P: never import from the folder that someone happens to stand in.
        command = [sys.executable, "-P", "-m", "collector.cli", role]
        outer = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("KASTANA_") or name == VARIABLE
        }
        env = {
            **outer,
            **as_environment(settings),
            "PROMETHEUS_MULTIPROC_DIR": str(self._folder.metrics),
        }
        return Child(name, command, env, listener, settings.drain_seconds)

    def _tell(self, problem: str) -> None:
        standing = Standing(os.getpid(), self._reloads, problem)
        write_standing(self._folder.server, standing)


async def run_serve(
    settings: Settings, folder: Folder, again: Callable[[], Settings]
) -> int:
    """
    Run keeper and edges until told to end; return the exit code.

    Args:
        settings: the server's.
        folder: the data folder.
        again: reads the settings once more, for a reload.

    Raises:
        FolderError: when another server or keeper runs on the folder.
        ListenError: when another program listens on the public address.
        SettingsError: when the settings cannot be handed on.

    """
    with folder.alone("server"):
        # Before anything of a running server is touched.
        listener = await _claim(settings, folder)
        with listener:
            shutil.rmtree(folder.metrics)
            folder.metrics.mkdir(mode=0o700)
            (folder.root / "keeper.json").unlink(missing_ok=True)
            code = await Supervisor(settings, folder, again, listener).run()
        folder.server.unlink(missing_ok=True)
        return code


async def _claim(settings: Settings, folder: Folder) -> socket.socket:
    """
    Return the public listener, once no keeper runs on the folder.

    What a killed server left behind ends by itself, and is waited for.
    """
    patience = _ORPHANS_S if read_standing(folder.server) is not None else 0.0
    end = time.monotonic() + patience
    handed = handed_over()
    while True:
        try:
            with folder.alone("keeper"):
                return handed or listen_on(settings.listen)
        except (FolderError, ListenError):
            if time.monotonic() > end:
                raise
        await asyncio.sleep(_LOOK_S)


async def _announce(settings: Settings) -> None:
    """Wait until both listeners are ready, then print where everything is."""
    collector, keeper = settings.base_url, f"http://{settings.keeper_listen}"
    for address in (settings.listen, settings.keeper_listen):
        while not await answers(address, "/health/ready"):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
    lines = [f"collector   {collector}", f"keeper      {keeper}"]
    if settings.demo:
        lines.append(f"demo page   {keeper}/demo/")
    if settings.clickhouse_listen and not settings.clickhouse_url:
        lines.append(f"ClickHouse  http://{settings.clickhouse_listen} (read-only)")
    print("\n".join(["", "Kastana is ready:", *lines, ""]), flush=True)  # noqa: T201 - for the person who started it


async def _all_ready(children: Sequence[Child]) -> None:
    for child in children:
        await child.ready.wait()


async def _failed(child: Child) -> None:
    await child.failed.wait()


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
