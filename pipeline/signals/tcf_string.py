"""
What stands in a TC string, field by field.

The fields of fixed width are read where they are asked for: most requests need
five of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from pipeline.signals.bits import VendorSet

# The core's fields of fixed width: how many bits, and where two of them start.
HEAD_BITS = 213
LANGUAGE, COUNTRY = 108, 201
PURPOSES = 24
_DECISECOND_MS = 100
_1970 = datetime(1970, 1, 1, tzinfo=UTC)


class Restriction(NamedTuple):
    """
    What a publisher takes away from vendors for one purpose.

    Attributes:
        purpose: the purpose's number, from 1.
        kind: 0 not allowed, 1 consent required, 2 legitimate interest required;
            3 has no meaning, but is found.
        vendors: whom it is about.

    """

    purpose: int
    kind: int
    vendors: VendorSet

    def __repr__(self) -> str:
        """Say nothing of the content."""
        return "<Restriction>"


class PublisherTc(NamedTuple):
    """The PublisherTC segment: two fields of 24 bits, two of `custom` bits."""

    purposes: int
    custom: int
    custom_purposes: int

    def __repr__(self) -> str:
        """Say nothing of the content."""
        return "<PublisherTC>"


class _Number:
    """A field of the core's head: its first bit, its width, its unit."""

    def __init__(self, at: int, width: int, unit: int = 1) -> None:
        self._shift = HEAD_BITS - at - width
        self._mask = (1 << width) - 1
        self._unit = unit

    def __get__(self, tc: "TcString", owner: type) -> int:
        return (tc.head >> self._shift & self._mask) * self._unit


class _Flag:
    """A bit of the core's head."""

    def __init__(self, at: int) -> None:
        self._shift = HEAD_BITS - at - 1

    def __get__(self, tc: "TcString", owner: type) -> bool:
        return bool(tc.head >> self._shift & 1)


class _Flags:
    """So many bits of the core's head, the first for 1: the numbers that are on."""

    def __init__(self, at: int, width: int) -> None:
        self._shift = HEAD_BITS - at - width
        self._width = width

    def __get__(self, tc: "TcString", owner: type) -> frozenset[int]:
        return _numbers(tc.head >> self._shift, self._width)


class _Letters:
    """Two capital letters of 6 bits each."""

    def __init__(self, at: int) -> None:
        self._shift = HEAD_BITS - at - 12

    def __get__(self, tc: "TcString", owner: type) -> str:
        bits = tc.head >> self._shift
        return chr(65 + (bits >> 6 & 63)) + chr(65 + (bits & 63))


@dataclass(frozen=True, slots=True, repr=False)
class TcString:
    """
    What a TC string says; whether it counts is `pipeline.signals.tcf.validity`.

    Times are ms since 1970 UTC. Purposes, special features and vendors are sets of
    their numbers. Of a segment that the string does not have, all is None.

    Attributes:
        head: the first 213 bits of the core, of which most fields are read.
        publisher_restrictions: in the string's order.

    """

    head: int
    vendor_consents: VendorSet
    vendor_legitimate_interests: VendorSet
    publisher_restrictions: tuple[Restriction, ...]
    vendors_disclosed: VendorSet | None
    vendors_allowed: VendorSet | None
    publisher: PublisherTc | None

    version = _Number(0, 6)
    created_ms = _Number(6, 36, _DECISECOND_MS)
    last_updated_ms = _Number(42, 36, _DECISECOND_MS)
    cmp_id = _Number(78, 12)
    cmp_version = _Number(90, 12)
    consent_screen = _Number(102, 6)
    consent_language = _Letters(LANGUAGE)
    vendor_list_version = _Number(120, 12)
    policy_version = _Number(132, 6)
    is_service_specific = _Flag(138)
    use_non_standard_texts = _Flag(139)
    special_feature_opt_ins = _Flags(140, 12)
    purpose_consents = _Flags(152, PURPOSES)
    purpose_legitimate_interests = _Flags(176, PURPOSES)
    purpose_one_treatment = _Flag(200)
    publisher_country_code = _Letters(COUNTRY)

    @property
    def publisher_purpose_consents(self) -> frozenset[int] | None:
        """The purposes that the publisher has consent for."""
        if self.publisher is None:
            return None
        return _numbers(self.publisher.purposes >> PURPOSES, PURPOSES)

    @property
    def publisher_purpose_legitimate_interests(self) -> frozenset[int] | None:
        """The purposes of the publisher's own legitimate interests."""
        if self.publisher is None:
            return None
        return _numbers(self.publisher.purposes, PURPOSES)

    @property
    def num_custom_purposes(self) -> int | None:
        """How many purposes the publisher has beside those of the framework."""
        return None if self.publisher is None else self.publisher.custom

    @property
    def publisher_custom_purpose_consents(self) -> frozenset[int] | None:
        """The publisher's own purposes that there is consent for."""
        if self.publisher is None:
            return None
        _, custom, bits = self.publisher
        return _numbers(bits >> custom, custom)

    @property
    def publisher_custom_purpose_legitimate_interests(self) -> frozenset[int] | None:
        """The publisher's own purposes of its legitimate interests."""
        if self.publisher is None:
            return None
        _, custom, bits = self.publisher
        return _numbers(bits, custom)

    def as_dict(self) -> dict[str, Any]:
        """Return every field under its name in the specification, JSON-ready."""
        return {
            "Version": self.version,
            "Created": _rfc3339(self.created_ms),
            "LastUpdated": _rfc3339(self.last_updated_ms),
            "CmpId": self.cmp_id,
            "CmpVersion": self.cmp_version,
            "ConsentScreen": self.consent_screen,
            "ConsentLanguage": self.consent_language,
            "VendorListVersion": self.vendor_list_version,
            "TcfPolicyVersion": self.policy_version,
            "IsServiceSpecific": self.is_service_specific,
            "UseNonStandardTexts": self.use_non_standard_texts,
            "SpecialFeatureOptIns": sorted(self.special_feature_opt_ins),
            "PurposesConsent": sorted(self.purpose_consents),
            "PurposesLITransparency": sorted(self.purpose_legitimate_interests),
            "PurposeOneTreatment": self.purpose_one_treatment,
            "PublisherCC": self.publisher_country_code,
            "VendorConsents": self.vendor_consents.to_list(),
            "VendorLegitimateInterests": self.vendor_legitimate_interests.to_list(),
            "PublisherRestrictions": [
                {"purpose": one.purpose, "type": one.kind, "vendors": list(one.vendors)}
                for one in self.publisher_restrictions
            ],
            "DisclosedVendors": _listed(self.vendors_disclosed),
            "AllowedVendors": _listed(self.vendors_allowed),
            "PubPurposesConsent": _listed(self.publisher_purpose_consents),
            "PubPurposesLITransparency": _listed(
                self.publisher_purpose_legitimate_interests
            ),
            "NumCustomPurposes": self.num_custom_purposes,
            "CustomPurposesConsent": _listed(self.publisher_custom_purpose_consents),
            "CustomPurposesLITransparency": _listed(
                self.publisher_custom_purpose_legitimate_interests
            ),
        }

    def __repr__(self) -> str:
        """Say nothing: a consent string is a mark of its browser."""
        return "<TcString>"


def _numbers(bits: int, width: int) -> frozenset[int]:
    """Return the numbers of the bits that are on, of the lowest `width`."""
    return _numbers_of(bits & (1 << width) - 1, width)


# Visitors choose among a handful of buttons: the same sets come again and again.
@lru_cache(maxsize=512)
def _numbers_of(bits: int, width: int) -> frozenset[int]:
    return frozenset(
        number for number in range(1, width + 1) if bits >> width - number & 1
    )


def _listed(numbers: Iterable[int] | None) -> list[int] | None:
    return None if numbers is None else sorted(numbers)


def _rfc3339(ms: int) -> str:
    at = _1970 + timedelta(milliseconds=ms)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
