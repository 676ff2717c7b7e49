"""
A process that loads segments and builds rollups until it is killed.

    python -m tests.rollup_child FOLDER FIRST LAST

It loads the segments from FIRST on, each with a few events of its own and a few that
another had before, and says the number of each that the store has taken. Before that,
it says how the store was found: rows that no mark tells of, and what differs.
"""

import sys
from pathlib import Path

from pipeline.migrate import migrate
from pipeline.rollups import Rollups
from pipeline.store import Store
from schemas.policy import load_policy
from schemas.rollups import load_rollups
from tests.rollup_stage import TOKEN, Event, answer, body, drift_of, totals_in

SITE = "killed.example"
_UNMARKED = (
    "SELECT toInt64((SELECT count() FROM kastana.events)) - "
    "toInt64((SELECT sum(marks) FROM kastana.page_hours_marks))"
)


def events_of(segment: int) -> list[Event]:
    """Return a segment's events; every second one was in the segment before."""
    return [
        Event(number, hour=number % 24, visitor=number % 17, engaged=number)
        for number in range(segment * 20, segment * 20 + 40)
    ]


def main(folder: Path, first: int, last: int) -> None:
    """Load, build, say so."""
    store = Store.open(f"chdb://{folder}/engine")
    policy = load_policy()
    migrate(store, policy)
    print("unmarked", int(answer(store, _UNMARKED)[0][0]), flush=True)
    rollups = Rollups(store, policy, load_rollups())
    for segment in range(first, last):
        events = body(SITE, *events_of(segment))
        store.insert_segment("events", events, TOKEN % segment)
        print("took", segment, flush=True)
        # A pass that has much to delete, one that only builds, and none.
        if segment % 3:
            rollups.run_once(erased=segment % 3 == 1)
    while rollups.run_once().waiting:
        pass
    print("drift", len(drift_of(store, SITE)), rollups.problem, flush=True)
    print("totals", totals_in(store, SITE), flush=True)
    store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
