"""
A key of 64 bits in the place of an event's UUID: what a table needs to know it again.

A UUID takes 12 to 15 bytes a row even compressed, a third of the whole. Nobody asks for
it by itself; it tells a repeated event from another one of the same site, name and day.
For that, 64 bits do:

- of a UUIDv7, the time of day that its sender's clock put into it, in steps of 11 ms
  (23 bits below a zero), then 40 bits of a hash of the whole;
- of any other (an anonymous event's id is a salted hash, and tells no time), a one and
  63 bits of the hash.

So rows of a day lie in the order of time, and their other columns compress the better:
neighbours share clocks, visitors, campaigns.

Two different events become one only if they agree in site, name, day and key. Of n
events in such a group, n / 7.9 million meet in one step, and any two of those agree
with 2**-40: with ten million page views a day of a single site one is lost in some 400
years (20 million years at 50,000 a day); of anonymous ones in some 500 years as well.
A sender that makes up its ids can only merge events of its own.

`EPHEMERAL` lets the segments name the UUID as before, and it is gone with the insert.
"""

from typing import Final

TYPE: Final = "UInt64"
_STEP_MS: Final = 11
_DAY_MS: Final = 86_400_000
_HASH_BITS: Final = 40


def short_id(uuid: str) -> str:
    """Return the SQL of the key of a UUID, itself SQL: a column or a parameter."""
    # The function gives 1970 for whatever is no UUIDv7.
    ms = f"toUnixTimestamp64Milli(UUIDv7ToDateTime({uuid}, 'UTC'))"
    hashed = f"sipHash64({uuid})"
    step = f"toUInt64(intDiv({ms} % {_DAY_MS}, {_STEP_MS}))"
    return (
        f"if({ms} = 0, bitOr({1 << 63}, bitShiftRight({hashed}, 1)), "
        f"bitOr(bitShiftLeft({step}, {_HASH_BITS}), "
        f"bitShiftRight({hashed}, {64 - _HASH_BITS})))"
    )
