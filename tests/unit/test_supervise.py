"""Processes that are kept running."""

import asyncio
import sys

import pytest

from collector import supervise
from collector.supervise import CONFIGURATION_EXIT, Child


async def test_what_cannot_be_started_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without memory for a process there is a line in the log, and a next time."""
    monkeypatch.setattr(supervise, "_FIRST_PAUSE_S", 0.01)
    spawn = asyncio.create_subprocess_exec
    failures = [OSError(12, "Cannot allocate memory")] * 2

    async def spawning(*command: str, **options: object) -> object:
        if failures:
            raise failures.pop()
        return await spawn(*command, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", spawning)
    ends = f"raise SystemExit({CONFIGURATION_EXIT})"
    child = Child("edge 0", [sys.executable, "-c", ends], {})
    await asyncio.wait_for(child.run(), 30)

    assert child.fatal.is_set()
    told = [record.getMessage() for record in caplog.records]
    assert told == ["edge 0 cannot be started: Cannot allocate memory"] * 2
