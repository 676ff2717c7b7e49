"""
Named places on the web: which host, or which name, is what kind of place.

Hosts are found by themselves, as one of many countries' ("google.*"), or below a host
that is listed. Several layers may name places; what a later one says of a host holds.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

Medium = Literal[
    "direct",
    "internal",
    "search",
    "social",
    "email",
    "ai",
    "referral",
    "paid",
    "campaign",
]
# Names and their hosts, by medium.
Media = Mapping[str, Mapping[str, Iterable[str]]]

# Where one name stands for several media, what is meant without further word.
LISTED_MEDIA: tuple[Medium, ...] = (
    "search",
    "social",
    "ai",
    "email",
    "referral",
    "paid",
)

_MAIL_HOST = re.compile(r"(?:web)?mail[0-9]?\.|roundcube\.|owa\.")
# Below these a search engine's other hosts are still the search engine.
_SEARCH_LABEL = re.compile(
    r"[a-z]{2}|www[0-9]?|m|amp|cse|encrypted|html|images?|lite|mobile|noai|news|search"
    r"|safe|video|yandex"
)
_SECOND_LEVEL = frozenset(("ac", "co", "com", "edu", "gov", "it", "ne", "net", "org"))


class Place(NamedTuple):
    """What a host is: its medium, and its name."""

    medium: Medium
    name: str


class Places:
    """What is known of hosts and of names."""

    def __init__(self, *layers: Media) -> None:
        """
        Take what is known.

        Args:
            layers: of what several say of one host, the last holds; of what several
                say of one name, the first.

        """
        self._hosts: dict[str, Place] = {}
        self._names: dict[str, Place] = {}
        for layer in layers:
            for place, hosts in _places(layer):
                self._hosts.update((host.lower(), place) for host in hosts)
        for layer in layers:
            for place, _ in _places(layer):
                self._names.setdefault(place.name.lower(), place)
        # Most hosts are none of these, which is quickly seen by the first label.
        self._in_many_countries = frozenset(
            host.removesuffix(".*") for host in self._hosts if host.endswith(".*")
        )

    def __len__(self) -> int:
        """Return how many hosts are known."""
        return len(self._hosts)

    def named(self, name: str) -> Place | None:
        """Look up a name in lower case, or a listed host as it stands."""
        return self._names.get(name) or self._hosts.get(name)

    def listed(self, domain: str) -> Place | None:
        """Look up a host that is listed, or that belongs to one that is."""
        return self._look_up(without_www(domain))[0]

    def find(self, domain: str) -> Place | None:
        """Look up a host; what looks like a web mailer is one, listed or not."""
        host = without_www(domain)
        found, is_below = self._look_up(host)
        if found is not None:
            return found
        if _MAIL_HOST.match(host):
            return Place("email", host)
        # An unlisted host of a search engine's company, such as its shop.
        return Place("referral", host) if is_below else None

    def _look_up(self, host: str) -> tuple[Place | None, bool]:
        """Return what a host is, and whether it lies below one that is listed."""
        found = self._exactly(host)
        if found is not None:
            return found, False
        found, label = self._above(host)
        if found is None:
            return None, False
        if found.medium != "search" or _SEARCH_LABEL.fullmatch(label):
            return found, True
        return None, True

    def _exactly(self, host: str) -> Place | None:
        found = self._hosts.get(host)
        if found is None and host.partition(".")[0] in self._in_many_countries:
            return self._hosts.get(_across_countries(host))
        return found

    def _above(self, host: str) -> tuple[Place | None, str]:
        """Return the nearest listed parent, and the label that stands before it."""
        label, _, parent = host.partition(".")
        while "." in parent:
            found = self._exactly(parent)
            if found is not None:
                return found, label
            label, _, parent = parent.partition(".")
        return None, ""


def without_www(host: str) -> str:
    """Return a host without the "www." that says nothing."""
    return host.removeprefix("www.")


def _places(layer: Media) -> Iterator[tuple[Place, Iterable[str]]]:
    for medium in LISTED_MEDIA:
        for name, hosts in layer.get(medium, {}).items():
            yield Place(medium, name), hosts


def _across_countries(host: str) -> str:
    """Return "name.*" for a host right below a top-level domain, "" for others."""
    name, _, top = host.partition(".")
    first, dot, country = top.partition(".")
    if dot and (first not in _SECOND_LEVEL or len(country) != len("uk")):
        return ""
    return f"{name}.*"
