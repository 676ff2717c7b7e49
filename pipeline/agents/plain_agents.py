"""
The agents of most people, as forms in which nothing but versions changes.

Chrome and its kin, Safari and Firefox send one of a few sentences, which are in
data/plain_agents.txt; Chromium froze its own by decree (User-Agent reduction). What the
parser says of a form once it says of each of its versions, so that of most agents never
seen only the versions need to be read. What differs in one character is none of these.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

_FILE = Path(__file__).parent.parent / "data" / "plain_agents.txt"

# What stands for a version: those of browser and system are told, of any other only
# that it is there. Shorter ones than these are of browsers that nobody has any more.
_SHAPES = {
    "<ios>": r"([1-9][0-9]?)(?:_[0-9]{1,2}){1,2}",
    "<android>": r"([1-9][0-9]?)(?:\.[0-9]{1,2}){0,2}",
    "<browser>": r"([1-9][0-9]{1,2})(?:\.[0-9]{1,5}){1,3}",
    "<app>": r"([1-9][0-9]{1,2})\.[0-9]{1,5}\.[0-9]{1,10}",
    "<other>": r"[1-9][0-9]{1,2}(?:\.[0-9]{1,5}){1,3}",
}
_VERSIONS = {
    "<ios>": "18_5",
    "<android>": "14",
    "<browser>": "18.0",
    "<app>": "18.0.0",
    "<other>": "118.0",
}
_MARK = re.compile("(<[a-z]+>)")


class Plain(NamedTuple):
    """
    What an agent of a known form says.

    Attributes:
        sample: the agent that stands for all of its form.
        browser: the browser's major version.
        system: the system's major version, "" if the form says none.

    """

    sample: str
    browser: str
    system: str


class _Form(NamedTuple):
    sample: str
    says_system: bool


def plain_agent(user_agent: str) -> Plain | None:
    """Return form and versions of an agent, None if it is of none of the forms."""
    match = _ANY.fullmatch(user_agent)
    if match is None:
        return None
    # The group around a whole form is the last that ends; after it come its versions,
    # the system's first as it is in brackets.
    group = match.lastindex or 0
    sample, says_system = _FORMS[group]
    if says_system:
        return Plain(sample, match[group + 2], match[group + 1])
    return Plain(sample, match[group + 1], "")


def _pattern(line: str) -> str:
    parts = (_SHAPES.get(part) or re.escape(part) for part in _MARK.split(line))
    return f"({''.join(parts)})"


def _sample(line: str) -> str:
    return "".join(_VERSIONS.get(part, part) for part in _MARK.split(line))


def _numbered(lines: Iterable[str]) -> Iterator[tuple[int, _Form]]:
    group = 1
    for line in lines:
        says_system = "<ios>" in line or "<android>" in line
        yield group, _Form(_sample(line), says_system)
        group += 2 + says_system


LINES = [
    line
    for line in _FILE.read_text(encoding="ascii").splitlines()
    if not line.startswith("#")
]
_ANY = re.compile("|".join(map(_pattern, LINES)))
_FORMS = dict(_numbered(LINES))
