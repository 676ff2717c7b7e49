"""TC strings: what stands in one, and what is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.signals.errors import SignalError
from pipeline.signals.tcf import MAX_CHARS, TcString, decode_tcf
from tests.tc_strings import (
    CREATED_MS,
    DEFAULTS,
    base64url,
    core_bits,
    encode_tc,
    entry,
    flags,
    number,
    restriction,
)

HEAD = core_bits(DEFAULTS)[:213]
NO_VENDORS = number(0, 17)

# Every field at a value that is neither zero nor its neighbour's.
FULL: dict[str, Any] = {
    "created_ms": CREATED_MS,
    "last_updated_ms": CREATED_MS + 86_400_100,
    "cmp_id": 4001,
    "cmp_version": 77,
    "consent_screen": 61,
    "consent_language": "FR",
    "vendor_list_version": 3005,
    "policy_version": 5,
    "use_non_standard_texts": True,
    "special_feature_opt_ins": {2, 12},
    "purpose_consents": {1, 8, 24},
    "purpose_legitimate_interests": {2, 11},
    "purpose_one_treatment": True,
    "publisher_country_code": "AZ",
    "vendor_consents": {1, 5, 6, 7, 300},
    "vendor_legitimate_interests": {2, 301},
    "publisher_restrictions": ((1, 0, {5, 6, 9}), (63, 3, {65535})),
    "vendors_disclosed": {1, 2, 5, 6, 7, 300},
    "vendors_allowed": {4},
    "publisher_purpose_consents": {1, 23},
    "publisher_purpose_legitimate_interests": {9},
    "num_custom_purposes": 5,
    "publisher_custom_purpose_consents": {1, 5},
    "publisher_custom_purpose_legitimate_interests": {2},
}


def refused(text: str) -> tuple[str, str]:
    """Return with which code a text is refused, and at which place."""
    with pytest.raises(SignalError) as error:
        decode_tcf(text)
    return error.value.code, error.value.field


def plain(tc: TcString) -> dict[str, Any]:
    """Return the fields of a string under the names of the encoder."""
    names = set(DEFAULTS) - {"ranges", "order"}
    found = {name: getattr(tc, name) for name in names}
    found["publisher_restrictions"] = [
        (one.purpose, one.kind, one.vendors) for one in tc.publisher_restrictions
    ]
    return found


def expected(fields: dict[str, Any]) -> dict[str, Any]:
    """Return what a string with these fields must hold."""
    want = {**DEFAULTS, **fields}
    del want["ranges"], want["order"]
    if want["last_updated_ms"] is None:
        want["last_updated_ms"] = want["created_ms"]
    publisher = want["publisher_purpose_consents"] is not None
    for name, value in want.items():
        if name != "publisher_restrictions" and isinstance(value, tuple):
            want[name] = set(value)
        if name.startswith(("publisher_purpose", "publisher_custom", "num_custom")):
            want[name] = want[name] if publisher else None
    want["publisher_restrictions"] = [
        (purpose, kind, set(ids))
        for purpose, kind, ids in fields.get("publisher_restrictions", ())
    ]
    return want


# ---------------------------------------------------------------------------- fields
@pytest.mark.parametrize("ranges", [False, True])
@pytest.mark.parametrize("fields", [{}, FULL], ids=["defaults", "full"])
def test_fields(fields: dict[str, Any], ranges: bool) -> None:  # noqa: FBT001
    """Every field is read at its own place."""
    assert expected(fields) == plain(decode_tcf(encode_tc(**fields, ranges=ranges)))


def test_as_dict() -> None:
    """Fields have their names in the specification, and are ready for JSON."""
    found = decode_tcf(encode_tc(**FULL)).as_dict()

    assert found == json.loads(json.dumps(found))
    assert found == {
        "Version": 2,
        "Created": "2026-03-10T00:00:00.000Z",
        "LastUpdated": "2026-03-11T00:00:00.100Z",
        "CmpId": 4001,
        "CmpVersion": 77,
        "ConsentScreen": 61,
        "ConsentLanguage": "FR",
        "VendorListVersion": 3005,
        "TcfPolicyVersion": 5,
        "IsServiceSpecific": True,
        "UseNonStandardTexts": True,
        "SpecialFeatureOptIns": [2, 12],
        "PurposesConsent": [1, 8, 24],
        "PurposesLITransparency": [2, 11],
        "PurposeOneTreatment": True,
        "PublisherCC": "AZ",
        "VendorConsents": [1, 5, 6, 7, 300],
        "VendorLegitimateInterests": [2, 301],
        "PublisherRestrictions": [
            {"purpose": 1, "type": 0, "vendors": [5, 6, 9]},
            {"purpose": 63, "type": 3, "vendors": [65535]},
        ],
        "DisclosedVendors": [1, 2, 5, 6, 7, 300],
        "AllowedVendors": [4],
        "PubPurposesConsent": [1, 23],
        "PubPurposesLITransparency": [9],
        "NumCustomPurposes": 5,
        "CustomPurposesConsent": [1, 5],
        "CustomPurposesLITransparency": [2],
    }


def test_as_dict_without_segments() -> None:
    """A segment that is not there is null, not empty."""
    found = decode_tcf(encode_tc(vendors_disclosed=None)).as_dict()

    assert {name for name, value in found.items() if value is None} == {
        "DisclosedVendors",
        "AllowedVendors",
        "PubPurposesConsent",
        "PubPurposesLITransparency",
        "NumCustomPurposes",
        "CustomPurposesConsent",
        "CustomPurposesLITransparency",
    }


@given(st.permutations([1, 2, 3]))
def test_order_of_segments(order: list[int]) -> None:
    """Segments behind the core come in any order."""
    assert decode_tcf(encode_tc(**FULL)) == decode_tcf(encode_tc(**FULL, order=order))


def test_cmp_id_zero() -> None:
    """A string of no registered consent manager can be read."""
    assert decode_tcf(encode_tc(cmp_id=0)).cmp_id == 0


def test_says_nothing() -> None:
    """No repr shows what stood in the string, and nothing can be changed."""
    tc = decode_tcf(encode_tc(**FULL))

    assert f"{tc!r} {tc} {[tc]}" == "<TcString> <TcString> [<TcString>]"
    assert f"{tc.publisher_restrictions}" == "(<Restriction>, <Restriction>)"
    assert f"{tc.publisher}" == "<PublisherTC>"
    assert not hasattr(tc, "__dict__")
    with pytest.raises(AttributeError):
        tc.vendors_disclosed = None  # type: ignore[misc]


def test_sets_are_shared() -> None:
    """What is kept between strings is sets of purposes, not the rest of a string."""
    one, two = (
        decode_tcf(encode_tc(purpose_consents={1, 8}, created_ms=at)) for at in (0, 100)
    )

    assert one.purpose_consents is two.purpose_consents


# -------------------------------------------------------------------------- the end
@pytest.mark.parametrize("segment", range(4))
def test_zeros_follow(segment: int) -> None:
    """Encoders fill up to 6, 8 or 24 bits, or far more: zeros mean nothing."""
    parts = encode_tc(**FULL).split(".")
    whole = decode_tcf(".".join(parts))
    for zeros in (1, 2, 3, 4, 5, 100):
        filled = [*parts]
        filled[segment] += "A" * zeros
        assert whole == decode_tcf(".".join(filled))


@pytest.mark.parametrize("segment", range(4))
def test_ones_follow(segment: int) -> None:
    """A one behind the last field is data that nobody understood."""
    parts = encode_tc(**FULL).split(".")
    for tail in ("B", "AAB", "AAAAAAAAB", "gAAA"):
        filled = [*parts]
        filled[segment] += tail
        place = "segment" if segment else "core"
        assert ("trailing_data", place) == refused(".".join(filled))


def test_one_follows_in_last_character() -> None:
    """The last bit that a character has to spare is looked at."""
    bits = HEAD + NO_VENDORS * 2 + number(0, 12)
    assert len(bits) % 6

    decode_tcf(base64url(bits))
    assert refused(base64url(bits + "1")) == ("trailing_data", "core")


# -------------------------------------------------------------------------- refusals
BAD = {
    "empty": ("", ("empty", "")),
    "too long": ("C" + "A" * MAX_CHARS, ("too_long", "")),
    "cut early": ("CP", ("truncated", "core")),
    "cut in the purposes": (encode_tc()[:26], ("truncated", "core")),
    "only a dot": (".", ("truncated", "core")),
    "no core": ("." + encode_tc(), ("truncated", "core")),
    "version 1": (encode_tc(version=1), ("bad_version", "core")),
    "version 3": (encode_tc(version=3), ("bad_version", "core")),
    "lower case": (encode_tc().lower(), ("bad_version", "core")),
    "segment first": (
        ".".join(reversed(encode_tc().split("."))),
        ("bad_version", "core"),
    ),
    "empty segment": (encode_tc() + ".", ("truncated", "segment")),
    "padding": (encode_tc() + "=", ("bad_character", "segment")),
    "space": (encode_tc().replace("A", " ", 1), ("bad_character", "core")),
    "plus": (encode_tc() + ".+AAA", ("bad_character", "segment")),
    "macro": ("${GDPR_CONSENT_123}", ("bad_character", "core")),
    "GPP": ("DBABMA~" + encode_tc(), ("bad_character", "core")),
    "GPP header": ("DBABMA", ("bad_version", "core")),
    "core twice": (f"{encode_tc()}.{encode_tc()}", ("repeated_segment", "segment")),
    "disclosed twice": (
        f"{encode_tc()}.{encode_tc().split('.')[1]}",
        ("repeated_segment", "segment"),
    ),
    "type 4": (encode_tc() + ".gAAA", ("bad_segment", "segment")),
    "type 7": (encode_tc() + ".4AAA", ("bad_segment", "segment")),
    "short publisher": (encode_tc() + ".YAAA", ("truncated", "PublisherTC")),
    "short custom": (
        encode_tc() + "." + base64url(number(3, 3) + number(0, 48) + number(63, 6)),
        ("truncated", "PublisherTC"),
    ),
    "short disclosed": (
        encode_tc(vendors_disclosed=None) + ".IAA",
        ("truncated", "DisclosedVendors"),
    ),
    "short allowed": (encode_tc() + ".QAA", ("truncated", "AllowedVendors")),
    "no interests": (
        base64url(HEAD + NO_VENDORS),
        ("truncated", "VendorLegitimateInterests"),
    ),
    "no restrictions": (
        base64url(HEAD + NO_VENDORS * 2),
        ("truncated", "PublisherRestrictions"),
    ),
    "restrictions of nothing": (
        base64url(HEAD + NO_VENDORS * 2 + number(4095, 12)),
        ("truncated", "PublisherRestrictions"),
    ),
    "purpose 0": (
        encode_tc(publisher_restrictions=[(0, 1, {1})]),
        ("bad_value", "PublisherRestrictions"),
    ),
    "range over the maximum": (
        base64url(HEAD + number(5, 16) + "1" + number(1, 12) + entry(4, 6)),
        ("bad_range", "VendorConsents"),
    ),
    "range to the left": (
        base64url(
            HEAD
            + NO_VENDORS * 2
            + number(1, 12)
            + restriction(1, 0, ())[:8]
            + number(1, 12)
            + entry(9, 4)
        ),
        ("bad_range", "PublisherRestrictions"),
    ),
}


@pytest.mark.parametrize(("text", "code"), BAD.values(), ids=list(BAD))
def test_refused(text: str, code: tuple[str, str]) -> None:
    """What cannot be read in full raises, and the error quotes nothing."""
    assert code == refused(text)
    with pytest.raises(SignalError) as error:
        decode_tcf(text)
    assert len(text) < 4 or text not in str(error.value)


@pytest.mark.parametrize("at", [108, 114, 201, 207])
@pytest.mark.parametrize("value", [26, 63])
def test_letters(at: int, value: int) -> None:
    """A language and a country are capital letters."""
    bits = core_bits(DEFAULTS)
    name = "ConsentLanguage" if at < 200 else "PublisherCC"
    bad = bits[:at] + number(value, 6) + bits[at + 6 :]
    good = bits[:at] + number(25, 6) + bits[at + 6 :]

    assert ("bad_value", name) == refused(base64url(bad))
    assert "Z" in decode_tcf(base64url(good)).as_dict()[name]


def test_bit_field_is_shorter_than_its_maximum() -> None:
    """A bit field has a bit for each vendor that it says it has."""
    bits = HEAD + number(500, 16) + "0" + flags(range(1, 400), 400)

    assert refused(base64url(bits)) == ("truncated", "VendorConsents")


def test_longest() -> None:
    """A string of as many characters as may be is read."""
    text = encode_tc(vendors_disclosed=None)

    decode_tcf(text + "A" * (MAX_CHARS - len(text)))
    assert refused(text + "A" * (MAX_CHARS + 1 - len(text))) == ("too_long", "")
