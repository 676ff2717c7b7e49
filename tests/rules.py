"""Rule packs for tests: rules of any packs, and what Hypothesis draws from."""

from collections.abc import Iterable

from hypothesis import strategies as st

from pipeline.gate import Rules
from schemas.consent import FLAGS, ConsentState
from schemas.outcome import Grant
from schemas.packs import RANK, Pack, load_packs
from tests.strategies import STATES

DAY = "2026-11-23"
PACKS = load_packs()
COMMON = tuple(PACKS.at(DAY)[name] for name in ("every", "child", "unknown_geo"))
ALL_SWITCHES = frozenset(PACKS.switches)


def rules(
    *names: str,
    switches: Iterable[str] = (),
    unknown_place: bool = False,
    child_directed: bool = False,
) -> Rules:
    """Return the rules of some packs as they are today."""
    today = PACKS.at(DAY)
    return of_packs(
        tuple(today[name] for name in names),
        switches,
        unknown_place=unknown_place,
        child_directed=child_directed,
    )


def of_packs(
    packs: tuple[Pack, ...],
    switches: Iterable[str] = (),
    *,
    unknown_place: bool = False,
    child_directed: bool = False,
) -> Rules:
    """Return the rules of packs that a test made."""
    return Rules(packs, COMMON, unknown_place, frozenset(switches), child_directed)


def state(word: str, *flags: str, **others: str) -> ConsentState:
    """Return a consent state: one word for all categories, but for some."""
    names = ("preference", "statistics", "marketing", "precise_location")
    words = {name: others.get(name, word) for name in names}
    return ConsentState(**words, flags=tuple(sorted(flags)))  # type: ignore[arg-type]


def no_wider(narrow: Grant, wide: Grant) -> bool:
    """Say if one grant allows no more than another: outcome, categories, fields."""
    return (
        RANK[narrow.outcome] <= RANK[wide.outcome]  # type: ignore[index]
        and narrow.granted <= wide.granted
        and narrow.closed >= wide.closed
        and narrow.absent >= wide.absent
    )


states = st.sampled_from(STATES)
flag_sets = st.frozensets(st.sampled_from(sorted(FLAGS)))
switch_sets = st.frozensets(st.sampled_from(sorted(ALL_SWITCHES)))
pack_names = st.sampled_from(PACKS.jurisdictions)
pack_lists = st.lists(pack_names, min_size=1, max_size=4, unique=True)
consents = st.builds(
    lambda preference, statistics, marketing, place, flags: ConsentState(
        preference, statistics, marketing, place, flags=tuple(sorted(flags))
    ),
    states,
    states,
    states,
    states,
    flag_sets,
)
