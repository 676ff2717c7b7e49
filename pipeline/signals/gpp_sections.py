"""
The sections of a GPP string: their ids, places and field layouts, as data.

Source: IAB Tech Lab, Global Privacy Platform, Sections/US-National and
Sections/US-States; widths, order and optional segments as the official library
(@iabgpp/cmpapi 3.2.0) has them.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

TCF_EU: Final = 2
TCF_CA: Final = 5
US_PRIVACY: Final = 6
US_NATIONAL: Final = 7


class Field(NamedTuple):
    """
    A field: `many` numbers of `width` bits each, or one plain number if that is 0.

    Values go from `low` to `high`, in lists from 0 to 2; another one raises `code`.
    """

    name: str
    width: int = 2
    many: int = 0
    low: int = 0
    # No specification gives a 3 any meaning.
    high: int = 2
    code: str = "bad_value"


Layout = tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """
    A section of US law.

    Attributes:
        name: prefix of the client API, such as usca.
        core: layout of the first segment.
        extra: layout of the one further segment that may follow, None if none may.
        location: which number of SensitiveDataProcessing is precise location, from
            1; 0 if the section does not speak of it.
        asks: whether that number is a consent (1 no, 2 yes). Where it is an opt-out
            (1 opted out, 2 did not), a 2 is no consent of anyone.

    """

    name: str
    core: Layout
    extra: Layout | None
    location: int
    asks: bool = True


# A later version may have another layout, and would be misread.
_VERSION = Field("Version", 6, low=1, high=1, code="bad_version")
_COVERED = Field("MspaCoveredTransaction", low=1)
_MSPA = (_COVERED, Field("MspaOptOutOptionMode"), Field("MspaServiceProviderMode"))
# 1 is the type of the segment, and all that may stand there.
_GPC = (
    Field("GpcSegmentType", low=1, high=1, code="bad_segment"),
    Field("Gpc", 1),
)
_SENSITIVE = "SensitiveDataProcessing"
_CHILD = "KnownChildSensitiveDataConsents"
_SALE_ADS = ("SaleOptOut", "TargetedAdvertisingOptOut")
_NOTICES = ("SaleOptOutNotice", "TargetedAdvertisingOptOutNotice")


def _plain(*names: str) -> Layout:
    return tuple(Field(name) for name in names)


def _state(
    notice: str,
    sensitive: int,
    child: int,
    *,
    more: str = "",
    additional: bool = False,
) -> Layout:
    """Return the shape that most states share."""
    return (
        _VERSION,
        *_plain(notice, *_NOTICES, *([more] if more else []), *_SALE_ADS),
        Field(_SENSITIVE, many=sensitive),
        Field(_CHILD, many=child),
        *_plain(*(["AdditionalDataProcessingConsent"] if additional else [])),
        *_MSPA,
    )


def _recent(*, child: bool) -> Layout:
    """
    Return the shape of the sections of 2025: the agreement comes first.

    Their drafts also put a header into the section; the official library does not.
    """
    return (
        # The version of the agreement, not of the layout.
        Field("MspaVersion", 6, high=63),
        _COVERED,
        *_plain("MspaMode", "ProcessingNotice", *_NOTICES, *_SALE_ADS),
        *_plain(*([_CHILD] if child else []), "AdditionalDataProcessingConsent"),
    )


def _national(sensitive: int, child: int) -> Layout:
    return (
        _VERSION._replace(high=2),
        *_plain("SharingNotice", "SaleOptOutNotice", "SharingOptOutNotice"),
        *_plain("TargetedAdvertisingOptOutNotice"),
        *_plain("SensitiveDataProcessingOptOutNotice", "SensitiveDataLimitUseNotice"),
        *_plain("SaleOptOut", "SharingOptOut", "TargetedAdvertisingOptOut"),
        Field(_SENSITIVE, many=sensitive),
        Field(_CHILD, many=child),
        *_plain("PersonalDataConsents"),
        *_MSPA,
    )


_CALIFORNIA = (
    _VERSION,
    *_plain("SaleOptOutNotice", "SharingOptOutNotice", "SensitiveDataLimitUseNotice"),
    *_plain("SaleOptOut", "SharingOptOut"),
    Field(_SENSITIVE, many=9),
    Field(_CHILD, many=2),
    *_plain("PersonalDataConsents"),
    *_MSPA,
)
# Indiana, Kentucky and Rhode Island carry the list in a segment of its own, untyped.
_CONSENTS = (Field(_SENSITIVE, many=8),)

# usnat was lengthened without a new version, so its length tells: up to 66 bits it
# is the older layout, whatever Version says (UsNatCoreSegment of the library).
NATIONAL_OLD: Final = _national(12, 2)
NATIONAL_OLD_BITS: Final = 66

_PROCESSING, _SHARING = "ProcessingNotice", "SharingNotice"
_SENSITIVE_NOTICE = "SensitiveDataProcessingOptOutNotice"

SECTIONS: Final = MappingProxyType(
    {
        US_NATIONAL: Section("usnat", _national(16, 3), _GPC, 8),
        8: Section("usca", _CALIFORNIA, _GPC, 3, asks=False),
        9: Section("usva", _state(_SHARING, 8, 0), None, 8),
        # Colorado lists seven kinds of data, and location is none of them.
        10: Section("usco", _state(_SHARING, 7, 0), _GPC, 0),
        11: Section(
            "usut",
            _state(_SHARING, 8, 0, more=_SENSITIVE_NOTICE),
            None,
            8,
            asks=False,
        ),
        12: Section("usct", _state(_SHARING, 8, 3), _GPC, 8),
        13: Section("usfl", _state(_PROCESSING, 8, 3, additional=True), None, 8),
        14: Section("usmt", _state(_SHARING, 8, 3, additional=True), _GPC, 8),
        15: Section("usor", _state(_PROCESSING, 11, 3, additional=True), _GPC, 11),
        16: Section("ustx", _state(_PROCESSING, 8, 0, additional=True), _GPC, 8),
        17: Section("usde", _state(_PROCESSING, 9, 5, additional=True), _GPC, 9),
        18: Section(
            "usia",
            _state(_PROCESSING, 8, 0, more="SensitiveDataOptOutNotice"),
            _GPC,
            8,
            asks=False,
        ),
        19: Section("usne", _state(_PROCESSING, 8, 0, additional=True), _GPC, 8),
        20: Section("usnh", _state(_PROCESSING, 8, 3, additional=True), _GPC, 8),
        21: Section("usnj", _state(_PROCESSING, 10, 5, additional=True), _GPC, 8),
        22: Section("ustn", _state(_PROCESSING, 8, 0, additional=True), _GPC, 8),
        23: Section("usmn", _state(_PROCESSING, 8, 0, additional=True), _GPC, 8),
        # Maryland forbids the sale of sensitive data and has no list of it.
        24: Section("usmd", _recent(child=False), _GPC, 0),
        25: Section("usin", _recent(child=True), _CONSENTS, 8),
        26: Section("usky", _recent(child=True), _CONSENTS, 8),
        27: Section("usri", _recent(child=True), _CONSENTS, 8),
    }
)

NAMES: Final = MappingProxyType(
    {TCF_EU: "tcfeuv2", TCF_CA: "tcfcav1", US_PRIVACY: "uspv1"}
    | {number: section.name for number, section in SECTIONS.items()}
)

# Where a section is in force: a country, ISO 3166-2, or EU for the whole framework.
SECTION_PLACES: Final = MappingProxyType(
    {TCF_EU: "EU", TCF_CA: "CA", US_PRIVACY: "US", US_NATIONAL: "US"}
    | {
        number: f"US-{section.name[2:].upper()}"
        for number, section in SECTIONS.items()
        if number != US_NATIONAL
    }
)
