"""Versions of applications: a field that any text could be sent in."""

import re

from pipeline.redact import redact_text

_VERSION = re.compile(r"[\w.+-]{1,32}", re.ASCII)
# Of all addresses one in five hundred looks like this, of such versions nearly all.
_FOUR_PARTS = re.compile(r"v?(?:(?:[12]?[0-9]|3[01])\.){3}[0-9]{1,3}")


def redact_version(text: str) -> str:
    """
    Return a version, or "" for what is none or holds personal data.

    "1.2.0.4" stays although it could be an address; "203.0.113.7" does not.
    """
    if _VERSION.fullmatch(text) is None:
        return ""
    if _FOUR_PARTS.fullmatch(text) is not None:
        return text
    return text if redact_text(text, len(text)) == text else ""
