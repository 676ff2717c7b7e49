"""The named views: each says what it shows, how to read it, and why it exists."""

import re

import pytest

from pipeline.queries import View, ViewError, ask, load_views, parse_view
from schemas.policy import load_policy

HEAD = {
    "title": "Pages",
    "meaning": "Views by page.",
    "purpose": "usage_analytics",
    "order": "day",
}
SELECT = "SELECT site, toDate(occurred_at) AS day\nFROM kastana.events FINAL"


def text(head: dict[str, str]) -> str:
    """Write a view's file."""
    lines = [f"-- {name}: {value}" for name, value in head.items()]
    return "\n".join([*lines, SELECT]) + "\n"


def test_parse() -> None:
    """Head and SELECT are taken apart."""
    assert View("pages", **HEAD, sql=SELECT) == parse_view("pages", text(HEAD))


@pytest.mark.parametrize("part", HEAD)
def test_missing_part(part: str) -> None:
    """A view that does not say what it is, is no view."""
    head = {name: value for name, value in HEAD.items() if name != part}

    with pytest.raises(ViewError, match=rf"pages\.sql: the head lacks `-- {part}: "):
        parse_view("pages", text(head))


def test_unknown_purpose() -> None:
    """A view exists for a purpose of the policy."""
    with pytest.raises(ViewError, match="no purpose 'curiosity'"):
        parse_view("pages", text({**HEAD, "purpose": "curiosity"}))


@pytest.mark.parametrize("view", load_views().values(), ids=lambda view: view.name)
def test_shipped(view: View) -> None:
    """Every view that ships has words, serves a purpose in use, and only reads."""
    assert re.fullmatch(r"[a-z][a-z_]*", view.name)
    assert view.name not in load_policy().tables
    assert view.title[0].isupper()
    assert len(view.meaning.split()) >= 5
    assert load_policy().purposes[view.purpose].used
    assert re.match(r"SELECT\b|WITH\b", view.sql)
    assert re.search(r"\bsite\b", view.sql)
    assert re.search(r"\bAS day\b", view.sql)
    assert ";" not in view.sql
    assert not re.search(r"client_address|geo_latitude|geo_longitude", view.sql)


@pytest.mark.parametrize("view", load_views().values(), ids=lambda view: view.name)
def test_repeated_events_count_once(view: View) -> None:
    """A view of rows or counters reads them merged: a repeated row is one row."""
    tables = re.findall(
        r"\bFROM kastana\.(events|counts)\b( FINAL| AS \w+ FINAL)?", view.sql
    )

    assert [] == [name for name, final in tables if name == "events" and not final]


def test_ask_has_parameters_and_no_text() -> None:
    """Site and days are parameters of the query, never part of its text."""
    asked = ask(parse_view("pages", text(HEAD)))

    assert "FROM kastana.pages " in asked
    assert {"site:String", "from:Date", "to:Date"} == set(re.findall(r"{(.*?)}", asked))
    assert asked.endswith("ORDER BY day")
