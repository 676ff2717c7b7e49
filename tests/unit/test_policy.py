"""The policy is the schema: nothing in it has a default, nothing refers to nothing."""

import copy
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from collector.commands_policy import policy as command
from pipeline.minimise import Minimiser
from pipeline.salt import DaySalt
from schemas.consent import ASKED
from schemas.policy import (
    EventRule,
    Field,
    Header,
    LedgerField,
    PolicyError,
    PolicyVersion,
    Retention,
    Table,
    load_policy,
    parse_policy,
)
from schemas.policy_check import HEADINGS
from tests.builders import ROOT, parse_changed, policy_toml, to_toml

TOML = policy_toml()

# One entry of each section, whose keys are taken away one at a time.
ENTRIES = [
    ("policy",),
    ("data_categories", "device"),
    ("purposes", "usage_analytics"),
    ("consent_categories", "statistics"),
    ("retention_reasons", "sensitivity"),
    ("retention", "row"),
    ("rights", "erasure"),
    ("events", "page_view"),
    ("events", "location"),
    ("fields", "client_address"),
    ("fields", "occurred_at"),
    ("fields", "properties"),
    ("tables", "events"),
    ("tables", "counts"),
    ("tables", "consents"),
    ("policy_versions", "2025-05-16"),
    ("ledger", "hash"),
    ("ledger", "site"),
]


def entry(content: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """Return the table at a path."""
    for name in path:
        content = content[name]
    return content


def changed(path: str, value: object) -> dict[str, Any]:
    """Return the shipped policy with another value at a dotted path."""
    content = copy.deepcopy(TOML)
    *tables, key = path.split(".")
    entry(content, tuple(tables))[key] = value
    return content


def next_version(name: str, material: list[str]) -> dict[str, Any]:
    """Return the shipped policy with one more version."""
    content = changed("policy.version", name)
    content["policy_versions"][name] = {"material": material}
    return content


def test_shipped_version() -> None:
    """The policy is the version of 16 May 2025."""
    assert "2025-05-16" == load_policy().version


def test_shipped_survives_rewriting() -> None:
    """What the tests change and write again is what was read."""
    assert load_policy() == parse_changed(TOML)


@pytest.mark.parametrize(
    ("path", "key"), [(path, key) for path in ENTRIES for key in entry(TOML, path)]
)
def test_missing_key(path: tuple[str, ...], key: str) -> None:
    """No key has a default: without any of them the policy does not load."""
    content = copy.deepcopy(TOML)
    del entry(content, path)[key]

    with pytest.raises(PolicyError) as caught:
        parse_changed(content)

    assert ".".join([*path, key]) == caught.value.where
    assert caught.value.where in str(caught.value)


@pytest.mark.parametrize(
    "kind",
    [Header, EventRule, Field, Table, Retention, LedgerField, PolicyVersion],
)
def test_no_defaults(kind: type[msgspec.Struct]) -> None:
    """What holds for one entry holds for all: their type has no defaults."""
    assert () == kind.__struct_defaults__


@pytest.mark.parametrize("path", ENTRIES)
def test_unknown_key(path: tuple[str, ...]) -> None:
    """A key that nobody reads is a slip of the pen, not a comment."""
    content = copy.deepcopy(TOML)
    entry(content, path)["retentoin"] = "row"

    with pytest.raises(PolicyError) as caught:
        parse_changed(content)

    assert ".".join([*path, "retentoin"]) == caught.value.where


@pytest.mark.parametrize("section", sorted(TOML))
def test_missing_section(section: str) -> None:
    """Every section is required."""
    content = copy.deepcopy(TOML)
    del content[section]

    with pytest.raises(PolicyError) as caught:
        parse_changed(content)

    assert section == caught.value.where


@pytest.mark.parametrize("section", sorted(TOML))
def test_empty_section(section: str) -> None:
    """No section may be empty."""
    content = {**copy.deepcopy(TOML), section: {}}

    with pytest.raises(PolicyError) as caught:
        parse_changed(content)

    assert caught.value.where.startswith(section) or section == "transforms"


def test_unknown_section() -> None:
    """A section that nobody reads is refused."""
    with pytest.raises(PolicyError) as caught:
        parse_changed({**TOML, "exceptions": {"a": {"b": 1}}})

    assert "exceptions" == caught.value.where


@pytest.mark.parametrize("text", ["[policy", "policy = 1 = 2", "\x00"])
def test_not_toml(text: str) -> None:
    """What is not TOML is refused as such."""
    with pytest.raises(PolicyError, match="is not TOML"):
        parse_policy(text)


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("events.page_view.data_category", "moods", "refers to 'moods'"),
        ("events.page_view.purposes", ["fun"], "refers to 'fun'"),
        ("events.page_view.consent_category", "all", "refers to 'all'"),
        ("fields.site.data_category", "moods", "refers to 'moods'"),
        ("fields.site.purposes", ["usage_analytics", "fun"], "refers to 'fun'"),
        ("fields.site.consent_category", "all", "refers to 'all'"),
        ("fields.site.retention", "ever", "refers to 'ever'"),
        ("fields.site.identified", "shout", "refers to 'shout'"),
        ("fields.site.anonymous", "shout", "refers to 'shout'"),
        ("fields.site.counted", "shout", "refers to 'shout'"),
        ("fields.device_type.counted", "absent", "refers to 'device_type'"),
        ("fields.door.counted", "keep", "without 'door'"),
        ("retention.row.reason", "habit", "refers to 'habit'"),
        ("tables.events.retention", "ever", "refers to 'ever'"),
        ("tables.events.time", "noticed_at", "refers to 'noticed_at'"),
        ("tables.counts.time", "received_at", "refers to 'received_at'"),
        ("tables.counts.sum", "site", "is also a field"),
        ("fields.site.data_category", "contact", "declared never collected"),
        ("events.page_view.data_category", "payment", "declared never collected"),
        ("fields.site.purposes", [], "names no purpose"),
        ("events.page_view.purposes", [], "names no purpose"),
        (
            "fields.site.purposes",
            ["personalised_advertising"],
            "declared not used here",
        ),
        ("purposes.feature_research.used", True, "no event or field serves it"),
        ("data_categories.contact.collected", True, "no event or field holds it"),
        ("policy.version", "16 May 2025", "must be a date"),
        ("policy.version", "20250516", "must be a date"),
        (
            "policy_versions.2025-05-16.material",
            ["essential"],
            "refers to 'essential'",
        ),
        ("policy_versions.2025-05-16.material", ["fun"], "Invalid enum value 'fun'"),
        ("policy_versions.2025-05-16.material", [], None),
        ("ledger.notice.data_category", "moods", "refers to 'moods'"),
        ("ledger.notice.data_category", "contact", "declared never collected"),
        ("ledger.notice.purposes", ["fun"], "refers to 'fun'"),
        ("ledger.notice.purposes", [], "names no purpose"),
        ("ledger.notice.retention", "ever", "refers to 'ever'"),
        ("ledger.notice.filled_by", "anyone", "Invalid enum value 'anyone'"),
        ("ledger.principal.retention", "address", "before the hash that covers it"),
        ("fields.site.identified", "absent", "keeps more than identified"),
        ("fields.occurred_at.identified", "hour", None),
        ("fields.received_at.identified", "absent", "keeps more than identified"),
        ("fields.url_path.anonymous", "absent", "keeps more than anonymous"),
        ("fields.occurred_at.counted", "keep", "keeps more than anonymous"),
        ("fields.client_address.counted", "keep", "keeps more than anonymous"),
        ("fields.site.retention", "address", "'site' expires before its row does"),
        ("fields.event_id.retention", "address", "'event_id' expires before"),
        ("fields.occurred_at.retention", "address", "'occurred_at' expires before"),
        ("fields.device_type.retention", "address", None),
        ("policy.children_under", "sixteen", "Expected `int`"),
        ("fields.site", "here", "Expected `object`"),
        ("fields", "here", "must be a table"),
        ("transforms.keep", 1, "Expected `str`"),
    ],
)
def test_cross_checks(path: str, value: object, problem: str | None) -> None:
    """What contradicts itself does not load; the complaint names the key."""
    if problem is None:
        parse_changed(changed(path, value))
        return

    with pytest.raises(PolicyError, match=re.escape(problem)) as caught:
        parse_changed(changed(path, value))

    section = path.split(".", maxsplit=1)[0]
    where = caught.value.where
    # A table complains of its sorting key, a purpose of what uses it.
    assert where.startswith((section, "tables.", "fields."))


@pytest.mark.parametrize("shape", ["identified", "anonymous", "counted"])
def test_less_with_less_consent(shape: str) -> None:
    """In no field does a smaller shape keep what a larger one cuts."""
    shapes = ["identified", "anonymous", "counted"]
    content = copy.deepcopy(TOML)
    field = content["fields"]["url_path"]
    for larger in shapes[: shapes.index(shape)]:
        field[larger] = "hour"
    field.update(dict.fromkeys(shapes[shapes.index(shape) :], "keep"))

    if shape == "identified":
        parse_changed(content)
        return
    with pytest.raises(PolicyError) as caught:
        parse_changed(content)

    assert f"fields.url_path.{shape}" == caught.value.where


def test_columns_follow_shapes() -> None:
    """A row has every field, a counter those that are counted."""
    policy = load_policy()

    assert list(TOML["fields"]) == list(policy.columns("events"))
    assert [
        name for name, field in TOML["fields"].items() if field["counted"] != "absent"
    ] == list(policy.columns("counts"))
    assert list(TOML["ledger"]) == list(policy.columns("consents"))


# ------------------------------------------------------- versions and what they expire
def test_same_version_is_good() -> None:
    """Consent given under this version is good for every category."""
    assert not [one for one in ASKED if load_policy().expires("2025-05-16", one)]


@pytest.mark.parametrize("version", ["", "2024-01-01", "2030-01-01", "v9", "9999"])
def test_version_of_nothing(version: str) -> None:
    """Consent under a version that this policy never had has expired."""
    assert [*ASKED] == [one for one in ASKED if load_policy().expires(version, one)]


@pytest.mark.parametrize(
    ("version", "expired"),
    [
        ("2025-05-16", {"marketing", "statistics"}),
        ("2026-01-31", {"statistics"}),
        ("2026-06-30", set()),
    ],
)
def test_material_change(version: str, expired: set[str]) -> None:
    """What a later version changes materially expires, and nothing else does."""
    content = next_version("2026-06-30", ["statistics"])
    versions = content["policy_versions"]
    content["policy_versions"] = {
        "2025-05-16": versions["2025-05-16"],
        "2026-01-31": {"material": ["marketing"]},
        "2026-06-30": versions["2026-06-30"],
    }
    policy = parse_changed(content)

    assert expired == {one for one in ASKED if policy.expires(version, one)}


@pytest.mark.parametrize(
    ("versions", "where"),
    [
        (["2025-05-16", "2025-05-15"], "policy_versions"),
        (["2025-05-15"], "policy_versions.2025-05-15"),
        (["2025-05-16", "2025-05-17"], "policy_versions.2025-05-17"),
        (["20250515", "2025-05-16"], "policy_versions.20250515"),
        (["v1", "2025-05-16"], "policy_versions.v1"),
    ],
)
def test_versions_in_order(versions: list[str], where: str) -> None:
    """Versions are dates, the oldest first, this one last."""
    content = copy.deepcopy(TOML)
    content["policy_versions"] = {name: {"material": []} for name in versions}

    with pytest.raises(PolicyError) as caught:
        parse_changed(content)

    assert where == caught.value.where


# ------------------------------------------------------------------------- the ledger
@pytest.mark.parametrize("table", ["events", "counts", "consents"])
def test_one_ledger(table: str) -> None:
    """Which table is the ledger is not the policy's to say."""
    other = "fields" if table == "consents" else "ledger"
    with pytest.raises(PolicyError) as caught:
        parse_changed(changed(f"tables.{table}.columns", other))

    assert f"tables.{table}.columns" == caught.value.where


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("tables.events.outcomes", []),
        ("tables.consents.outcomes", ["counted"]),
        ("tables.consents.engine", "ReplacingMergeTree"),
        ("tables.consents.time", "site"),
        ("tables.consents.order_by", ["site", "door"]),
        ("ledger.site.type", "Text"),
        ("ledger.principal.retention", "address"),
    ],
)
def test_ledger_refused(where: str, value: object) -> None:
    """A ledger that would lose, merge or empty records does not load."""
    content = changed(where, value)
    if value == "ReplacingMergeTree":
        content["tables"]["consents"]["order_by"].append("event_id")

    with pytest.raises(PolicyError) as caught:
        parse_changed(content)

    assert where == caught.value.where


def test_load_from_file(tmp_path: Path) -> None:
    """A policy may come from another file than the one that ships."""
    file = tmp_path / "policy.toml"
    file.write_text(to_toml(next_version("2026-01-31", [])), encoding="utf-8")

    assert "2026-01-31" == load_policy(file).version


# ------------------------------------ what would stop a start, or a table, or a promise
EVENT = TOML["events"]["page_view"]
ORDER = TOML["tables"]["events"]["order_by"]
COUNTS_ORDER = TOML["tables"]["counts"]["order_by"]


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("tables.visits", TOML["tables"]["events"]),
        ("events.page_veiw", EVENT),
        ("events.Page_view", EVENT),
        ("consent_categories.fun", TOML["consent_categories"]["statistics"]),
        ("rights.explanation", TOML["rights"]["access"]),
        ("fields.site.type", "Text"),
        ("fields.site.type", ""),
        ("fields.site.type", "Nullable(String)"),
        ("fields.site.type", "String DEFAULT 'a'"),
        ("tables.events.order_by", []),
        ("tables.events.order_by", [*ORDER, "mood"]),
        ("tables.events.order_by", [*ORDER, ""]),
        ("tables.events.order_by", [*ORDER, "toDate(mood)"]),
        ("tables.events.order_by", [*ORDER, "toDate(site)"]),
        ("tables.events.order_by", [*ORDER, "toHour(occurred_at)"]),
        ("tables.events.order_by", [*ORDER, "site, url_path"]),
        ("tables.events.order_by", [*ORDER, "site\n"]),
        ("tables.events.order_by", [*ORDER, "geo_latitude"]),
        ("tables.counts.order_by", ["site", "door"]),
        ("tables.counts.order_by", ["site", "events"]),
        ("tables.counts.order_by", COUNTS_ORDER[1:]),
        ("tables.counts.order_by", [*COUNTS_ORDER[:2], "toDate(occurred_at)"]),
        ("tables.events.order_by", ["site", "occurred_at"]),
        ("tables.events.dictionary", ["mood"]),
        ("tables.events.dictionary", ["site"]),
        ("tables.events.short_ids", {"event_key": "mood"}),
        ("tables.events.short_ids", {"event_key": "site"}),
        ("tables.events.short_ids", {"event_key": "event_id", "door": "event_id"}),
        ("tables.events.time", "site"),
        ("tables.events.time", "toDate(occurred_at)"),
        ("tables.events.time", ""),
        ("tables.events.partition_by", "toYYYYMM(received_at)"),
        ("tables.events.partition_by", "toYYYYMMDD(occurred_at)"),
        ("tables.events.partition_by", "toYYYYMM(occurred_at) "),
        ("tables.events.partition_by", "tuple()"),
        ("tables.events.partition_by", ""),
        ("tables.events.engine", "Memory"),
        ("tables.events.engine", "mergetree"),
        ("tables.events.engine", "MergeTree()"),
        ("tables.events.engine", ""),
        ("tables.events.sum", "events"),
        ("tables.counts.sum", ""),
        ("retention.row.days", 0),
        ("retention.row.days", 36_501),
        ("retention.address.days", -30),
        ("policy.consent_valid_days", 0),
        ("policy.consent_valid_days", 36_501),
        ("policy.contact_section", "14"),
        ("policy.children_section", "10.1"),
        ("data_categories.device.section", "2.4"),
        ("purposes.usage_analytics.section", "4.2 "),
        ("purposes.usage_analytics.section", " 4.2"),
        ("consent_categories.statistics.section", "9.2."),
        ("retention_reasons.sensitivity.section", "06"),
        ("rights.erasure.section", "8.7"),
        ("rights.erasure.section", ""),
        ("data_categories.device.dpv", "device"),
        ("purposes.usage_analytics.dpv", "dpv:usage"),
        ("purposes.usage_analytics.dpv", "dpv:"),
        ("consent_categories.statistics.dpv", "https://w3id.org/dpv#Consent"),
        ("retention_reasons.sensitivity.dpv", "DPV:LegalObligation"),
        ("rights.erasure.dpv", "eu-gdpr:A17\n"),
        ("rights.erasure.dpv", "gdpr:A17"),
        ("fields.visitor_id.anonymous", "keep"),
        ("fields.visitor_id.anonymous", "keyed_hash"),
        ("fields.visitor_scope.anonymous", "keep"),
        ("fields.client_address.anonymous", "keep"),
        ("fields.geo_latitude.anonymous", "keep"),
        ("fields.geo_longitude.anonymous", "counter"),
        ("fields.visitor_id.counted", "keep"),
        ("fields.visitor_scope.counted", "counter"),
        ("fields.client_address.counted", "hour"),
        ("fields.geo_latitude.counted", "keep"),
    ],
)
def test_refused(where: str, value: object) -> None:
    """What no table, no code or no promise can follow does not load."""
    with pytest.raises(PolicyError) as caught:
        parse_changed(changed(where, value))

    assert where == caught.value.where


@pytest.mark.parametrize(
    ("section", "name"),
    [
        (section, name)
        for section in ("tables", "events", "consent_categories", "rights")
        for name in TOML[section]
    ],
)
def test_missing_entry(section: str, name: str) -> None:
    """What the code counts on is there, each by its name."""
    content = copy.deepcopy(TOML)
    del content[section][name]

    with pytest.raises(PolicyError) as caught:
        parse_changed(content)

    assert f"{section}.{name}" == caught.value.where


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("url_path", "identifiers"),
        ("door", "precise_location"),
        ("client_address", "device"),
        ("visitor_id", "activity"),
        ("geo_latitude", "approximate_location"),
    ],
)
def test_personal_by_kind_and_by_name(name: str, kind: str) -> None:
    """Calling a pseudonym something else does not let it be kept without consent."""
    content = copy.deepcopy(TOML)
    content["fields"][name].update(data_category=kind, anonymous="keep")

    with pytest.raises(PolicyError, match="tells visitors apart") as caught:
        parse_changed(content)

    assert f"fields.{name}.anonymous" == caught.value.where


def test_time_of_a_partition_stays() -> None:
    """The partition's time cannot expire first, in the sorting key or not."""
    content = changed("fields.occurred_at.retention", "address")
    content["tables"]["events"]["order_by"] = ["site", "event_key"]

    with pytest.raises(PolicyError, match="expires before its row") as caught:
        parse_changed(content)

    assert "tables.events.time" == caught.value.where


def test_null_is_not_sorted_by() -> None:
    """A column that may be null is in no sorting key, even one that stays."""
    content = changed("tables.events.order_by", ["site", "geo_latitude"])
    content["fields"]["geo_latitude"]["retention"] = "row"

    with pytest.raises(PolicyError, match="may be null"):
        parse_changed(content)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("retention.row.days", 36_500),
        ("retention.address.days", 1),
        ("tables.events.engine", "MergeTree"),
        ("tables.events.order_by", ["toDate(occurred_at)", "event_key"]),
        ("policy.contact_section", "1"),
        ("rights.erasure.section", "8"),
    ],
)
def test_allowed(path: str, value: object) -> None:
    """The ends of what is allowed load."""
    parse_changed(changed(path, value))


def test_not_utf8(tmp_path: Path) -> None:
    """A file that is not UTF-8 is refused in words, by the command too."""
    file = tmp_path / "policy.toml"
    file.write_bytes(b'[policy]\ntitle = "caf\xe9"\n')

    with pytest.raises(PolicyError, match="is not UTF-8") as caught:
        load_policy(file)
    done = CliRunner().invoke(command, ["check", "--file", str(file)])

    assert "file" == caught.value.where
    assert (1, "is not UTF-8" in done.output) == (done.exit_code, True)


@pytest.mark.parametrize(
    ("where", "changes"),
    [
        ("fields.mood", {"fields.mood": TOML["fields"]["door"]}),
        ("fields.door.anonymous", {"fields.door.anonymous": "counter"}),
        ("transforms.shout", {"transforms.shout": "upper case"}),
    ],
)
def test_check_agrees_with_the_start(
    tmp_path: Path, where: str, changes: dict[str, object]
) -> None:
    """What the minimiser refuses at start, `policy check` refuses as well."""
    content = copy.deepcopy(TOML)
    for path, value in changes.items():
        *tables, key = path.split(".")
        entry(content, tuple(tables))[key] = value
    file = tmp_path / "policy.toml"
    file.write_text(to_toml(content), encoding="utf-8")

    with pytest.raises(PolicyError) as caught:
        Minimiser(load_policy(file), DaySalt(tmp_path / "day.salt"))
    done = CliRunner().invoke(command, ["check", "--file", str(file)])

    assert where == caught.value.where
    assert (1, str(caught.value) in done.output) == (done.exit_code, True)


def test_check_of_the_shipped_policy() -> None:
    """The policy that ships holds together, and no salt is read for that."""
    done = CliRunner().invoke(command, ["check"])

    assert (0, True) == (done.exit_code, "holds together" in done.output)


# --------------------------------------- the published text, section by section
COLLECTED = {
    "contact": ("2.1", False),
    "credentials": ("2.1", False),
    "business": ("2.1", False),
    "payment": ("2.1", False),
    "profile": ("2.1", False),
    "device": ("2.2", True),
    "activity": ("2.2", True),
    "log": ("2.2", True),
    "performance": ("2.2", True),
    "approximate_location": ("2.3", True),
    "precise_location": ("2.3", True),
    "identifiers": ("3.2", True),
    "consent_record": ("9.3", True),
}
PURPOSES = {
    "service_provision": "4.1",
    "usage_analytics": "4.2",
    "service_optimisation": "4.2",
    "feature_research": "4.2",
    "campaign_measurement": "4.3",
    "personalised_advertising": "4.3",
    "legal_compliance": "4.4",
    "abuse_prevention": "4.4",
}
CONSENTS = {
    "essential": "9.2",
    "preference": "9.2",
    "statistics": "9.2",
    "marketing": "9.2",
    "precise_location": "2.3",
}
REASONS = {
    "relationship": "6",
    "legal_obligation": "6",
    "legal_position": "6",
    "sensitivity": "6",
}
RIGHTS = {
    "access": ("8.1", "A15"),
    "rectification": ("8.2", "A16"),
    "erasure": ("8.3", "A17"),
    "restriction": ("8.4", "A18"),
    "objection": ("8.4", "A21"),
    "portability": ("8.5", "A20"),
    "consent_withdrawal": ("8.6", "A7-3"),
}


def test_kinds_of_data() -> None:
    """Every kind of data of section 2 is there, and those never taken say so."""
    assert COLLECTED == {
        name: (kind["section"], kind["collected"])
        for name, kind in TOML["data_categories"].items()
    }


def test_purposes() -> None:
    """Every group of purposes of section 4 is there."""
    assert PURPOSES == {name: it["section"] for name, it in TOML["purposes"].items()}


def test_consent_categories() -> None:
    """The four cookie categories of section 9.2, and precise location of 2.3."""
    assert CONSENTS == {
        name: it["section"] for name, it in TOML["consent_categories"].items()
    }
    assert ["essential"] == [
        name for name, it in TOML["consent_categories"].items() if not it["asks"]
    ]


def test_retention_reasons() -> None:
    """The four criteria of section 6, and every number of days names one."""
    assert REASONS == {
        name: it["section"] for name, it in TOML["retention_reasons"].items()
    }
    assert {it["reason"] for it in TOML["retention"].values()} <= set(REASONS)


def test_rights() -> None:
    """The rights of section 8 with their articles."""
    assert RIGHTS == {
        name: (it["section"], it["article"]) for name, it in TOML["rights"].items()
    }


def test_contact_and_children() -> None:
    """Section 13 says whom to ask, section 10 from which age on."""
    header = TOML["policy"]

    assert ("13", "10", 16) == (
        header["contact_section"],
        header["children_section"],
        header["children_under"],
    )


def test_sections_exist_in_the_published_text() -> None:
    """Each section number is a heading of the published policy."""
    text = ROOT.parent / "shared" / "privacy-policy.txt"
    if not text.exists():
        pytest.skip(f"the published text is not at {text}")
    headings = set(
        re.findall(
            r"^(\d+(?:\.\d+)?)\.? [A-Z]", text.read_text(encoding="utf-8"), re.MULTILINE
        )
    )

    assert "May 16, 2025" in text.read_text(encoding="utf-8")
    assert headings == HEADINGS
    assert set() == _sections(TOML) - headings


def _sections(content: dict[str, Any]) -> set[str]:
    found = set()
    for key, value in content.items():
        if isinstance(value, dict):
            found |= _sections(value)
        elif key.endswith("section"):
            found.add(value)
    return found
