"""Migrating a cluster: on all servers or not at all."""

import re

import pytest

from pipeline.cluster import ClusterStore, LayoutError, for_layout
from pipeline.migrate import migrate
from schemas.ddl import create_table
from schemas.ddl_cluster import ClusterError
from schemas.policy import load_policy
from tests.unit.test_migrate import Store, changed

POLICY = load_policy()


class Tables:
    """A store that knows how many tables are replicated, and how many are not."""

    def __init__(self, replicated: int, plain: int) -> None:
        self.answer = f"[{replicated}, {plain}]\n".encode()
        self.commands: list[str] = []

    def command(self, sql: str) -> None:
        """Note a statement."""
        self.commands.append(sql)

    def query(self, sql: str, fmt: str) -> bytes:
        """Answer with the numbers."""
        assert "engine" in sql
        assert "JSONCompactEachRow" == fmt
        return self.answer


def test_everything_on_the_cluster() -> None:
    """A start, and a change of the policy, run nothing on one server alone."""
    older = changed("retention", "row", "days", 400)
    store = Store(older)
    store.comments["page_hours_marks"] = "of another definition"
    migrate(ClusterStore(store, "kastana"), POLICY)
    changing = [one for one in store.commands if not one.startswith("INSERT INTO ")]

    assert [] == [one for one in changing if " ON CLUSTER `kastana`" not in one]
    assert any(one.startswith("ALTER TABLE kastana.events ON") for one in changing)
    assert any(one.startswith("DROP TABLE IF EXISTS kastana.page") for one in changing)
    assert [] == [
        one
        for one in changing
        if re.search(r"^ENGINE = (?!Replicated)", one, re.MULTILINE)
    ]


def test_no_copy_on_a_cluster() -> None:
    """A table is not copied and exchanged while replicas pass on rows."""
    store = Tables(5, 0)
    with pytest.raises(LayoutError, match="by hand"):
        ClusterStore(store, "kastana").command(
            create_table(POLICY, "events", "events_reordered")
        )

    assert [] == store.commands


def test_unknown_statement() -> None:
    """A statement that has no form for a cluster is run on no server."""
    store = Tables(5, 0)
    with pytest.raises(LayoutError):
        ClusterStore(store, "kastana").command("EXCHANGE TABLES a AND b")

    assert [] == store.commands


@pytest.mark.parametrize(
    ("cluster", "replicated", "plain", "fits"),
    [
        ("", 0, 0, True),
        ("", 0, 5, True),
        ("", 5, 0, False),
        ("", 5, 1, False),
        ("kastana", 0, 0, True),
        ("kastana", 5, 0, True),
        ("kastana", 0, 5, False),
        ("kastana", 5, 1, False),
    ],
)
def test_layout(cluster: str, replicated: int, plain: int, *, fits: bool) -> None:
    """Tables of the other kind are never mixed with what would be made."""
    store = Tables(replicated, plain)
    if not fits:
        with pytest.raises(LayoutError):
            for_layout(store, cluster)
        return
    chosen = for_layout(store, cluster)

    assert isinstance(chosen, ClusterStore) is bool(cluster)


def test_name_is_checked_first() -> None:
    """A name that is none ends the start before anything is asked or run."""
    with pytest.raises(ClusterError):
        ClusterStore(Tables(0, 0), "a b")
