"""How finely a rule pack lets places and networks be kept."""

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Precision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    The finest that may be kept; what the policy forbids stays forbidden.

    Attributes:
        address_v4: bits of an IPv4 address that stay, 0 for none of it.
        address_v6: bits of an IPv6 address that stay, 0 for none of it.
        lookup: if the place is looked up by the full address, in memory, or by what
            is left of it after truncation.
        city_population: inhabitants from which on a city is named; below it is the
            region.
        city_radius_km: kilometres of uncertainty up to which a city is named, where
            the database tells them.
        point_resolution: resolution of the H3 cell that is left of coordinates without
            their own consent; 0 if nothing is.

    """

    address_v4: Annotated[int, Meta(ge=0, le=24)]
    address_v6: Annotated[int, Meta(ge=0, le=48)]
    lookup: Literal["full", "truncated"]
    city_population: Annotated[int, Meta(ge=15_000)]
    city_radius_km: Annotated[int, Meta(ge=1)]
    point_resolution: Annotated[int, Meta(ge=0, le=6)]


# What holds where no pack says anything: nothing that could tell people apart.
COARSEST = Precision(0, 0, "truncated", 1_000_000, 1, 0)


def coarsest(several: Iterable[Precision]) -> Precision:
    """Return the coarser of each; without any the coarsest there is."""
    known = list(several)
    if not known:
        return COARSEST
    return Precision(
        address_v4=min(one.address_v4 for one in known),
        address_v6=min(one.address_v6 for one in known),
        lookup=(
            "truncated" if any(one.lookup == "truncated" for one in known) else "full"
        ),
        city_population=max(one.city_population for one in known),
        city_radius_km=min(one.city_radius_km for one in known),
        point_resolution=min(one.point_resolution for one in known),
    )
