"""TC strings that others published, where they lie beside the repository."""

import json
from functools import cache
from typing import Any

import pytest

from pipeline.signals.errors import SignalError
from pipeline.signals.tcf import TcString, decode_tcf
from tests.builders import ROOT

VECTORS = ROOT.parent / "shared" / "research" / "consent_vectors.json"
NAMES = {
    "version": "version",
    "created": "created_ms",
    "lastUpdated": "last_updated_ms",
    "cmpId": "cmp_id",
    "cmpVersion": "cmp_version",
    "screen": "consent_screen",
    "lang": "consent_language",
    "vlv": "vendor_list_version",
    "policy": "policy_version",
    "svcSpecific": "is_service_specific",
    "nst": "use_non_standard_texts",
    "sf": "special_feature_opt_ins",
    "pc": "purpose_consents",
    "pli": "purpose_legitimate_interests",
    "p1t": "purpose_one_treatment",
    "cc": "publisher_country_code",
    "vc": "vendor_consents",
    "vli": "vendor_legitimate_interests",
    "vd": "vendors_disclosed",
    "va": "vendors_allowed",
    "ppc": "publisher_purpose_consents",
    "ppli": "publisher_purpose_legitimate_interests",
    "pcc": "publisher_custom_purpose_consents",
    "pcli": "publisher_custom_purpose_legitimate_interests",
    "ncp": "num_custom_purposes",
}
# Two of them we refuse on purpose: standard base64's padding, which the official
# library refuses too, and a core behind a core, of which it is not said which counts.
REFUSED = {"bad_character": "=", "repeated_segment": ".C"}


@cache
def vectors() -> dict[str, list[dict[str, Any]]]:
    """Return the published strings, or skip where they are not."""
    if not VECTORS.exists():
        pytest.skip(f"no {VECTORS.name} beside the repository")
    found: dict[str, list[dict[str, Any]]] = json.loads(VECTORS.read_text("utf-8"))
    return found


def field(tc: TcString, name: str, like: Any) -> Any:
    """Return a field in the form that the published one has."""
    if name == "pr":
        return [[r.purpose, r.kind, list(r.vendors)] for r in tc.publisher_restrictions]
    value = getattr(tc, NAMES[name])
    if value is None:
        # The vectors have a publisher's fields where there is no such segment.
        return like if like in ([], 0) else None
    if isinstance(like, dict):
        ids = list(value)
        return {"count": len(ids), "min": ids[0], "max": ids[-1], "sum": sum(ids)}
    return sorted(value) if isinstance(like, list) else value


def test_vectors() -> None:
    """Every field of every published string is read as published."""
    read = 0
    for vector in vectors()["tcf"]:
        if any(sign in vector["s"] for sign in REFUSED.values()):
            continue
        tc = decode_tcf(vector["s"])
        expected = vector["expect"]
        read += 1
        assert expected == {name: field(tc, name, expected[name]) for name in expected}
        assert set(expected) == {*NAMES, "pr"}

    assert read == len(vectors()["tcf"]) - len(REFUSED)


def test_refused_vectors() -> None:
    """What cannot be one is refused: cut ones, other versions, other alphabets."""
    for vector in vectors()["tcf_invalid"]:
        with pytest.raises(SignalError):
            decode_tcf(vector["s"])
    for code, sign in REFUSED.items():
        for vector in vectors()["tcf"]:
            if sign in vector["s"]:
                with pytest.raises(SignalError) as error:
                    decode_tcf(vector["s"])
                assert code == error.value.code
