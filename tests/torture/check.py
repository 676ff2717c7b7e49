"""What has to hold after each round, asked of the store and of the command line."""

import time
from collections.abc import Callable

from tests.torture.journal import CHOICES, COUNTED, ROWS, WITHDRAWN, Journal
from tests.torture.stage import Stage, ViolationError

_SHOWN = 5
_ERASED_S = 30.0
_KEPT = f"site IN ('{ROWS}', '{CHOICES}') AND NOT startsWith(url_path, '{WITHDRAWN}')"


def check(stage: Stage, journal: Journal) -> None:
    """
    Compare what is stored with what was acknowledged.

    Raises:
        ViolationError: naming the first thing that is not as it must be.

    """
    if journal.wrong:
        raise ViolationError(f"answers: {journal.wrong[:_SHOWN]}")
    stage.settle()
    refused = sorted(
        path.name for path in (stage.product.data / "spool" / "failed").iterdir()
    )
    if refused:
        raise ViolationError(f"segments were set aside: {refused[:_SHOWN]}")
    # What is in memory is written as soon as the disk takes it, and then loaded.
    patience = _ERASED_S if stage.mode.durability == "memory" else 0.0
    _within(patience, lambda: _rows(stage, journal))
    _within(patience, lambda: _counted(stage, journal))
    _check_choices(stage, journal)
    _within(_ERASED_S, lambda: _withdrawn(stage))
    _within(_ERASED_S, lambda: _rollups(stage))
    _within(_ERASED_S, lambda: _page_hours(stage, journal))
    done = stage.product.run("consent", "verify")
    if done.returncode != 0:
        raise ViolationError(f"consent verify: {done.stdout!r} {done.stderr!r}")


def _rows(stage: Stage, journal: Journal) -> str:
    """Return which events are not there once."""
    found = _rows_in(stage)
    doubled = [one for one, number in found.items() if number != 1]
    lost = journal.acknowledged - found.keys()
    foreign = found.keys() - journal.sent.keys()
    for ids, words in ((doubled, "twice"), (lost, "lost"), (foreign, "never sent")):
        if ids:
            shown = sorted(ids)[:_SHOWN]
            return f"events {words}: {len(ids)}, such as {shown}"
    return ""


def _rows_in(stage: Stage) -> dict[str, int]:
    rows = stage.ask(
        "SELECT url_path, toUInt32(count()) FROM kastana.events FINAL "  # noqa: S608 - our own names
        f"WHERE {_KEPT} GROUP BY url_path"
    )
    return {row[0]: int(row[1]) for row in rows}


def _counted(stage: Stage, journal: Journal) -> str:
    """Return which number is not that of the events that were to be counted."""
    rows = stage.ask(
        "SELECT url_path, toUInt32(sum(events)) FROM kastana.counts "  # noqa: S608 - our own names
        f"WHERE site = '{COUNTED}' AND outcome = 'counted' GROUP BY url_path"
    )
    found = {row[0]: int(row[1]) for row in rows}
    for path, expected in journal.counted.items():
        number = found.pop(path, 0)
        most = expected.acknowledged + expected.unknown
        if not expected.acknowledged <= number <= most:
            return (
                f"counted on {path}: {number}, acknowledged {expected.acknowledged}, "
                f"sent {most}"
            )
    return f"counted without being sent: {found}" if found else ""


def _check_choices(stage: Stage, journal: Journal) -> None:
    rows = stage.ask(
        "SELECT toString(record_id), toUInt32(count()) FROM kastana.consents "
        "GROUP BY record_id"
    )
    found = {row[0]: int(row[1]) for row in rows}
    lost = [one for one, taken in journal.choices.items() if taken and one not in found]
    doubled = [one for one, number in found.items() if number != 1]
    foreign = found.keys() - journal.choices.keys()
    for ids, words in ((doubled, "twice"), (lost, "lost"), (foreign, "never made")):
        if ids:
            shown = sorted(ids)[:_SHOWN]
            raise ViolationError(f"choices {words}: {len(ids)}, such as {shown}")


def _withdrawn(stage: Stage) -> str:
    """Return what is left of those who withdrew."""
    ((left,),) = stage.ask(
        "SELECT toUInt32(count()) FROM kastana.events "  # noqa: S608 - our own names
        f"WHERE site = '{CHOICES}' AND startsWith(url_path, '{WITHDRAWN}')"
    )
    return f"rows of withdrawn consent: {left}" if left else ""


def _rollups(stage: Stage) -> str:
    """Return which rollups are not what their tables say; whichever there are."""
    names = stage.ask(
        "SELECT name FROM system.tables "
        "WHERE database = 'kastana' AND name LIKE '%\\_drift' ORDER BY name"
    )
    if not names:
        return "there is no rollup"
    wrong = {}
    for (name,) in names:
        ((hours,),) = stage.ask(f"SELECT toUInt32(count()) FROM kastana.{name}")  # noqa: S608 - our own names
        if hours:
            wrong[name] = hours
    return f"rollups differ from their events: {wrong}" if wrong else ""


def _page_hours(stage: Stage, journal: Journal) -> str:
    """Return how the totals of the pages differ from those of what is stored."""
    here = [journal.sent[one] for one in _rows_in(stage)]
    expected = {
        (site, sum(one.views for one in here if one.site == site), ms)
        for site in {one.site for one in here}
        for ms in [sum(one.engaged_ms for one in here if one.site == site)]
    }
    rows = stage.ask(
        "SELECT site, toUInt32(sum(views)), toUInt32(sum(engaged_ms)) "  # noqa: S608 - our own names
        f"FROM kastana.page_hours_states WHERE {_KEPT} GROUP BY site"
    )
    found = {(site, int(views), int(ms)) for site, views, ms in rows}
    if expected == found:
        return ""
    return f"page_hours has {sorted(found)}, stored are {sorted(expected)}"


def _within(seconds: float, problem: Callable[[], str]) -> None:
    """Ask until all is well, which has its time."""
    end = time.monotonic() + seconds
    while words := problem():
        if time.monotonic() > end:
            raise ViolationError(words)
        time.sleep(0.1)
