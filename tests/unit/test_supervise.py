"""Processes that are kept running."""

import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest

from collector import child as kept
from collector.address import ListenError, adopt, handed_over, listen_on
from collector.child import CONFIGURATION_EXIT, Child
from collector.lifeline import Lifeline
from collector.standing import Standing, read_standing, write_standing

# What a process is given: `--lifeline N`, and `--listener N` after it.
_READY = "import os, sys; os.write(int(sys.argv[2]), b'r');"


def make(script: str, listener: socket.socket | None = None) -> Child:
    """Return a child that runs a piece of Python."""
    return Child("edge 0", [sys.executable, "-c", script], dict(os.environ), listener)


async def test_what_cannot_be_started_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without memory for a process there is a line in the log, and a next time."""
    monkeypatch.setattr(kept, "_FIRST_PAUSE_S", 0.01)
    spawn = asyncio.create_subprocess_exec
    failures = [OSError(12, "Cannot allocate memory")] * 2

    async def spawning(*command: str, **options: object) -> object:
        if failures:
            raise failures.pop()
        return await spawn(*command, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", spawning)
    child = make(f"raise SystemExit({CONFIGURATION_EXIT})")
    await asyncio.wait_for(child.run(), 30)

    assert child.fatal.is_set()
    told = [record.getMessage() for record in caplog.records]
    assert told == ["edge 0 cannot be started: Cannot allocate memory"] * 2


async def test_what_has_worked_is_never_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A configuration that went bad under a running server ends nothing."""
    monkeypatch.setattr(kept, "_FIRST_PAUSE_S", 0.01)
    log = tmp_path / "log"
    script = (
        f"{_READY} open({str(log)!r}, 'a').write('x');"
        f"raise SystemExit({CONFIGURATION_EXIT})"
    )
    child = make(script)
    running = asyncio.create_task(child.run())
    async with asyncio.timeout(30):
        while not log.exists() or len(log.read_text()) < 3:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.02)
    await child.stop()
    await running

    assert not child.fatal.is_set()
    assert not child.failed.is_set()


async def test_ready_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process is ready when it says so, until it is told to end."""
    monkeypatch.setattr(kept, "_GRACE_S", 5)
    child = make(f"{_READY} import time; time.sleep(60)")
    running = asyncio.create_task(child.run())
    await asyncio.wait_for(child.ready.wait(), 30)
    await child.stop()
    await running

    assert not child.ready.is_set()


async def test_what_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that will not hear of its end is killed after its time."""
    monkeypatch.setattr(kept, "_GRACE_S", 0.2)
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN);"
    child = make(f"{deaf} {_READY} time.sleep(60)")
    running = asyncio.create_task(child.run())
    await asyncio.wait_for(child.ready.wait(), 30)
    await asyncio.wait_for(child.stop(), 10)
    await running


async def test_listener_outlives_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits in the queue when a process dies is answered by the next one."""
    monkeypatch.setattr(kept, "_FIRST_PAUSE_S", 0.01)
    listener = listen_on("127.0.0.1:0")
    script = (
        f"{_READY} import socket; s = socket.socket(fileno=int(sys.argv[4]));"
        "s.setblocking(True); c = s.accept()[0]; c.send(b'one'); c.close()"
    )
    child = make(script, listener)
    clients = [socket.create_connection(listener.getsockname()) for _ in range(3)]
    running = asyncio.create_task(child.run())
    loop = asyncio.get_running_loop()
    answers = []
    for client in clients:
        client.setblocking(False)  # noqa: FBT003 - takes no keyword
        answers.append(await asyncio.wait_for(loop.sock_recv(client, 3), 30))
        client.close()
    await child.stop()
    await running
    listener.close()

    assert [b"one"] * 3 == answers


async def test_lifeline_is_cut_with_the_other_end() -> None:
    """Whoever started a process need not say good-bye."""
    ours, theirs = socket.socketpair()
    line = Lifeline(theirs.detach())
    cut = asyncio.create_task(line.cut())
    line.ready()
    await asyncio.sleep(0.05)
    early = cut.done()
    heard = ours.recv(1)
    ours.close()
    await asyncio.wait_for(cut, 5)
    line.ready()
    line._socket.close()

    assert (False, b"r") == (early, heard)


def test_address_is_ours_alone() -> None:
    """One that someone listens on is refused, unless both would share it."""
    with listen_on("127.0.0.1:0", shared=True) as first:
        address = f"127.0.0.1:{first.getsockname()[1]}"
        with pytest.raises(ListenError, match="cannot listen on"):
            listen_on(address)
        listen_on(address, shared=True).close()


@pytest.mark.parametrize(
    ("number", "meant", "found"),
    [("", "us", ""), ("1", "others", ""), ("0", "us", ""), ("1", "us", "one")],
)
def test_socket_that_systemd_holds(
    monkeypatch: pytest.MonkeyPatch, number: str, meant: str, found: str
) -> None:
    """It is taken over when it is meant for this process, and only then."""
    with listen_on("127.0.0.1:0") as held:
        monkeypatch.setattr("collector.address._FIRST_HANDED", os.dup(held.fileno()))
        monkeypatch.setenv("LISTEN_FDS", number)
        monkeypatch.setenv("LISTEN_PID", str(os.getpid() if meant == "us" else 1))
        taken = handed_over()

        assert (taken is not None) == bool(found)
        assert "LISTEN_FDS" not in os.environ
        if taken is not None:
            assert taken.getsockname() == held.getsockname()
            taken.close()


def test_what_does_not_listen_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A descriptor that is no listening socket ends the start with words."""
    with socket.socket() as mute, pytest.raises(ListenError, match="does not listen"):
        adopt(os.dup(mute.fileno()))
    with pytest.raises(ListenError, match="descriptor"):
        adopt(987)
    monkeypatch.setenv("LISTEN_FDS", "2")
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    with pytest.raises(ListenError, match="2 sockets"):
        handed_over()


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff", b'{"pid": "x"}'])
def test_no_word_of_a_server(tmp_path: Path, content: bytes | None) -> None:
    """A file that is not there or says nothing is no server."""
    path = tmp_path / "server.json"
    if content is not None:
        path.write_bytes(content)

    assert read_standing(path) is None


def test_word_of_a_server(tmp_path: Path) -> None:
    """What a server says of itself is read back, by its owner alone."""
    path = tmp_path / "server.json"
    standing = Standing(7, 2, "no such setting")
    write_standing(path, standing)

    assert standing == read_standing(path)
    assert 0o600 == path.stat().st_mode & 0o777
