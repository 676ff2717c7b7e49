"""
Whether a policy holds together: what `schemas.policy` refuses to load.

Everything that the code names (events, tables, consent categories) is in the
policy and the other way round; every name refers to something; a field keeps no
more with less consent; and a table can be made from what is said of it.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date

from schemas.consent import ASKED, CATEGORIES
from schemas.ddl import EMPTY
from schemas.event import EVENT_TYPES
from schemas.policy_table_check import check_table
from schemas.policy_types import (
    SHAPES,
    Column,
    EventRule,
    Field,
    Policy,
    PolicyError,
)

RIGHTS = (
    "access",
    "rectification",
    "erasure",
    "restriction",
    "objection",
    "portability",
    "consent_withdrawal",
)
# How many parts each chapter of the published text has, 1 to 13.
_PARTS = (0, 3, 2, 4, 3, 0, 0, 6, 3, 0, 0, 0, 0)
HEADINGS = frozenset(
    f"{chapter}.{part}" if part else f"{chapter}"
    for chapter, parts in enumerate(_PARTS, start=1)
    for part in range(parts + 1)
)
MAX_DAYS = 36_500
_TABLES = ("events", "counts", "consents")
_DPV = re.compile(r"(dpv|pd|eu-gdpr):[A-Z][A-Za-z0-9-]+")
# What tells one visitor from another goes with the pseudonym, whatever a change
# of the policy calls it: by the kind of data, and by name should a field move to
# another kind.
_PERSONAL_KINDS = frozenset({"identifiers", "precise_location"})
_PERSONAL_FIELDS = frozenset(
    {"client_address", "visitor_id", "geo_latitude", "geo_longitude"}
)


def check_policy(policy: Policy) -> None:
    """
    Check that a policy holds together.

    Raises:
        PolicyError: at the first thing that does not, naming its key.

    """
    _check_header(policy)
    _check_versions(policy)
    _check_same("consent_categories", policy.consent_categories, CATEGORIES)
    _check_same("rights", policy.rights, RIGHTS)
    _check_same("events", policy.events, EVENT_TYPES)
    _check_same("tables", policy.tables, _TABLES)
    _check_sources(policy)
    for name, kept in policy.retention.items():
        _refer(f"retention.{name}.reason", [kept.reason], policy.retention_reasons)
        _check_days(f"retention.{name}.days", kept.days)
    for name, rule in policy.events.items():
        _check_use(policy, f"events.{name}", rule)
        _check_consent(policy, f"events.{name}", rule)
    for name, field in policy.fields.items():
        _check_column(policy, f"fields.{name}", field)
        _check_consent(policy, f"fields.{name}", field)
        _check_field(policy, name, field)
    for name, column in policy.ledger.items():
        _check_column(policy, f"ledger.{name}", column)
    for name, table in policy.tables.items():
        _refer(f"tables.{name}.retention", [table.retention], policy.retention)
        check_table(policy, name)
    _check_used(policy)


def _refer(where: str, names: Iterable[str], known: Mapping[str, object]) -> None:
    for name in names:
        if name not in known:
            raise PolicyError(where, f"refers to {name!r}, which does not exist")


def _check_same(section: str, given: Iterable[str], known: Iterable[str]) -> None:
    given, known = set(given), set(known)
    for name in sorted(given - known):
        raise PolicyError(f"{section}.{name}", "the code knows no such entry")
    for name in sorted(known - given):
        raise PolicyError(f"{section}.{name}", "is missing")


def _check_header(policy: Policy) -> None:
    header = policy.header
    _check_date("policy.version", header.version)
    for name in ("contact_section", "children_section"):
        _check_section(f"policy.{name}", getattr(header, name))
    _check_days("policy.consent_valid_days", header.consent_valid_days)


def _check_versions(policy: Policy) -> None:
    versions = list(policy.policy_versions)
    for name, version in policy.policy_versions.items():
        where = f"policy_versions.{name}"
        _check_date(where, name)
        _refer(f"{where}.material", version.material, dict.fromkeys(ASKED))
    if versions != sorted(versions):
        raise PolicyError("policy_versions", "must be in order, the oldest first")
    if versions[-1] != policy.version:
        raise PolicyError(
            f"policy_versions.{versions[-1]}", f"the last must be {policy.version}"
        )


def _check_date(where: str, text: str) -> None:
    # Versions are compared as text, which only whole ISO dates bear.
    try:
        same = date.fromisoformat(text).isoformat() == text
    except ValueError:
        same = False
    if not same:
        raise PolicyError(where, "must be a date, YYYY-MM-DD")


def _check_days(where: str, days: int) -> None:
    if not 1 <= days <= MAX_DAYS:
        raise PolicyError(where, f"must be 1 to {MAX_DAYS} days")


def _check_section(where: str, section: str) -> None:
    if section not in HEADINGS:
        raise PolicyError(where, f"{section!r} is no heading of the published policy")


def _check_sources(policy: Policy) -> None:
    for section in (
        "data_categories",
        "purposes",
        "consent_categories",
        "retention_reasons",
        "rights",
    ):
        for name, entry in getattr(policy, section).items():
            where = f"{section}.{name}"
            _check_section(f"{where}.section", entry.section)
            if not _DPV.fullmatch(entry.dpv):
                raise PolicyError(
                    f"{where}.dpv", f"{entry.dpv!r} is no term of dpv, pd or eu-gdpr"
                )


def _check_use(policy: Policy, where: str, use: EventRule | Column) -> None:
    _refer(f"{where}.data_category", [use.data_category], policy.data_categories)
    if not policy.data_categories[use.data_category].collected:
        raise PolicyError(
            f"{where}.data_category",
            f"{use.data_category!r} is declared never collected here",
        )
    _refer(f"{where}.purposes", use.purposes, policy.purposes)
    if not use.purposes:
        raise PolicyError(f"{where}.purposes", "names no purpose")
    for purpose in use.purposes:
        if not policy.purposes[purpose].used:
            raise PolicyError(
                f"{where}.purposes", f"{purpose!r} is declared not used here"
            )


def _check_consent(policy: Policy, where: str, use: EventRule | Field) -> None:
    _refer(
        f"{where}.consent_category", [use.consent_category], policy.consent_categories
    )


def _check_column(policy: Policy, where: str, column: Column) -> None:
    _check_use(policy, where, column)
    if column.type not in EMPTY:
        raise PolicyError(f"{where}.type", f"{column.type!r} is no type of a column")
    _refer(f"{where}.retention", [column.retention], policy.retention)


def _check_field(policy: Policy, name: str, field: Field) -> None:
    where = f"fields.{name}"
    for shape in SHAPES:
        _refer(f"{where}.{shape}", [field.remains(shape)], policy.transforms)
    # What is cut or gone with a pseudonym must not come back without one.
    if _weight(field.anonymous) > _weight(field.identified):
        raise PolicyError(f"{where}.anonymous", "keeps more than identified does")
    if _weight(field.counted) > _weight(field.anonymous):
        raise PolicyError(f"{where}.counted", "keeps more than anonymous does")
    # Counted keeps no more than anonymous does, so this is about both.
    personal = field.data_category in _PERSONAL_KINDS or name in _PERSONAL_FIELDS
    if personal and field.anonymous != "absent":
        raise PolicyError(
            f"{where}.anonymous", "tells visitors apart, so it must be absent here"
        )


def _weight(transform: str) -> int:
    return {"absent": 0, "keep": 2}.get(transform, 1)


def _check_used(policy: Policy) -> None:
    uses: list[EventRule | Column] = [
        *policy.events.values(),
        *policy.fields.values(),
        *policy.ledger.values(),
    ]
    purposes = {purpose for use in uses for purpose in use.purposes}
    for name, purpose in policy.purposes.items():
        if purpose.used and name not in purposes:
            raise PolicyError(f"purposes.{name}.used", "no event or field serves it")
    categories = {use.data_category for use in uses}
    for name, category in policy.data_categories.items():
        if category.collected and name not in categories:
            raise PolicyError(
                f"data_categories.{name}.collected", "no event or field holds it"
            )
