"""Countries of time zones."""

import zoneinfo

import pytest

from pipeline.geo.time_zone import country_of_time_zone


@pytest.mark.parametrize(
    ("zone", "country"),
    [
        ("Europe/Berlin", "DE"),
        ("Europe/Copenhagen", "DK"),
        ("Atlantic/Reykjavik", "IS"),
        ("Asia/Calcutta", "IN"),
        ("Asia/Rangoon", "MM"),
        ("Africa/Asmera", "ER"),
        ("Europe/Kiev", "UA"),
        ("US/Eastern", "US"),
        ("Iceland", "IS"),
        ("UTC", ""),
        ("Etc/GMT+5", ""),
        ("CET", ""),
        ("EST5EDT", ""),
        ("Europe/Nowhere", ""),
        ("", ""),
    ],
)
def test_country_of_time_zone(zone: str, country: str) -> None:
    """A zone, or an old name of one, says its country; an offset says none."""
    assert country == country_of_time_zone(zone)


def test_every_place_name_has_a_country() -> None:
    """Of all known zones only offsets are without a country."""
    nameless = {
        zone
        for zone in zoneinfo.available_timezones()
        if not country_of_time_zone(zone) and not zone.startswith(("Etc/", "GMT"))
    }

    assert nameless <= {
        *("CET", "EET", "EST", "HST", "MET", "MST", "WET"),
        *("CST6CDT", "EST5EDT", "MST7MDT", "PST8PDT"),
        *("Factory", "Greenwich", "UCT", "UTC", "Universal", "Zulu", "localtime"),
    }
