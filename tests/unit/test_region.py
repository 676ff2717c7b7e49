"""Codes of subdivisions by their names."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import pipeline.geo.region
from pipeline.geo.region import bare, fold, region_code


@pytest.mark.parametrize(
    ("country", "name", "code"),
    [
        ("GB", "England", "GB-ENG"),
        ("DE", "Bavaria", "DE-BY"),
        ("DE", "Bayern", "DE-BY"),
        ("DE", "baden-wurttemberg", "DE-BW"),
        ("US", "California", "US-CA"),
        ("PL", "Mazovia", "PL-14"),
        ("TR", "Bursa Province", "TR-16"),
        ("IR", "Tehr\u0101n", "IR-23"),
        ("AR", "Buenos Aires F.D.", "AR-C"),
        ("KZ", "Almaty", ""),  # The city, or the province around it.
        ("US", "Bavaria", ""),
        ("XX", "England", ""),
        ("GB", "", ""),
        ("GB", "x" * 1000, ""),
    ],
)
def test_region_code(country: str, name: str, code: str) -> None:
    """A name that means one subdivision of its country has a code, others none."""
    assert code == region_code(country, name)


def test_fold() -> None:
    """Case, accents, apostrophes, punctuation and the kind of place do not count."""
    assert fold("\u0141\u00f3d\u017a  (Woj.)") == "lodz woj"
    assert fold("T'bilisi") == "tbilisi"
    assert bare(fold("State of Vienna")) == "vienna"


@given(st.text(st.characters(codec="ascii")))
@example("Ha`il's Coast")
def test_fold_of_plain_letters(text: str) -> None:
    """What needs no normalising is folded as if it did."""
    assert fold(text) == fold(f"\u00e9 {text}").removeprefix("e").strip()


def test_list_is_well_formed() -> None:
    """The list names its sources; its names are folded and its codes are codes."""
    path = (
        Path(pipeline.geo.region.__file__).parent.parent / "data" / "subdivisions.json"
    )
    data = json.loads(path.read_text(encoding="utf-8"))
    names = [
        (name, code) for row in data["codes"].values() for name, code in row.items()
    ]

    assert data["sources"]
    assert [] == [name for name, _ in names if name != fold(name)]
    assert [] == [code for _, code in names if not re.fullmatch("[A-Z0-9]{0,3}", code)]
