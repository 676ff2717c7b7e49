"""
ISO 3166-2 codes from the names that location databases give to subdivisions.

Some databases say "England" where the column wants "GB-ENG". A name counts only
when it means exactly one subdivision of its country; where a name may be a city
or the province around it, the answer is "".
"""

import functools
import json
import re
import unicodedata
from pathlib import Path

_CODES = Path(__file__).parent.parent / "data" / "subdivisions.json"

# Letters that Unicode does not take apart into a base letter and an accent.
_LETTERS = str.maketrans(
    {
        "æ": "ae",
        "đ": "d",
        "ð": "d",
        "ə": "a",
        "ħ": "h",
        "\u0131": "i",
        "ł": "l",
        "œ": "oe",
        "ø": "o",
        "ß": "ss",
        "þ": "th",
    }
)
_APOSTROPHES = re.compile("['`’‘ʻʼʹ]")  # noqa: RUF001 - the point
_WORD = re.compile("[a-z0-9]+")
_KINDS = frozenset(
    [
        "atoll",
        "canton",
        "county",
        "department",
        "district",
        "division",
        "emirate",
        "governorate",
        "municipality",
        "oblast",
        "of",
        "parish",
        "prefecture",
        "province",
        "region",
        "republic",
        "state",
        "territory",
        "the",
        "voivodeship",
    ]
)
_MAX_NAME = 100


def fold(name: str) -> str:
    """Return a name without case, accents, apostrophes and punctuation."""
    if name.isascii():
        # Most are one plain word.
        if name.isalnum():
            return name.lower()
        return " ".join(_WORD.findall(name.lower().replace("'", "").replace("`", "")))
    text = unicodedata.normalize("NFKD", name.casefold().translate(_LETTERS))
    text = "".join(char for char in text if not unicodedata.combining(char))
    return " ".join(_WORD.findall(_APOSTROPHES.sub("", text)))


def bare(folded: str) -> str:
    """Return a folded name without the words that say what kind of place it is."""
    return " ".join(word for word in folded.split() if word not in _KINDS)


@functools.lru_cache(maxsize=8192)
def region_code(country: str, name: str) -> str:
    """Return the code such as "GB-ENG" of a named subdivision, or ""."""
    if not name or len(name) > _MAX_NAME:
        return ""
    names = _codes().get(country, {})
    folded = fold(name)
    code = names.get(folded)
    if code is None:
        code = names.get(bare(folded), "")
    # An ambiguous name is listed with an empty code.
    return f"{country}-{code}" if code else ""


@functools.cache
def subdivisions(country: str) -> int:
    """Return how many subdivisions of a country have a code; 0 if none is known."""
    return len({code for code in _codes().get(country, {}).values() if code})


@functools.cache
def _codes() -> dict[str, dict[str, str]]:
    data = json.loads(_CODES.read_text(encoding="utf-8"))
    codes: dict[str, dict[str, str]] = data["codes"]
    return codes
