"""
`kastana serve`: one keeper and N edges on one machine, started again when they die.

The keeper's death never stops collection: edges go on spooling. Told to end, the
edges drain first, then the keeper loads what they sealed.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence

import aiohttp

from collector.folder import Folder
from collector.listen import check_free, until_told
from schemas.settings import Settings

_log = logging.getLogger("kastana.serve")
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_HEALTHY_AFTER_S = 30.0
_GRACE_S = 30.0
# A process that ends with this has said what is wrong; trying again is no use.
CONFIGURATION_EXIT = 78


class Child:
    """A process that is kept running."""

    def __init__(self, name: str, command: Sequence[str], env: dict[str, str]) -> None:
        self.name = name
        self.fatal = asyncio.Event()
        self._command = command
        self._env = env
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Start the process again whenever it ends, until `stop`."""
        pause = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            born = time.monotonic()
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command, env=self._env, start_new_session=True
                )
            except OSError as error:
                # No memory, too many processes: this too may pass.
                _log.error("%s cannot be started: %s", self.name, error.strerror)
            else:
                code = await self._process.wait()
                if self._stopping.is_set():
                    return
                if code == CONFIGURATION_EXIT:
                    self.fatal.set()
                    return
                _log.error("%s ended with %d; starting it again", self.name, code)
            if time.monotonic() - born > _HEALTHY_AFTER_S:
                pause = _FIRST_PAUSE_S
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def stop(self) -> None:
        """Ask the process to end; kill it when it does not within 30 s."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), _GRACE_S)
        except TimeoutError:
            _log.error("%s did not end in %.0f s", self.name, _GRACE_S)
            process.kill()
            await process.wait()


async def run_serve(settings: Settings, folder: Folder, arguments: list[str]) -> int:
    """
    Run keeper and edges until told to end; return the exit code.

    Args:
        settings: for the number of workers and the addresses to show.
        folder: the data folder.
        arguments: the options that every child gets as well.

    Raises:
        FolderError: when another server or keeper runs on the folder.
        ListenError: when another program listens on the public address.

    """
    with folder.alone("server"):
        # Before anything of a running server is touched.
        with folder.alone("keeper"):
            check_free(settings.listen)
        shutil.rmtree(folder.metrics)
        folder.metrics.mkdir(mode=0o700)
        (folder.root / "keeper.json").unlink(missing_ok=True)
        return await _supervise(settings, folder, arguments)


async def _supervise(settings: Settings, folder: Folder, arguments: list[str]) -> int:
    # -P: never import from the folder that someone happens to stand in.
    program = [sys.executable, "-P", "-m", "collector.cli"]
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder.metrics)}
    keeper = Child("keeper", [*program, "keeper", *arguments], env)
    edges = [
        Child(f"edge {number}", [*program, "edge", *arguments], env)
        for number in range(settings.workers)
    ]
    children = [keeper, *edges]
    running = [asyncio.create_task(child.run()) for child in children]
    announcing = asyncio.create_task(_announce(settings))
    told = asyncio.create_task(until_told())
    fatal = [asyncio.create_task(child.fatal.wait()) for child in children]
    await asyncio.wait({told, *fatal}, return_when=asyncio.FIRST_COMPLETED)
    announcing.cancel()
    await asyncio.gather(*(edge.stop() for edge in edges))
    await keeper.stop()
    for task in (*running, *fatal, told):
        task.cancel()
    failed = any(child.fatal.is_set() for child in children)
    return CONFIGURATION_EXIT if failed else 0


async def _announce(settings: Settings) -> None:
    """Wait until both listeners are ready, then print where everything is."""
    collector, keeper = settings.base_url, f"http://{settings.keeper_listen}"
    urls = (f"http://{settings.listen}/health/ready", f"{keeper}/health/ready")
    async with aiohttp.ClientSession() as session:
        for url in urls:
            while not await _answers(session, url):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)
    lines = [f"collector   {collector}", f"keeper      {keeper}"]
    if settings.demo:
        lines.append(f"demo page   {keeper}/demo/")
    if settings.clickhouse_listen and not settings.clickhouse_url:
        lines.append(f"ClickHouse  http://{settings.clickhouse_listen} (read-only)")
    print("\n".join(["", "Kastana is ready:", *lines, ""]), flush=True)  # noqa: T201 - for the person who started it


async def _answers(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 200  # noqa: PLR2004
    except aiohttp.ClientError:
        return False
