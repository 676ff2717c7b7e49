"""
The area that coordinates fall into: a cell of the H3 grid instead of a point.

Rounded degrees would shrink towards the poles; cells are of one size everywhere. At
resolution 5 a cell has 253 square kilometres, at 6 it has 36.
"""

from h3.api.basic_str import latlng_to_cell


def cell_of(latitude: float, longitude: float, resolution: int) -> str:
    """
    Return the H3 cell of a point as text, such as "851f1d4bfffffff".

    Args:
        latitude: degrees, -90 to 90.
        longitude: degrees, -180 to 180.
        resolution: of `Precision.point_resolution`; 0 for no cell, which is "".

    Raises:
        ValueError: when the numbers are no point on Earth.

    """
    if resolution == 0:
        return ""
    # H3 goes round the Earth as often as it is told to, and over the poles.
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):  # noqa: PLR2004
        raise ValueError("not a point on Earth")
    return str(latlng_to_cell(latitude, longitude, resolution))
