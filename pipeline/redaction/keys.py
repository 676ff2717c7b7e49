"""Personal data that only its name gives away: the pairs of `properties`."""

import re

from pipeline.memo import remember
from pipeline.redact import COUNTS
from schemas.personal_names import rule_of_name

_DIGIT = re.compile(r"[0-9]")
_FEWEST_DIGITS = 6
# Three digits behind the point are a hundred metres; whole microdegrees exist too.
_PRECISE = re.compile(r"[+-]?(?:[0-9]+[.,][0-9]{3,}|[0-9]{6,})")


def redact_named(name: str, value: str) -> str:
    """Return a value without what its name says about it."""
    rule = _rule_of(name)
    if not rule or not value:
        return value
    if rule == "location":
        kept, found = _PRECISE.subn("[location]", value)
    elif rule == "email":
        kept, found = f"[{rule}]", "@" in value
    elif rule in ("phone", "card", "iban", "ssn"):
        kept, found = f"[{rule}]", len(_DIGIT.findall(value)) >= _FEWEST_DIGITS
    else:
        kept, found = f"[{rule}]", True
    if not found:
        return value
    COUNTS[rule] += int(found)
    return kept


@remember(4096)
def _rule_of(name: str) -> str:
    return rule_of_name(name) or ""
