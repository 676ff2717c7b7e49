"""
A site: who may send events for it, and under which consent regime.

Sites live in `sites.toml` under the data directory, written by `kastana site`,
read by every edge; the keys are the site's names.
"""

import re
import tomllib
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from schemas.consent import Regime

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NAME_LENGTH = 253
_ORIGIN = re.compile(r"^(\*|null|https?://[A-Za-z0-9.\-\[\]:]+)\Z")


class SiteError(ValueError):
    """The list of sites does not hold together."""


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What is configured for one site.

    undecided and refused say what remains of an event whose consent is not
    given: a counter ("count") or only the reason ("drop"). Counters are for events
    that need statistics consent; of any other only the reason remains.
    """

    name: str
    regime: Regime = "opt_in"
    origins: tuple[str, ...] = ()
    undecided: Literal["count", "drop"] = "count"
    refused: Literal["count", "drop"] = "drop"
    debug: bool = False

    def allows(self, origin: str | None) -> bool:
        """
        Say if a page of this origin may send events for the site.

        No Origin header means no browser page, so no page can be abusing a
        visitor's browser. Without configured origins the site's own host and
        its subdomains are allowed, on any scheme and port.
        """
        if origin is None:
            return True
        if self.origins:
            return "*" in self.origins or origin in self.origins
        try:
            host = urlsplit(origin).hostname
        except ValueError:
            return False
        return host is not None and (
            host == self.name or host.endswith("." + self.name)
        )


def parse_sites(text: str) -> dict[str, Site]:
    """
    Read the sites from TOML: `[sites."example.com"]` tables.

    Raises:
        SiteError: naming the site and what is wrong with it.

    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"sites.toml is not TOML: {error}"
        raise SiteError(message) from error
    sites = content.pop("sites", {})
    if content or not isinstance(sites, dict):
        message = 'sites.toml holds tables [sites."name"] and nothing else'
        raise SiteError(message)
    for name, values in sites.items():
        if not isinstance(values, dict) or "name" in values:
            message = f"site {name!r}: is a table of options; its key is its name"
            raise SiteError(message)
    return {name: make_site(name, values) for name, values in sites.items()}


def make_site(name: str, values: dict[str, object]) -> Site:
    """
    Build and check one site.

    Raises:
        SiteError: for a name, origin or option that is not one.

    """
    if len(name) > _NAME_LENGTH or _NAME.fullmatch(name) is None:
        message = f"{name!r} is not a host name in lower case, such as 'example.com'"
        raise SiteError(message)
    try:
        site = msgspec.convert({"name": name, **values}, Site)
    except msgspec.ValidationError as error:
        message = f"site {name!r}: {error}"
        raise SiteError(message) from error
    for origin in site.origins:
        if not _ORIGIN.match(origin):
            message = (
                f"site {name!r}: origin {origin!r} is not scheme://host[:port], "
                "'null' or '*'"
            )
            raise SiteError(message)
    return site


def dump_sites(sites: dict[str, Site]) -> str:
    """Write the sites as TOML that `parse_sites` reads back."""
    lines = ["# Written by `kastana site`; edges read it again when it changes."]
    for name in sorted(sites):
        site = sites[name]
        origins = ", ".join(f'"{origin}"' for origin in site.origins)
        lines += [
            "",
            f'[sites."{name}"]',
            f'regime = "{site.regime}"',
            f"origins = [{origins}]",
            f'undecided = "{site.undecided}"',
            f'refused = "{site.refused}"',
            f"debug = {str(site.debug).lower()}",
        ]
    return "\n".join(lines) + "\n"
