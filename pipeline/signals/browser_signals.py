"""
What the browser itself asks for: Global Privacy Control and Do Not Track.

Sources: W3C, Global Privacy Control, "The Sec-GPC Header Field for HTTP Requests";
W3C, Tracking Preference Expression (DNT).
"""

from collections.abc import Iterable

from pipeline.signals.reading import Reading


def gpc(values: Iterable[str]) -> bool:
    """
    Tell whether the values of `Sec-GPC` headers ask not to sell or share.

    Only a 1 does; there is no off value, and every other value says nothing.
    """
    return _one_of(values)


def dnt(values: Iterable[str]) -> bool:
    """Tell whether the values of `DNT` headers ask not to track; 0 is no consent."""
    return _one_of(values)


def read_browser(sec_gpc: Iterable[str], dnt: Iterable[str]) -> list[Reading]:
    """Read both headers: a reading for each that is on."""
    on = (("gpc", _one_of(sec_gpc)), ("dnt", _one_of(dnt)))
    return [Reading(name, {}, frozenset({name})) for name, set_ in on if set_]


def _one_of(values: Iterable[str]) -> bool:
    # A proxy may have joined repeated headers by commas; HTTP strips blanks and tabs.
    lines = [values] if isinstance(values, str) else values
    return any(part.strip(" \t") == "1" for line in lines for part in line.split(","))
