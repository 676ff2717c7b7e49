"""
The one exception of the decoders, and its codes.

Messages name the place at fault, never what stood there: a consent string is a
near-unique mark of a browser.
"""

CODES: dict[str, str] = {
    "empty": "there is nothing to read",
    "too_long": "the text is longer than any real one",
    "bad_character": "a character is outside the alphabet",
    "truncated": "the text ends before its last field",
    "trailing_data": "something follows the last field",
    "bad_version": "the version is not one that can be read",
    "bad_segment": "a segment is of an unknown type, or stands where it may not",
    "repeated_segment": "a segment is there twice",
    "bad_range": "a range ends before it starts, overlaps, or passes its maximum",
    "too_many_ranges": "there are more ranges than any real text has",
    "bad_header": "the header cannot be read",
    "section_count": "the header names more or fewer sections than there are",
    "unknown_section": "the header names a section that is not known",
    "bad_value": "a field has a value that its specification does not know",
    "bad_percent": "a percent sign is not followed by two hexadecimal digits",
    "bad_format": "the text does not have the form of this signal",
    "unknown_format": "the text is of no kind that is known here",
}


class SignalError(ValueError):
    """A signal that cannot be read; `code` is one of CODES, `field` the place."""

    def __init__(self, code: str, field: str = "") -> None:
        """
        Say what is wrong.

        Raises:
            LookupError: for a code that is not declared.

        """
        if code not in CODES:
            message = f"undeclared code {code!r}"
            raise LookupError(message)
        where = f"{field}: " if field else ""
        super().__init__(f"{where}{CODES[code]}")
        self.code = code
        self.field = field
