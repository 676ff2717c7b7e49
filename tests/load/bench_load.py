"""
What loading costs: rows a second into the embedded engine, and our own part of it.

    taskset -c 1 python -m tests.load.bench_load [--rows N] [--segments N] [--formats]

Segments of the real table with realistic rows, each inserted under a token of its own,
on one core. "Bare" is what the engine itself gives on this machine: rows of as many
columns and bytes as the research notes inserted (123,000 a second there), of plain JSON
into a table without a token. "Python" is the loader with a store that takes everything
at once: reading the segment, holding it to withdrawals, counting, renaming, syncing.
"""

import argparse
import os
import random
import resource
import shutil
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import orjson

from pipeline.load import Loader
from pipeline.migrate import migrate
from pipeline.segment import make_folders
from pipeline.store import SEGMENT_FORMAT, SEGMENT_SETTINGS, Store
from pipeline.withdrawal.narrow import Narrower
from pipeline.withdrawal.objections import Objections
from pipeline.withdrawal.standing import Entry
from schemas.policy import load_policy
from tests.builders import headers
from tests.load.load_rows import segment

_OTHERS = (
    "TabSeparatedWithNamesAndTypes",
    "RowBinaryWithNamesAndTypes",
    "Native",
    "ArrowStream",
    "Parquet",
)


_WORDS, _TEXTS, _NUMBERS = 19, 12, 11
_PLAIN_COLUMNS = 1 + _WORDS + _TEXTS + _NUMBERS
_PLAIN_TABLE = "CREATE TABLE kastana.plain ({}) ENGINE = MergeTree ORDER BY {}".format(
    ", ".join(
        [
            "moment DateTime64(3) CODEC(Delta, ZSTD(1))",
            *(f"word_{n} LowCardinality(String)" for n in range(_WORDS)),
            *(f"text_{n} String CODEC(ZSTD(1))" for n in range(_TEXTS)),
            *(f"number_{n} UInt32 CODEC(T64, ZSTD(1))" for n in range(_NUMBERS)),
        ]
    ),
    "(word_0, word_1, toDate(moment), text_0, moment)",
)


def _plain_rows(number: int) -> bytes:
    dice = random.Random(number)  # noqa: S311 - nothing secret
    lines = []
    for row in range(number):
        words = [f"word {dice.randrange(40)}" for _ in range(_WORDS)]
        texts = [f"{dice.randrange(row + 9):x}/text" for _ in range(_TEXTS)]
        numbers = [dice.randrange(5000) for _ in range(_NUMBERS)]
        moment = f"2026-01-01 {row // 36_000 % 24:02d}:00:00.{row % 1000:03d}"
        lines.append(orjson.dumps([moment, *words, *texts, *numbers]))
    return b"\n".join(lines)


class _Nowhere:
    """A store that takes everything at once."""

    def insert_segment(self, table: str, body: bytes, token: str) -> None:
        """Take it."""


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000, help="rows a segment")
    parser.add_argument("--segments", type=int, default=5)
    parser.add_argument("--formats", action="store_true", help="compare formats")
    asked = parser.parse_args()
    body = segment(asked.rows)
    columns = len(load_policy().columns("events"))
    print(f"{asked.rows} rows of {columns} columns, {len(body) / asked.rows:.0f} B/row")
    print(f"cores: {len(os.sched_getaffinity(0))}; median of {asked.segments}")
    print(f"{'':44}{'rows/s':>10}{'CPU us/row':>12}{'B/row':>8}")
    folder = Path(tempfile.mkdtemp(prefix="bench-load-"))
    try:
        _engine(folder, body, asked)
        _python(folder, body, asked)
    finally:
        shutil.rmtree(folder)


def _engine(folder: Path, body: bytes, asked: argparse.Namespace) -> None:
    store = Store.open(f"chdb://{folder}/engine")
    names = ", ".join(orjson.loads(body[: body.find(b"\n")]))
    into = f"kastana.events ({names})"

    def insert(fmt: str, content: bytes) -> None:
        token = {"insert_deduplication_token": uuid.uuid4().hex}
        store.insert(into, fmt, content, {**SEGMENT_SETTINGS, **token})

    def segments() -> None:
        store.insert_segment("events", body, uuid.uuid4().hex)

    def bare() -> None:
        store.insert("kastana.plain", "JSONCompactEachRow", plain, {})

    try:
        migrate(store, load_policy())
        plain = _plain_rows(asked.rows)
        store.command(_PLAIN_TABLE)
        # The machine changes while it is measured: one in the middle of the other.
        for words, content, work in (
            ("segments, as they are loaded", body, segments),
            (f"bare, {_PLAIN_COLUMNS} columns", plain, bare),
            ("segments again", body, segments),
        ):
            _measure(words, asked, len(content), work)
        if asked.formats:
            _measure(
                "the same without plain text first",
                asked,
                len(body),
                lambda: insert(SEGMENT_FORMAT, body),
            )
            # What the segment holds, without going through the table's own columns.
            rows = f"SELECT {names} FROM kastana.bench"  # noqa: S608 - our own
            types = ", ".join(
                f"`{name}` {kind}"
                for name, kind in zip(
                    orjson.loads(body.split(b"\n", 2)[0]),
                    orjson.loads(body.split(b"\n", 2)[1]),
                    strict=True,
                )
            )
            store.command(f"CREATE TABLE kastana.bench ({types}) ENGINE = Memory")
            store.insert("kastana.bench", SEGMENT_FORMAT, body, SEGMENT_SETTINGS)
            for fmt in _OTHERS:
                content = store.query(f"{rows} FORMAT {fmt}", read_only=False)
                _measure(
                    fmt,
                    asked,
                    len(content),
                    lambda fmt=fmt, content=content: insert(fmt, content),
                )
    finally:
        store.close()


def _python(folder: Path, body: bytes, asked: argparse.Namespace) -> None:
    objections = Objections(folder / "objections")
    narrower = Narrower(objections, load_policy(), folder / "spool")
    make_folders(folder / "spool")
    loader = Loader(
        folder / "spool", _Nowhere(), headers(), 0.0, narrower=narrower, ledger=None
    )

    def load() -> None:
        for done in (folder / "spool" / "loaded").iterdir():
            done.unlink()
        name = f"events-{uuid.uuid4()}.ndjson"
        (folder / "spool" / "sealed" / name).write_bytes(body)
        started = time.thread_time(), time.perf_counter()
        done = loader.run_once()
        assert done.rows == asked.rows
        spent.append(
            (time.thread_time() - started[0], time.perf_counter() - started[1])
        )

    for words in ("Python, nobody withdrew", "Python, 1,000 others withdrew"):
        spent: list[tuple[float, float]] = []
        for _ in range(asked.segments):
            load()
        cpu = statistics.median(one for one, _ in spent) / asked.rows
        wall = statistics.median(one for _, one in spent) / asked.rows
        print(f"{words:44}{1 / wall:>10,.0f}{cpu * 1e6:>12.2f}{'':>8}")
        objections.append(
            [
                Entry(
                    1_748_781_296_789,
                    "example.com",
                    10**15 + n,
                    "withdrawn",
                    ("statistics",),
                )
                for n in range(1000)
            ]
        )


def _measure(
    words: str, asked: argparse.Namespace, size: int, work: Callable[[], object]
) -> None:
    walls, cpus = [], []
    for _ in range(asked.segments):
        before = resource.getrusage(resource.RUSAGE_SELF)
        started = time.perf_counter()
        work()
        walls.append(time.perf_counter() - started)
        after = resource.getrusage(resource.RUSAGE_SELF)
        cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    rate = asked.rows / statistics.median(walls)
    cpu = statistics.median(cpus) / asked.rows * 1e6
    print(f"{words:44}{rate:>10,.0f}{cpu:>12.2f}{size / asked.rows:>8.0f}")


if __name__ == "__main__":
    main()
