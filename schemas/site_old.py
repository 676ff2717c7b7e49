"""
Options of a site as older versions wrote them, translated into those of now.

One of three regimes decided everywhere, and two options said what was counted.
"""

from typing import Literal

import msgspec

OLD_KEYS = frozenset({"regime", "undecided", "refused"})
_RULES = {
    "opt_in": "eu_strict",
    "opt_out": "us_other",
    "exempt_anonymous": "eu_fr_exempt",
}
_NEW_KEYS = frozenset({"rules", "switches"})


class _Old(msgspec.Struct, frozen=True):
    regime: Literal["opt_in", "opt_out", "exempt_anonymous"] = "opt_in"
    undecided: Literal["count", "drop"] = "count"
    refused: Literal["count", "drop"] = "drop"


def translate(values: dict[str, object]) -> dict[str, object]:
    """
    Return a site's options with `rules` and `switches` for the old ones.

    Where the new pack cannot count what the old regime counted, it is not counted.

    Raises:
        ValueError: for an old value that was none, or old and new ones together.

    """
    both = sorted(_NEW_KEYS & values.keys())
    if both:
        message = f"{both[0]} replaces regime, undecided and refused: not both"
        raise ValueError(message)
    old = msgspec.convert(
        {key: value for key, value in values.items() if key in OLD_KEYS}, _Old
    )
    switches = []
    if old.regime == "opt_in" and old.undecided == "count":
        switches.append("count_undecided")
        # A refusal never left more behind than silence did.
        if old.refused == "count":
            switches.append("count_refusals")
    kept = {key: value for key, value in values.items() if key not in OLD_KEYS}
    return {**kept, "rules": [_RULES[old.regime]], "switches": switches}
