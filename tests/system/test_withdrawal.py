"""What was withdrawn is not stored, however it was under way; the numbers add up."""

import json
import signal
import subprocess
import sys
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.losing_proxy import losing_proxy
from tests.product import Answer, Product, files_in, free_ports, wait_until

SITE = "shop.example"
ANNA, BERT = "anna-0123456789abcdef", "bert-0123456789abcdef"
RECIPIENT = "r-0123456789"
ROOT = Path(__file__).parents[2]


def event(visitor: str, kind: str = "page_view", /, **fields: Any) -> dict[str, Any]:
    """Return an event of someone who consented to statistics and marketing."""
    return {
        "event": kind,
        "site": SITE,
        "visitor": visitor,
        "url": f"https://{SITE}/a",
        "consent": {"statistics": True, "marketing": True},
        **fields,
    }


def uuid7() -> str:
    """Return an id as a client makes it."""
    moment = int(time.time() * 1000) << 80
    rest = uuid.uuid4().int & (1 << 80) - 1
    mixed = (moment | rest) & ~(0xF << 76) | 0x7 << 76
    return str(uuid.UUID(int=mixed & ~(0x3 << 62) | 0x2 << 62))


def choose(product: Product, **fields: Any) -> Answer:
    """Make a choice at /consent; it must be taken."""
    body = {"site": SITE, "action": "withdraw", "event_id": uuid7(), **fields}
    answer = product.call("POST", "/consent", json.dumps(body).encode())
    assert 202 == answer.status, answer.body
    assert 1 == answer.json()["accepted"]
    assert answer.json()["record_id"]
    return answer


def send(product: Product, *events: dict[str, Any]) -> None:
    """Send events that must all be accepted."""
    answer = product.post(list(events))
    assert (202, len(events)) == (answer.status, answer.json()["accepted"])


def rows(product: Product) -> dict[str, int]:
    """Return how many rows each visitor has, by a mark in their properties."""
    found = product.sql(
        "SELECT properties['who'] AS who, toUInt32(count()) AS n FROM kastana.events "
        "GROUP BY who"
    )
    return {row["who"]: int(row["n"]) for row in found}


def numbers(product: Product, event_name: str = "page_view") -> dict[str, int]:
    """Return the counters of an event, as `outcome reasons`."""
    found = product.sql(
        "SELECT event_name, "
        "concat(outcome, ' ', arrayStringConcat(outcome_reasons, ' ')) AS why, "
        "toUInt32(sum(events)) AS n FROM kastana.counts GROUP BY event_name, why"
    )
    return {
        row["why"]: int(row["n"]) for row in found if row["event_name"] == event_name
    }


def marked(visitor: str, number: int) -> list[dict[str, Any]]:
    """Return so many events of a visitor, who is named in them to find them by."""
    who = visitor.partition("-")[0]
    return [event(visitor, properties={"who": who}) for _ in range(number)]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Product]]:
    """Prepare a product with the site, that does not run yet; end it after all."""
    made: list[Product] = []

    def prepare(**settings: str) -> Product:
        product = Product(tmp_path / "data", client_rate="0", **settings)
        product.data.mkdir(parents=True)
        done = product.run("site", "add", SITE)
        assert 0 == done.returncode, done.stderr
        made.append(product)
        return product

    yield prepare
    for product in made:
        if product.process is not None and product.process.poll() is None:
            product.kill()


@contextmanager
def server(port: int, folder: Path) -> Iterator[None]:
    """Run a ClickHouse server on a port for a while."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.clickhouse_server", str(port), folder], cwd=ROOT
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def ready(product: Product) -> bool:
    """Say if the keeper has its store."""
    try:
        return product.call("GET", f"{product.keeper}/health/ready").status == 200
    except OSError:
        return False


def test_withdrawn_between_acceptance_and_load(
    begin: Callable[..., Product],
) -> None:
    """Rows that wait in an open segment: gone and counted; so is what comes later."""
    product = begin(spool_seal_seconds="3").start()
    send(product, *marked(ANNA, 3), *marked(BERT, 2))
    assert any((product.data / "spool" / "open").glob("events-*"))
    choose(product, visitor=ANNA)
    send(product, *marked(ANNA, 4), *marked(BERT, 1))
    product.wait_loaded()
    stored, counted = rows(product), numbers(product)
    product.stop()

    assert {"bert": 3} == stored
    assert {"dropped consent_withdrawn": 7} == counted


def test_withdrawn_during_an_outage(
    tmp_path: Path, begin: Callable[..., Product]
) -> None:
    """The store is away while consent is withdrawn: nothing of it is ever stored."""
    port = free_ports(1)[0]
    product = begin(clickhouse_url=f"http://127.0.0.1:{port}")
    with server(port, tmp_path / "ch"):
        product.start()
        send(product, *marked(BERT, 1))
        product.wait_loaded()
    send(product, *marked(ANNA, 5), *marked(BERT, 2))
    wait_until(
        lambda: any((product.data / "spool" / "sealed").glob("events-*")),
        "nothing waits for the store",
        20,
    )
    choose(product, visitor=ANNA)
    with server(port, tmp_path / "ch"):
        wait_until(lambda: ready(product), "the store was not found", 60)
        wait_until(lambda: not waiting(product), "segments did not load", 60)
        stored, counted = rows(product), numbers(product)
        product.stop()

    assert {"bert": 3} == stored
    assert {"dropped consent_withdrawn": 5} == counted


@pytest.mark.parametrize("killed", [False, True], ids=["", "and the keeper killed"])
def test_withdrawn_before_a_replay(
    tmp_path: Path, begin: Callable[..., Product], *, killed: bool
) -> None:
    """The insert was taken and its answer lost; before the repeat consent ends."""
    port = free_ports(1)[0]
    with server(port, tmp_path / "ch"), losing_proxy(port) as proxy:
        product = begin(clickhouse_url=proxy.url, withdrawal_seconds="1").start()
        proxy.lose = "kastana.events"
        send(product, *marked(ANNA, 4), *marked(BERT, 2))
        wait_until(lambda: proxy.lost > 0, "nothing was inserted", 30)
        before = rows(product)
        if killed:
            product.kill()
            proxy.lose = ""
            product.start()
            choose(product, visitor=ANNA)
        else:
            choose(product, visitor=ANNA)
            proxy.lose = ""
        wait_until(lambda: not waiting(product), "segments did not load", 60)
        wait_until(lambda: "anna" not in rows(product), "rows stay in the store", 30)
        stored, counted = rows(product), numbers(product)
        product.stop()

    assert {"anna": 4, "bert": 2} == before
    assert {"bert": 2} == stored
    # A repeat may be under way, or done, when consent is withdrawn: then the rows are
    # stored ones, which are deleted and not counted.
    assert counted in [{}, {"dropped consent_withdrawn": 4}]


def test_stored_rows_are_deleted_in_time(
    begin: Callable[..., Product],
) -> None:
    """Within the time that is set: all rows, or what needed the one category."""
    product = begin(withdrawal_seconds="4").start()
    clicked = f"https://{SITE}/a?gclid=x"
    send(
        product,
        *marked(ANNA, 3),
        *({**one, "url": clicked} for one in marked(BERT, 2)),
        event(
            BERT, "custom", name="n", category="marketing", properties={"who": "bert"}
        ),
    )
    product.wait_loaded()
    assert {"anna": 3, "bert": 3} == rows(product)
    clicks = "SELECT toUInt32(count()) AS n FROM kastana.events WHERE ad_click != ''"
    assert 2 == int(product.sql(clicks)[0]["n"])

    choose(product, visitor=ANNA)
    choose(product, visitor=BERT, categories=["marketing"])
    begun = time.monotonic()
    wait_until(lambda: rows(product) == {"bert": 2}, "rows stay", 10)
    wait_until(lambda: int(product.sql(clicks)[0]["n"]) == 0, "clicks stay", 10)

    def kept() -> bytes:
        files = files_in(product.data / "spool")
        return b"".join(text for path, text in files if path.name.startswith("events-"))

    # The segments that are kept come after the tables, in the same pass; what the
    # metrics say until it has ended is of the pass before.
    wait_until(lambda: b'"who":"anna"' not in kept(), "segments keep anna", 10)
    wait_until(lambda: b"gclid" not in kept(), "segments keep clicks", 10)
    took = time.monotonic() - begun
    wait_until(
        lambda: b"kastana_objections_pending 0.0" in metrics(product), "pending", 10
    )
    left = kept()
    product.stop()

    assert took < 10
    assert b'"who":"anna"' not in left
    assert 2 == left.count(b'"who":"bert"')
    assert b"gclid" not in left


def test_withdrawn_by_the_reader_of_an_email(
    begin: Callable[..., Product],
) -> None:
    """Withdrawn by recipient: opens of e-mails that were sent long ago are dropped."""
    product = begin(withdrawal_seconds="1").start()

    def open_mail(recipient: str) -> None:
        query = urllib.parse.urlencode(
            {
                "site": SITE,
                "event": "email_open",
                "mailing": "spring",
                "recipient": recipient,
                "consent": "statistics",
                "p.who": recipient.partition("-")[0],
            }
        )
        assert 200 == product.call("GET", f"/p.gif?{query}").status

    for recipient in (RECIPIENT, "other-0123456789"):
        open_mail(recipient)
        open_mail(recipient)
    product.wait_loaded()
    before = rows(product)
    choose(product, recipient=RECIPIENT)
    wait_until(lambda: "r" not in rows(product), "rows stay", 20)
    for _ in range(3):
        open_mail(RECIPIENT)
    open_mail("other-0123456789")
    wait_until(lambda: rows(product) == {"other": 3}, "the other's open is missing", 20)
    product.wait_loaded()
    stored, counted = rows(product), numbers(product, "email_open")
    product.stop()

    assert {"r": 2, "other": 2} == before
    assert {"other": 3} == stored
    assert {"dropped consent_withdrawn": 3} == counted


def waiting(product: Product) -> list[Path]:
    """Return the segments that are not loaded yet."""
    spool = product.data / "spool"
    return [
        path
        for state in ("open", "sealed")
        for path in (spool / state).glob("[!.]*.ndjson")
    ]


def metrics(product: Product) -> bytes:
    """Return the keeper's metrics."""
    return product.call("GET", f"{product.keeper}/metrics").body
