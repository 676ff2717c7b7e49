"""
Taking over what others know of devices' models: from their files to one of ours.

`models-android.js` of which-browser names models one by one with their kinds,
`mobile-detect.js` has patterns for tablets by maker. Both are read as text: no code of
theirs runs.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import re2

from pipeline.agents.device_lines import kind_of_line
from pipeline.agents.device_models import Kind, normal_model
from pipeline.referrer_lists import ListError, read_text

MODELS_FILE, TABLETS_FILE = "models-android.js", "mobile-detect.js"
SOURCES = {
    "which-browser": "MIT, Copyright (c) 2017 Simone Mariotti",
    "mobile-detect": "MIT, Copyright (c) 2013 Heinrich Goebl",
}

# Boards, cameras, tills and the like are left out: nobody visits a site with them.
_KINDS: dict[str, Kind] = {
    "": "mobile",
    "MOBILE": "mobile",
    "TABLET": "tablet",
    "EREADER": "tablet",
    "TELEVISION": "tv",
    "WATCH": "wearable",
    "HEADSET": "wearable",
    "DESKTOP": "desktop",
}

# A key of the table, then what stands in its brackets: maker, name, and kind if any.
_ENTRY = re.compile(
    r"^ +(?:'((?:[^'\\\n]|\\.)+)'|\"((?:[^\"\\\n]|\\.)+)\"|([A-Za-z0-9_$]+)): \["
    r"((?:'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|[^\]'\"])*)\]",
    re.MULTILINE,
)
_KIND = re.compile(r"DeviceType\.([A-Z]+)")
_QUOTED = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"")
_ESCAPE = re.compile(r"\\(.)")
_TABLETS = re.compile(r'"tablets": (\{.*?\n    \})', re.DOTALL)
# What a pattern says of the rest of the agent; it is asked about the model alone here.
_ELSEWHERE = re.compile(r"^Android[^()]*?\.\*")
_GROUP = re.compile(r"\(([^()]*)\)")
# What is short is in too many names.
_SHORTEST = 4
_PLAIN = re.compile(r"[A-Za-z0-9 _./+-]+")
# What the lists call tablets and their makers telephones.
_PHONES = frozenset(
    ("HM NOTE 1W", "SUGAR ([A-Z][0-9]?(?: Pro)?)", "9008[ADIJTUX]", "9001[DIX]")
)

# How many entries a list must and may have: one cut short is no whole list.
_LEAST_MODELS, _MOST_MODELS = 5_000, 200_000
_LEAST_TABLETS, _MOST_TABLETS = 50, 2_000


class Models(NamedTuple):
    """Models and patterns by kind, checked; sorted."""

    models: dict[Kind, list[str]]
    patterns: dict[Kind, list[str]]


def take_models(folder: Path) -> Models:
    """
    Read and check the lists of models in a folder.

    Args:
        folder: where the files lie, in it or in a folder below it.

    Raises:
        ListError: missing, too_large, not_utf8, wrong_shape, too_few, too_many.

    """
    kinds: dict[str, Kind] = {}
    patterns: dict[Kind, set[str]] = {}
    for key, kind in _models(read_text(_locate(folder, MODELS_FILE))):
        if not key.endswith("!"):
            _add(kinds, key, kind)
        elif kind != "mobile" and key.rstrip("!") not in _PHONES:
            # The text after it is free: "8094[X]!" is also the 8094X of a country.
            told = f"^(?:{key.rstrip('!')})"
            if _can_be_read(told):
                patterns.setdefault(kind, set()).add(told)
    count = len(kinds)
    tablets = _tablets(read_text(_locate(folder, TABLETS_FILE)))
    for told in tablets:
        if _PLAIN.fullmatch(told):
            _add(kinds, told, "tablet")
        else:
            patterns.setdefault("tablet", set()).add(f"^(?:{told})")
    _check(MODELS_FILE, count, _LEAST_MODELS, _MOST_MODELS)
    _check(TABLETS_FILE, len(tablets), _LEAST_TABLETS, _MOST_TABLETS)
    models: dict[Kind, list[str]] = {}
    for model, kind in sorted(kinds.items()):
        models.setdefault(kind, []).append(model)
    return Models(models, {kind: sorted(found) for kind, found in patterns.items()})


def models_text(found: Models, stamp: str) -> str:
    """
    Return the file of models.

    Args:
        found: what the lists say.
        stamp: when, and from which revisions.

    """
    about = "Models of devices by kind, made by `kastana lists refresh-models`."
    parts = [
        f'"about": {json.dumps(about)}',
        f'"sources": {json.dumps(SOURCES)}',
        f'"date": {json.dumps(stamp)}',
        f'"models": {_by_kind(found.models)}',
        f'"patterns": {_by_kind(found.patterns)}',
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _by_kind(lists: Mapping[Kind, list[str]]) -> str:
    rows = (
        f"  {json.dumps(kind)}: {json.dumps(lists[kind], ensure_ascii=False)}"
        for kind in sorted(lists)
    )
    return "{\n" + ",\n".join(rows) + "\n}"


def _add(kinds: dict[str, Kind], name: str, kind: Kind) -> None:
    model = normal_model(name)
    # which-browser calls a telephone what nobody has said to be anything else, and
    # mobile-detect some telephones tablets: their makers' numbering knows better.
    if len(model) >= _SHORTEST and {kind, kind_of_line(model)} != {"mobile", "tablet"}:
        kinds.setdefault(model.lower(), kind)


def _models(text: str) -> Iterator[tuple[str, Kind]]:
    """Yield each model with its kind; "!" at the end marks a pattern."""
    for entry in _ENTRY.finditer(text):
        single, double, bare, value = entry.groups()
        kind = _KIND.search(_QUOTED.sub("", value))
        found = _KINDS.get(kind[1] if kind else "")
        if found is not None:
            yield _ESCAPE.sub(r"\1", single or double or bare), found


def _tablets(text: str) -> set[str]:
    """Return the patterns that are about a model alone, and that RE2 can read."""
    block = _TABLETS.search(text)
    try:
        makers = json.loads(block[1]) if block else None
    except ValueError:
        makers = None
    if not isinstance(makers, dict):
        raise ListError("wrong_shape", f"{TABLETS_FILE} has no table of tablets")
    found: set[str] = set()
    for patterns in makers.values():
        if not isinstance(patterns, str):
            raise ListError("wrong_shape", f"{TABLETS_FILE}: a pattern is not a text")
        for pattern in _alternatives(patterns):
            told = _ELSEWHERE.sub("", pattern).strip().replace(r"\b", "")
            group = _GROUP.fullmatch(told)
            found.update(
                part
                for part in (group[1].split("|") if group else [told])
                if ".*" not in part and part not in _PHONES and _can_be_read(part)
            )
    return found


def _alternatives(pattern: str) -> Iterator[str]:
    """Yield what "|" parts, outside brackets."""
    depth, start = 0, 0
    for at, letter in enumerate(pattern):
        depth += (letter in "([") - (letter in ")]")
        if letter == "|" and depth == 0:
            yield pattern[start:at]
            start = at + 1
    yield pattern[start:]


def _can_be_read(pattern: str) -> bool:
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error:
        return False
    return True


def _locate(folder: Path, name: str) -> Path:
    # The package has an index of the same name further down.
    found = sorted(folder.glob(f"**/{name}"), key=lambda path: (len(path.parts), path))
    for path in found:
        if path.is_file():
            return path
    raise ListError("missing", f"{name} is not in {folder}")


def _check(file: str, number: int, least: int, most: int) -> None:
    if number < least:
        message = f"{file} has {number} entries; fewer than {least} are no whole list"
        raise ListError("too_few", message)
    if number > most:
        message = f"{file} has {number} entries, more than {most}"
        raise ListError("too_many", message)
