"""
What objections leave of a segment of events: lines in, fewer or emptier lines out.

For a row with a pseudonym, by the standing of its visitor:

- Statistics withdrawn: nothing is left that could carry the pseudonym. The row of an
  essential event (an error) becomes a counter, `counted`; every other row is dropped
  and counted as such, those of other categories too: their pseudonym rested on
  statistics.
- The event's own category withdrawn: dropped and counted as such.
- Any other category withdrawn: the row stays, every field that needs that category
  is emptied, and the row's own record of the consent says `withdrawn`.

Rows without a pseudonym are nobody's and stay. So do the bytes of untouched lines.
"""

import functools
import operator
from collections import Counter
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec
import orjson

from pipeline.segment import count_lines, header_bytes, lines_of
from pipeline.withdrawal.objections import Objections
from pipeline.withdrawal.standing import CLEAR, Standing
from pipeline.withdrawal.whose import pseudonyms
from schemas.consent import ASKED
from schemas.ddl import EMPTY, segment_header
from schemas.policy import Policy

Principal = tuple[str, int]
# Row 1 of the decision table: a withdrawal on record; row 2: a child.
_WITHDRAWN_ROW: Final = "1"
_REFUSED_ROW: Final = "4"
_CHILD_ROW: Final = "2"
# Behind names and types; lines are counted from 1.
_FIRST_LINE: Final = 3
_NOT_SAID: Final = EMPTY["DateTime64(3, 'UTC')"]


class SegmentError(ValueError):
    """A line that cannot be judged, so the segment must not be loaded."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line} of a segment cannot be read")
        self.line = line


class Change(msgspec.Struct, frozen=True):
    """
    What becomes of a segment.

    Attributes:
        body: its new bytes.
        counters: a segment of counters for the rows that are gone, empty if none is.
        principals: (site, pseudonym) of every row that was touched, sorted.
        rows: how many rows are left.
        removed: how many rows are gone.
        emptied: how many rows lost fields.

    """

    body: bytes
    counters: bytes
    principals: tuple[Principal, ...]
    rows: int
    removed: int
    emptied: int


class _Verdict(msgspec.Struct, frozen=True):
    outcome: Literal["counted", "dropped"]
    reasons: tuple[str, ...]
    decision_row: str


@dataclass
class _Made:
    """What a segment becomes, while it is read."""

    counters: Counter[bytes]
    principals: set[Principal]
    emptied: int = 0


class Rewriter:
    """Applies objections to segments; keeps no state of its own."""

    def __init__(self, objections: Objections, policy: Policy) -> None:
        """Bind the objections, and the policy that says which field needs what."""
        self._objections = objections
        self._policy = policy
        self._header = header_bytes(*segment_header(policy, "counts"))
        # Without the number, which comes last.
        names, types = segment_header(policy, "counts")
        self._counted = dict(zip(names[:-1], types[:-1], strict=True))

    def change(
        self,
        body: bytes,
        only: AbstractSet[Principal] | None = None,
        rows: int | None = None,
    ) -> Change | None:
        """
        Return what becomes of a segment, None when nothing does.

        Args:
            body: the segment's bytes.
            only: whose rows to look at; None for everyone's.
            rows: how many whole lines follow its two header lines, if that is known.

        Raises:
            SegmentError: when a line is none.
            ObjectionsError: when the objections cannot be read in full.

        """
        self._objections.look()
        if not self._objections.count:
            return None
        head, start = _head(body)
        names, types = head or ([], [])
        if not {"site", "visitor_id", "event_name", "received_at"} <= set(names):
            # Not one of ours: the store refuses it.
            return None
        # Mostly nobody's row is touched; telling that must cost little.
        rows = count_lines(body, start) if rows is None else rows
        seen = pseudonyms(names, types, body, start, rows)
        suspects = self._suspects(seen, only)
        if not suspects or (
            only is not None and b"" in suspects and not _names(body, only)
        ):
            return None
        lines = lines_of(body, start)
        made = _Made(Counter(), set())
        for place in self._touched(tuple(names), lines, seen, suspects):
            line = lines[place]
            try:
                row = dict(zip(names, orjson.loads(line), strict=True))
                lines[place] = self._judged(row, line, types, only, made)
            except (KeyError, TypeError, ValueError):
                raise SegmentError(place + _FIRST_LINE) from None
        if not made.principals:
            return None
        removed = made.counters.total()
        return Change(
            body[:start] + b"".join(lines),
            self._segment(made.counters),
            tuple(sorted(made.principals)),
            len(lines) - removed,
            removed,
            made.emptied,
        )

    def _suspects(
        self, seen: list[bytes], only: AbstractSet[Principal] | None
    ) -> set[bytes]:
        """Return the pseudonyms of any site that an entry is about, as they stand."""
        distinct = set(seen)
        # Nobody can say whose the rows are that must be parsed.
        suspects = distinct & {b""}
        distinct -= suspects
        known = self._objections.known(set(map(int, distinct)))
        if only is not None:
            known &= {visitor_id for _, visitor_id in only}
        return suspects.union(b"%d" % visitor_id for visitor_id in known)

    def _touched(
        self,
        names: tuple[str, ...],
        lines: list[bytes],
        seen: list[bytes],
        suspects: set[bytes],
    ) -> list[int]:
        """Return the places of the lines that an entry is about, in order."""
        places = [place for place, one in enumerate(seen) if one in suspects]
        whose = _principals(names, [lines[place] for place in places])
        if whose is None:
            # One of them is no line: found by judging them.
            return places
        closed = self._objections.among(set(whose))
        return [
            place for place, one in zip(places, whose, strict=True) if one in closed
        ]

    def _judged(
        self,
        row: dict[str, Any],
        line: bytes,
        kinds: list[str],
        only: AbstractSet[Principal] | None,
        made: "_Made",
    ) -> bytes:
        """Return what is left of a row's line, nothing if it is gone."""
        principal = (row["site"], row["visitor_id"])
        if not isinstance(principal[1], int):
            raise TypeError
        looked_at = principal[1] and (only is None or principal in only)
        standing = self._standing(row) if looked_at else CLEAR
        verdict = self._verdict(row, standing)
        if verdict is not None:
            made.counters[self._counter(row, verdict)] += 1
            made.principals.add(principal)
            return b""
        emptier = self._emptied(row, standing, kinds) if standing.withdrawn else row
        if emptier == row:
            return line
        made.emptied += 1
        made.principals.add(principal)
        return orjson.dumps(list(emptier.values())) + b"\n"

    def _standing(self, row: dict[str, Any]) -> Standing:
        given = row.get("consent_given_at", _NOT_SAID)
        return self._objections.standing(
            row["site"],
            row["visitor_id"],
            given_ms=None if given == _NOT_SAID else _ms(given),
            received_ms=_ms(row["received_at"]),
        )

    def _verdict(self, row: dict[str, Any], standing: Standing) -> _Verdict | None:
        """Return why a row cannot stay, None when it can."""
        category = self.category(row)
        statistics = "statistics" in standing.withdrawn
        if not statistics and category not in standing.withdrawn:
            return None
        why = "consent_withdrawn"
        if standing.erased or standing.child:
            why = "erased" if standing.erased else "child"
        if why == "child":
            decided = _CHILD_ROW
        elif category == "essential" or standing.withdrawn.issuperset(ASKED):
            decided = _WITHDRAWN_ROW
        else:
            decided = _REFUSED_ROW
        if category == "essential":
            return _Verdict("counted", ("essential", why), decided)
        return _Verdict("dropped", (why,), decided)

    def category(self, row: dict[str, Any]) -> str:
        """Return the category a row needed; rows of older versions do not say."""
        rule = self._policy.events.get(row["event_name"])
        # An event that is not known any more was none without consent.
        known = rule.consent_category if rule else "statistics"
        return row.get("consent_category") or known

    def _emptied(
        self, row: dict[str, Any], standing: Standing, kinds: list[str]
    ) -> dict[str, Any]:
        values = dict(row)
        for name, kind in zip(row, kinds, strict=True):
            field = self._policy.fields.get(name)
            if field is not None and field.consent_category in standing.withdrawn:
                values[name] = EMPTY[kind]
        for category in standing.withdrawn:
            if f"consent_{category}" in values:
                values[f"consent_{category}"] = "withdrawn"
        return values

    def _counter(self, row: dict[str, Any], verdict: _Verdict) -> bytes:
        # Of a dropped event only that it happened remains, and why.
        place = verdict.outcome == "counted"
        values = {
            **row,
            "occurred_at": row["occurred_at"][:13] + ":00:00.000",
            "outcome": verdict.outcome,
            "outcome_reasons": verdict.reasons,
            "decision_row": verdict.decision_row,
            "geo_country_iso_code": row["geo_country_iso_code"] if place else "",
            "device_type": row["device_type"] if place else "",
            "url_path": row["url_path"] if place else "",
        }
        # A segment of an older version lacks some of them.
        return orjson.dumps(
            [values.get(name, EMPTY[kind]) for name, kind in self._counted.items()]
        )

    def _segment(self, counters: Counter[bytes]) -> bytes:
        if not counters:
            return b""
        lines = [
            key[:-1] + b",%d]\n" % number for key, number in sorted(counters.items())
        ]
        return self._header + b"".join(lines)


@functools.lru_cache(maxsize=16)
def _decoder(names: tuple[str, ...]) -> msgspec.json.Decoder[Any]:
    """Return what reads site and pseudonym of a line, and only passes over the rest."""
    kinds: dict[str, Any] = {"site": str, "visitor_id": int}
    last = max(names.index(name) for name in kinds)
    fields = [
        (f"column_{place}", kinds.get(name, msgspec.Raw))
        for place, name in enumerate(names[: last + 1])
    ]
    line = msgspec.defstruct("Line", fields, array_like=True, frozen=True, gc=False)
    return msgspec.json.Decoder(line)


def _principals(names: tuple[str, ...], lines: list[bytes]) -> list[Principal] | None:
    """Return whose row each line is, None if a line cannot be read."""
    site, visitor = (f"column_{names.index(x)}" for x in ("site", "visitor_id"))
    whose = operator.attrgetter(site, visitor)
    try:
        return [whose(row) for row in map(_decoder(names).decode, lines)]
    except msgspec.MsgspecError:
        return None


def _names(body: bytes, principals: AbstractSet[Principal]) -> bool:
    """Say if any of the pseudonyms may be in there, without reading lines."""
    return any(b",%d," % visitor_id in body for _, visitor_id in principals)


def _head(body: bytes) -> tuple[list[list[str]], int]:
    """Return names and types, and where the rows begin; nothing where it has none."""
    middle = body.find(b"\n") + 1
    start = body.find(b"\n", middle) + 1
    try:
        head = [
            msgspec.json.decode(line, type=list[str])
            for line in (body[:middle], body[middle:start])
        ]
    except msgspec.MsgspecError:
        return [], 0
    return (head, start) if len(head[0]) == len(head[1]) else ([], 0)


def _ms(text: str) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
