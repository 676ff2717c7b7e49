"""
One line of text that is some consent signal: which one, and every field of it.
"""

from typing import Any

from pipeline.signals.cmp_cookies import IAB_COOKIES, decode_cookie
from pipeline.signals.consent_mode import decode_gcd, decode_gcs
from pipeline.signals.errors import SignalError
from pipeline.signals.gpp import decode_gpp
from pipeline.signals.macros import is_absent
from pipeline.signals.tcf import decode_tcf
from pipeline.signals.us_privacy import decode_us_privacy

_PARAMETERS = ("gdpr_consent", "gpp", "us_privacy", "gcs", "gcd")


def decode_line(line: str) -> dict[str, Any]:
    """
    Return the fields of a signal by their specification names, and its `kind`.

    Understood are a TC string, a GPP string, a US Privacy string, `gcs`, `gcd`, a
    consent manager's cookie as `name=value`, and any of the former as `name=value`
    under its parameter's or cookie's name.

    Raises:
        SignalError: when it is none of these, or is broken.

    """
    text = line.strip()
    if is_absent(text):
        # A template that was not filled in: neither yes nor no.
        return {"kind": "absent"}
    name, sign, value = text.partition("=")
    # Nothing but padding behind it: a string that somebody padded, and no name.
    if not sign or not value.strip("="):
        return _decode(_kind(text), text)
    kind = name if name in _PARAMETERS else IAB_COOKIES.get(name)
    if kind is not None:
        return {"kind": "absent"} if is_absent(value) else _decode(kind, value)
    cookie = decode_cookie(name, value)
    return {"kind": "cookie", "cmp": cookie.cmp, **cookie.as_dict()}


def _kind(text: str) -> str:
    first = text[0]
    if first == "1":
        # A letter follows where `gcd` has a digit.
        return "gcd" if text[1:2].isdigit() else "us_privacy"
    if first == "G":
        return "gcs"
    # The first six bits: 3 is the type of a GPP header; 2, and long ago 1, the
    # version of a TC string.
    if first == "D":
        return "gpp"
    if first in "BC":
        return "gdpr_consent"
    raise SignalError("unknown_format")


def _decode(kind: str, text: str) -> dict[str, Any]:
    if kind == "gdpr_consent":
        return {"kind": "tcf", **decode_tcf(text).as_dict()}
    if kind == "gpp":
        return {"kind": "gpp", **decode_gpp(text).as_dict()}
    if kind == "us_privacy":
        return {"kind": "us_privacy", **decode_us_privacy(text).as_dict()}
    decoded = decode_gcs(text) if kind == "gcs" else decode_gcd(text)
    return {"kind": kind, **decoded}
