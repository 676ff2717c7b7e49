"""Segments of an older policy load with the columns that came since; others do not."""

import logging
from pathlib import Path

import orjson
import pytest

from pipeline.load_header import missing, upgraded
from pipeline.segment import header_bytes
from pipeline.store_errors import StoreRefused
from schemas.ddl import EMPTY
from tests import loading
from tests.loading import HEADERS, Store, did, loader

root, store, at_once = loading.root, loading.store, loading.at_once

LISTS = "Array(LowCardinality(String))"
NEW = header_bytes(["a", "flag", "b", "list"], ["String", "UInt8", "UInt64", LISTS])
OLD = header_bytes(["a", "b"], ["String", "UInt64"])


def test_missing_columns_are_empty() -> None:
    """A column that came since has its type's empty value, in today's order."""
    assert ("flag", "list") == missing(OLD, NEW)
    assert NEW + b'["x",0,7,[]]\n["y",0,18446744073709551615,[]]\n' == upgraded(
        OLD + b'["x",7]\n["y",18446744073709551615]\n', NEW
    )


def test_same_columns_keep_their_bytes() -> None:
    """A segment of today's policy is not touched."""
    body = NEW + b'["x" , 0,7,[]]\n'

    assert body is upgraded(body, NEW)
    assert () == missing(body, NEW)


@pytest.mark.parametrize(
    "header",
    [
        header_bytes(["a", "zz"], ["String", "UInt64"]),
        header_bytes(["a", "b"], ["String", "UInt32"]),
        header_bytes(["a", "a"], ["String", "String"]),
        header_bytes(["a", "b"], ["String"]),
        header_bytes(["a", "flag", "b", "list", "c"], ["String"] * 5),
        header_bytes([], []),
        b"",
        b"\n\n",
        b"{}\n[]\n",
        OLD[:-1],
    ],
)
def test_unknown_columns_are_refused(header: bytes) -> None:
    """An unknown column, another type, no header: nothing is guessed."""
    with pytest.raises(StoreRefused, match="SEGMENT_HEADER"):
        upgraded(header + b'["x",7]\n', NEW)


@pytest.mark.parametrize("line", [b'["x"]', b'["x",7,8]', b"{}", b'["x",', b""])
def test_lines_of_another_length_are_refused(line: bytes) -> None:
    """A line that has not as many values as there are columns is none."""
    with pytest.raises(StoreRefused, match="SEGMENT_LINE"):
        upgraded(OLD + b'["x",7]\n' + line + b"\n", NEW)


@pytest.mark.parametrize("table", ["events", "counts"])
def test_segment_from_before_an_upgrade(
    root: Path, store: Store, caplog: pytest.LogCaptureFixture, table: str
) -> None:
    """What was spooled without the column `synthetic` is stored as of visitors."""
    names, types = map(orjson.loads, HEADERS[table].splitlines())
    kinds = dict(zip(names, types, strict=True))
    row = {name: EMPTY[kind] for name, kind in kinds.items()}
    del kinds["synthetic"]
    old = header_bytes(list(kinds), list(kinds.values()))
    line = orjson.dumps([row[name] for name in kinds]) + b"\n"
    (root / "sealed" / f"{table}-0001.ndjson").write_bytes(old + line)
    with caplog.at_level(logging.INFO, "kastana.load"):
        assert did(1, 1) == loader(root, store).run_once()
    ((_, body, _),) = store.calls

    assert body.startswith(HEADERS[table])
    assert row == dict(zip(names, orjson.loads(body.splitlines()[2]), strict=True))
    assert 1 == caplog.text.count("of an older policy: synthetic empty in its rows")
