"""
Google Consent Mode: `gcs` and `gcd`, the parameters of Google's own requests.

Neither is specified in public; the letters are as several public decoders agree on
them. What a tag granted by itself, before anyone was asked, is no consent.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from pipeline.signals.errors import SignalError
from pipeline.signals.reading import Method, Reading, SignalState

_MAX_LENGTH = 64
_GCS = re.compile(r"G1([01-])([01-])\Z")
# Prefix and digits vary, and what follows the four letters is not known.
_GCD = re.compile(r"1[0-9]([a-z])[0-9]([a-z])[0-9]([a-z])[0-9]([a-z])[0-9]")

_ANALYTICS = "analytics_storage"
_ADS = ("ad_storage", "ad_user_data", "ad_personalization")

# What the visitor chose; the rest is a default that nobody was asked about.
_GIVEN = frozenset("rnv")
_REFUSED = frozenset("pqmu")
_CHOSEN = frozenset("rnvqmu")
_DEFAULT_GRANT = "t"
_IMPLIED = "implied"

# Of several claims the first of these that is among them holds.
_ORDER = ("refused", _IMPLIED, "unreadable", "given")
_STATES: Mapping[str, SignalState] = MappingProxyType(
    {"refused": "refused", "given": "given"}
)


def decode_gcs(text: str) -> dict[str, bool | None]:
    """
    Decode `gcs`, such as G101: ads off, analytics on; `-` is None, not asked for.

    Raises:
        SignalError: for anything else.

    """
    found = _matched(_GCS, text, "gcs")
    ads, analytics = ({"1": True, "0": False}.get(one) for one in found)
    return {"ad_storage": ads, _ANALYTICS: analytics}


def decode_gcd(text: str) -> dict[str, str]:
    """
    Decode `gcd`, such as 11p1r1p1p5, to the letter of each kind of consent.

    l is not set; p and q denied by default, m and u denied by the visitor; t granted
    by default; r, n and v granted by the visitor.

    Raises:
        SignalError: for a text of another form. Other letters are not an error.

    """
    ads, analytics, data, personal = _matched(_GCD, text, "gcd")
    return {
        "ad_storage": ads,
        _ANALYTICS: analytics,
        "ad_user_data": data,
        "ad_personalization": personal,
    }


def read_consent_mode(
    gcs: str | None, gcd: str | None, *, npa: bool = False
) -> Reading:
    """
    Read the parameters together; the most restrictive of them wins.

    `gcs` alone does not tell a visitor's yes from a default, so it grants nothing
    that `gcd` does not confirm. Whatever is granted by default only is unknown, with
    the problem `implied`. None means that a parameter is absent.

    Args:
        gcs: as `decode_gcs` takes it.
        gcd: as `decode_gcd` takes it.
        npa: whether `npa=1` asks for ads that are not personalised.

    """
    problems: list[str] = []
    switches = dict[str, bool | None]()
    letters = dict[str, str]()
    try:
        switches = {} if gcs is None else decode_gcs(gcs)
    except SignalError as error:
        problems.append(error.code)
    try:
        letters = {} if gcd is None else decode_gcd(gcd)
    except SignalError as error:
        problems.append(error.code)
    torn = {"unreadable"} if problems else set[str]()
    statistics = _claims((_ANALYTICS,), switches, letters) | torn
    marketing = _claims(_ADS, switches, letters) | torn
    if npa:
        marketing.add("refused")
    both = (("statistics", statistics), ("marketing", marketing))
    states = {name: _strictest(claims) for name, claims in both if claims}
    if any(_IMPLIED in claims and "refused" not in claims for _, claims in both):
        problems.append(_IMPLIED)
    if any(_disagree(name, switches, letters) for name in switches):
        problems.append("disagree")
    return Reading(
        "consent_mode",
        MappingProxyType(states),
        method=_method(letters, states),
        problems=tuple(dict.fromkeys(problems)),
    )


def _matched(pattern: re.Pattern[str], text: str, field: str) -> tuple[str, ...]:
    if not text:
        raise SignalError("empty", field)
    if len(text) > _MAX_LENGTH:
        raise SignalError("too_long", field)
    found = pattern.match(text)
    if found is None:
        raise SignalError("bad_format", field)
    return found.groups()


def _claims(
    names: tuple[str, ...],
    switches: Mapping[str, bool | None],
    letters: Mapping[str, str],
) -> set[str]:
    """Return what is said of these kinds of consent: refused, implied, given, none."""
    claims = set[str]()
    for name in names:
        letter = letters.get(name, "")
        if letter:
            claims.add(_claim(letter))
        if switches.get(name) is False:
            claims.add("refused")
        elif switches.get(name) and letter not in _GIVEN:
            claims.add(_IMPLIED)
        elif name in switches:
            claims.add("none")
    return claims


def _claim(letter: str) -> str:
    if letter in _GIVEN:
        return "given"
    if letter in _REFUSED:
        return "refused"
    return _IMPLIED if letter == _DEFAULT_GRANT else "none"


def _strictest(claims: set[str]) -> SignalState:
    first = next((one for one in _ORDER if one in claims), "none")
    return _STATES.get(first, "unknown")


def _disagree(
    name: str, switches: Mapping[str, bool | None], letters: Mapping[str, str]
) -> bool:
    """Tell whether one parameter grants what the other refuses."""
    claim = _claim(letters.get(name, ""))
    if switches[name] is False:
        return claim in {"given", _IMPLIED}
    return switches[name] is True and claim == "refused"


def _method(letters: Mapping[str, str], states: Mapping[str, SignalState]) -> Method:
    if any(letter in _CHOSEN for letter in letters.values()):
        return "explicit"
    return "implied" if "refused" in states.values() else "none"
