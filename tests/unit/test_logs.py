"""Logs that tell on nobody: what others say, and what errors quote, stays out."""

import asyncio
import logging
import subprocess
import sys

import pytest

from collector.logs import QuietFormatter, describe, watch
from tests.builders import ROOT

CANARY = "canary@example.com"


def entry(name: str, message: str, *arguments: object, error: bool = False) -> str:
    """Format an entry as the handler does."""
    info = None
    if error:
        try:
            int(CANARY)
        except ValueError:
            info = sys.exc_info()
    record = logging.LogRecord(
        name, logging.ERROR, __file__, 1, message, arguments, info
    )
    return QuietFormatter().format(record)


@pytest.mark.parametrize("name", ["kastana", "kastana.spool", "kastana.a.b"])
def test_own_words(name: str) -> None:
    """Our own loggers say what they were given to say."""
    assert entry(name, "segment %s sealed", "x").endswith(
        f" error {name}: segment x sealed"
    )


@pytest.mark.parametrize(
    "name",
    ["aiohttp.access", "asyncio", "root", "kastanasaurus", "kastan", "py.warnings"],
)
def test_others_words(name: str) -> None:
    """Of what a library says, only who said it and how loud remains."""
    line = entry(name, f"request of {CANARY} %s", CANARY)

    assert CANARY not in line
    assert line.endswith(f" error {name}: (message withheld)")


def test_others_words_are_not_even_put_together() -> None:
    """A library's message with the wrong arguments breaks nothing."""
    assert "withheld" in entry("aiohttp", "%d %d", CANARY)


@pytest.mark.parametrize("name", ["kastana", "aiohttp.server"])
def test_errors(name: str) -> None:
    """An error is its type and where it happened; its words are left out."""
    text = entry(name, "failed", error=True)

    assert CANARY not in text
    assert "builtins.ValueError" in text
    assert f"at {__file__}:" in text


def test_describe_without_a_trace() -> None:
    """An error that was never raised is its type alone."""
    assert "  builtins.ValueError" == describe(ValueError, None)


async def test_tasks(caplog: pytest.LogCaptureFixture) -> None:
    """What a task died of is logged by its type."""

    async def fail() -> None:
        raise ValueError(CANARY)

    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    watch(loop)
    try:
        task = asyncio.create_task(fail())
        await asyncio.sleep(0)
        del task
        await asyncio.sleep(0)
        loop.call_exception_handler({"message": CANARY})
    finally:
        loop.set_exception_handler(before)

    assert CANARY not in caplog.text
    assert "builtins.ValueError" in caplog.text
    assert "a task failed without an exception" in caplog.text


# What a process prints when something fails where no caller can catch it.
DYING = {
    "main": "raise ValueError(CANARY)",
    "chained": "try:\n    1 / 0\nexcept ArithmeticError as e:\n"
    "    raise ValueError(CANARY) from e",
    "thread": "def fail(): raise ValueError(CANARY)\n"
    "thread = threading.Thread(target=fail, name=CANARY)\n"
    "thread.start(); thread.join()",
    "finaliser": "class A:\n    def __del__(self): raise ValueError(CANARY)\nA()",
    "library": "logging.getLogger('aiohttp').error(CANARY)",
    "library_error": "try:\n    raise ValueError(CANARY)\nexcept ValueError:\n"
    "    logging.getLogger('aiohttp').exception(CANARY)",
    "root": "logging.error('%s', CANARY)",
    "warning": "warnings.warn(CANARY)",
    "task": "async def fail(): raise ValueError(CANARY)\n"
    "async def main():\n"
    "    watch(asyncio.get_running_loop())\n"
    "    asyncio.ensure_future(fail()); await asyncio.sleep(0.01)\n"
    "asyncio.run(main())",
}
HEAD = (
    "import asyncio, logging, threading, warnings\n"
    "from collector.logs import set_up, watch\n"
    f"set_up('info')\nCANARY = {CANARY!r}\n"
)


@pytest.mark.parametrize("how", DYING)
def test_whole_process(how: str) -> None:
    """However something fails in a process, its words reach no stream."""
    done = subprocess.run(
        [sys.executable, "-c", HEAD + DYING[how]],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )

    assert CANARY not in done.stderr + done.stdout
    assert "error" in done.stderr or "warning" in done.stderr or "crit" in done.stderr


def test_levels() -> None:
    """Ours are as loud as asked for, the others' from warning on."""
    code = HEAD + (
        "for name in ('kastana.x', 'other'):\n"
        "    for level in ('debug', 'info', 'warning'):\n"
        "        getattr(logging.getLogger(name), level)(level)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )

    assert ["info kastana.x: info", "warning kastana.x: warning"] == [
        line.split(" ", 1)[1] for line in done.stderr.splitlines()[:2]
    ]
    assert 3 == len(done.stderr.splitlines())
