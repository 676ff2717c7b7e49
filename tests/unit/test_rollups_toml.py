"""What a rollup may hold, and for how long, follows from the policy."""

import copy
import re
import tomllib
from importlib import resources
from typing import Any

import pytest

from pipeline.migrate import migrate
from schemas.ddl_rollup import rollup_comment, rollup_ddl
from schemas.inventory import inventory_json, inventory_markdown, privacy_markdown
from schemas.policy import Policy, PolicyError, load_policy
from schemas.rollups import load_rollups, parse_rollups
from tests.builders import parse_changed, policy_toml, to_toml

POLICY = load_policy()
TOML = tomllib.loads(
    resources.files("schemas").joinpath("rollups.toml").read_text("utf-8")
)
VISITORS = ("page_hours", "measures", "visitors")


def changed(path: tuple[str, ...], value: object) -> str:
    """Return the shipped rollups with one other value, or one less."""
    content = copy.deepcopy(TOML)
    inner: dict[str, Any] = content
    for key in path[:-1]:
        inner = inner[key]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return to_toml(content)


def with_days(retention: str, days: int) -> Policy:
    """Return the policy with another number of days."""
    content = policy_toml()
    content["retention"][retention]["days"] = days
    return parse_changed(content)


def built_of(policy: Policy) -> str:
    """Return the statement that makes the table of totals."""
    return rollup_ddl(policy, "page_hours", load_rollups()["page_hours"])[1]


def test_shipped() -> None:
    """The shipped rollups are as the file says, and hold together."""
    assert list(TOML) == list(load_rollups())
    assert load_rollups() == parse_rollups(to_toml(TOML), POLICY)


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (("page_hours", "purpose"), "curiosity", "rollups.page_hours: "),
        (("page_hours", "purpose"), None, "rollups: "),
        (("page_hours", "retention"), "eternal", "rollups.page_hours: "),
        (("page_hours", "retention"), "counter", "rollups.page_hours.retention: "),
        (("page_hours", "source"), "counts", "rollups.page_hours.source: "),
        (("page_hours", "dimensions"), ["mood"], "rollups.page_hours.dimensions: "),
        (("page_hours", "dimensions"), ["site"], "rollups.page_hours.dimensions: "),
        (("page_hours", "dimensions"), ["client_address"], "hours.retention: "),
        (("page_hours", "where"), "visitor_id != 0", "page_hours.retention: "),
        (("page_hours", "description"), "it's", "page_hours.description: "),
        ((*VISITORS, "aggregate"), "count", "measures.visitors.field: "),
        ((*VISITORS, "aggregate"), "median", "rollups: "),
        ((*VISITORS, "field"), "", "measures.visitors.field: "),
        ((*VISITORS, "field"), "mood", "measures.visitors.field: "),
        ((*VISITORS, "field"), "url_path", "measures.visitors.field: "),
        ((*VISITORS, "description"), "a\\b", "measures.visitors.description: "),
        ((*VISITORS, "more"), "1", "rollups: "),
        (("page_hours", "measures", "hour"), TOML["page_hours"]["measures"]["views"],
         "measures.hour: "),
        (("events",), TOML["page_hours"], "rollups.events: "),
    ],
)  # fmt: skip
def test_refused(path: tuple[str, ...], value: object, where: str) -> None:
    """What the policy has not, or holds for less time, is refused by its key."""
    with pytest.raises(PolicyError, match=re.escape(where)):
        parse_rollups(changed(path, value), POLICY)


def test_expiry_follows_the_policy() -> None:
    """Rows go with the row's days, pseudonyms with theirs, in the order they have."""
    sql = built_of(POLICY)
    sooner = built_of(with_days("identifier", 50))

    assert "TTL hour + INTERVAL 760 DAY DELETE" in sql
    assert ["visitors"] == [
        line.split("`")[1] for line in sql.splitlines() if " TTL hour" in line
    ]
    assert "TTL hour + INTERVAL 395 DAY" in sql
    assert "TTL hour + INTERVAL 50 DAY" in sooner


def test_condition_counts_as_ground() -> None:
    """A measure that asks for a pseudonym expires as the pseudonym does."""
    path = ("page_hours", "measures", "views", "if")
    rollups = parse_rollups(changed(path, "visitor_id != 0"), POLICY)

    assert 395 == rollups["page_hours"].measure_days(POLICY, "views")
    assert 760 == load_rollups()["page_hours"].measure_days(POLICY, "views")


def test_synthetic_events_are_in_none() -> None:
    """What marks and what adds up leave out what a load test sent."""
    marking = rollup_ddl(POLICY, "page_hours", load_rollups()["page_hours"])[2]

    assert "AND NOT synthetic" in marking


def test_definition() -> None:
    """Another retention, or order of the source, is another definition."""
    rollup = load_rollups()["page_hours"]
    content = policy_toml()
    content["tables"]["events"]["order_by"].append("url_path")
    comments = {
        rollup_comment(policy, "page_hours", rollup)
        for policy in (POLICY, with_days("identifier", 50), parse_changed(content))
    }

    assert 3 == len(comments)


def test_policy_that_a_rollup_outlives() -> None:
    """A store is not brought to a policy under which a rollup may not be kept."""
    content = policy_toml()
    content["fields"]["url_path"]["retention"] = "address"
    policy = parse_changed(content)

    class Store:
        """A store that nothing is asked of."""

        def command(self, sql: str) -> None:
            """Refuse to be changed."""
            raise AssertionError(sql)

        def query(self, sql: str, fmt: str) -> bytes:
            """Refuse to be asked."""
            raise AssertionError(sql, fmt)

    with pytest.raises(PolicyError, match="page_hours"):
        migrate(Store(), policy)


@pytest.mark.parametrize("of", [inventory_json, inventory_markdown, privacy_markdown])
def test_inventory(of: Any) -> None:
    """Each form of the inventory names every rollup and every measure."""
    text = of(POLICY)
    for name, rollup in load_rollups().items():
        assert name in text
        assert [] == [
            measure.description
            for measure in rollup.measures.values()
            if measure.description not in text
        ]
