"""
What kind of network an address is in: a data centre's, or one that carries people.

The ranges come from lists, one a kind, as clouds publish them; and from the package
iporigin where it is installed. Who reads through Private Relay, a VPN or Tor is a
person, so where lists overlap those win over a data centre; `people` wins over all.
Loaded once, then only read; addresses are not remembered.
"""

import functools
import importlib.util
import itertools
import logging
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_pton
from typing import Literal

from pipeline.agents.iporigin import TableError, read_table
from schemas.settings import SettingsError

_log = logging.getLogger("kastana.networks")

Kind = Literal["", "datacenter", "tor", "vpn", "relay", "people"]
# The later one wins where ranges overlap.
KINDS: tuple[Kind, ...] = ("", "datacenter", "tor", "vpn", "relay", "people")

_BITS = {AF_INET: 32, AF_INET6: 128}
# Bits in which the open ranges of one kind are counted, while ranges are sorted.
_LANE = 32


# Bits of its addresses, the first and the last as numbers, and what they are.
Range = tuple[int, int, int, Kind]


class Networks:
    """Ranges of addresses by kind; without any list nothing is known of any."""

    def __init__(
        self,
        ranges: Iterable[Range] = (),
        sources: Sequence[str] = (),
        problem: str = "",
    ) -> None:
        """
        Sort the ranges.

        Args:
            ranges: in any order, overlapping as they like.
            sources: what they were read from, for people.
            problem: what is wrong with the sources, "" if nothing is.

        """
        self.sources = tuple(sources)
        self.problem = problem
        known = list(ranges)
        starts, self._v4_codes = _flatten(known, _BITS[AF_INET])
        # A fifth of a list's room; an address of IPv6 does not fit.
        self._v4 = array("L", starts)
        self._v6, self._v6_codes = _flatten(known, _BITS[AF_INET6])

    @property
    def available(self) -> bool:
        """Whether there is any list."""
        return bool(self.sources)

    def kind(self, address: str) -> Kind:
        """
        Return the kind of network that an address is in; "" if no list has it.

        Args:
            address: an address as `client_address` spells it; "" and what is no
                address are in none.

        """
        if not address:
            return ""
        family = AF_INET6 if ":" in address else AF_INET
        try:
            number = int.from_bytes(inet_pton(family, address))
        except (OSError, ValueError):
            return ""
        if family is AF_INET:
            return KINDS[self._v4_codes[bisect_right(self._v4, number) - 1]]
        return KINDS[self._v6_codes[bisect_right(self._v6, number) - 1]]


class LaterNetworks(Networks):
    """Networks of files that are read when it is first asked, for who seldom asks."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Remember the files, see `load_networks`."""
        super().__init__()
        self._paths = paths

    def kind(self, address: str) -> Kind:
        """Return the kind of network that an address is in; as `Networks.kind`."""
        return self._read.kind(address)

    @functools.cached_property
    def _read(self) -> Networks:
        return load_networks(self._paths)


def load_networks(paths: Sequence[Path]) -> Networks:
    """
    Read the lists, and the table of iporigin if that is installed.

    Args:
        paths: files with one network in CIDR notation a line and comments after #.
            Their name up to a hyphen or dot is the kind, such as relay.txt or
            datacenter-acme.txt.

    Raises:
        SettingsError: naming the file and the line that cannot be read, never its
            text; or the file whose name is no kind.

    """
    ranges: list[Range] = []
    sources = []
    for path in paths:
        ranges += _read(path)
        sources.append(path.name)
    problem = ""
    spec = importlib.util.find_spec("iporigin")
    if spec is not None and spec.origin is not None:
        try:
            table = read_table(Path(spec.origin).parent / "data" / "ranges.bin")
        except TableError as error:
            # Not the operator's file: the layer is missing, the rest works on.
            problem = f"iporigin: {error}"
            _log.warning("networks are limited: %s", problem)
        else:
            ranges += table.ranges
            sources.append(f"iporigin of {table.day}")
    if not sources and not problem:
        problem = "no list of networks"
    return Networks(ranges, sources, problem)


def lists_in(folder: Path) -> list[Path]:
    """Return the operator's lists that lie in a folder, by name; none without it."""
    return sorted(folder.glob("*.txt"))


def _read(path: Path) -> Iterator[Range]:
    kind = _kind_of(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: is not UTF-8 text") from error
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if text:
            yield _range(text, kind, f"{path}: line {number}")


def _kind_of(path: Path) -> Kind:
    name = path.name.partition(".")[0].partition("-")[0]
    for kind in KINDS[1:]:
        if name == kind:
            return kind
    names = ", ".join(KINDS[1:])
    raise SettingsError(f"{path}: the name must begin with one of {names}")


def _range(text: str, kind: Kind, where: str) -> Range:
    address, slash, prefix = text.partition("/")
    family = AF_INET6 if ":" in address else AF_INET
    bits = _BITS[family]
    try:
        first = int.from_bytes(inet_pton(family, address))
        length = int(prefix) if slash else bits
    except (OSError, ValueError):
        length = 0
    # All of the Internet is no network of a kind.
    odd = slash and not (prefix.isascii() and prefix.isdecimal())
    if odd or not 1 <= length <= bits:
        # Its text stays out: the line can be anyone's address. So does the cause.
        raise SettingsError(f"{where}: is not a network such as 192.0.2.0/24") from None
    host = (1 << (bits - length)) - 1
    return bits, first & ~host, first | host, kind


def _flatten(ranges: Iterable[Range], bits: int) -> tuple[list[int], bytes]:
    """Return where each stretch of one kind begins, and which kind it is."""
    counters = {kind: 1 << (_LANE * code) for code, kind in enumerate(KINDS)}
    edges = []
    for size, first, last, kind in ranges:
        if size == bits:
            counter = counters[kind]
            edges += [(first, counter), (last + 1, -counter)]
    edges.sort()
    starts, found, opened = [0], bytearray(1), 0
    for (at, change), (following, _) in itertools.pairwise([*edges, (-1, 0)]):
        opened += change
        if following == at:
            continue
        # `opened` counts the open ranges of each kind, the last kind uppermost.
        code = (opened.bit_length() - 1) // _LANE if opened else 0
        if code == found[-1]:
            continue
        if at == starts[-1]:
            found[-1] = code
        else:
            starts.append(at)
            found.append(code)
    return starts, bytes(found)
