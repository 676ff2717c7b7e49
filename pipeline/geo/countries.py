"""
What is known of countries: continent, inhabitants, and how large their regions are.

GeoNames' numbers, from data/countries.json; `python -m tests.cities` writes it.
"""

import functools
import json
from pathlib import Path

from pipeline.geo.region import subdivisions

CONTINENTS = frozenset({"AF", "AN", "AS", "EU", "NA", "OC", "SA"})

_FILE = Path(__file__).parent.parent / "data" / "countries.json"


def continent_of(country: str) -> str:
    """Return AF, AN, AS, EU, NA, OC or SA; "" for a code that is no country's."""
    known = _countries().get(country)
    return known[0] if known else ""


def people_of(country: str) -> int | None:
    """Return a country's inhabitants, 0 where nobody lives; None if not known."""
    known = _countries().get(country)
    return known[1] if known else None


@functools.cache
def people_a_region(country: str) -> int:
    """Return how many live in a country's region on average; 0 if not known."""
    people = people_of(country)
    return people // max(1, subdivisions(country)) if people else 0


@functools.cache
def _countries() -> dict[str, tuple[str, int]]:
    data = json.loads(_FILE.read_text(encoding="utf-8"))
    return {code: (about[0], about[1]) for code, about in data["countries"].items()}
