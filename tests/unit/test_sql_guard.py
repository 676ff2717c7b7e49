"""
The SQL guard: what analysts write passes and means the same; nothing else passes.

The attacks run against a real engine with a real secret on the same disk.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.sql_guard import GuardError, SqlGuard, Statement
from pipeline.sql_tree import load_rules
from pipeline.store import READ_LIMITS, Store, StoreError, StoreRefused
from tests import store_fixture
from tests.store_fixture import AT, make_table, segment

shared_store = store_fixture.shared_store
SYNTAX = 62
SECRET = "0f1e2d3c-the-visitor-key"


def _statements(name: str) -> list[str]:
    """Return a file's statements, one a line."""
    path = Path(__file__).parent / "statements" / f"{name}.sql"
    return path.read_text("utf-8").splitlines()


@pytest.fixture(scope="module")
def store(shared_store: Store) -> Store:
    """Give a store with a table `hits` of three rows."""
    make_table(shared_store)
    rows = [[i, f"{'ab'[i % 2]}.example", AT, None] for i in range(3)]
    shared_store.insert_segment("hits", segment(rows), "t1")
    return shared_store


@pytest.fixture(scope="module")
def guard(store: Store) -> SqlGuard:
    """Give the guard by itself."""
    return SqlGuard(store._parse, READ_LIMITS)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give the path of a secret, without a suffix; others have one."""
    folder = tmp_path_factory.mktemp("secrets")
    path = folder / "visitor"
    for each in (path, folder / "visitor.key", folder / "visitor.csv"):
        each.write_text(f"{SECRET}\nsecond,line\n")
    before = sorted(folder.iterdir())
    yield path
    assert before == sorted(folder.iterdir())
    assert path.read_text().startswith(SECRET)


HARMLESS = _statements("harmless")


@pytest.mark.parametrize("sql", HARMLESS)
def test_reading_means_what_it_meant(store: Store, sql: str) -> None:
    """What passes gives the answer, and the column names, of the text as sent."""
    store.command(
        "CREATE TABLE IF NOT EXISTS kastana.hits_ids (id UInt64) ENGINE = Memory"
    )
    plain = store.query(sql.removesuffix(";"), "TSVWithNames", read_only=False)
    names, *expected = plain.splitlines()
    answered, *rows = store.query(sql, "TSVWithNames").splitlines()

    assert answered == names
    if "UNION" in sql:
        # Its parts are read side by side: their order is nobody's promise.
        expected.sort()
        rows.sort()
    assert rows == expected


WRITES = _statements("changing")


@pytest.mark.parametrize("sql", WRITES)
def test_only_reading(store: Store, key: Path, sql: str) -> None:
    """Everything that writes, changes the session or shows others is refused."""
    sql = sql.format(key=key, folder=key.parent)

    with pytest.raises((GuardError, StoreRefused)):
        store.query(sql, "TSV")

    assert b"3\n" == store.query("SELECT count() FROM hits", "TSV")
    assert b"hits\nhits_rollup\nhits_view\n" == store.query(
        "SELECT name FROM system.tables WHERE database = 'kastana' "
        "AND name != 'hits_ids' ORDER BY name",
        "TSV",
    )


READS = _statements("prying")
# The engine has nothing to tell here, so the guard lets them pass.
VAIN = _statements("vain")


def _filled(sql: str, key: Path) -> str:
    for name, value in (("key", key), ("folder", key.parent), ("secret", SECRET)):
        sql = sql.replace("{" + name + "}", str(value))
    return sql


@pytest.mark.parametrize("sql", READS + VAIN)
def test_the_secret_stays_secret(store: Store, key: Path, sql: str) -> None:
    """No statement tells a file's content, not even in an error."""
    filled = _filled(sql, key)
    answer, told = b"", ""

    try:
        answer = store.query(filled, "TSV", {"p": str(key), "d": "default"})
    except (GuardError, StoreError) as error:
        told = repr(error) + getattr(error, "detail", "").replace(filled, "")
        told = told.replace(f"'{SECRET}'", "")

    assert answer in {b"", b"0\n"}
    assert SECRET not in told


@pytest.mark.parametrize("sql", WRITES + READS)
def test_the_guard_needs_no_help(guard: SqlGuard, key: Path, sql: str) -> None:
    """It refuses by itself, whatever the engine would do with the statement."""
    with pytest.raises((GuardError, StoreRefused)) as refused:
        guard.check(_filled(sql, key))

    assert isinstance(refused.value, GuardError) or refused.value.code == SYNTAX


def test_what_runs_is_canonical(guard: SqlGuard) -> None:
    """No comment, no `;`, no spelling of the sender's reaches the engine."""
    statement = guard.check("select/* ; */1 as`a b` -- x\n format  csv ; -- '")

    assert Statement("SELECT 1 AS `a b` FORMAT csv", "csv") == statement


@pytest.mark.parametrize(
    ("sql", "fmt", "settings_"),
    [
        ("SELECT 1 AS a", "TSV", {"format_template_row": "{key}"}),
        ("SELECT 1 AS a", "Template", {}),
        ("SELECT 1 AS a", "Protobuf", {}),
        ("SELECT 1 AS a", "TSV INTO OUTFILE '{key}'", {}),
        ("SELECT 1 AS a", "TSV\n; SELECT file('{key}')", {}),
        ("SELECT 1", "TSV", {"readonly": "0"}),
        ("SELECT 1", "TSV", {"allow_ddl": "1"}),
        ("SELECT 1", "TSV", {"dialect": "prql"}),
        ("SELECT 1", "TSV", {"max_threads = 1, readonly": "0"}),
    ],
)
def test_formats_and_settings_beside_the_statement(
    store: Store, key: Path, sql: str, fmt: str, settings_: dict[str, str]
) -> None:
    """They come from the reader too, and are no way around."""
    filled = {name: value.format(key=key) for name, value in settings_.items()}

    with pytest.raises(GuardError):
        store.query(sql, fmt.replace("{key}", str(key)), settings=filled)


def test_limits_can_only_be_lowered(store: Store) -> None:
    """More, or none, becomes the limit itself."""
    sql = "SELECT toUInt64(value) FROM system.settings WHERE name = 'max_result_rows'"
    most = READ_LIMITS["max_result_rows"]

    for asked, expected in (("5", 5), ("0", most), (str(most * 2), most), ("x", most)):
        given_ = {"max_result_rows": asked}
        assert expected == int(store.query(sql, "TSV", settings=given_))


def test_the_attacks_would_work_without_the_guard(store: Store, key: Path) -> None:
    """Otherwise the tests above would prove nothing."""
    for sql in (
        f"SELECT file('{key}')",
        f"SELECT 1; SELECT file('{key}')",
        f"SELECT arrayMap(file, ['{key}']) SETTINGS readonly = 2",
    ):
        assert SECRET.encode() in store.query(sql, "TSV", read_only=False)


@pytest.mark.parametrize("name", sorted(load_rules().refused))
def test_refused_functions(store: Store, name: str) -> None:
    """Each of them, by name, whatever its arguments."""
    with pytest.raises(GuardError, match="not allowed: it "):
        store.query(f"SELECT {name}(1)", "TSV")


GAP = st.sampled_from([" ", "\n", "\t", "/* x */", "/* ; ' */", "-- x '\n", "#! x\n"])
FILE = st.sampled_from(["file", "FILE", "`file`", '"file"', "File", "fIlE"])
AROUND = st.lists(
    st.sampled_from(
        [
            "SELECT * FROM ({})",
            "SELECT ({})",
            "WITH a AS ({}) SELECT * FROM a",
            "EXPLAIN {}",
            "SELECT 1 UNION ALL {}",
            "SELECT 'a' IN ({})",
            "({})",
            "SELECT * FROM view({})",
            "{} SETTINGS max_threads = 1",
            "{} FORMAT TSV",
            "SELECT 1 AS `file('` FROM ({})",
            "SELECT ';', $$ ' $$ FROM ({})",
        ]
    ),
    max_size=4,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gaps=st.lists(GAP, min_size=3, max_size=3), file=FILE, around=AROUND)
def test_no_wrapping_hides_it(
    store: Store, key: Path, gaps: list[str], file: str, around: list[str]
) -> None:
    """Comments, case, quotes and nesting do not hide a function."""
    sql = f"SELECT{gaps[0]}{file}{gaps[1]}({gaps[2]}'{key}')"
    for shell in around:
        sql = shell.replace("{}", sql)

    with pytest.raises((GuardError, StoreRefused)) as refused:
        store.query(sql, "TSV")

    assert SECRET not in str(refused.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text())
def test_any_text_is_answered_or_refused(store: Store, text: str) -> None:
    """And a literal comes back as it was sent."""
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    answer = store.query(f"SELECT '{quoted}' = {{p:String}}", "TSV", {"p": text})

    assert b"1\n" == answer
    with pytest.raises((GuardError, StoreError)):
        store.query(f"{text} FROM file('x')", "TSV")


def test_depth_and_length(store: Store) -> None:
    """Neither overflows anything."""
    deep = "SELECT " + "(" * 50 + "1" + ")" * 50
    nested = "SELECT * FROM (" * 300 + "SELECT 1" + ")" * 300
    long = "SELECT '" + "x" * 300_000 + "'"

    assert b"1\n" == store.query(deep, "TSV")
    for sql in (nested, long, "SELECT " + "-" * 5000 + "1", "SELECT " + "[" * 5000):
        with pytest.raises((GuardError, StoreError)):
            store.query(sql, "TSV")
