"""TC strings by IAB's own library: every field of them, as that library reads it."""

import json
import shutil
import subprocess

import pytest

from pipeline.signals.tcf import decode_tcf
from tests.builders import ROOT

COUNT, SEED = 3000, 20260310
LIBRARY = ROOT / "node_modules" / "@iabtechlabtcf" / "core"


@pytest.fixture(scope="module")
def strings() -> list[dict[str, object]]:
    """Return strings of the official library with what it reads in them."""
    node = shutil.which("node")
    if node is None or not LIBRARY.is_dir():
        pytest.skip("node or @iabtechlabtcf/core is not installed")
    script = ROOT / "tests" / "oracle" / "tcf.mjs"
    made = subprocess.run(
        [node, str(script), str(COUNT), str(SEED)],
        capture_output=True,
        check=True,
        timeout=100,
    )
    return [json.loads(line) for line in made.stdout.splitlines()]


def test_oracle(strings: list[dict[str, object]]) -> None:
    """All fields of thousands of strings are those of the official library."""
    assert len(strings) == COUNT
    for one in strings:
        assert one["expect"] == decode_tcf(str(one["s"])).as_dict()


def test_oracle_varies(strings: list[dict[str, object]]) -> None:
    """Both ways to write vendors occur, and every segment, and restrictions."""
    texts = [str(one["s"]) for one in strings]
    kinds = [part[0] for text in texts for part in text.split(".")[1:]]
    found = [decode_tcf(text) for text in texts]
    restrictions = [len(tc.publisher_restrictions) for tc in found]
    encodings = {type(tc.vendor_consents).__name__ for tc in found}

    assert encodings == {"_BitField", "_Ranges"}
    assert {"IJKLMNOP".find(kind) >= 0 for kind in kinds} == {True, False}
    assert {"QRSTUVWX".find(kind) >= 0 for kind in kinds} == {True, False}
    assert {"YZabcdef".find(kind) >= 0 for kind in kinds} == {True, False}
    assert max(restrictions) > 5
