"""
The country of a time zone: a place without any address.

tzdata's own table gives each zone one country; its other names have that of their zone.
"""

import functools
from importlib import resources

# Old names of zones that were merged into a zone of several countries, so that the
# target does not tell their country. tzdata's "backward" file says it in comments.
_MERGED_ZONES = {
    "Africa/Asmera": "ER",
    "Africa/Timbuktu": "ML",
    "America/Coral_Harbour": "CA",
    "America/Montreal": "CA",
    "America/Nipigon": "CA",
    "America/Thunder_Bay": "CA",
    "America/Virgin": "VI",
    "Antarctica/South_Pole": "AQ",
    "Asia/Rangoon": "MM",
    "Atlantic/Jan_Mayen": "SJ",
    "Canada/Eastern": "CA",
    "Europe/Belfast": "GB",
    "GB": "GB",
    "GB-Eire": "GB",
    "Iceland": "IS",
    "Japan": "JP",
    "NZ": "NZ",
    "Pacific/Ponape": "FM",
    "Pacific/Samoa": "AS",
    "Pacific/Truk": "FM",
    "Pacific/Yap": "FM",
    "Singapore": "SG",
    "US/Arizona": "US",
    "US/Samoa": "AS",
}
# Offsets by the name of a zone; since 2024 they are links to one, but say no place.
_OFFSETS = frozenset(("CET", "EET", "EST", "HST", "MET", "MST", "WET"))


def country_of_time_zone(name: str) -> str:
    """Return the ISO 3166-1 code of an IANA time zone's country; "" if it has none."""
    return _countries().get(name, "")


@functools.cache
def _countries() -> dict[str, str]:
    """Read zone.tab, which gives each zone one country, and the links to its zones."""
    folder = resources.files("tzdata") / "zoneinfo"
    countries = {
        zone: code for code, _, zone in _rows(folder.joinpath("zone.tab").read_text())
    }
    shared = {
        zone
        for codes, _, zone in _rows(folder.joinpath("zone1970.tab").read_text())
        if "," in codes
    }
    for line in folder.joinpath("tzdata.zi").read_text().splitlines():
        if line.startswith("L "):
            _, target, name = line.split(" ")
            if target in countries and target not in shared and name not in _OFFSETS:
                countries.setdefault(name, countries[target])
    return countries | _MERGED_ZONES


def _rows(table: str) -> list[tuple[str, str, str]]:
    lines = (line.split("\t") for line in table.splitlines() if line[:1] != "#")
    return [(line[0], line[1], line[2]) for line in lines]
