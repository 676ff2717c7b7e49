"""
A site: who may send events for it, and which rule packs decide on them.

Sites live in `sites.toml` under the data directory, written by `kastana site`,
read by every edge; the keys are the site's names.
"""

import functools
import itertools
import json
import re
import tomllib
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from schemas.consent import CATEGORIES
from schemas.packs import AUTO, load_packs
from schemas.parameters import parameters_problem
from schemas.redaction import Extra, SiteRule, compile_extra, redaction_problem
from schemas.server_key import keys_problem
from schemas.site_old import OLD_KEYS, translate

# Consent managers whose cookies can be read; `iab` are the frameworks' own.
CMPS: tuple[str, ...] = (
    "borlabs",
    "complianz",
    "cookie_information",
    "cookiebot",
    "cookieconsent",
    "cookielawinfo",
    "cookieyes",
    "iab",
    "iubenda",
    "klaro",
    "onetrust",
    "osano",
    "tarteaucitron",
    "trustarc",
)
COUNT_UNDECIDED = "count_undecided"

_NUMBERS = itertools.count()

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NAME_LENGTH = 253
_ORIGIN = re.compile(r"^(\*|null|https?://[A-Za-z0-9.\-\[\]:]+)\Z")
_CMP_ID_LENGTH = 128


class SiteError(ValueError):
    """The list of sites does not hold together."""


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """
    What is configured for one site.

    Attributes:
        name: its host name in lower case.
        rules: ids of the rule packs that may decide, the first of equals first; or
            `auto`: all that need no assessment of the operator's own.
        switches: what is turned on in them.
        origins: page origins that may send; none are the site's own.
        debug: if `X-Kastana-Debug` is answered.
        consent_cookies: consent managers whose cookies are read, of CMPS.
        consent_map: a consent manager's id to the category that it stands for; to ""
            if it stands for none.
        consent_revision: the consent manager's revision that grants must be of; empty
            if any will do.
        tcf_vendor: the operator's id in the Global Vendor List, 0 if he has none.
        tcf_purposes: whose purposes of a TC string count for an operator without such
            an id: the publisher's, or those of the core.
        child_directed: if the site is made for children.
        parameters: names of the page's URL parameters that are kept; the others are
            dropped, but for the campaign.
        redact: the site's own rules of what is replaced in texts, by name.
        keys: SHA-256 of the keys with which servers may speak for visitors, by name.
        rate: events a second that each edge takes; 0 for the server's `site_rate`.
        burst: events at once before the rate counts; 0 for the server's.

    """

    name: str
    rules: tuple[str, ...] = ("eu_strict",)
    switches: tuple[str, ...] = (COUNT_UNDECIDED,)
    origins: tuple[str, ...] = ()
    debug: bool = False
    consent_cookies: tuple[str, ...] = ()
    consent_map: dict[str, str] = {}
    consent_revision: Annotated[str, Meta(max_length=64)] = ""
    tcf_vendor: Annotated[int, Meta(ge=0, le=65_535)] = 0
    tcf_purposes: Literal["publisher", "core"] = "publisher"
    child_directed: bool = False
    parameters: tuple[str, ...] = ()
    redact: dict[str, SiteRule] = {}
    keys: dict[str, str] = {}
    rate: Annotated[float, Meta(ge=0)] = 0.0
    burst: Annotated[float, Meta(ge=0)] = 0.0

    @functools.cached_property
    def number(self) -> int:
        """Another one for each that was ever read in this process: a key for caches."""
        return next(_NUMBERS)

    @functools.cached_property
    def extra(self) -> Extra:
        """The site's own rules of redaction, compiled."""
        return compile_extra(self.redact)

    @functools.cached_property
    def allowed(self) -> frozenset[str]:
        """The URL parameters that are kept, to look names up in."""
        return frozenset(self.parameters)

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
        host = _host(origin)
        return host == self.name or host.endswith("." + self.name)


@functools.lru_cache(maxsize=4096)
def _host(origin: str) -> str:
    """Return the host of a page's origin, "" for none."""
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""


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
    Build and check one site; options of older versions are translated.

    Raises:
        SiteError: for a name, origin or option that is not one.

    """
    if len(name) > _NAME_LENGTH or _NAME.fullmatch(name) is None:
        message = f"{name!r} is not a host name in lower case, such as 'example.com'"
        raise SiteError(message)
    try:
        if OLD_KEYS & values.keys():
            values = translate(values)
        site = msgspec.convert({"name": name, **values}, Site)
        if "switches" not in values:
            # The default is for packs that know it.
            known = load_packs().switches_of(site.rules)
            kept = tuple(switch for switch in site.switches if switch in known)
            site = msgspec.structs.replace(site, switches=kept)
        problem = _problem(site)
    except ValueError as error:
        message = f"site {name!r}: {error}"
        raise SiteError(message) from error
    if problem:
        message = f"site {name!r}: {problem}"
        raise SiteError(message)
    return site


def dump_sites(sites: dict[str, Site]) -> str:
    """Write the sites as TOML that `parse_sites` reads back."""
    lines = ["# Written by `kastana site`; edges read it again when it changes."]
    for name in sorted(sites):
        content: dict[str, Any] = msgspec.to_builtins(sites[name])
        del content["name"]
        lines += ["", f'[sites."{name}"]']
        lines += [f"{key} = {_toml(value)}" for key, value in content.items()]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, dict):
        pairs = (f"{_toml(key)} = {_toml(one)}" for key, one in value.items())
        return f"{{{', '.join(pairs)}}}"
    # What is printable is written the same in JSON and in TOML.
    return json.dumps(value, ensure_ascii=False)


def _problem(site: Site) -> str:
    """Return what is wrong with a site's options, in words; empty if nothing is."""
    for origin in site.origins:
        if not _ORIGIN.match(origin):
            return f"origin {origin!r} is not scheme://host[:port], 'null' or '*'"
    for option in ("rules", "switches", "consent_cookies"):
        words: tuple[str, ...] = getattr(site, option)
        if len(set(words)) != len(words):
            return f"{option}: names one twice"
    return (
        _rules_problem(site)
        or _switches_problem(site)
        or _consent_problem(site)
        or parameters_problem(site.parameters)
        or redaction_problem(site.redact)
        or keys_problem(site.keys)
    )


def _rules_problem(site: Site) -> str:
    packs = load_packs()
    if not site.rules:
        return "rules: at least one rule pack must decide"
    if AUTO in site.rules:
        if len(site.rules) > 1:
            return f"rules: {AUTO!r} stands alone"
    else:
        for rule in site.rules:
            if rule not in packs.jurisdictions:
                known = ", ".join((*packs.jurisdictions, AUTO))
                return f"rules: there is no rule pack {rule!r}, only {known}"
    return ""


def _switches_problem(site: Site) -> str:
    packs = load_packs()
    known_switches = packs.switches_of(site.rules)
    for switch in site.switches:
        if switch not in packs.switches:
            known = ", ".join(sorted(packs.switches))
            return f"switches: there is no switch {switch!r}, only {known}"
        if switch not in known_switches:
            return f"switches: none of the site's rule packs knows {switch!r}"
        for needed in sorted(packs.needs(switch)):
            if needed not in site.switches:
                return f"switches: {switch!r} does nothing without {needed!r}"
    return ""


def _consent_problem(site: Site) -> str:
    for cmp_name in site.consent_cookies:
        if cmp_name not in CMPS:
            known = ", ".join(CMPS)
            return f"consent_cookies: {cmp_name!r} is not read, only {known}"
    for word, category in site.consent_map.items():
        if not 1 <= len(word) <= _CMP_ID_LENGTH or not word.isprintable():
            return f"consent_map: {word!r} is not 1 to {_CMP_ID_LENGTH} characters"
        # Mapped to nothing, an id counts for nothing.
        if category and category not in CATEGORIES:
            known = ", ".join(CATEGORIES)
            return f"consent_map: {category!r} is no category, only {known}"
    if not site.consent_revision.isprintable():
        return "consent_revision: cannot be printed"
    return ""
