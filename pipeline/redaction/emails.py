"""E-mail addresses in free text, whatever stands for their at-sign."""

import re
from collections.abc import Iterator

from pipeline.redaction.spans import Span

EMAIL_SIGN = (
    r"(?i)[@\x{ff20}\x{fe6b}]|%(?:25){0,3}40|&#0{0,4}64|&#x0{0,4}40|&commat"
    r"|\\u(?:0040|\{40\})|\\x40|[\[({<] ?at ?[\])}>]"
)
_AT = re.compile(
    r"[@＠﹫]|%(?:25){0,3}40|&#0{0,4}64;?|&#x0{0,4}40;?|&commat;"  # noqa: RUF001
    r"|\\u(?:0040|\{40\})|\\x40|\s?[\[({<] ?at ?[\])}>]\s?",
    re.IGNORECASE,
)
_LOCAL = re.compile(r"[\w.!$%'*+`{|}~^-]+")
_LOCAL_LENGTH = 320
_QUOTED = re.compile(r'"[^"\r\n]{1,64}"')
_DOT = r"(?:\.|%(?:25){0,2}2e|\s?[\[({<] ?dot ?[\])}>]\s?)"
_DOMAIN = re.compile(
    rf"(?:[\w-]{{1,63}}(?:%[0-9a-f]{{2}}[\w-]{{0,63}}){{0,8}}{_DOT}){{1,8}}"
    r"[^\W\d_]{2,63}|\[[0-9a-f.:]{2,45}\]",
    re.IGNORECASE,
)
_ASSET_SCALE = re.compile(r"\dx\.(?:avif|gif|jpe?g|png|svg|webp)\b", re.IGNORECASE)


def find_emails(text: str, others: set[int]) -> Iterator[Span]:
    """
    Mark addresses from their at-sign outwards, so that each is looked at once.

    Args:
        text: where to look.
        others: positions of at-signs that are no e-mail's.

    """
    floor = 0
    for at in _AT.finditer(text):
        start, end = at.span()
        domain = None if start in others else _DOMAIN.match(text, end)
        if domain is None or _ASSET_SCALE.match(text, end):
            continue
        before = text[max(floor, start - _LOCAL_LENGTH) : start][::-1]
        local = _LOCAL.match(before) or _QUOTED.match(before)
        if local is not None and local[0].strip("'`"):
            floor = domain.end()
            # A quote in front is the text's, as in "entry 'jane@example.com'".
            yield start - len(local[0].rstrip("'`")), floor, "email"
