"""
The US Privacy string, such as 1YNN: deprecated in 2024 and still sent.

Source: IAB Tech Lab, CCPA Compliance Framework, "U.S. Privacy String", version 1.
"""

import re
from dataclasses import dataclass

from pipeline.signals.errors import SignalError
from pipeline.signals.reading import Reading

_TEXT = re.compile(r"1([YN-])([YN-])([YN-])\Z")
_LENGTH = 4
_OPTED_OUT = frozenset({"sale_opt_out"})


@dataclass(frozen=True, slots=True, repr=False)
class UsPrivacy:
    """
    The four characters; each of the last three is Y, N or - (not applicable).

    Attributes:
        Version: always 1.
        Notice: whether notice and the opportunity to opt out were given.
        OptOutSale: whether the visitor opted out of the sale of personal data.
        LspaCovered: whether the limited service provider agreement covers it.

    """

    Version: int
    Notice: str
    OptOutSale: str
    LspaCovered: str

    def __repr__(self) -> str:
        """Say nothing, as all signals do."""
        return "<UsPrivacy>"

    def as_dict(self) -> dict[str, int | str]:
        """Return the fields by the names of the specification, fit for JSON."""
        return {
            "Version": self.Version,
            "Notice": self.Notice,
            "OptOutSale": self.OptOutSale,
            "LspaCovered": self.LspaCovered,
        }


def decode_us_privacy(text: str) -> UsPrivacy:
    """
    Decode a US Privacy string: a 1 and three of Y, N and -, in capitals.

    Raises:
        SignalError: for anything else.

    """
    if not text:
        raise SignalError("empty", "us_privacy")
    if len(text) > _LENGTH:
        raise SignalError("too_long", "us_privacy")
    found = _TEXT.match(text)
    if found is None:
        raise SignalError("bad_format", "us_privacy")
    return UsPrivacy(1, *found.groups())


def read_us_privacy(text: str) -> Reading:
    """
    Read a US Privacy string; one that cannot be read counts as opted out.

    Whether the text is there at all is for the caller to say (`macros.is_absent`).
    """
    try:
        decoded = decode_us_privacy(text)
    except SignalError as error:
        return Reading("us_privacy", {}, _OPTED_OUT, "none", problems=(error.code,))
    if decoded.OptOutSale == "Y":
        return Reading("us_privacy", {}, _OPTED_OUT)
    return Reading("us_privacy", method="none")
