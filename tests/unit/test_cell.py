"""Cells instead of points."""

import math

import h3.api.basic_str as h3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.geo.cell import cell_of

LATITUDES = st.floats(-90, 90)
LONGITUDES = st.floats(-180, 180)
RESOLUTIONS = st.integers(1, 6)


def vector(latitude: float, longitude: float) -> tuple[float, float, float]:
    """Return a point on the unit sphere."""
    phi, lam = math.radians(latitude), math.radians(longitude)
    return math.cos(phi) * math.cos(lam), math.cos(phi) * math.sin(lam), math.sin(phi)


def inside(cell: str, weights: list[float]) -> tuple[float, float]:
    """Return a point of a cell: a mixture of its corners, just off the edge."""
    corners = [vector(*corner) for corner in h3.cell_to_boundary(cell)]
    middle = vector(*h3.cell_to_latlng(cell))
    shares = [*weights, *[0.0] * len(corners)][: len(corners)]
    total = sum(shares)
    mixed = [
        sum(share * corner[axis] for share, corner in zip(shares, corners, strict=True))
        for axis in range(3)
    ]
    x, y, z = (0.01 * middle[axis] + 0.99 * mixed[axis] / total for axis in range(3))
    return math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x))


@given(
    LATITUDES,
    LONGITUDES,
    RESOLUTIONS,
    st.lists(st.floats(0.001, 1), min_size=1, max_size=6),
)
def test_points_of_a_cell_cannot_be_told_apart(
    latitude: float, longitude: float, resolution: int, weights: list[float]
) -> None:
    """Any two points of a cell, right up to its corners, leave the same text."""
    cell = cell_of(latitude, longitude, resolution)

    assert cell == cell_of(*inside(cell, weights), resolution)
    assert resolution == h3.get_resolution(cell)


@given(LATITUDES, LONGITUDES, RESOLUTIONS)
def test_a_cell_is_large(latitude: float, longitude: float, resolution: int) -> None:
    """No cell is smaller than what its resolution says, by much, anywhere."""
    cell = cell_of(latitude, longitude, resolution)
    mean = h3.average_hexagon_area(resolution, unit="km^2")

    assert h3.is_valid_cell(cell)
    assert mean / 2 < h3.cell_area(cell, unit="km^2") < mean * 2


@given(LATITUDES, LONGITUDES)
def test_no_cell(latitude: float, longitude: float) -> None:
    """Resolution 0 leaves nothing, not a cell of the size of a continent."""
    assert cell_of(latitude, longitude, 0) == ""


def test_poles_and_antimeridian() -> None:
    """A pole is one place at every longitude; east meets west."""
    for pole in (90.0, -90.0):
        assert 1 == len({cell_of(pole, step, 5) for step in range(-180, 181, 7)})
    assert cell_of(12.5, 180.0, 5) == cell_of(12.5, -180.0, 5)
    assert cell_of(-0.0, -0.0, 5) == cell_of(0.0, 0.0, 5)


def test_known_cell() -> None:
    """Munich's cathedral and town hall are in one cell, Augsburg in another."""
    assert "851f8d47fffffff" == cell_of(48.1386, 11.5736, 5)
    assert "851f8d47fffffff" == cell_of(48.1374, 11.5755, 5)
    assert "851f8d47fffffff" != cell_of(48.3705, 10.8978, 5)


@pytest.mark.parametrize(
    ("latitude", "longitude"),
    [
        (math.nan, 0.0),
        (0.0, math.nan),
        (math.inf, 0.0),
        (0.0, -math.inf),
        (90.1, 0.0),
        (0.0, 180.1),
    ],
)
def test_no_point(latitude: float, longitude: float) -> None:
    """What is no point on Earth is refused, not wrapped around."""
    with pytest.raises(ValueError, match="not a point on Earth"):
        cell_of(latitude, longitude, 5)
