"""
Which rule packs decide on a request: the site's choice, and what is known of a place.

A site with one pack is under it everywhere. With more, the packs of all that speak are
taken together: the place of the address, the country that the sender declares, and
what consent strings say of the law they were made for. So whoever says more can only
add rules. A place that is not known, or that no configured pack is for, is under all
configured packs at once (row 18, `unknown_geo`).

Pure, and kept in a cache: the same words give the same object.
"""

import functools
from collections.abc import Iterator

import msgspec

from pipeline.gate import Rules
from schemas.packs import Pack, Packs

# The places of GPP sections (IAB, Global Privacy Platform, section ids). Those of no
# place say nothing of it: 5 is Canada's TCF, 6 US Privacy.
_SECTIONS: dict[int, str] = {
    7: "US",
    8: "US-CA",
    9: "US-VA",
    10: "US-CO",
    11: "US-UT",
    12: "US-CT",
    13: "US-FL",
    14: "US-MT",
    15: "US-OR",
    16: "US-TX",
    17: "US-DE",
    18: "US-IA",
    19: "US-NE",
    20: "US-NH",
    21: "US-NJ",
    22: "US-TN",
    23: "US-MN",
    24: "US-MD",
    25: "US-IN",
    26: "US-KY",
    27: "US-RI",
}
_TCF_EU = 2
_COMMON = ("every", "child", "unknown_geo")
# What decides when nothing that a site configured does yet.
_STRICTEST = "eu_strict"


class Declared(msgspec.Struct, frozen=True):
    """
    What a request says about the law it is under.

    Attributes:
        gdpr: the normative `gdpr`; false takes nothing away.
        sections: GPP section ids, of `gpp_sid`.
        place: the signed-in user's, "DE" or "US-CA"; empty when it was not said.
        child_directed: if the site is made for children.

    """

    gdpr: bool | None = None
    sections: tuple[int, ...] = ()
    place: str = ""
    child_directed: bool = False


def choose(  # noqa: PLR0913 - what is configured, what is said, and when
    configured: tuple[str, ...],
    switches: tuple[str, ...] | frozenset[str],
    declared: Declared,
    derived: str,
    *,
    server: bool,
    day: str,
    packs: Packs,
) -> Rules:
    """
    Choose the packs that decide on a request.

    Args:
        configured: the site's rules, pack ids in its order, or `auto`.
        switches: the site's switches.
        declared: what the request says about the law it is under.
        derived: the place of its address, "US-CA", "DE" or "" if that is not known.
        server: if a server speaks for the visitor, so that the address says nothing.
        day: the day of the decision, ISO 8601 UTC.
        packs: the packs to choose from.

    Raises:
        PackError: when no such pack is known.

    """
    derived = "" if server else derived
    if server and declared.place:
        derived = declared.place
    return _choose(configured, frozenset(switches), declared, derived, day, packs)


def replay(
    regime: str, version: str, switches: frozenset[str], day: str, packs: Packs
) -> Rules:
    """
    Return the rules that a stored row was decided by.

    Args:
        regime: the row's regime, pack ids joined by "+".
        version: the row's regime_version, joined likewise.
        switches: the site's switches at that time.
        day: the day on which the row was received; which packs hold everywhere
            follows from it.
        packs: all packs, of all versions.

    Raises:
        PackError: when a pack or its version is not known any more.
        ValueError: when there are not as many versions as packs.

    """
    named = [
        packs.get(name, number)
        for name, number in zip(regime.split("+"), version.split("+"), strict=True)
    ]
    ids = {pack.id: pack for pack in named}
    return _rules(
        tuple(pack for pack in named if pack.id not in _COMMON),
        tuple(ids.get(pack.id, pack) for pack in _common(day, packs)),
        switches,
        unknown_place="unknown_geo" in ids,
        child_directed="child" in ids,
    )


@functools.lru_cache(maxsize=4096)
def _choose(  # noqa: PLR0913 - as above
    configured: tuple[str, ...],
    switches: frozenset[str],
    declared: Declared,
    derived: str,
    day: str,
    packs: Packs,
) -> Rules:
    known = _in_force(packs.expand(configured), day, packs)
    chosen, unknown = known, False
    if len(known) > 1:
        speaking = list(_speaking(known, declared, derived, day))
        unknown = None in speaking
        chosen = known if unknown else [pack for pack in known if pack in speaking]
    return _rules(
        tuple(chosen),
        tuple(_common(day, packs)),
        switches,
        unknown_place=unknown,
        child_directed=declared.child_directed,
    )


@functools.lru_cache(maxsize=1024)
def _rules(
    chosen: tuple[Pack, ...],
    common: tuple[Pack, ...],
    switches: frozenset[str],
    *,
    unknown_place: bool,
    child_directed: bool,
) -> Rules:
    return Rules(chosen, common, unknown_place, switches, child_directed)


def _common(day: str, packs: Packs) -> list[Pack]:
    # A clock that is years late must not bring back who was erased.
    today = packs.at(day)
    return [today.get(name) or packs.oldest(name) for name in _COMMON]


def _in_force(configured: tuple[str, ...], day: str, packs: Packs) -> list[Pack]:
    """Return the configured packs; the strictest instead of one not yet in force."""
    today = packs.at(day)
    found: list[Pack] = []
    for name in configured:
        packs.oldest(name)
        pack = today.get(name) or today.get(_STRICTEST) or packs.oldest(_STRICTEST)
        if pack not in found:
            found.append(pack)
    return found


def _speaking(
    known: list[Pack], declared: Declared, derived: str, day: str
) -> Iterator[Pack | None]:
    """Yield the packs of all that speak; None for a place that has none."""
    places = [derived]
    if declared.place:
        places.append(declared.place)
    found = [_pack_for(place, known, day) for place in places]
    yield from found
    if declared.gdpr or _TCF_EU in declared.sections:
        european = [pack for pack in found if pack and pack.family in ("eu", "gb")]
        if not european:
            strictest = [pack for pack in known if pack.family == "eu"]
            yield from strictest
            if not strictest:
                yield None
    american = any(pack and pack.family == "us" for pack in found)
    for section in declared.sections:
        place = _SECTIONS.get(section, "")
        # The national section is that of every state: it tells of no other law.
        if place == "US" and american:
            continue
        pack = _pack_for(place, known, day)
        if pack is not None:
            yield pack


def _pack_for(place: str, known: list[Pack], day: str) -> Pack | None:
    """Return the first pack for exactly this place, else for its country."""
    for name in (place, place.partition("-")[0]):
        for pack in known:
            if pack.is_for(name, day):
                return pack
    return None
