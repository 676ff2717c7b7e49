"""What a dead writer left: whole lines are handed on, a torn one is cut."""

import fcntl
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.segment import make_folders, recover
from schemas.row import Row
from tests.builders import ROOT, headers
from tests.spool_disk import rows_in, segments, titles

HEADER = headers()["counts"]
FIRST = b'["page_view","a.com","2025-06-01 12:00:00.000","x",[],1]\n'
LAST = b'["page_view","b.com","2025-06-01 12:00:00.000","y",[],2]\n'
WHOLE = HEADER + FIRST + LAST


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty spool."""
    make_folders(tmp_path)
    return tmp_path


def test_torn_at_every_byte(root: Path) -> None:
    """Wherever the last line ends too soon, it is cut and the first is kept."""
    for end in range(len(HEADER + FIRST), len(WHOLE)):
        (root / "open" / f"counts-{end:06}.ndjson").write_bytes(WHOLE[:end])
    torn = len(LAST)

    assert torn == len(recover(root))
    assert [HEADER + FIRST] * torn == [
        path.read_bytes() for path in segments(root, "sealed")
    ]
    assert [] == segments(root, "open")


def test_torn_before_the_first_row(root: Path) -> None:
    """A segment without a whole row holds nothing acknowledged: it is removed."""
    for end in range(len(HEADER + FIRST)):
        (root / "open" / f"counts-{end:06}.ndjson").write_bytes(WHOLE[:end])

    assert [] == recover(root)
    assert [] == segments(root, "open", "sealed")


def test_whole(root: Path) -> None:
    """A segment that is whole keeps every byte and its name."""
    (root / "open" / "counts-1.ndjson").write_bytes(WHOLE)

    assert ["counts-1.ndjson"] == recover(root)
    assert WHOLE == (root / "sealed" / "counts-1.ndjson").read_bytes()
    assert [] == recover(root)


@pytest.mark.parametrize(
    "tail",
    [bytes(100), bytes(50) + b"\n", bytes(50) + LAST, b'["page' + bytes(9) + LAST],
)
def test_holes(root: Path, tail: bytes) -> None:
    """Blocks that a power cut left as zeros are cut with all that follows."""
    (root / "open" / "counts-1.ndjson").write_bytes(HEADER + FIRST + tail)
    recover(root)

    assert HEADER + FIRST == (root / "sealed" / "counts-1.ndjson").read_bytes()


def test_locked_by_another(root: Path) -> None:
    """A segment that somebody holds is left as it is, torn or not."""
    path = root / "open" / "counts-1.ndjson"
    path.write_bytes(WHOLE[:-5])
    with path.open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)

        assert [] == recover(root)
        assert WHOLE[:-5] == path.read_bytes()

    assert ["counts-1.ndjson"] == recover(root)


def test_locked_by_another_process(root: Path) -> None:
    """The lock of another process holds until that process dies, however it does."""
    path = root / "open" / "counts-1.ndjson"
    path.write_bytes(WHOLE)
    code = (
        "import fcntl, sys, time; file = open(sys.argv[1]); "
        "fcntl.flock(file, fcntl.LOCK_EX); print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, path], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        left_alone = recover(root)
        holder.kill()
    taken = recover(root)

    assert ([], ["counts-1.ndjson"]) == (left_alone, taken)


def test_drafts(root: Path) -> None:
    """A segment that is just being made is left; one a crash left is removed."""
    for name in (".counts-new.ndjson", ".counts-old.ndjson"):
        (root / "open" / name).write_bytes(HEADER)
    os.utime(root / "open" / ".counts-old.ndjson", (0, time.time() - 120))

    assert [] == recover(root)
    assert [".counts-new.ndjson"] == [path.name for path in segments(root, "open")]


# Appends one event a title from several tasks; prints a title once it is safe.
WRITER = """
import asyncio, os, sys
from pathlib import Path
from pipeline.spool import Limits, Spool
from tests.builders import headers, row

async def work(spool, worker):
    for number in range(1_000_000):
        title = f"{sys.argv[2]}-{worker}-{number}"
        await spool.append([row(page_title=title)])
        os.write(1, f"{title}\\n".encode())

async def main():
    limits = Limits(seal_bytes=20_000, seal_seconds=0.05, max_bytes=1 << 30)
    async with Spool.running(Path(sys.argv[1]), headers(), limits) as spool:
        await asyncio.gather(*(work(spool, worker) for worker in range(8)))

asyncio.run(main())
"""


def run_and_kill(root: Path, name: str, seconds: float) -> list[str]:
    """Let a writer work, kill it at once, return what it said was safe."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, root, name], stdout=subprocess.PIPE, cwd=ROOT
    ) as writer:
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(seconds)
        writer.send_signal(signal.SIGKILL)
        said = (first + writer.stdout.read()).decode()
    # A title that was cut in the pipe was not said.
    return said.rpartition("\n")[0].split()


def test_killed(root: Path) -> None:
    """Whenever a writer is killed, what it acknowledged is in just one segment."""
    said: list[str] = []
    for name, seconds in zip("abcde", (0.02, 0.3, 0.11, 0.05, 0.17), strict=True):
        said += run_and_kill(root, name, seconds + random.random() / 10)  # noqa: S311
        recover(root)
    kept = titles(root, "sealed")

    assert len(said) > 100
    assert set() == set(said) - set(kept)
    assert len(kept) == len(set(kept))
    # A draft that was just being made may be there; it has no row.
    assert not [path for path in segments(root, "open") if path.name[0] != "."]
    assert {len(Row.__struct_fields__)} == {
        len(line) for line in rows_in(*segments(root, "sealed"))
    }
