"""
Where the time of a request goes: samples of stacks, told apart by the parts of an edge.

A sample is what `py-spy record --threads --format raw` writes: the thread, frames from
the outermost to the innermost, separated by semicolons, then how often it was seen. Of
a thread that only waits py-spy sees as much as of one that works: what a sample weighs
is told by the processor time of its thread.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
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
_THREAD = re.compile(r"^thread \((?P<id>\d+)\)")
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


def read_profile(lines: Iterable[str], busy: Mapping[int, float]) -> Profile:
    """
    Add up samples.

    Args:
        lines: the samples.
        busy: the processor time of each thread meanwhile, by its number, seconds.

    Raises:
        ValueError: when there is no sample of a thread that did something.

    """
    samples = [_read(line) for line in lines]
    seen = Counter[int]()
    for thread, _, times in samples:
        seen[thread] += times
    total = sum(busy.get(thread, 0.0) for thread in seen)
    if total <= 0:
        raise ValueError("no samples")
    parts: dict[str, float] = dict.fromkeys(PARTS, 0.0)
    inside: dict[str, float] = defaultdict(float)
    own: dict[str, float] = defaultdict(float)
    for thread, frames, times in samples:
        share = busy.get(thread, 0.0) / total * times / seen[thread]
        parts[part_of(frames)] += share
        ours = [frame for frame in frames if _is_ours(frame)]
        for frame in set(ours):
            inside[frame] += share
        if ours:
            own[ours[-1]] += share
    return Profile(parts, _largest_first(inside), _largest_first(own))


def _largest_first(shares: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(shares.items(), key=lambda one: one[1], reverse=True))


def _read(line: str) -> tuple[int, list[str], int]:
    stack, _, times = line.strip().rpartition(" ")
    thread, *frames = stack.split(";")
    found = _THREAD.match(thread)
    if found is None:
        raise ValueError("a sample that names no thread")
    return int(found["id"]), [_without_line(frame) for frame in frames], int(times)


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
