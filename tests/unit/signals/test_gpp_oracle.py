"""Every field of thousands of GPP strings, against the official library."""

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.signals.errors import SignalError
from pipeline.signals.gpp import OPTED_OUT, decode_gpp, read_gpp
from pipeline.signals.gpp_sections import NAMES

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "tests" / "oracle" / "gpp.mjs"
LIBRARY = ROOT / "node_modules" / "@iabgpp" / "cmpapi"
VECTORS = ROOT.parent / "shared" / "research" / "consent_vectors.json"
STRINGS = 2400

# The library has names of its own for fields of TC strings; ours are those of the
# TC string's specification.
TC_NAMES = {
    "PolicyVersion": "TcfPolicyVersion",
    "UseNonStandardStacks": "UseNonStandardTexts",
    "SpecialFeatureOptins": "SpecialFeatureOptIns",
    "PurposeConsents": "PurposesConsent",
    "PurposeLegitimateInterests": "PurposesLITransparency",
    "PublisherCountryCode": "PublisherCC",
    "PublisherConsents": "PubPurposesConsent",
    "PublisherLegitimateInterests": "PubPurposesLITransparency",
    "PublisherCustomConsents": "CustomPurposesConsent",
    "PublisherCustomLegitimateInterests": "CustomPurposesLITransparency",
    "VendorsAllowed": "AllowedVendors",
    "VendorsDisclosed": "DisclosedVendors",
}
# Vectors that we refuse on purpose: a version that no specification has, and a
# section in another section's layout.
REFUSED = {
    "prebid/prebid-server endpoints/setuid_test.go:941": {"usca": "bad_version"},
    "IABTechLab/iabgpp-java iabgpp-encoder/src/test/java/com/iab/gpp/encoder/"
    "GppModelTest.java:409": {"usmn": "bad_value"},
}


@pytest.fixture(scope="module")
def made_by_library() -> list[dict[str, Any]]:
    """Strings that the official library made, with what it reads from them."""
    node = shutil.which("node")
    if node is None or not LIBRARY.is_dir():
        pytest.skip("needs node and the official library; test_gpp.py is its twin")
    done = subprocess.run(
        [node, str(SCRIPT), str(STRINGS), "20261123"],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def ours(name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return our fields of a section as the library shows them.

    It shows segments that are not there as empty or false, and of usnat of version 1
    the old layout's part alone, of version 2 always the new layout.
    """
    shown = dict(fields)
    if name == "tcfeuv2":
        empty = {"NumCustomPurposes": 0}
        return {
            key: empty.get(key, []) if value is None else value
            for key, value in shown.items()
        }
    if name in {"usin", "usky", "usri"}:
        return {"SensitiveDataProcessing": [0] * 8, **shown}
    if name not in {"uspv1", "usva", "usut", "usfl"}:
        shown = {"GpcSegmentType": 1, "Gpc": False, **shown}
    if name == "usnat":
        sizes = (12, 2) if shown["Version"] == 1 else (16, 3)
        for key, size in zip(
            ("SensitiveDataProcessing", "KnownChildSensitiveDataConsents"),
            sizes,
            strict=True,
        ):
            shown[key] = (shown[key] + [0] * size)[:size]
    return shown


def theirs(name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the library's fields of a section by our names."""
    if name != "tcfeuv2":
        return dict(fields)
    return {
        TC_NAMES.get(key, key): _numbers(value)
        for key, value in fields.items()
        if not key.endswith("SegmentType")
    }


def _numbers(value: Any) -> Any:
    """Return a list of bits as the numbers of those that are on."""
    if isinstance(value, list) and any(isinstance(one, bool) for one in value):
        return [at for at, one in enumerate(value, 1) if one]
    return value


def test_every_field_of_every_section_is_the_librarys(
    made_by_library: list[dict[str, Any]],
) -> None:
    """Seeded strings of random sections and values, none left out."""
    seen: Counter[str] = Counter()
    for made in made_by_library:
        answer = decode_gpp(made["s"]).as_dict()
        assert {} == answer.pop("errors")
        assert made["ids"] == answer.pop("sectionIds")
        assert {
            name: theirs(name, fields) for name, fields in made["sections"].items()
        } == {name: ours(name, fields) for name, fields in answer.items()}  # type: ignore[arg-type]
        seen.update(list(made["sections"]))

    assert STRINGS == len(made_by_library)
    assert set(NAMES.values()) - {"tcfcav1"} == set(seen)
    assert min(seen.values()) > STRINGS // 30


def test_the_library_softens_what_we_refuse(
    made_by_library: list[dict[str, Any]],
) -> None:
    """Every string of it that is cut raises, breaks a section, or lost filling."""
    kept = 0
    for made in made_by_library[:300]:
        whole = decode_gpp(made["s"])
        cut = decode_gpp(made["s"][:-1])
        if cut.broken:
            assert whole.section_ids[-1:] == tuple(
                one for one, name in NAMES.items() if name in cut.broken
            )
        else:
            kept += 1
            assert dict(whole.sections) == dict(cut.sections)

    # Many end in a character that is filling only, or a GPC segment's second one.
    assert 0 < kept < 300


def vectors(kind: str) -> list[dict[str, Any]]:
    """Return vectors that stand beside the project, never in it."""
    if not VECTORS.is_file():
        pytest.skip("the vectors are not here; test_gpp.py is their twin")
    found: list[dict[str, Any]] = json.loads(VECTORS.read_text())[kind]
    return found


def test_vectors_of_public_projects_decode_to_their_fields() -> None:
    """All of them, but the two that are refused on purpose."""
    tested = 0
    for vector in vectors("gpp"):
        decoded = decode_gpp(vector["s"])
        answer = decoded.as_dict()
        refused = REFUSED.get(vector["source"], {})

        assert vector["section_ids"] == list(decoded.section_ids)
        assert {"tcfcav1": "unknown_format", **refused} == {
            "tcfcav1": "unknown_format",
            **decoded.broken,
        }
        for name, fields in vector["sections"].items():
            if name not in refused:
                tested += 1
                assert theirs(name, fields) == ours(name, answer[name])  # type: ignore[arg-type]
    assert tested > 100


def test_invalid_vectors_never_say_anything_permissive() -> None:
    """They raise, or the section at fault is broken; read, nothing is given."""
    for vector in vectors("gpp_invalid"):
        try:
            broken = dict(decode_gpp(vector["s"]).broken)
        except SignalError as error:
            broken = {"": error.code}
        readings = read_gpp(vector["s"], gpp_sid=(), place="US-CA", now_ms=2**40)

        assert broken
        assert not any("given" in one.states.values() for one in readings)
        assert any(one.problems for one in readings)
        assert all(
            one.flags == OPTED_OUT
            for one in readings
            if one.source == "gpp_uspv1" and one.problems
        )
