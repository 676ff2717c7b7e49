"""
What a site wants replaced in its texts beside what is found anyway.

`redact.customer = {pattern = "KD-[0-9]{6}", finds = ["KD-123456"], keeps = ["KD-12"]}`
in sites.toml replaces "KD-123456" by "[customer]". A rule is tried on its own
examples when it is read. Patterns are RE2's: their time is linear in the text,
whatever they are, and they know no back-references and no look-around.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Protocol, cast

import msgspec
import re2
from msgspec import Meta

# The rules that hold everywhere: what they replace becomes "[email]" and so on.
RULES: tuple[str, ...] = (
    "auth",
    "card",
    "contact",
    "email",
    "iban",
    "id",
    "ip",
    "key",
    "location",
    "mac",
    "national_id",
    "phone",
    "query",
    "secret",
    "ssn",
    "token",
    "user",
)
# What the rules of all sites are counted as: their names are the sites' own words.
SITE_RULE = "site"

MAX_RULES = 20
MAX_PATTERN = 200
MAX_EXAMPLES = 20
_NAME = re.compile(r"[a-z_]{1,32}")
# Bytes that one pattern's automaton may take; RE2 works more slowly without more.
_MAX_MEMORY = 1 << 20
# Whoever finds something in each of these finds it in every page.
_ORDINARY = (
    "the quick brown fox jumps over the lazy dog " * 12,
    "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG " * 12,
    "/de/produkte/hosen/index.html " * 12,
    " ,.;:-_/'!?" * 40,
)

Example = Annotated[str, Meta(min_length=1, max_length=500)]
Examples = Annotated[tuple[Example, ...], Meta(max_length=MAX_EXAMPLES)]


class Found(Protocol):
    """What an expression found, as far as it is asked for."""

    def span(self) -> tuple[int, int]:
        """Return where."""

    def __getitem__(self, group: int) -> str | None:
        """Return what."""


class Pattern(Protocol):
    """A compiled expression, as far as it is used."""

    def search(self, text: str) -> Found | None:
        """Return the first place, or None."""

    def finditer(self, text: str) -> Iterator[Found]:
        """Return all places that do not overlap."""


class SiteRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    A site's own rule.

    Attributes:
        pattern: what is replaced, as an RE2 expression.
        finds: texts that it must find something in; at least one.
        keeps: texts that it must leave alone.

    """

    pattern: Annotated[str, Meta(min_length=1, max_length=MAX_PATTERN)]
    finds: Examples = ()
    keeps: Examples = ()


class Extra:
    """
    A site's own rules, compiled; hashable, equal when the rules are.

    Attributes:
        patterns: name and compiled pattern of each rule, in the order of the file.

    """

    __slots__ = ("_hash", "_source", "patterns")

    def __init__(self, rules: dict[str, SiteRule]) -> None:
        """
        Compile the patterns.

        Raises:
            ValueError: for a pattern that is none.

        """
        self._source = tuple((name, rule.pattern) for name, rule in rules.items())
        # It is part of the key of every cached text: made once.
        self._hash = hash(self._source)
        self.patterns = tuple((name, _compile(text)) for name, text in self._source)

    def __hash__(self) -> int:
        """Return the hash of names and patterns."""
        return self._hash

    def __eq__(self, other: object) -> bool:
        """Say if both have the same names and patterns in the same order."""
        return isinstance(other, Extra) and self._source == other._source

    def __bool__(self) -> bool:
        """Say if there are any rules."""
        return bool(self.patterns)

    def __repr__(self) -> str:
        """Name the rules."""
        return f"<Extra {' '.join(name for name, _ in self._source)}>"


NO_EXTRA = Extra({})


def compile_extra(rules: dict[str, SiteRule]) -> Extra:
    """
    Return a site's own rules ready for use.

    Raises:
        ValueError: for a pattern that is none; `redaction_problem` says which.

    """
    return Extra(rules) if rules else NO_EXTRA


def redaction_problem(rules: dict[str, SiteRule]) -> str:
    """Return what is wrong with a site's own rules, in words; empty if nothing is."""
    if len(rules) > MAX_RULES:
        return f"redact: more than {MAX_RULES} rules"
    for name, rule in rules.items():
        problem = _name_problem(name) or _rule_problem(rule)
        if problem:
            return f"redact.{name}: {problem}"
    return ""


def _name_problem(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        return "its name is not 1 to 32 of a to z and _"
    if name in RULES or name == SITE_RULE:
        return "a rule of that name exists"
    return ""


def _rule_problem(rule: SiteRule) -> str:
    try:
        pattern = _compile(rule.pattern)
    except ValueError as error:
        return f"pattern: {error}"
    if pattern.search("") is not None:
        return "pattern: finds something in the empty text"
    if any(pattern.search(text) is not None for text in _ORDINARY):
        return "pattern: finds something in any text"
    return _examples_problem(pattern, rule)


def _examples_problem(pattern: Pattern, rule: SiteRule) -> str:
    if not rule.finds:
        return "finds: give an example of what is found"
    for text in rule.finds:
        match = pattern.search(text)
        if match is None or not match[0]:
            return f"finds: nothing is found in {text!r}"
    for text in rule.keeps:
        if pattern.search(text) is not None:
            return f"keeps: something is found in {text!r}"
    return ""


def _compile(pattern: str) -> Pattern:
    options = re2.Options()
    options.max_mem = _MAX_MEMORY
    # Its own log would repeat the pattern; the error says as much.
    options.log_errors = False
    try:
        return cast("Pattern", re2.compile(pattern, options))
    except re2.error as error:
        reason = error.args[0] if error.args else "cannot be read"
        text = reason.decode() if isinstance(reason, bytes) else str(reason)
        raise ValueError(text) from error
