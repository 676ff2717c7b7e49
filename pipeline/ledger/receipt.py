"""
Consent receipts: a record of the ledger, told to the one whose choice it was.

Two forms: ISO/IEC TS 27560:2023 (names as in the W3C guide "Consent Records with ISO
27560") and Kantara Consent Receipt v1.1.0. What a category means, serves and keeps is
read off the policy; the only mark of a person is the record's own pseudonym. Pure: the
same record gives the same receipt.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec

from pipeline.clock import parse_time
from schemas.consent import ASKED, Category
from schemas.policy import Policy

Form = Literal["iso27560", "kantara"]

KANTARA_VERSION: Final = "KI-CR-v1.1.0"
_BASIS: Final = "dpv:Consent"
# Sensitive by the laws of several US states; of GDPR Art. 9 nothing is collected.
_SENSITIVE: Final = frozenset({"precise_location"})
# What the policy does not know of an installation: told if it is stated, else null.
_STATED: Final = (
    "processing_method",
    "storage_locations",
    "processing_locations",
    "geographic_restrictions",
    "recipient_third_parties",
    "codes_of_conduct",
    "impact_assessment",
    "authority_party",
)
_PLACE: Final = ("chain", "sequence", "hash")


class Controller(msgspec.Struct, frozen=True, kw_only=True):
    """
    What an installation says of itself; empty where it does not.

    Attributes:
        withdrawal_url: where a choice is changed, and taken back.
        policy_url: where the policy can be read.
        contact: how to reach the controller.
        stated: other facts, by their names in ISO/IEC TS 27560.

    """

    withdrawal_url: str = ""
    policy_url: str = ""
    contact: str = ""
    stated: Mapping[str, Any] = msgspec.field(default_factory=dict)


def receipt(
    form: Form, row: Mapping[str, Any], policy: Policy, controller: Controller
) -> dict[str, Any]:
    """Return a record's receipt in one of the two forms."""
    make = iso27560 if form == "iso27560" else kantara
    return make(row, policy, controller)


def iso27560(
    row: Mapping[str, Any], policy: Policy, controller: Controller
) -> dict[str, Any]:
    """
    Return a record in the sections of ISO/IEC TS 27560:2023, ready for JSON.

    Args:
        row: a record: what the edge writes, or a row of kastana.consents.
        policy: the policy in force.
        controller: what the installation says of itself.

    """
    given = _given(row)
    kinds = _kinds(given, policy)
    days = policy.header.consent_valid_days
    return {
        "header": {
            "schema_version": row["schema_version"],
            "record_id": row["record_id"],
            "pii_principal_id": _principal(row),
        },
        "processing": {
            "privacy_notice": {
                "notice": row["notice"],
                "policy": policy.header.title,
                "policy_version": row["policy_version"],
                "policy_url": controller.policy_url,
            },
            "language": row["browser_language"],
            "purposes": [_purpose(name, row, policy) for name in ASKED],
            "lawful_basis": _BASIS,
            "pii_information": kinds,
            "pii_controllers": [policy.header.controller],
            "collection_method": {
                "method": row["consent_method"],
                "sources": list(row["consent_sources"]),
                "signals": list(row["consent_flags"]),
            },
            "retention_period": _days(
                policy.retention[policy.ledger["record_id"].retention].days
            ),
            "jurisdiction": row["jurisdiction"],
            "rules": {"regime": row["regime"], "version": row["regime_version"]},
            "withdrawal_method": _withdrawal(policy, controller),
            "privacy_rights": [
                {
                    "right": right.dpv,
                    "title": right.title,
                    "article": right.article,
                    "section": right.section,
                }
                for right in policy.rights.values()
            ],
            **{name: controller.stated.get(name) for name in _STATED},
        },
        "PII": [
            {
                "pii_type": policy.data_categories[name].title,
                "pii_attribute_id": policy.data_categories[name].dpv,
                "pii_optional": True,
                "sensitive_pii_category": name in _SENSITIVE,
                "special_pii_category": False,
            }
            for name in kinds
        ],
        "party": [
            {
                "party_name": policy.header.controller,
                "party_role": "dpv:DataController",
                "party_contact": _contact(policy, controller),
                "party_type": "dpv:LegalEntity",
            }
        ],
        "event": [
            {
                "event_time": _moment(row).isoformat(timespec="milliseconds"),
                "validity_duration": _days(days) if given else None,
                "entity_id": _principal(row),
                "event_type": row["consent_method"],
                "event_state": f"dpv:{row['event_state']}",
            }
        ],
        "ledger": _place(row),
    }


def kantara(
    row: Mapping[str, Any], policy: Policy, controller: Controller
) -> dict[str, Any]:
    """
    Return a record as a Kantara Consent Receipt v1.1.0, ready for JSON.

    The form knows only what was consented to: after a refusal or a withdrawal of
    everything its list of purposes is empty, and `extensions` says which it was.

    Args:
        row: a record: what the edge writes, or a row of kastana.consents.
        policy: the policy in force.
        controller: what the installation says of itself.

    """
    given = _given(row)
    sensitive = [name for name in _kinds(given, policy) if name in _SENSITIVE]
    return {
        "version": KANTARA_VERSION,
        "jurisdiction": row["jurisdiction"],
        "consentTimestamp": int(_moment(row).timestamp()),
        "collectionMethod": row["consent_method"],
        "consentReceiptID": row["record_id"],
        "publicKey": "",
        "language": row["browser_language"],
        "piiPrincipalId": _principal(row),
        "piiControllers": [
            {
                "piiController": policy.header.controller,
                "onBehalf": False,
                "contact": _contact(policy, controller),
                "address": {},
                "email": "",
                "phone": "",
            }
        ],
        "policyUrl": controller.policy_url,
        "services": [
            {
                "service": row["site"],
                "purposes": [
                    _kantara_purpose(name, row, policy, controller) for name in given
                ],
            }
        ],
        "sensitive": bool(sensitive),
        "spiCat": [policy.data_categories[name].title for name in sensitive],
        "extensions": {
            "event_state": row["event_state"],
            "policy_version": row["policy_version"],
            "withdrawal_method": _withdrawal(policy, controller),
            "ledger": _place(row),
        },
    }


def _purpose(
    category: Category, row: Mapping[str, Any], policy: Policy
) -> dict[str, Any]:
    about = policy.consent_categories[category]
    return {
        "purpose": about.title,
        "purpose_type": about.dpv,
        "section": about.section,
        "state": row[f"consent_{category}"],
        "serves": [
            {"purpose": policy.purposes[name].title, "type": policy.purposes[name].dpv}
            for name in _served(category, policy)
        ],
        "pii_information": _kinds((category,), policy),
        "retention_period": _retention(category, policy),
    }


def _kantara_purpose(
    category: Category,
    row: Mapping[str, Any],
    policy: Policy,
    controller: Controller,
) -> dict[str, Any]:
    about = policy.consent_categories[category]
    served = [policy.purposes[name] for name in _served(category, policy)]
    third_parties = controller.stated.get("recipient_third_parties") or []
    return {
        "purpose": about.title,
        "purposeCategory": [one.dpv for one in served] or [about.dpv],
        "consentType": str(row["consent_method"]).upper(),
        "piiCategory": [
            policy.data_categories[name].title for name in _kinds((category,), policy)
        ],
        "primaryPurpose": False,
        "termination": controller.withdrawal_url or _retention(category, policy) or "",
        "thirdPartyDisclosure": bool(third_parties),
        "thirdPartyName": ", ".join(third_parties),
    }


def _given(row: Mapping[str, Any]) -> tuple[Category, ...]:
    return tuple(name for name in ASKED if row[f"consent_{name}"] == "given")


def _served(category: Category, policy: Policy) -> list[str]:
    """Return the purposes that events and fields of a category serve."""
    used = [
        *((one.consent_category, one.purposes) for one in policy.events.values()),
        *((one.consent_category, one.purposes) for one in policy.fields.values()),
    ]
    served = {name for needed, names in used if needed == category for name in names}
    return [name for name in policy.purposes if name in served]


def _kinds(categories: tuple[Category, ...], policy: Policy) -> list[str]:
    """Return the kinds of data that fields of some categories hold."""
    held = {
        field.data_category
        for field in policy.fields.values()
        if field.consent_category in categories
    }
    return [name for name in policy.data_categories if name in held]


def _retention(category: Category, policy: Policy) -> str | None:
    """Return how long the longest-kept field of a category is kept."""
    kept = [
        policy.retention[field.retention].days
        for field in policy.fields.values()
        if field.consent_category == category
    ]
    return _days(max(kept)) if kept else None


def _withdrawal(policy: Policy, controller: Controller) -> dict[str, str]:
    right = policy.rights["consent_withdrawal"]
    return {
        "url": controller.withdrawal_url,
        "article": right.article,
        "section": right.section,
    }


def _contact(policy: Policy, controller: Controller) -> str:
    section = f"{policy.header.title}, section {policy.header.contact_section}"
    return controller.contact or section


def _principal(row: Mapping[str, Any]) -> str:
    """Return the pseudonym as text: JSON's numbers are too short for it."""
    number = str(row["principal"])
    return "" if number == "0" else number


def _moment(row: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(parse_time(row["event_time"]) / 1000, UTC)


def _place(row: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the record's place in the ledger, None while it has none."""
    if not all(row.get(name) for name in _PLACE):
        return None
    return {name: str(row[name]) for name in _PLACE}


def _days(days: int) -> str:
    return f"P{days}D"
