"""
What encodings hide: percent-encoding, entities, escapes, other forms of a letter.

The decoded text is searched like the text itself. Where something is found is
translated back, so that it is cut out of the text as it came and the rest stays
encoded as it was.
"""

import html
import re
import unicodedata
from bisect import bisect_right

# Percent-encoded three times is no accident of two programs any more.
_ROUNDS = 3
_ASCII_ATOM = (
    r"%[0-7][0-9A-F]|%[CD][0-9A-F]%[89AB][0-9A-F]|%E[0-9A-F](?:%[89AB][0-9A-F]){2}"
    r"|%F[0-7](?:%[89AB][0-9A-F]){3}|%u[0-9A-F]{4}"
    r"|&(?:#0{0,16}[0-9]{1,7}|#x0{0,16}[0-9A-F]{1,6}|[A-Z]{2,24}[0-9]{0,2});?"
    # In a text within a text backslashes are doubled, and doubled again.
    r"|\\{1,4}(?:u\{[0-9A-F]{1,6}\}|u[0-9A-F]{4}|x[0-9A-F]{2}|/)"
)
# Invisible characters, and digits of other scripts that people write numbers with.
ENCODED_SIGN = (
    r"%[0-9A-Fa-fuU]|&#|&[A-Za-z]{2,8}|\\[uUxX/]"
    r"|[\x{34f}\x{61c}\x{180b}-\x{180f}\x{200c}-\x{200f}\x{202a}-\x{202e}]"
    r"|[\x{2061}-\x{206f}\x{fe00}-\x{fe0f}\x{3002}\x{e0000}-\x{e0fff}]"
    r"|[\x{660}-\x{669}\x{6f0}-\x{6f9}\x{966}-\x{96f}\x{9e6}-\x{9ef}\x{e50}-\x{e59}]"
)
_ATOM = re.compile(rf"{_ASCII_ATOM}|[^\x00-\x7f]", re.IGNORECASE)
# Joiners, marks of direction and the like: nothing to be seen of them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u00ad\u034f\u061c\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]"
)
_DOTS = {"\u3002": ".", "\u2024": "."}
_HIGHEST = 0x10FFFF


class Decoded:
    """A text without its encodings, and where each part of it came from."""

    def __init__(self, text: str) -> None:
        """Decode a text, several times if need be."""
        self.text = text
        self._rounds: list[_Round] = []
        for _ in range(_ROUNDS):
            one = _Round(self.text)
            if one.text == self.text:
                break
            self._rounds.append(one)
            self.text = one.text

    def source(self, start: int, end: int) -> tuple[int, int]:
        """Return where a part of the decoded text stood in the text as it came."""
        for one in reversed(self._rounds):
            start, end = one.source(start, end)
        return start, end


class _Round:
    def __init__(self, text: str) -> None:
        parts: list[str] = []
        # Per atom: where it begins and ends in the result, and in the source.
        self._begins: list[int] = [0]
        self._atoms: list[tuple[int, int, int]] = [(0, 0, 0)]
        position = length = 0
        for atom in _ATOM.finditer(text):
            meant = _INVISIBLE.sub("", _meaning(atom[0]))
            if meant == atom[0]:
                continue
            start, end = atom.span()
            parts += (text[position:start], meant)
            length += start - position
            self._begins.append(length)
            length += len(meant)
            self._atoms.append((length, start, end))
            position = end
        parts.append(text[position:])
        self.text = "".join(parts)

    def source(self, start: int, end: int) -> tuple[int, int]:
        return self._position(start)[0], self._position(end - 1)[1]

    def _position(self, position: int) -> tuple[int, int]:
        """Return where one character came from: all of its atom, or itself."""
        ended, atom_start, atom_end = self._atoms[
            bisect_right(self._begins, position) - 1
        ]
        if position < ended:
            return atom_start, atom_end
        return atom_end + position - ended, atom_end + position - ended + 1


def _meaning(atom: str) -> str:
    first = atom[0]
    if first == "%":
        if atom[1] in "uU":
            return _character(atom[2:])
        return bytes.fromhex(atom.replace("%", "")).decode("utf-8", "replace")
    if first == "&":
        meant = html.unescape(atom if atom.endswith(";") else f"{atom};")
        # An entity of no known name is text.
        return atom if meant.startswith("&") and len(meant) > 1 else meant
    if first == "\\":
        escape = atom.lstrip("\\")
        return "/" if escape == "/" else _character(escape[1:].strip("{}"))
    return _letter(atom)


def _letter(letter: str) -> str:
    if letter.isdecimal():
        return str(unicodedata.decimal(letter))
    return _DOTS.get(letter) or unicodedata.normalize("NFKC", letter)


def _character(hexadecimal: str) -> str:
    code = int(hexadecimal, 16)
    # Halves of a pair of surrogates mean nothing alone and cannot be stored.
    return "" if code > _HIGHEST or 0xD800 <= code <= 0xDFFF else chr(code)  # noqa: PLR2004
