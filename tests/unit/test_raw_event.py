"""A raw event stays in memory: nothing encodes it, nothing prints it."""

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import msgspec
import orjson
import pytest
from rich.pretty import pretty_repr

from schemas.raw_event import READ_HEADERS, RawEvent
from tests.builders import raw_event


def canary() -> RawEvent:
    """Return a raw event that is full of what must not be seen."""
    return raw_event(
        address="canary",
        user_agent="canary",
        referer="https://canary/",
        headers={"sec-gpc": "canary"},
        url="https://canary/",
    )


@pytest.mark.parametrize(
    "encode",
    [
        json.dumps,
        orjson.dumps,
        lambda raw: orjson.dumps(raw, option=orjson.OPT_PASSTHROUGH_DATACLASS),
        msgspec.json.encode,
        msgspec.msgpack.encode,
        msgspec.to_builtins,
        pickle.dumps,
        lambda raw: pickle.dumps(raw, protocol=2),
        copy.copy,
        copy.deepcopy,
        vars,
    ],
)
def test_refuses_to_be_encoded(encode: Callable[[Any], object]) -> None:
    """No encoder takes a raw event, nor is it copied to where one might."""
    with pytest.raises(TypeError):
        encode(canary())


@pytest.mark.parametrize("show", [repr, str, format, ascii, pretty_repr])
def test_reprs_are_silent(show: Callable[[Any], str]) -> None:
    """What is in it is in no text of it."""
    assert "canary" not in show(canary())


def test_holds_nothing_else() -> None:
    """There is no room for what has no name here, a cookie for example."""
    raw = canary()

    with pytest.raises(AttributeError):
        raw.cookie = "canary"  # type: ignore[attr-defined]
    assert not {"cookie", "authorization", "x-forwarded-for"} & set(READ_HEADERS)
