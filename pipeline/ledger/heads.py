"""
What the ledger's writer knows by itself: a small file beside the store.

It holds the last record of each chain that was surely taken by the store, so that a
ledger whose end was cut off in the database is seen, and so that a chain goes on
where it was when every record of it has expired. `pending` is the segment that was
linked and may or may not have reached the store.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from pipeline.durable import replace_file
from pipeline.ledger.chain import Head, Key


class HeadsError(Exception):
    """The file of the heads is damaged; a person must look."""


class _Entry(msgspec.Struct, frozen=True):
    site: str
    chain: str
    head: Head


class _Pending(msgspec.Struct, frozen=True):
    segment: str
    heads: tuple[_Entry, ...]


class _File(msgspec.Struct, frozen=True):
    segment: str
    heads: tuple[_Entry, ...]
    pending: _Pending | None


class Pending(msgspec.Struct, frozen=True):
    """A linked segment, and the heads that its chains have with it."""

    segment: str
    heads: Mapping[Key, Head]


class Heads(msgspec.Struct, frozen=True):
    """
    The heads, by site and chain.

    Attributes:
        heads: the last record of each chain that the store has.
        segment: the name of the segment that was loaded last; empty if none.
        pending: the segment that was linked and is not known to be loaded.

    """

    heads: Mapping[Key, Head] = {}
    segment: str = ""
    pending: Pending | None = None

    def furthest(self, key: Key) -> Head | None:
        """Return the last record that the chain may have now, pending or not."""
        pending = self.pending.heads if self.pending else {}
        return pending.get(key, self.heads.get(key))

    def chains(self) -> frozenset[str]:
        """Return the writers that this file speaks of."""
        pending = self.pending.heads if self.pending else {}
        return frozenset(chain for _, chain in [*self.heads, *pending])

    def taken(self) -> "Heads":
        """Return the heads when the pending segment has been loaded."""
        if self.pending is None:
            return self
        return Heads({**self.heads, **self.pending.heads}, self.pending.segment)


def read_heads(path: Path) -> Heads | None:
    """
    Return what the file holds, None when there is none.

    Raises:
        HeadsError: when it is not what `write_heads` writes.

    """
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError:
        message = f"{path} is damaged"
        raise HeadsError(message) from None
    heads = Heads(_by_key(file.heads), file.segment)
    if file.pending is None:
        return heads
    pending = Pending(file.pending.segment, _by_key(file.pending.heads))
    return msgspec.structs.replace(heads, pending=pending)


def write_heads(path: Path, heads: Heads) -> None:
    """Replace the file, as one, and sync it; 0600."""
    pending = None
    if heads.pending is not None:
        pending = _Pending(heads.pending.segment, _entries(heads.pending.heads))
    file = _File(heads.segment, _entries(heads.heads), pending)
    replace_file(path, msgspec.json.encode(file), path.with_name(f".{path.name}"))


def _by_key(entries: tuple[_Entry, ...]) -> dict[Key, Head]:
    return {(entry.site, entry.chain): entry.head for entry in entries}


def _entries(heads: Mapping[Key, Head]) -> tuple[_Entry, ...]:
    return tuple(_Entry(site, chain, head) for (site, chain), head in heads.items())
