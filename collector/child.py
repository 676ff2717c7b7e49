"""
A process that is kept running: started again when it dies, told to end, and killed
when it does not.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import time
from collections.abc import Mapping, Sequence

from collector.lifeline import heard

_log = logging.getLogger("kastana.serve")
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_HEALTHY_AFTER_S = 30.0
# What a process needs to end beside the time that it drains.
_GRACE_S = 20.0
# A process that ends with this has said what is wrong; trying again is no use.
CONFIGURATION_EXIT = 78


class Child:
    """
    A process that is kept running.

    Attributes:
        name: for the log.
        ready: set while it does its work.
        failed: set when one ended before it ever was ready.
        fatal: set when one did, and said that its configuration is wrong.

    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        env: Mapping[str, str],
        listener: socket.socket | None = None,
        drain_s: float = 0.0,
    ) -> None:
        """
        Describe the process; nothing is started.

        Args:
            name: for the log.
            command: program and arguments; options for what is inherited are added.
            env: all of its environment.
            listener: the socket that it accepts from.
            drain_s: how long requests under way may take at its end.

        """
        self.name = name
        self.ready = asyncio.Event()
        self.failed = asyncio.Event()
        self.fatal = asyncio.Event()
        self._command = command
        self._env = env
        self._listener = listener
        self._grace_s = drain_s + _GRACE_S
        self._proven = False
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Start the process again whenever it ends, until `stop`."""
        pause = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            born = time.monotonic()
            try:
                code = await self._live()
            except OSError as error:
                # No memory, too many processes: this too may pass.
                _log.error("%s cannot be started: %s", self.name, error.strerror)
            else:
                if self._stopping.is_set():
                    return
                if not self._proven:
                    self.failed.set()
                    if code == CONFIGURATION_EXIT:
                        self.fatal.set()
                        return
                _log.error("%s ended with %d; starting it again", self.name, code)
            if time.monotonic() - born > _HEALTHY_AFTER_S:
                pause = _FIRST_PAUSE_S
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    async def stop(self) -> None:
        """Ask the process to end; kill it when it does not in time."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), self._grace_s)
        except TimeoutError:
            _log.error("%s did not end in %.0f s", self.name, self._grace_s)
            process.kill()
            await process.wait()

    async def _live(self) -> int:
        """Run one process from its start to its end; return its exit code."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)  # noqa: FBT003 - takes no keyword
        with ours:
            with theirs:
                process = await self._spawn(theirs)
            self._process = process
            if self._stopping.is_set():
                # Told while it was being started.
                process.terminate()
            hearing = asyncio.create_task(self._hear(ours))
            try:
                return await process.wait()
            finally:
                self.ready.clear()
                hearing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await hearing

    async def _spawn(self, line: socket.socket) -> asyncio.subprocess.Process:
        inherited = [line.fileno()]
        options = ["--lifeline", str(line.fileno())]
        if self._listener is not None:
            inherited.append(self._listener.fileno())
            options += ["--listener", str(self._listener.fileno())]
        return await asyncio.create_subprocess_exec(
            *self._command,
            *options,
            env=dict(self._env),
            pass_fds=inherited,
            start_new_session=True,
        )

    async def _hear(self, line: socket.socket) -> None:
        if await heard(line):
            self._proven = True
            self.ready.set()
