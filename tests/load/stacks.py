"""
Where the time of a request goes: samples of stacks, told apart by the parts of an edge.

A sample is what `py-spy record --format raw` writes: frames from the outermost to the
innermost, separated by semicolons, then how often it was seen.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

_Marks = tuple[tuple[str, tuple[str, ...]], ...]
# What is found anywhere in a stack decides, before what stands innermost.
_ANYWHERE: _Marks = (
    ("spool", ("pipeline/spool", "pipeline/segment", "pipeline/sealing")),
    ("answer", ("collector/respond.py", "finish_response (aiohttp/")),
)
_INNERMOST: _Marks = (
    ("pipeline", ("pipeline/", "schemas/")),
    (
        "doors",
        (
            "collector/call.py",
            "collector/decode.py",
            "collector/doors.py",
            "collector/links.py",
            "collector/server_keys.py",
            "collector/sites.py",
            "collector/unpack.py",
        ),
    ),
    ("desk", ("collector/",)),
    ("HTTP", ("aiohttp/", "uvloop/", "asyncio/")),
)
PARTS = ("HTTP", "desk", "doors", "pipeline", "spool", "answer", "hand-over")
_FRAME = re.compile(r"^(?P<name>.*) \((?P<file>[^()]*?)(:\d+)?\)\Z")


class Profile(NamedTuple):
    """
    What many samples say, all as shares of 1.

    Attributes:
        parts: of each of PARTS, together 1.
        inside: of each function of ours, with all that it calls.
        own: of each function of ours, with what it calls of others.

    """

    parts: dict[str, float]
    inside: dict[str, float]
    own: dict[str, float]


def read_profile(lines: Iterable[str]) -> Profile:
    """
    Add up samples.

    Raises:
        ValueError: when there is none.

    """
    parts, inside, own = Counter[str](), Counter[str](), Counter[str]()
    total = 0
    for line in lines:
        stack, _, times = line.strip().rpartition(" ")
        number = int(times)
        frames = [_without_line(frame) for frame in stack.split(";")]
        total += number
        parts[part_of(frames)] += number
        ours = [frame for frame in frames if _is_ours(frame)]
        for frame in set(ours):
            inside[frame] += number
        if ours:
            own[ours[-1]] += number
    if not total:
        raise ValueError("no samples")
    return Profile(
        {part: parts[part] / total for part in PARTS},
        {name: number / total for name, number in inside.most_common()},
        {name: number / total for name, number in own.most_common()},
    )


def part_of(frames: list[str]) -> str:
    """Return the part of an edge that a stack belongs to."""
    for part, marks in _ANYWHERE:
        if any(mark in frame for frame in frames for mark in marks):
            return part
    for frame in reversed(frames):
        for part, marks in _INNERMOST:
            if any(f"({mark}" in frame for mark in marks):
                return part
    return "hand-over"


def _is_ours(frame: str) -> bool:
    return any(f"({layer}/" in frame for layer in ("collector", "pipeline", "schemas"))


def _without_line(frame: str) -> str:
    match = _FRAME.match(frame)
    return f"{match['name']} ({match['file']})" if match else frame
