"""How tightly a body may be packed."""

import gzip
import zlib

import orjson
import pytest

from collector.unpack import UnpackError, unpack

MOST = 524_288


@pytest.mark.parametrize("kind", ["gzip", "deflate"])
def test_what_is_packed_too_tightly_is_refused(kind: str) -> None:
    """Half a megabyte of nothing in half a kilobyte is no event."""
    pack = gzip.compress if kind == "gzip" else zlib.compress
    packed = pack(b" " * (MOST - 1))

    assert len(packed) * 900 < MOST
    with pytest.raises(UnpackError, match="250 times"):
        unpack(packed, MOST, kind)


def test_events_much_alike_are_taken() -> None:
    """A thousand of the same event pack tightly, and are events."""
    event = {"event": "page_view", "site": "a.example", "url": "https://a.example/"}
    body = orjson.dumps([event | {"occurred_at": 10**12 + n} for n in range(1000)])

    assert body == unpack(gzip.compress(body, 9), MOST)


def test_little_is_taken_however_tight() -> None:
    """What is small unpacked costs nothing."""
    body = b"[" + b" " * 32_000 + b"]"

    assert len(gzip.compress(body)) * 250 < len(body)
    assert body == unpack(gzip.compress(body), MOST)


def test_too_large_stays_too_large() -> None:
    """A body beyond the limit that is credible is too large, not damaged."""
    body = orjson.dumps([str(number * 7919) for number in range(90_000)])

    assert len(body) > MOST
    with pytest.raises(OverflowError):
        unpack(gzip.compress(body), MOST)
