"""The contract that scripts rely on: commands, options, files, exit codes."""

import io
import json
import os
import stat
import subprocess
import time
import urllib.parse
from pathlib import Path

import pyarrow.parquet
import pytest

from tests.product import KASTANA, Product, free_ports, wait_until

SITE = "opt-in.example"
COMMANDS = [
    "serve", "edge", "keeper", "sql", "query", "explain", "policy", "site", "link",
    "doctor", "version", "rollup",
]  # fmt: skip


def kastana(*arguments: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command without a data folder of its own."""
    return subprocess.run(
        [KASTANA, *arguments],
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, **env},
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    """`kastana COMMAND --help` explains and ends with 0."""
    done = kastana(command, "--help")

    assert 0 == done.returncode
    assert b"Usage: kastana " + command.encode() in done.stdout


WRONG: list[tuple[tuple[str, ...], dict[str, str], int, bytes]] = [
    (("nonsense",), {}, 2, b"No such command"),
    (("sql", "SELECT 1", "--data", "/nonexistent"), {}, 2, b"is not a folder"),
    (("serve", "--workers", "0"), {}, 78, b"workers"),
    (("serve", "--trusted-proxies", "x"), {}, 78, b"not a network"),
    (("serve",), {"KASTANA_NONSENSE": "1"}, 78, b"KASTANA_NONSENSE"),
    (("serve", "--config", "/nonexistent.toml"), {}, 78, b"nonexistent.toml"),
    (("policy", "check", "--file", "/nonexistent"), {}, 2, b"does not exist"),
]


@pytest.mark.parametrize(("arguments", "env", "code", "words"), WRONG)
def test_wrong_usage_ends_with_code_and_words(
    tmp_path: Path,
    arguments: tuple[str, ...],
    env: dict[str, str],
    code: int,
    words: bytes,
) -> None:
    """What is wrong is said on standard error, without a traceback."""
    done = kastana(*arguments, **{"KASTANA_DATA": str(tmp_path / "data"), **env})

    assert code == done.returncode, done.stderr
    assert words in done.stderr
    assert b"Traceback" not in done.stderr


def test_policy_check_names_the_key_at_fault(tmp_path: Path) -> None:
    """A field without retention does not load: exit 1, the key in words."""
    shown = json.loads(kastana("policy", "show").stdout)
    text = Path(__file__).parents[2].joinpath("schemas/policy.toml").read_text()
    broken = tmp_path / "policy.toml"
    broken.write_text(text.replace('retention = "address"\n', "", 1))
    good, bad = (
        kastana("policy", "check"),
        kastana("policy", "check", "--file", str(broken)),
    )

    assert "2025-05-16" == shown["header"]["version"]
    assert (0, 1) == (good.returncode, bad.returncode)
    assert b"fields.client_address" in bad.stderr
    assert b"retention" in bad.stderr


def test_policy_inventory_and_ddl_name_every_field() -> None:
    """Markdown, JSON and DDL are the same list of fields."""
    fields = json.loads(kastana("policy", "inventory", "--format", "json").stdout)
    markdown = kastana("policy", "inventory").stdout.decode()
    ddl = kastana("policy", "ddl").stdout.decode()
    names = [field["name"] for field in fields["fields"]]

    assert "visitor_id" in names
    for name in names:
        assert f"`{name}`" in markdown
        assert f"`{name}` " in ddl


def test_sql_answers_in_the_formats_of_clickhouse(product: Product) -> None:
    """A table by default; JSONEachRow, CSV and Parquet as bytes."""
    statement = "SELECT 7 AS n, 'x' AS t"
    table = product.run("sql", statement).stdout.decode()
    lines = product.run("sql", statement, "--format", "JSONEachRow").stdout
    csv = product.run("sql", statement, "--format", "CSV").stdout
    parquet = product.run("sql", statement, "--format", "Parquet").stdout
    piped = product.run("sql", "-", "--format", "TSV", text=b"SELECT 8").stdout

    assert ["n", "t", "7", "x"] == table.split()
    assert {"n": 7, "t": "x"} == json.loads(lines)
    assert b'7,"x"\n' == csv
    assert [{"n": 7, "t": b"x"}] == [
        {"n": row["n"], "t": row["t"] if isinstance(row["t"], bytes) else b"x"}
        for row in pyarrow.parquet.read_table(io.BytesIO(parquet)).to_pylist()
    ]
    assert b"8\n" == piped


REFUSED = [
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT file('/etc/passwd')",
    "INSERT INTO kastana.counts (site) VALUES ('x')",
    "DROP TABLE kastana.events",
    "SELECT 1; DROP TABLE kastana.events",
    "SELECT * FROM url('http://127.0.0.1:1/', 'TSV')",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_sql_reads_and_does_nothing_else(product: Product, statement: str) -> None:
    """Files, the network and writing are refused, on both ways in."""
    done = product.run("sql", statement)
    path = "/?query=" + urllib.parse.quote(statement)
    over_http = product.call("GET", product.clickhouse + path)

    assert 1 == done.returncode
    assert b"root:" not in done.stdout + over_http.body
    assert 400 <= over_http.status < 600


def test_clickhouse_interface_answers_and_minds_its_callers(
    product: Product,
) -> None:
    """Any client may read on this machine; a foreign web page may not."""
    plain = product.call("GET", product.clickhouse + "/?query=SELECT%201")
    page = product.call(
        "GET", product.clickhouse + "/?query=SELECT%201", Origin="https://evil.example"
    )
    rebound = product.call(
        "GET", product.clickhouse + "/?query=SELECT%201", Host="evil.example"
    )

    assert (200, b"1\n") == (plain.status, plain.body)
    assert 400 <= page.status < 500
    assert 400 <= rebound.status < 500


def test_admin_sql_needs_the_token(product: Product) -> None:
    """Without the bearer token nobody reads, from this machine or not."""
    body = json.dumps({"sql": "SELECT 1"}).encode()
    answer = product.call("POST", product.keeper + "/sql", body)

    assert (401, "unauthorised") == (answer.status, answer.json()["error"]["code"])


def test_every_view_answers_and_has_a_head(product: Product) -> None:
    """`kastana query` lists the views, and each one runs."""
    listed = product.run("query").stdout.decode()
    names = [
        "activity", "pages", "visitors", "referrers", "devices", "countries",
        "web_vitals", "errors", "mailings", "outcomes",
    ]  # fmt: skip
    for name in names:
        done = product.run("query", name, "--format", "JSONEachRow")

        assert 0 == done.returncode, done.stderr
        assert name in listed


def test_views_count_what_happened(product: Product) -> None:
    """Two visitors, a gap of more than 30 minutes, pings, vitals and an error."""
    now = int(time.time() * 1000)
    hour = 3_600_000
    site, given = "opt-in.example", {"statistics": True}
    common = {"site": site, "url": f"https://{site}/views", "consent": given}
    first, second = "FirstVisitorToken1", "SecondVisitorToken"
    events = [
        {"event": "page_view", "visitor": first, "occurred_at": now - 2 * hour},
        {"event": "page_view", "visitor": first, "occurred_at": now - 1000},
        {"event": "page_view", "visitor": second, "occurred_at": now - 1000},
        {
            "event": "page_ping",
            "visitor": second,
            "engaged_ms": 9000,
            "scroll_depth": 60,
        },
        *(
            {"event": "web_vital", "web_vital_name": "LCP", "web_vital_value": value}
            for value in (1000, 2000, 3000, 4000)
        ),
        {"event": "exception", "exception_type": "TypeError"},
    ]
    answer = product.post([{**common, **event} for event in events])
    assert (202, len(events)) == (answer.status, answer.json()["accepted"])
    product.wait_loaded()
    sessions = product.sql(
        "SELECT sum(sessions) AS sessions FROM kastana.visitors "
        "WHERE site = 'opt-in.example'"
    )
    page = product.sql(
        "SELECT sum(views) AS views, max(visitors) AS visitors FROM kastana.pages "
        "WHERE url_path = '/views'"
    )[0]
    vital = product.sql(
        "SELECT p75, samples FROM kastana.web_vitals WHERE url_path = '/views'"
    )[0]
    error = product.sql(
        "SELECT occurrences FROM kastana.errors WHERE url_path = '/views'"
    )[0]

    assert int(sessions[0]["sessions"]) >= 3
    assert (3, 2) == (int(page["views"]), int(page["visitors"]))
    assert (4, True) == (int(vital["samples"]), 3000 <= vital["p75"] <= 3500)
    assert 1 == int(error["occurrences"])


def test_rollup_has_each_event_once(product: Product) -> None:
    """Repeated and late, before it is built and after: the totals are the events'."""
    now = int(time.time() * 1000)
    common = {
        "site": "opt-in.example",
        "url": "https://opt-in.example/rolled",
        "consent": {"statistics": True},
        "visitor": "RollupVisitorToken",
    }
    hours = "SELECT sum(views) AS views, max(visitors) AS visitors FROM kastana.{} "
    where = "WHERE url_path = '/rolled'"
    for number in range(2):
        event_id = f"0197b2f4-0000-7000-8000-00000000cc0{number}"
        late = {"event": "page_view", "event_id": event_id}
        answer = product.post([{**common, **late, "occurred_at": now - 7_200_000}] * 2)
        assert 202 == answer.status
        product.wait_loaded()
        (found,) = product.sql(hours.format("page_hours") + where)
        assert (number + 1, 1) == (int(found["views"]), int(found["visitors"]))
        assert 0 == product.run("rollup", "rebuild", "page_hours").returncode
        built = (hours + where).format("page_hours_built").replace("visitors", "build")
        wait_until(
            lambda want=number + 1, ask=built: (
                [want] == [int(row["views"]) for row in product.sql(ask)]
            ),
            "the rollup was not built",
            20,
        )
    checked = product.run("rollup", "check", "page_hours")

    assert (0, b"page_hours: the same as its events\n") == (
        checked.returncode,
        checked.stdout,
    )
    assert b"/rolled" in product.run("query", "page_hours").stdout
    assert 2 == product.run("rollup", "check", "nothing").returncode
    assert 2 == product.run("rollup", "rebuild", "page_hours", "--to", "x").returncode


@pytest.mark.parametrize(
    ("token", "content", "status"),
    [
        ("", {}, 401),
        ("mine", {}, 400),
        ("mine", {"name": "nothing", "start": "2026-01-01", "end": "2026-01-01"}, 404),
        ("mine", {"name": "page_hours", "start": "x", "end": "2026-01-01"}, 400),
    ],
)
def test_rollup_rebuild_minds_its_callers(
    product: Product, token: str, content: dict[str, str], status: int
) -> None:
    """Not without the token, nor of what there is not; the answer quotes nothing."""
    secret = (product.data / "secrets" / "admin.token").read_text().strip()
    answer = product.call(
        "POST",
        f"{product.keeper}/rollup/rebuild",
        json.dumps({"site": "SECRET-SITE", **content}).encode(),
        Authorization=f"Bearer {secret if token else 'no'}",
    )

    assert status == answer.status
    assert b"SECRET" not in answer.body


def test_explain_stores_nothing_and_names_what_would_stay(product: Product) -> None:
    """Captured requests in, one JSON line each out; broken ones are named."""
    event = {"event": "page_view", "site": "opt-in.example", "title": "explained"}
    record = {
        "method": "POST",
        "target": "/e",
        "headers": [],
        "body": json.dumps(event),
    }
    text = f"{json.dumps(record)}\nnot json\n{{}}\n".encode()
    done = product.run("explain", "-", text=text)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    product.wait_loaded()

    assert 1 == done.returncode
    assert [202, None, None] == [line.get("status") for line in told]
    assert "counted" == told[0]["events"][0]["outcome"]
    assert ["bad_record"] * 2 == [line["error"]["code"] for line in told[1:]]
    assert [] == product.sql(
        "SELECT 1 FROM kastana.events WHERE page_title = 'explained'"
    )


def test_sites_are_added_changed_listed_and_removed(tmp_path: Path) -> None:
    """Site commands keep what is not mentioned, and refuse what is no site."""
    product = Product(tmp_path / "data")
    product.data.mkdir()
    product.run("site", "add", "a.example", "--rules", "us_other")
    product.run("site", "add", "a.example", "--debug")
    listed = [json.loads(x) for x in product.run("site", "list").stdout.splitlines()]
    bad = product.run("site", "add", "not a site")
    origin = product.run("site", "add", "b.example", "--origin", "nowhere")
    removed = product.run("site", "remove", "a.example")
    again = product.run("site", "remove", "a.example")

    assert [("a.example", ["us_other"], True)] == [
        (site["name"], site["rules"], site["debug"]) for site in listed
    ]
    assert (1, 1, 0, 1) == (
        bad.returncode, origin.returncode, removed.returncode, again.returncode,
    )  # fmt: skip


def test_open_sites_and_several_workers_from_a_settings_file(tmp_path: Path) -> None:
    """A settings file is read; two edges share the port; any site is taken."""
    product = Product(tmp_path / "data")
    config = tmp_path / "kastana.toml"
    config.write_text("open_sites = true\nworkers = 2\nclient_rate = 0\n")
    product.settings["config"] = str(config)
    product.start()
    events = [
        product.post({"event": "page_view", "site": f"s{i}.example"}) for i in range(20)
    ]
    product.wait_loaded()
    counted = product.sql("SELECT uniqExact(site) AS n FROM kastana.counts")
    code = product.stop()

    assert {202} == {answer.status for answer in events}
    assert 20 == int(counted[0]["n"])
    assert 0 == code


def test_what_lies_in_the_data_folder_is_private(product: Product) -> None:
    """Secrets are 0600, folders 0700; nobody else reads rows or keys."""
    view = {"event": "page_view", "site": SITE, "consent": {"statistics": True}}
    # A visitor without a token needs the day's salt.
    assert product.post(view, Origin=f"https://{SITE}").status == 202
    secrets = list((product.data / "secrets").iterdir())
    folders = [product.data, product.data / "secrets", product.data / "spool"]

    assert {"visitor.key", "link.key", "admin.token", "day.salt"} <= {
        path.name for path in secrets
    }
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in secrets}
    assert {0o700} == {stat.S_IMODE(path.stat().st_mode) for path in folders}


def test_doctor_says_what_is_wrong(product: Product, tmp_path: Path) -> None:
    """A sound installation is 0; a readable secret is 1, with words."""
    good = product.run("doctor", "--json")
    broken = Product(tmp_path / "data")
    broken.data.mkdir()
    broken.run("doctor")
    (broken.data / "secrets" / "link.key").chmod(0o644)
    bad = broken.run("doctor")

    assert 0 == good.returncode, good.stdout
    assert {"good", "warning"} >= {
        json.loads(line)["state"] for line in good.stdout.splitlines()
    }
    assert 1 == bad.returncode
    assert b"link.key can be read by others" in bad.stdout


def test_table_shows_what_is_stored_and_nothing_else(product: Product) -> None:
    """Brackets are no markup, control characters reach no terminal."""
    statement = (
        "SELECT '[email] [/b] x' AS \"[red]\", concat('a', char(27), '[31m') AS e"
    )
    done = product.run("sql", statement)
    raw = product.run("sql", "SELECT unhex('ff') AS broken")

    assert (0, 0) == (done.returncode, raw.returncode), done.stderr
    assert "[email] [/b] x" in done.stdout.decode()
    assert "[red]" in done.stdout.decode()
    assert b"\x1b" not in done.stdout


def test_format_clause_of_a_statement_is_respected(product: Product) -> None:
    """What the statement asks for is printed as it is."""
    done = product.run("sql", "SELECT 1 AS a, 2 AS b FORMAT CSV")

    assert (0, b"1,2\n") == (done.returncode, done.stdout)


def test_second_server_leaves_the_first_alone(product: Product) -> None:
    """On the same folder, or the same public address: refused, nothing touched."""
    ports = [f"127.0.0.1:{port}" for port in free_ports(3)]
    names = ("--listen", "--keeper-listen", "--clickhouse-listen")
    own = [part for pair in zip(names, ports, strict=True) for part in pair]
    same_folder = product.run("serve", *own)
    taken = ["--listen", product.settings["listen"], *own[2:]]
    same_port = Product(product.data.parent / "other")
    same_port.data.mkdir()
    refused = same_port.run("serve", *taken)

    assert (78, 78) == (same_folder.returncode, refused.returncode)
    assert b"another server is running" in same_folder.stderr
    assert b"cannot listen on" in refused.stderr
    assert [{"n": 1}] == product.sql("SELECT 1 AS n")


def test_nothing_is_imported_from_where_one_stands(tmp_path: Path) -> None:
    """A folder with a `logging.py` or `schemas/` changes nothing."""
    (tmp_path / "logging.py").write_text("raise SystemExit('imported')\n")
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "__init__.py").write_text("raise SystemExit('imported')\n")
    product = Product(tmp_path / "data")
    product.folder = tmp_path
    product.start()
    code = product.stop()

    assert 0 == code
    assert b"imported" not in product.log.read_bytes()
