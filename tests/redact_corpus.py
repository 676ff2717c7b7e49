"""The corpus of redaction, tests/unit/redact_corpus.toml, read for the tests."""

import tomllib
from typing import NamedTuple

from tests.builders import ROOT

# Stands inside of keys, so that no scanner of secrets takes the file for a leak.
_NOTHING = "{}"
_TEXT = (ROOT / "tests/unit/redact_corpus.toml").read_text(encoding="utf-8")
_CONTENT = tomllib.loads(_TEXT)


class Example(NamedTuple):
    """A text with something personal in it: the rule, and what was to be found."""

    rule: str
    text: str
    secret: str


def finds() -> list[tuple[str, str, str]]:
    """Return rule, text and what remains of it."""
    return [
        (rule, text.replace(_NOTHING, ""), kept)
        for rule, table in _CONTENT.items()
        for text, kept in table.get("finds", ())
    ]


def keeps() -> list[str]:
    """Return the texts that nothing is found in."""
    return [text for table in _CONTENT.values() for text in table.get("keeps", ())]


def examples() -> list[Example]:
    """Return the texts in which one thing is found, and which it is."""
    found = []
    for rule, text, kept in finds():
        before, placeholder, after = kept.partition(f"[{rule}]")
        if placeholder and "[" not in before + after:
            secret = text[len(before) : len(text) - len(after)]
            found.append(Example(rule, text, secret))
    return found
