"""
Rule packs: what each jurisdiction allows, as data with names, versions and dates.

One TOML file a pack and version, `<id>-<version>.toml`. A text that has decided on
events is never changed: a new one gets a new version and the day from which it
decides, so that every stored decision can be made again.
"""

from schemas.packs.checks import parse_pack
from schemas.packs.loading import AUTO, Packs, load_packs
from schemas.packs.pack import (
    LEVELS,
    RANK,
    Level,
    Pack,
    PackError,
    Restriction,
    Standing,
    standing_of,
)

__all__ = [
    "AUTO",
    "LEVELS",
    "RANK",
    "Level",
    "Pack",
    "PackError",
    "Packs",
    "Restriction",
    "Standing",
    "load_packs",
    "parse_pack",
    "standing_of",
]
