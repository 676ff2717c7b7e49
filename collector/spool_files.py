"""
The spool's segments as an operator sees them: listed, read, put back, dropped.

Works beside a running keeper. What is sealed or open is its own and the edges'; only
what lies in `failed/` is an operator's to move, and while one does, the keeper, which
takes withdrawn rows from there too, is kept out by a lock (`pipeline.failed`).
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import orjson

from pipeline.clock import now_ms, time_text
from pipeline.durable import sync_folder, write_all
from pipeline.failed import holding_failed
from pipeline.load_plans import forget
from pipeline.sealing import Sealing, SegmentDamagedError, SegmentWaitsError
from pipeline.segment import STATES, SUFFIX, read_segment

DROPPED = "dropped.jsonl"
_HEADER_LINES = 2


class SpoolFileError(Exception):
    """What was asked for cannot be done; `code` is a code word."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Found(msgspec.Struct, frozen=True):
    """
    A segment.

    Attributes:
        id: its id, the insert's token.
        table: the table it goes into.
        state: open, sealed, loaded or failed.
        age_seconds: since it was last written, or changed its state to loaded.
        bytes: its size on disk.
        rows: how many rows it has; None where it cannot be read, see `problem`.
        reason: why it is in failed/, in the engine's number and name.
        problem: why it cannot be read.

    """

    id: str
    table: str
    state: str
    age_seconds: float
    bytes: int
    rows: int | None
    reason: str
    problem: str
    path: Path

    def as_object(self) -> dict[str, object]:
        """Return it for JSON."""
        found = msgspec.structs.asdict(self)
        del found["path"]
        return found


def segments(root: Path, sealing: Sealing) -> Iterator[Found]:
    """Yield all segments, those of a state together, oldest first."""
    for state in STATES:
        for path in sorted(_paths(root / state), key=_moment):
            try:
                yield _found(path, state, sealing)
            except FileNotFoundError:
                # It went on to another state meanwhile.
                continue


def _paths(folder: Path) -> Iterator[Path]:
    # A hidden one is just being made, or was left by a crash before its first row.
    return folder.glob(f"[!.]*{SUFFIX}")


def find(root: Path, sealing: Sealing, name: str) -> Found:
    """
    Return a segment by its id, `<table>-<id>`, or file name.

    Raises:
        SpoolFileError: unknown_segment.

    """
    wanted = name.removesuffix(SUFFIX)
    for state in STATES:
        for path in _paths(root / state):
            whole = path.name.removesuffix(SUFFIX)
            if wanted in (whole, whole.partition("-")[2]):
                return _found(path, state, sealing)
    raise SpoolFileError("unknown_segment", "no segment has this id")


def content(found: Found, sealing: Sealing) -> tuple[dict[str, str], list[bytes]]:
    """
    Return a segment's columns with their types, and its lines.

    Raises:
        SpoolFileError: with the code of what keeps it from being read.

    """
    try:
        body = read_segment(found.path, sealing)
    except (SegmentWaitsError, SegmentDamagedError) as error:
        raise SpoolFileError(error.code, "the segment cannot be read") from None
    except FileNotFoundError:
        raise SpoolFileError("segment_gone", "the segment has just moved on") from None
    lines = body.splitlines()
    try:
        names, types = (
            msgspec.json.decode(line, type=list[str]) for line in lines[:_HEADER_LINES]
        )
        columns = dict(zip(names, types, strict=True))
    except ValueError:
        message = "its first two lines are no header"
        raise SpoolFileError("segment_header", message) from None
    return columns, lines[_HEADER_LINES:]


def retry(root: Path, found: Found) -> None:
    """
    Give a refused segment to the loader again, under the token it had.

    Raises:
        SpoolFileError: wrong_state, segment_gone, busy.

    """
    _check_failed(found, "retried")
    with _alone(root):
        if not found.path.exists():
            raise SpoolFileError("segment_gone", "the segment has just moved on")
        found.path.rename(root / "sealed" / found.path.name)
        found.path.with_suffix(".reason").unlink(missing_ok=True)
        sync_folder(root / "sealed")
        sync_folder(root / "failed")


def drop(root: Path, found: Found) -> None:
    """
    Delete a refused segment; that it was, and how many rows, is written down before.

    Raises:
        SpoolFileError: wrong_state, segment_gone, busy.

    """
    _check_failed(found, "dropped")
    with _alone(root):
        if not found.path.exists():
            raise SpoolFileError("segment_gone", "the segment has just moved on")
        about = {
            "dropped_at": time_text(now_ms()),
            "table": found.table,
            "id": found.id,
            "rows": found.rows,
            "bytes": found.bytes,
            "reason": found.reason,
        }
        _note(root / DROPPED, orjson.dumps(about) + b"\n")
        found.path.unlink()
        found.path.with_suffix(".reason").unlink(missing_ok=True)
        forget(root, found.path.name)
        sync_folder(root / "failed")


def _found(path: Path, state: str, sealing: Sealing) -> Found:
    about = path.stat()
    table, _, name = path.name.removesuffix(SUFFIX).partition("-")
    rows, problem = None, ""
    try:
        rows = max(0, read_segment(path, sealing).count(b"\n") - _HEADER_LINES)
    except (SegmentWaitsError, SegmentDamagedError) as error:
        problem = error.code
    reason = path.with_suffix(".reason")
    why = reason.read_text("utf-8").strip() if reason.exists() else ""
    age = max(0.0, time.time() - about.st_mtime)
    return Found(
        name, table, state, round(age, 1), about.st_size, rows, why, problem, path
    )


def _check_failed(found: Found, done: str) -> None:
    if found.state != "failed":
        message = f"it is {found.state}; only a segment in failed/ can be {done}"
        raise SpoolFileError("wrong_state", message)


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    try:
        with holding_failed(root):
            yield
    except TimeoutError:
        message = "the keeper is at work in failed/; try again"
        raise SpoolFileError("busy", message) from None


def _note(path: Path, line: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        write_all(descriptor, line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)


def _moment(path: Path) -> str:
    return path.name.partition("-")[2]
