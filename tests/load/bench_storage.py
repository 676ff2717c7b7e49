"""
What an event takes on disk, column by column, and what it costs to put it there.

    python -m tests.load.bench_storage [--rows N] [--days D] [--top K]

Makes visits (`storage_traffic.sql`: long tails of pages, cities and agents, visitors
who come back, a fifth of them anonymous), sorts them by arrival, and brings them into
the table that the policy says in inserts of 100,000 rows, as the loader does. Then the
table is merged into as few parts as there are months. Bytes are of the columns' files;
processor time is of the whole engine with its merges, without the reading of JSON. The
density of days matters: rows and days go together, ten million in 60 days by default.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import orjson

from pipeline.migrate import migrate
from pipeline.queries import ask, load_views
from pipeline.store import Store
from schemas.ddl import column_types
from schemas.policy import load_policy

_ROWS_A_VISIT = 5.12
_VISITS_A_TIME = 400_000
_SOURCE = "kastana.storage_source"
_BLOCKS = (
    "max_threads = 1, max_insert_threads = 1, max_block_size = 100000, "
    "min_insert_block_size_rows = 100000, min_insert_block_size_bytes = 0"
)
_UNTIL = "2026-11-20"
_VIEWS = ("pages", "visitors", "countries", "referrers", "web_vitals")


class Bench:
    """A store with the policy's tables, and rows to put into them."""

    def __init__(self, folder: Path) -> None:
        self.store = Store.open(f"chdb://{folder}/engine")
        self.policy = load_policy()
        migrate(self.store, self.policy)

    def ask(self, sql: str) -> list[list[float | str]]:
        """Return the rows of an answer."""
        settings = {"output_format_json_quote_64bit_integers": "0"}
        body = self.store.query(
            sql, "JSONCompactEachRow", settings=settings, read_only=False
        )
        return [orjson.loads(line) for line in body.splitlines()]

    def make(self, rows: int, days: int) -> None:
        """Make the rows, in a table of their own, in the order of their arrival."""
        kinds = column_types(self.policy, "events")
        listed = ", ".join(f"`{name}` {kind}" for name, kind in kinds.items())
        self.store.command(
            f"CREATE TABLE {_SOURCE} ({listed}) ENGINE = MergeTree ORDER BY received_at"
        )
        visits = round(rows / _ROWS_A_VISIT)
        text = Path(__file__).with_name("storage_traffic.sql").read_text("utf-8")
        for first in range(0, visits, _VISITS_A_TIME):
            values = {
                "sessions": visits,
                "days": days,
                "until": _UNTIL,
                "first": first,
                "many": min(_VISITS_A_TIME, visits - first),
            }
            sql = text
            for name, value in values.items():
                sql = sql.replace("{" + name + "}", str(value))
            made = {str(name) for name, *_ in self.ask(f"DESCRIBE ({sql})")}
            names = ", ".join(name for name in kinds if name in made)
            self.store.command(
                f"INSERT INTO {_SOURCE} ({names}) SELECT {names} FROM ({sql})"  # noqa: S608 - ours
            )

    def load(self) -> None:
        """Print what the inserts cost, and what the rows take before and after."""
        names = ", ".join(f"`{name}`" for name in column_types(self.policy, "events"))
        ((rows,),) = self.ask(f"SELECT count() FROM {_SOURCE}")  # noqa: S608 - ours
        steps = {
            "inserted": f"INSERT INTO kastana.events ({names}) SELECT {names} "  # noqa: S608 - ours
            f"FROM {_SOURCE} SETTINGS {_BLOCKS}",
            "merged": "OPTIMIZE TABLE kastana.events FINAL",
        }
        for what, sql in steps.items():
            begun = _processor_s()
            self.store.command(sql)
            taken = (_processor_s() - begun) / float(rows) * 1e6
            ((kept, parts, size),) = self.ask(
                "SELECT sum(rows), count(), sum(bytes_on_disk) / sum(rows) "
                "FROM system.parts WHERE database = 'kastana' AND table = 'events' "
                "AND active"
            )
            print(
                f"{what:10}{size:8.2f} bytes a row, {kept:,} rows, {parts} parts, "
                f"{taken:.2f} us of processor a row"
            )

    def columns(self, top: int) -> None:
        """Print the columns that take most, in bytes a row."""
        rows = self.ask(
            "SELECT name, data_compressed_bytes / sum_rows AS bytes, "
            "data_uncompressed_bytes / sum_rows FROM system.columns "
            "CROSS JOIN (SELECT count() AS sum_rows FROM kastana.events) AS counted "
            "WHERE database = 'kastana' AND table = 'events' "
            "ORDER BY bytes DESC, name"
        )
        for name, size, plain in rows[:top]:
            print(f"  {name:28}{size:8.2f}  of {plain:8.2f}")
        rest = sum(float(size) for _, size, _ in rows[top:])
        print(f"  {f'{len(rows) - top} others':28}{rest:8.2f}")

    def views(self) -> None:
        """Print how long the main views take over the last 30 days, best of three."""
        ((site,),) = self.ask("SELECT any(site) FROM kastana.events LIMIT 1")
        parameters = {"site": site, "from": "2026-10-21", "to": _UNTIL}
        for name in _VIEWS:
            taken = []
            for _ in range(3):
                begun = time.perf_counter()
                self.store.query(
                    ask(load_views()[name]), "Null", parameters, read_only=False
                )
                taken.append(time.perf_counter() - begun)
            print(f"  {name:28}{min(taken) * 1000:8.0f} ms")


def _processor_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Make, load, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--top", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        try:
            bench.make(options.rows, options.days)
            bench.load()
            bench.columns(options.top)
            bench.views()
        finally:
            bench.store.close()


if __name__ == "__main__":
    main()
