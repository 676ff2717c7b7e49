"""The named views: each says what it shows, how to read it, and why it exists."""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import msgspec
import pytest

from pipeline.migrate import migrate
from pipeline.queries import View, ViewError, ask, load_views, parse_view
from pipeline.store import Store
from schemas.outcome import REASONS
from schemas.policy import load_policy
from schemas.row import CountRow, Row
from tests import store_fixture
from tests.builders import count_row, headers, row

shared_store = store_fixture.shared_store

_numbers = count(1)
# Days long past have no pseudonyms any more; the first lies in another partition.
_TURN = datetime.now(UTC).date().replace(day=1)
FIRST, SECOND, THIRD = (str(_TURN + timedelta(days)) for days in (-1, 0, 1))
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


@pytest.fixture
def store(shared_store: Store) -> Iterator[Store]:
    """Give the module's store, brought up to the policy, without a row."""
    migrate(shared_store, load_policy())
    yield shared_store
    for table in load_policy().tables:
        shared_store.command(f"TRUNCATE TABLE kastana.{table} SYNC")


def seen(time: str, name: str = "page_view", visitor: int = 1, **changes: Any) -> Row:
    """Return the row of an event of a visitor, a new one each time."""
    values = {
        "event_id": f"0197b2f4-0000-7000-8000-{next(_numbers):012}",
        "event_name": name,
        "occurred_at": f"{time}.000",
        "visitor_id": visitor,
        "visitor_scope": "persistent" if visitor else "none",
        "door": "script",
        "url_path": "/",
    }
    return row(**{**values, **changes})


def keep(store: Store, *rows: Any) -> None:
    """Put rows where the loader puts them."""
    for made in rows:
        table = "events" if isinstance(made, Row) else "counts"
        line = json.dumps([getattr(made, name) for name in made.__struct_fields__])
        body = headers()[table] + line.encode() + b"\n"
        store.insert_segment(table, body, f"segment-{next(_numbers)}")


def answer(store: Store, name: str, start: str, end: str) -> list[dict[str, str]]:
    """Ask as `kastana query --format CSV` does."""
    told = store.query(
        ask(load_views()[name]),
        "CSVWithNames",
        parameters={"site": "example.com", "from": start, "to": end},
    )
    return list(csv.DictReader(io.StringIO(told.decode())))


def numbers(rows: list[dict[str, str]]) -> list[tuple[str, ...]]:
    """Return day, visitors, sessions, views and anonymous views of each row."""
    names = ("day", "visitors", "sessions", "views", "anonymous_views")
    return [tuple(one[name] for name in names) for one in rows]


def test_load_tests_stay_apart(store: Store) -> None:
    """What a load test sent is in one view alone, and no visitor's event is in it."""
    for synthetic, views in (
        (1, {"load_tests"}),
        (0, set(load_views()) - {"load_tests"}),
    ):
        keep(
            store,
            *(msgspec.structs.replace(one, synthetic=synthetic) for one in some()),
        )
        shown = {name for name in load_views() if answer(store, name, SECOND, SECOND)}

        assert shown == views
        for table in ("events", "counts"):
            store.command(f"TRUNCATE TABLE kastana.{table} SYNC")


def some() -> list[Row | CountRow]:
    """Return rows and counters of which every view shows some."""
    noon = f"{SECOND} 12:00:00"
    names = ("page_view", "page_ping", "exception", "web_vital", "email_open")
    kept: list[Row | CountRow] = [seen(noon, name) for name in names]
    kept += [seen(noon, "email_click", visitor) for visitor in (0, 1)]
    for name in ("page_view", "email_open"):
        kept.append(
            count_row(event_name=name, occurred_at=f"{noon}.000", outcome="counted")
        )
    return kept


class TestVisitors:
    """Who counts as a visitor, and where a session begins."""

    @pytest.mark.parametrize(("before", "day"), [(FIRST, SECOND), (SECOND, THIRD)])
    def test_past_midnight(self, store: Store, before: str, day: str) -> None:
        """A session counts on the day it begins, whichever days are asked for."""
        keep(
            store,
            seen(f"{before} 23:50:00"),
            seen(f"{day} 00:10:00"),
            seen(f"{day} 00:40:01"),
            seen(f"{day} 00:05:00", visitor=2),
        )
        both = answer(store, "visitors", before, day)
        last = answer(store, "visitors", day, day)

        assert [(before, "1", "1", "1", "0"), (day, "2", "2", "3", "0")] == numbers(
            both
        )
        assert [(day, "2", "2", "3", "0")] == numbers(last)

    def test_nothing_begins(self, store: Store) -> None:
        """A day that only sees the end of a session has its visitor alone."""
        keep(store, seen(f"{FIRST} 23:50:00"), seen(f"{SECOND} 00:10:00"))

        assert [(SECOND, "1", "0", "1", "0")] == numbers(
            answer(store, "visitors", SECOND, SECOND)
        )

    def test_silence(self, store: Store) -> None:
        """Half an hour of silence is still the session; a second more is not."""
        keep(
            store,
            seen(f"{SECOND} 10:00:00"),
            seen(f"{SECOND} 10:30:00"),
            seen(f"{SECOND} 11:00:01"),
            seen(f"{SECOND} 10:20:00", site="example.org"),
        )

        assert [(SECOND, "1", "2", "3", "0")] == numbers(
            answer(store, "visitors", SECOND, SECOND)
        )

    def test_who_is_left_out(self, store: Store) -> None:
        """Readers of mails, and whom a server does not name, are no visitors here."""
        keep(
            store,
            seen(f"{SECOND} 10:00:00", "email_open", 7, door="pixel"),
            seen(f"{SECOND} 10:00:09", "email_click", 7, door="redirect"),
            seen(f"{SECOND} 10:00:00", visitor=8, door="server", visitor_scope="day"),
            seen(f"{SECOND} 10:00:00", visitor=0, door="server"),
            seen(f"{SECOND} 10:00:00", visitor=0),
            seen(f"{SECOND} 10:00:00", visitor=9, visitor_scope="day"),
            seen(f"{SECOND} 10:00:00", "custom", 1, door="server"),
        )

        assert [(SECOND, "3", "3", "2", "1")] == numbers(
            answer(store, "visitors", SECOND, SECOND)
        )


def test_pages_by_their_pings(store: Store) -> None:
    """Depth and seconds are those of the pings, and nothing where there are none."""
    keep(
        store,
        seen(f"{SECOND} 10:00:00"),
        seen(f"{SECOND} 11:00:00", visitor=2),
        *(
            seen(f"{SECOND} 10:0{depth}:00", "page_ping", scroll_depth=depth * 10)
            for depth in (2, 4, 9)
        ),
        seen(f"{SECOND} 11:01:00", "page_ping", 2, engaged_ms=5000, scroll_depth=40),
        seen(f"{SECOND} 12:00:00", visitor=3, url_path="/silent"),
        count_row(
            event_name="page_view",
            outcome="counted",
            occurred_at=f"{SECOND} 10:00:00.000",
            url_path="/counted",
        ),
    )
    rows = answer(store, "pages", SECOND, SECOND)

    assert {
        "/": ("2", "0", "2.5", "40"),
        "/silent": ("1", "0", "\\N", "\\N"),
        "/counted": ("0", "1", "\\N", "\\N"),
    } == {
        one["url_path"]: tuple(
            one[name]
            for name in ("views", "counted_views", "engaged_seconds", "scroll_depth")
        )
        for one in rows
    }


def test_no_robot_is_a_view(store: Store) -> None:
    """What was counted apart from visitors is no counted view, whatever told it."""
    robots = [why for why, text in REASONS.items() if "counted apart" in text]
    keep(
        store,
        *(
            count_row(
                event_name="page_view",
                outcome="counted",
                outcome_reasons=[why],
                occurred_at=f"{SECOND} 10:00:00.000",
                url_path=f"/{why}",
            )
            for why in ("no_consent", *robots)
        ),
    )
    rows = answer(store, "pages", SECOND, SECOND)

    assert len(robots) == 6
    assert [("/no_consent", "1")] == [
        (one["url_path"], one["counted_views"]) for one in rows
    ]


class TestMailings:
    """Who opened and clicked, told apart."""

    def test_apart(self, store: Store) -> None:
        """People's opens and clicks are one number, machines' are others."""
        verdicts = {"human": 3, "proxy": 2, "prefetch": 4, "scanner": 5, "": 1}
        keep(
            store,
            *(
                mail_event("email_open", f"10:00:{second:02}", verdict, visitor=second)
                for second, verdict in enumerate(
                    (name for name, times in verdicts.items() for _ in range(times)), 1
                )
            ),
            mail_event("email_click", "11:00:00", "human", visitor=1),
            mail_event("email_click", "11:00:00", "scanner", visitor=15),
            mail_event("email_click", "11:00:00", "proxy", visitor=0),
            mail_event("email_click", "11:00:00", "", visitor=0),
            count_row(
                event_name="email_open",
                outcome="counted",
                occurred_at=f"{SECOND} 10:00:00.000",
                events=9,
            ),
        )

        first, second = answer(store, "mailings", SECOND, SECOND)
        assert {"mailing": "", "opens": "9", "clicks": "0", "readers": "0"} == {
            name: first[name] for name in ("mailing", "opens", "clicks", "readers")
        }
        assert {
            "site": "example.com",
            "day": SECOND,
            "mailing": "letter",
            "opens": "6",
            "clicks": "3",
            "readers": "6",
            "human_opens": "3",
            "proxy_opens": "2",
            "prefetched_opens": "4",
            "scanner_opens": "5",
            "human_clicks": "1",
            "proxy_clicks": "1",
            "scanner_clicks": "1",
        } == second

    @pytest.mark.parametrize(
        ("seconds", "swept"),
        [
            (("00.000", "00.900", "01.999"), 3),
            (("00.000", "00.900", "02.000"), 0),
            (("00.000", "01.900", "03.800"), 0),
            (("00.000", "00.001", "00.002", "00.003", "09.000"), 4),
        ],
    )
    def test_sweep(self, store: Store, seconds: tuple[str, ...], swept: int) -> None:
        """The first links of a sweep are the gateway's too, and no other click is."""
        clicks = [
            mail_event("email_click", f"10:00:{at}", "human", target_url_path=f"/{at}")
            for at in seconds
        ]
        # Another reader, another mailing and the same link again are no part of it.
        clicks += [
            mail_event("email_click", "10:00:00.000", "human", visitor=2),
            mail_event("email_click", "10:00:00.000", "human", mailing="other"),
            mail_event("email_click", "10:00:00.001", "human", mailing="other"),
            mail_event("email_click", "10:00:00.002", "human", mailing="other"),
        ]
        keep(store, *clicks)

        rows = answer(store, "mailings", SECOND, SECOND)
        assert {
            "letter": (str(len(seconds) + 1 - swept), str(swept)),
            "other": ("3", "0"),
        } == {one["mailing"]: (one["clicks"], one["scanner_clicks"]) for one in rows}


def mail_event(
    name: str, time: str, verdict: str, visitor: int = 1, **changes: Any
) -> Row:
    """Return the row of what someone did with a mail."""
    made = seen(
        f"{SECOND} {time}", name, visitor, mailing="letter", mail_verdict=verdict
    )
    # `seen` writes whole seconds.
    at = f"{SECOND} {time}" if "." in time else made.occurred_at
    return msgspec.structs.replace(made, **{"occurred_at": at, **changes})
