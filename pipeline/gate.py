"""
The consent gate: what may become of an event, from what its request says.

The rules are data (`schemas/packs`); this is how they are applied:

1. What holds everywhere restricts first: withdrawn, robots, children.
2. Each pack in force names one cell for a category, by that category's own state
   (essential goes by the state of statistics), and caps it for each flag that is on.
3. Of all cells that match the least open one counts, the first of equals.
4. Identity needs statistics: without their consent nothing has a pseudonym.

So a flag, a refusal or one more pack can take away and never give, which
`tests/unit/test_gate.py` holds it to. Pure; the same question has the same answer, so
a row can be decided again from what is stored with it (`pipeline.jurisdiction.replay`).
"""

import functools
import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from schemas.consent import CATEGORIES, Category, ConsentState, State
from schemas.outcome import Grant
from schemas.packs import LEVELS, RANK, Pack, standing_of
from schemas.precision import coarsest

_IDENTIFIED, _ANONYMOUS, _COUNTED = (
    RANK["identified"],
    RANK["anonymous"],
    RANK["counted"],
)
_UNDECIDED: dict[State, str] = {
    "unknown": "no_consent",
    "requested": "consent_requested",
    "expired": "consent_expired",
}
# Flags whose reason has another name.
_SIGNALS = {
    "gpc": "signal_gpc",
    "dnt": "signal_dnt",
    "withdrawn": "consent_withdrawn",
}


class Rules(msgspec.Struct, frozen=True, eq=False):
    """
    The packs that decide on a request; made and kept by `pipeline.jurisdiction`.

    Two are the same only if they are the same object, which makes them cheap keys.

    Attributes:
        packs: the packs in force, in the site's order; at least one.
        common: the packs that hold everywhere, and `unknown_geo` for its version.
        unknown_place: if they decide together because no pack is for the place.
        switches: the site's switches.
        child_directed: if the site is made for children.

    """

    packs: tuple[Pack, ...]
    common: tuple[Pack, ...]
    unknown_place: bool
    switches: frozenset[str]
    child_directed: bool = False

    def __post_init__(self) -> None:
        """Refuse to decide without a pack: nothing would be closed."""
        if not self.packs or any(pack.decide is None for pack in self.packs):
            raise ValueError("rules need at least one pack, and packs with rows")

    @property
    def regime(self) -> str:
        """The ids of the packs that decide, joined by "+"."""
        return "+".join(pack.id for pack in self._named())

    @property
    def version(self) -> str:
        """The versions of the same packs, joined likewise."""
        return "+".join(pack.version for pack in self._named())

    def _named(self) -> list[Pack]:
        extra = ["unknown_geo"] if self.unknown_place else []
        extra += ["child"] if self.child_directed else []
        known = {pack.id: pack for pack in self.common}
        return [*(known[name] for name in extra), *self.packs]


class Cell(NamedTuple):
    """A cell of a pack that matched: how open, why, and if it is a pack's own row."""

    level: int
    row: str
    reason: str
    base: bool
    pack: Pack


class _Choice(NamedTuple):
    """What became of one category."""

    level: int
    row: str
    reasons: tuple[str, ...]


def decide(category: Category, consent: ConsentState, rules: Rules) -> Grant:
    """Decide what may become of an event that needs this category's consent."""
    return grants(consent, rules)[category]


def grants(consent: ConsentState, rules: Rules) -> Mapping[Category, Grant]:
    """Decide what may become of an event of each category."""
    return _grants(
        consent.preference,
        consent.statistics,
        consent.marketing,
        consent.precise_location,
        _flags(consent, rules),
        rules,
    )


def why(consent: ConsentState, rules: Rules) -> list[dict[str, Any]]:
    """
    Return every cell that matched, by category in the order of evaluation.

    Each is JSON-ready: category, pack, version, row, level, because, and `decides`,
    true for the one that counts. A last one says so where identity needs statistics.
    """
    flags = _flags(consent, rules)
    steps: list[dict[str, Any]] = []
    choices = _choices(consent, flags, rules)
    held = _least(_matches("statistics", consent, flags, rules))
    for category in CATEGORIES:
        cells = list(_matches(category, consent, flags, rules))
        winner, choice = _least(cells), choices[category]
        capped = choice.level < winner.level
        steps += [
            {
                "category": category,
                "pack": cell.pack.id,
                "version": cell.pack.version,
                "row": _row(cell, rules),
                "level": LEVELS[cell.level],
                "because": cell.reason,
                "decides": cell is winner and not capped,
            }
            for cell in cells
        ]
        if capped:
            steps.append(
                {
                    "category": category,
                    "pack": held.pack.id,
                    "version": held.pack.version,
                    "row": choice.row,
                    "level": LEVELS[choice.level],
                    "because": "no_statistics_consent",
                    "decides": True,
                }
            )
    return steps


@functools.lru_cache(maxsize=4096)
def _grants(  # noqa: PLR0913 - the parts of the state that decide, for the cache
    preference: State,
    statistics: State,
    marketing: State,
    precise_location: State,
    flags: tuple[str, ...],
    rules: Rules,
) -> Mapping[Category, Grant]:
    """Return the grant of an event of each category."""
    consent = ConsentState(preference, statistics, marketing, precise_location)
    choices = _choices(consent, flags, rules)
    granted = frozenset(
        name for name, choice in choices.items() if choice.level == _IDENTIFIED
    )
    closed = frozenset(
        name for name, choice in choices.items() if choice.level <= _COUNTED
    )
    absent = _absent(statistics, rules)
    precision = coarsest(pack.precision for pack in rules.packs if pack.precision)
    regime, version = rules.regime, rules.version
    return {
        name: Grant(
            outcome=LEVELS[choice.level],
            reasons=choice.reasons,
            granted=granted,
            closed=closed,
            regime=regime,
            regime_version=version,
            decision_row=choice.row,
            absent=absent,
            switches=tuple(sorted(rules.switches)),
            precision=precision,
        )
        for name, choice in choices.items()
    }


def _flags(consent: ConsentState, rules: Rules) -> tuple[str, ...]:
    if not rules.child_directed:
        return consent.flags
    return tuple(sorted({*consent.flags, "child"}))


def _absent(statistics: State, rules: Rules) -> frozenset[str]:
    standing = standing_of(statistics)
    return frozenset().union(*(pack.fields_absent(standing) for pack in rules.packs))


def _choices(
    consent: ConsentState, flags: tuple[str, ...], rules: Rules
) -> dict[Category, _Choice]:
    cells = {name: _least(_matches(name, consent, flags, rules)) for name in CATEGORIES}
    return {
        name: _choice(name, cell, cells["statistics"], rules)
        for name, cell in cells.items()
    }


def _choice(category: Category, cell: Cell, statistics: Cell, rules: Rules) -> _Choice:
    row, level = _row(cell, rules), cell.level
    held = level == _IDENTIFIED > statistics.level
    if held:
        # What statistics lack is what decides: their row is the one that counts.
        row, level = _row(statistics, rules), _ANONYMOUS
    if category != "essential":
        more = ("no_statistics_consent",) if held else ()
        return _Choice(level, row, (cell.reason, *more))
    if level == _IDENTIFIED:
        return _Choice(level, row, ("essential",))
    because = statistics.reason if cell.base else cell.reason
    return _Choice(level, row, ("essential", because))


def _least(cells: Iterable[Cell]) -> Cell:
    # Of equals the first.
    return min(cells, key=operator.attrgetter("level"))


def _row(cell: Cell, rules: Rules) -> str:
    return f"18.{cell.row}" if rules.unknown_place and cell.base else cell.row


def _matches(
    category: Category, consent: ConsentState, flags: tuple[str, ...], rules: Rules
) -> Iterator[Cell]:
    """Yield the cells that match, in the order of evaluation."""
    state = consent.of("statistics" if category == "essential" else category)
    for pack in rules.common:
        yield from _caps(category, state, flags, pack, rules)
    for pack in rules.packs:
        named, row = pack.cell(standing_of(state), category, rules.switches)
        level = RANK[named]
        yield Cell(level, row, _reason(state, level), base=True, pack=pack)
        yield from _caps(category, state, flags, pack, rules)


def _caps(
    category: Category, state: State, flags: tuple[str, ...], pack: Pack, rules: Rules
) -> Iterator[Cell]:
    if not flags:
        return
    for rule in pack.restrict:
        level = rule.of(category)
        if level is None or not rule.applies(rules.switches):
            continue
        if state == "given" and category in rule.allow_given:
            continue
        flag = next((flag for flag in rule.when if flag in flags), None)
        if flag is not None:
            reason = _SIGNALS.get(flag, flag)
            yield Cell(RANK[level], rule.row, reason, base=False, pack=pack)


def _reason(state: State, level: int) -> str:
    if state == "given":
        return "consent_given"
    if state not in _UNDECIDED:
        return f"consent_{state}"
    if level <= _COUNTED:
        return _UNDECIDED[state]
    return "regime_opt_out" if level == _IDENTIFIED else "regime_exempt"
