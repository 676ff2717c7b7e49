"""
Logs that cannot tell on anyone.

Only loggers under `kastana` may say what they were given to say; what any library
logs is reduced to its logger's name and level, since it may quote a request or a
peer's address. Exceptions are shown as type and code positions, without their
messages: those quote values.
"""

import asyncio
import logging
import sys
import threading
from types import TracebackType
from typing import Any

OWN = "kastana"


class QuietFormatter(logging.Formatter):
    """Time, level, logger, and as much of the message as is safe."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, or one line and the code positions of an error."""
        own = record.name == OWN or record.name.startswith(OWN + ".")
        text = record.getMessage() if own else "(message withheld)"
        line = (
            f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S%z')} "
            f"{record.levelname.lower()} {record.name}: {text}"
        )
        if record.exc_info and record.exc_info[0] is not None:
            line += "\n" + describe(record.exc_info[0], record.exc_info[2])
        return line


def describe(kind: type[BaseException], trace: TracebackType | None) -> str:
    """Return an exception's type and where in the code it happened."""
    lines = [f"  {kind.__module__}.{kind.__qualname__}"]
    while trace is not None:
        code = trace.tb_frame.f_code
        lines.append(f"  at {code.co_filename}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return "\n".join(lines)


def set_up(level: str) -> None:
    """Send all logs of the process to standard error, in the safe form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(QuietFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(OWN).setLevel(level.upper())
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_thread
    sys.unraisablehook = _log_unraisable


def watch(loop: asyncio.AbstractEventLoop) -> None:
    """Log what a task died of by its type alone."""
    loop.set_exception_handler(_log_task)


def _log_uncaught(
    kind: type[BaseException], _error: BaseException, trace: TracebackType | None
) -> None:
    logging.getLogger(OWN).critical("uncaught error\n%s", describe(kind, trace))


def _log_thread(died: threading.ExceptHookArgs) -> None:
    text = describe(died.exc_type, died.exc_traceback)
    logging.getLogger(OWN).error("a thread failed\n%s", text)


def _log_unraisable(failed: "sys.UnraisableHookArgs") -> None:
    text = describe(failed.exc_type, failed.exc_traceback)
    logging.getLogger(OWN).error("an error nobody could catch\n%s", text)


def _log_task(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    if error is None:
        logging.getLogger(OWN).error("a task failed without an exception")
        return
    text = describe(type(error), error.__traceback__)
    logging.getLogger(OWN).error("a task failed\n%s", text)
