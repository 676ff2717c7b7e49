"""
The table of the package iporigin, as ranges of the kinds that are told apart here.

Its own lookup takes 9 us an address; the file behind it is a plain table whose form
has a number, so it is read as a file and no code of the package runs.
"""

import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

_MAGIC, _FORM = b"IPORIGIN", 1
_HEADER = struct.Struct("<8sHQHII")
_V4 = struct.Struct("<IIH")
_V6 = struct.Struct("<16s16sH")
_LABEL = struct.Struct("<H")

Kind = Literal["datacenter", "tor", "vpn", "relay"]

# A CDN's addresses are as often the far end of WARP or Private Relay: not told.
_KINDS: dict[str, Kind] = {
    "hosting": "datacenter",
    "bot": "datacenter",
    "vpn": "vpn",
    "tor": "tor",
}
# A carrier of offices and providers more than a host of machines.
_CARRIERS = frozenset(("Cogent",))
# The networks of documentation (RFC 5737, 3849) are nobody's, whatever a feed says.
_EXAMPLES = (
    (0xC000_0200, 0xC000_02FF),
    (0xC633_6400, 0xC633_64FF),
    (0xCB00_7100, 0xCB00_71FF),
    (0x2001_0DB8 << 96, (0x2001_0DB9 << 96) - 1),
)


class TableError(Exception):
    """The table is not there, or not of the form that is read here."""


class Table(msgspec.Struct, frozen=True):
    """Ranges as (bits, first, last, kind), and the day the table was made."""

    ranges: list[tuple[int, int, int, Kind]]
    day: str


def read_table(path: Path) -> Table:
    """
    Read the table.

    Raises:
        TableError: when it cannot be read, or is of another form.

    """
    try:
        return _table(path.read_bytes())
    except OSError as error:
        raise TableError(str(error.strerror)) from error
    except (struct.error, ValueError, LookupError, OverflowError) as error:
        raise TableError("its table is damaged") from error


def _table(blob: bytes) -> Table:
    magic, form, made, labels, v4, v6 = _HEADER.unpack_from(blob)
    if (magic, form) != (_MAGIC, _FORM):
        raise TableError("its table has a form that is not read here")
    offset = _HEADER.size
    kinds: list[Kind | None] = []
    for _ in range(labels):
        (length,) = _LABEL.unpack_from(blob, offset)
        offset += _LABEL.size
        kinds.append(_kind(blob[offset : offset + length].decode()))
        offset += length
    middle = offset + v4 * _V4.size
    end = middle + v6 * _V6.size
    if end != len(blob):
        raise TableError("its table is damaged")
    ranges: list[tuple[int, int, int, Kind]] = []
    for first, last, label in _V4.iter_unpack(blob[offset:middle]):
        kind = kinds[label]
        if kind is not None:
            ranges.append((32, first, last, kind))
    for low, high, label in _V6.iter_unpack(blob[middle:end]):
        kind = kinds[label]
        if kind is not None:
            first, last = int.from_bytes(low), int.from_bytes(high)
            ranges.append((128, first, last, kind))
    if any(first > last for _, first, last, _ in ranges):
        raise TableError("its table is damaged")
    ranges = [one for one in ranges if not _is_example(one[1], one[2])]
    return Table(ranges, datetime.fromtimestamp(made, UTC).strftime("%Y-%m-%d"))


def _is_example(first: int, last: int) -> bool:
    # No generator: this is asked for each of thirty thousand ranges at every start.
    for low, high in _EXAMPLES:  # noqa: SIM110 - as said
        if low <= first and last <= high:
            return True
    return False


def _kind(label: str) -> Kind | None:
    provider, _, kind = label.partition("\t")
    if provider in _CARRIERS:
        return None
    return "relay" if "Private Relay" in provider else _KINDS.get(kind)
