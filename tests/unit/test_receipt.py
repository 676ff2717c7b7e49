"""Receipts: a record as its person may have it, and the policy's words for it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from collector import commands_receipt
from collector.folder import Folder
from collector.options import Unreachable
from pipeline.ledger.receipt import (
    KANTARA_VERSION,
    Controller,
    iso27560,
    kantara,
    receipt,
)
from schemas.consent import ASKED
from schemas.policy import load_policy
from tests.builders import EVENT_ID, policy_toml
from tests.strategies import STATES

POLICY = load_policy()
TOML = policy_toml()
CONTROLLER = Controller(
    withdrawal_url="https://c.example/consent",
    policy_url="https://example.com/privacy",
    contact="privacy@example.com",
    stated={"storage_locations": ["CH"], "recipient_third_parties": ["Post AG"]},
)
ROW: dict[str, Any] = {
    "record_id": EVENT_ID,
    "site": "example.com",
    "event_time": "2025-06-01 12:34:55.289",
    "received_at": "2025-06-01 12:34:56.789",
    "event_state": "ConsentGiven",
    "principal": 2**63 + 5,
    "principal_scope": "persistent",
    "consent_preference": "unknown",
    "consent_statistics": "given",
    "consent_marketing": "refused",
    "consent_precise_location": "unknown",
    "consent_flags": ["gpc"],
    "consent_sources": ["own"],
    "consent_method": "explicit",
    "policy_version": "2025-05-16",
    "notice": "banner-7",
    "regime": "every+eu_fr_exempt",
    "regime_version": "2026-11-23+2026-11-23",
    "jurisdiction": "FR",
    "signal_hash": "ab" * 16,
    "decoder_version": "1",
    "collector_version": "0.1.0",
    "browser_language": "de",
    "schema_version": "27560:2023",
}
PLACE = {"chain": "c" * 32, "sequence": 7, "hash": "d" * 64}
# The names of ISO/IEC TS 27560:2023, as the W3C guide writes them.
PROCESSING = """
    privacy_notice language purposes lawful_basis pii_information pii_controllers
    collection_method processing_method storage_locations retention_period
    processing_locations geographic_restrictions jurisdiction recipient_third_parties
    withdrawal_method privacy_rights codes_of_conduct impact_assessment authority_party
"""
KANTARA = """
    version jurisdiction consentTimestamp collectionMethod consentReceiptID publicKey
    language piiPrincipalId piiControllers policyUrl services sensitive spiCat
"""
KANTARA_PURPOSE = """
    purpose purposeCategory consentType piiCategory primaryPurpose termination
    thirdPartyDisclosure thirdPartyName
"""


def row(**changes: Any) -> dict[str, Any]:
    """Return a record with other values."""
    return {**ROW, **changes}


def serves(category: str) -> set[str]:
    """Return the titles of what a category serves, straight from the policy's file."""
    return {
        TOML["purposes"][purpose]["title"]
        for part in ("events", "fields")
        for rule in TOML[part].values()
        if rule["consent_category"] == category
        for purpose in rule["purposes"]
    }


def days(category: str) -> str:
    """Return the longest retention of a category, straight from the policy's file."""
    longest = max(
        TOML["retention"][field["retention"]]["days"]
        for field in TOML["fields"].values()
        if field["consent_category"] == category
    )
    return f"P{longest}D"


# ---------------------------------------------------------------------------- 27560
def test_iso_sections() -> None:
    """The five sections with all their names."""
    told = iso27560(ROW, POLICY, CONTROLLER)

    assert ["header", "processing", "PII", "party", "event", "ledger"] == list(told)
    assert {"schema_version", "record_id", "pii_principal_id"} == set(told["header"])
    assert set() == set(PROCESSING.split()) - set(told["processing"])
    assert {
        "pii_type",
        "pii_attribute_id",
        "pii_optional",
        "sensitive_pii_category",
        "special_pii_category",
    } == set(told["PII"][0])
    assert {"party_name", "party_role", "party_contact", "party_type"} == set(
        told["party"][0]
    )


def test_iso_header_and_event() -> None:
    """Whose record it is, and what happened when."""
    told = iso27560(ROW, POLICY, CONTROLLER)

    assert {
        "schema_version": "27560:2023",
        "record_id": EVENT_ID,
        "pii_principal_id": str(2**63 + 5),
    } == told["header"]
    assert [
        {
            "event_time": "2025-06-01T12:34:55.289+00:00",
            "validity_duration": f"P{TOML['policy']['consent_valid_days']}D",
            "entity_id": str(2**63 + 5),
            "event_type": "explicit",
            "event_state": "dpv:ConsentGiven",
        }
    ] == told["event"]


def test_iso_purposes() -> None:
    """Each asked category with its state, and what the policy says it is for."""
    told = iso27560(ROW, POLICY, CONTROLLER)["processing"]["purposes"]
    by_title = {one["purpose"]: one for one in told}

    assert len(ASKED) == len(told)
    for name in ASKED:
        about = TOML["consent_categories"][name]
        one = by_title[about["title"]]
        assert (about["dpv"], about["section"]) == (one["purpose_type"], one["section"])
        assert ROW[f"consent_{name}"] == one["state"]
        assert serves(name) == {purpose["purpose"] for purpose in one["serves"]}
    assert days("statistics") == by_title["Statistics"]["retention_period"]
    assert "identifiers" in by_title["Statistics"]["pii_information"]


def test_iso_facts() -> None:
    """What an installation states is told, and what it does not is null."""
    told = iso27560(ROW, POLICY, CONTROLLER)["processing"]

    assert ["CH"] == told["storage_locations"]
    assert told["impact_assessment"] is None
    assert {
        "url": "https://c.example/consent",
        "article": "A7-3",
        "section": "8.6",
    } == told["withdrawal_method"]
    assert [right["title"] for right in TOML["rights"].values()] == [
        right["title"] for right in told["privacy_rights"]
    ]
    assert {
        "notice": "banner-7",
        "policy": "Kastana privacy policy",
        "policy_version": "2025-05-16",
        "policy_url": "https://example.com/privacy",
    } == told["privacy_notice"]
    assert ("P1490D", "FR", "de") == (
        told["retention_period"],
        told["jurisdiction"],
        told["language"],
    )


def test_iso_contact() -> None:
    """Without an address of its own, the policy's section says whom to ask."""
    given = iso27560(ROW, POLICY, CONTROLLER)["party"][0]["party_contact"]
    silent = iso27560(ROW, POLICY, Controller())["party"][0]["party_contact"]

    assert "privacy@example.com" == given
    assert "Kastana privacy policy, section 13" == silent


def test_iso_kinds_of_data() -> None:
    """Kinds of data are those of what was given, and precise places are sensitive."""
    told = iso27560(row(consent_precise_location="given"), POLICY, CONTROLLER)["PII"]
    sensitive = [one["pii_type"] for one in told if one["sensitive_pii_category"]]

    assert [TOML["data_categories"]["precise_location"]["title"]] == sensitive
    assert not any(one["special_pii_category"] for one in told)
    assert all(one["pii_optional"] for one in told)


@pytest.mark.parametrize("state", ["ConsentRefused", "ConsentWithdrawn"])
def test_iso_of_a_refusal(state: str) -> None:
    """Where nothing is given nothing is held, and nothing can run out."""
    denied = row(event_state=state, consent_statistics="withdrawn", principal=0)
    told = iso27560(denied, POLICY, CONTROLLER)

    assert [] == told["PII"]
    assert told["event"][0]["validity_duration"] is None
    assert "" == told["header"]["pii_principal_id"]
    assert f"dpv:{state}" == told["event"][0]["event_state"]


# -------------------------------------------------------------------------- Kantara
def test_kantara_fields() -> None:
    """All fields of the form, and nothing outside `extensions`."""
    told = kantara(ROW, POLICY, CONTROLLER)

    assert {*KANTARA.split(), "extensions"} == set(told)
    assert (KANTARA_VERSION, "KI-CR-v1.1.0") == (told["version"], KANTARA_VERSION)
    assert (1748781295, EVENT_ID, "FR", "de") == (
        told["consentTimestamp"],
        told["consentReceiptID"],
        told["jurisdiction"],
        told["language"],
    )
    assert "https://example.com/privacy" == told["policyUrl"]
    assert "Kastana" == told["piiControllers"][0]["piiController"]


def test_kantara_purposes() -> None:
    """Only what was given is a purpose; how it ends is said."""
    (service,) = kantara(ROW, POLICY, CONTROLLER)["services"]
    (purpose,) = service["purposes"]

    assert "example.com" == service["service"]
    assert set(KANTARA_PURPOSE.split()) == set(purpose)
    assert ("Statistics", "EXPLICIT") == (purpose["purpose"], purpose["consentType"])
    assert "https://c.example/consent" == purpose["termination"]
    assert (True, "Post AG") == (
        purpose["thirdPartyDisclosure"],
        purpose["thirdPartyName"],
    )
    assert "dpv:ServiceUsageAnalytics" in purpose["purposeCategory"]
    assert TOML["data_categories"]["identifiers"]["title"] in purpose["piiCategory"]


def test_kantara_without_third_parties() -> None:
    """Nobody is told who was not named."""
    (service,) = kantara(ROW, POLICY, Controller())["services"]
    (purpose,) = service["purposes"]

    assert (False, "") == (purpose["thirdPartyDisclosure"], purpose["thirdPartyName"])
    assert days("statistics") == purpose["termination"]


def test_kantara_sensitive() -> None:
    """A precise place is sensitive, the rest is not."""
    place = kantara(row(consent_precise_location="given"), POLICY, CONTROLLER)
    title = TOML["data_categories"]["precise_location"]["title"]

    assert (True, [title]) == (place["sensitive"], place["spiCat"])
    plain = kantara(ROW, POLICY, CONTROLLER)
    assert (False, []) == (plain["sensitive"], plain["spiCat"])


def test_kantara_of_a_withdrawal() -> None:
    """The form has no word for it; the extension has."""
    gone = row(event_state="ConsentWithdrawn", consent_statistics="withdrawn")
    told = kantara(gone, POLICY, CONTROLLER)

    assert [] == told["services"][0]["purposes"]
    assert "ConsentWithdrawn" == told["extensions"]["event_state"]
    assert "8.6" == told["extensions"]["withdrawal_method"]["section"]


# ------------------------------------------------------------------------------ both
@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({}, None),
        (PLACE, {"chain": "c" * 32, "sequence": "7", "hash": "d" * 64}),
        ({**PLACE, "sequence": "7"}, {**PLACE, "sequence": "7"}),
        ({**PLACE, "hash": ""}, None),
        ({**PLACE, "sequence": 0}, None),
    ],
)
def test_place_in_the_ledger(
    more: dict[str, Any], place: dict[str, str] | None
) -> None:
    """A record that is chained says where; a fresh one cannot know yet."""
    told = row(**more)

    assert place == iso27560(told, POLICY, CONTROLLER)["ledger"]
    assert place == kantara(told, POLICY, CONTROLLER)["extensions"]["ledger"]


def test_pseudonym_as_the_store_writes_it() -> None:
    """64 bits are a number or a text, by the store's settings; a receipt has a text."""
    text = iso27560(row(principal=str(2**63 + 5)), POLICY, CONTROLLER)

    assert iso27560(ROW, POLICY, CONTROLLER) == text
    assert "" == kantara(row(principal="0"), POLICY, CONTROLLER)["piiPrincipalId"]


@pytest.mark.parametrize("form", ["iso27560", "kantara"])
def test_forms(form: Any) -> None:
    """Each form by its name."""
    made = {"iso27560": iso27560, "kantara": kantara}[form]

    assert made(ROW, POLICY, CONTROLLER) == receipt(form, ROW, POLICY, CONTROLLER)


@pytest.mark.parametrize("form", ["iso27560", "kantara"])
def test_no_hash_of_signals(form: Any) -> None:
    """What proves the signals stays with who has to prove them."""
    told = json.dumps(receipt(form, ROW, POLICY, CONTROLLER))

    assert ROW["signal_hash"] not in told


@given(
    st.fixed_dictionaries(
        {f"consent_{name}": st.sampled_from(STATES) for name in ASKED}
    )
)
def test_any_states(states: dict[str, str]) -> None:
    """Whatever was chosen, the receipts are JSON and always the same."""
    for form in ("iso27560", "kantara"):
        told = receipt(form, row(**states), POLICY, CONTROLLER)

        assert told == json.loads(json.dumps(told))
        assert msgspec.json.encode(told) == msgspec.json.encode(
            receipt(form, row(**states), POLICY, CONTROLLER)
        )


# ------------------------------------------------------------------- the command line
Run = Callable[..., tuple[int, str]]


class Keeper:
    """A stand-in for the keeper: what it was asked, and what it answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answer = json.dumps({**ROW, **PLACE}).encode() + b"\n"
        self.error: click.ClickException | None = None

    def __call__(
        self, _folder: Folder, path: str, content: dict[str, Any]
    ) -> tuple[bytes, str]:
        """Answer as `call_keeper` does."""
        self.asked.append((path, content))
        if self.error is not None:
            raise self.error
        return self.answer, "JSONEachRow"


@pytest.fixture
def keeper(monkeypatch: pytest.MonkeyPatch) -> Keeper:
    """A keeper in place of the one of a data folder."""
    made = Keeper()
    monkeypatch.setattr(commands_receipt, "call_keeper", made)
    return made


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return how to run `kastana consent receipt`."""

    def ran(*options: str) -> tuple[int, str]:
        command = [*options, "--data", str(tmp_path)]
        done = CliRunner().invoke(commands_receipt.receipt, command)
        return done.exit_code, done.output

    return ran


def test_command(keeper: Keeper, run: Run) -> None:
    """It prints the receipt of the record, with its place in the ledger."""
    code, output = run(EVENT_ID.upper(), "--public-url", "https://c.example/")
    told = json.loads(output)
    (path, content) = keeper.asked[0]

    assert (0, "/sql", {"id": EVENT_ID}) == (code, path, content["parameters"])
    assert EVENT_ID == told["header"]["record_id"]
    assert "7" == told["ledger"]["sequence"]
    assert "https://c.example/consent" == told["processing"]["withdrawal_method"]["url"]


def test_command_in_the_other_form(keeper: Keeper, run: Run) -> None:
    """Its facts are the options' own."""
    code, output = run(
        EVENT_ID,
        "--format",
        "kantara",
        "--policy-url",
        "https://p.example/",
        "--contact",
        "post@p.example",
    )
    told = json.loads(output)

    assert (0, 1) == (code, len(keeper.asked))
    assert ("https://p.example/", "post@p.example") == (
        told["policyUrl"],
        told["piiControllers"][0]["contact"],
    )


@pytest.mark.parametrize(
    "options",
    [
        ["x"],
        [EVENT_ID + "0"],
        [f"{EVENT_ID}' OR 1=1 --"],
        [EVENT_ID, "--format", "pdf"],
        [],
    ],
)
def test_command_used_wrongly(keeper: Keeper, run: Run, options: list[str]) -> None:
    """What is no id is not asked for."""
    assert 2 == run(*options)[0]
    assert [] == keeper.asked


def test_command_without_a_record(keeper: Keeper, run: Run) -> None:
    """The answer is no: exit code 1."""
    keeper.answer = b"\n"
    code, output = run(EVENT_ID)

    assert 1 == code
    assert "no such record" in output


def test_command_without_a_keeper(keeper: Keeper, run: Run) -> None:
    """A keeper that is away is exit code 69."""
    keeper.error = Unreachable("away")

    assert 69 == run(EVENT_ID)[0]
