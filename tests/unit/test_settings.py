"""Settings: which source wins, and what is refused with whose name."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from schemas.settings import (
    Settings,
    SettingsError,
    as_environment,
    descriptions,
    example_toml,
    load_settings,
)

NAMES = list(Settings.__struct_fields__)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A settings file that chooses three things."""
    path = tmp_path / "settings.toml"
    path.write_text("workers = 2\nmax_events = 20\nclient_rate = 2.5\n")
    return path


def test_precedence(file: Path) -> None:
    """Default, file, environment, command line: the later one wins."""
    environment = {"KASTANA_MAX_EVENTS": "30", "KASTANA_CLIENT_RATE": "3.5"}
    settings = load_settings(file, environment, {"client_rate": 4.5, "demo": None})

    assert (2, 30, 4.5, True, "127.0.0.1:8000") == (
        settings.workers,
        settings.max_events,
        settings.client_rate,
        settings.demo,
        settings.listen,
    )


def test_nothing_given() -> None:
    """Without any source everything has its default; others' variables are theirs."""
    assert Settings() == load_settings(None, {"HOME": "/", "WORKERS": "9"}, {})


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("KASTANA_WORKERS", "3", 3),
        ("KASTANA_OPEN_SITES", "true", True),
        ("KASTANA_DEMO", "0", False),
        ("KASTANA_SPOOL_KEEP_SECONDS", "1.5", 1.5),
        ("KASTANA_GEO_DATABASES", "a.mmdb, b.mmdb", ("a.mmdb", "b.mmdb")),
        ("KASTANA_TRUSTED_PROXIES", "", ()),
        ("KASTANA_CLICKHOUSE_LISTEN", "", ""),
        ("KASTANA_LOG_LEVEL", "debug", "debug"),
        ("KASTANA_PROXY_HEADER", "CF-Connecting-IP", "cf-connecting-ip"),
        ("KASTANA_PROXY_HEADER", "forwarded", "forwarded"),
        ("KASTANA_COUNTRY_HEADER", "CF-IPCountry", "CF-IPCountry"),
        ("KASTANA_COUNTRY_HEADER", "", ""),
    ],
)
def test_environment(variable: str, text: str, value: object) -> None:
    """A variable's text is read as its setting's type."""
    settings = load_settings(None, {variable: text}, {})

    assert value == getattr(settings, variable.removeprefix("KASTANA_").lower())


@pytest.mark.parametrize(
    ("content", "environment", "options", "named"),
    [
        ("worker = 2", {}, {}, ["settings.toml", "'worker'"]),
        ("[kastana]\nworkers = 2", {}, {}, ["settings.toml", "'kastana'"]),
        ("", {"KASTANA_WORKER": "2"}, {}, ["environment", "KASTANA_WORKER"]),
        ("", {}, {"worker": 2}, ["options", "worker"]),
        ("workers = 0", {}, {}, ["settings.toml", "workers"]),
        ("workers = 'many'", {}, {}, ["settings.toml", "workers"]),
        ("", {"KASTANA_WORKERS": "many"}, {}, ["environment", "workers"]),
        ("workers = 2", {"KASTANA_WORKERS": "0"}, {}, ["environment", "workers"]),
        ("", {"KASTANA_LOG_LEVEL": "loud"}, {}, ["environment", "log_level"]),
        ("", {"KASTANA_DEMO": "yes"}, {}, ["environment", "demo"]),
        ("proxy_header = 'via'", {}, {}, ["settings.toml", "proxy_header"]),
        ("proxy_header = 1", {}, {}, ["settings.toml", "proxy_header"]),
        ("country_header = 'a: b'", {}, {}, ["settings.toml", "country_header"]),
        ("", {"KASTANA_LISTEN": "8000"}, {}, ["environment", "listen"]),
        ("", {}, {"max_body_bytes": 1}, ["options", "max_body_bytes"]),
        ("", {}, {"client_rate": float("nan")}, ["options", "client_rate"]),
        ("trusted_proxies = [1]", {}, {}, ["settings.toml", "trusted_proxies"]),
        ("workers = = 2", {}, {}, ["settings.toml", "is not TOML"]),
    ],
)
def test_refused(
    tmp_path: Path,
    content: str,
    environment: dict[str, str],
    options: dict[str, Any],
    named: list[str],
) -> None:
    """What is unknown or impossible is refused with its name and its source."""
    file = tmp_path / "settings.toml"
    file.write_text(content)

    with pytest.raises(SettingsError) as caught:
        load_settings(file, environment, options)

    assert [] == [word for word in named if word not in str(caught.value)]


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A file that is not there, or not text, is an error with its name."""
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")

    for path in (tmp_path / "none.toml", tmp_path, binary):
        with pytest.raises(SettingsError) as caught:
            load_settings(path, {}, {})
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_documented(name: str) -> None:
    """Every setting says what it is, in words."""
    text, default = descriptions()[name]

    assert len(text.split()) >= 2
    assert default == getattr(Settings(), name)


def test_example_shows_the_defaults() -> None:
    """The example names every setting; uncommented it changes nothing."""
    lines = [line.removeprefix("# ") for line in example_toml().splitlines()]
    content = tomllib.loads("\n".join(line for line in lines if " = " in line))

    assert NAMES == list(content)
    assert Settings() == load_settings(None, {}, content)


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"listen": "0.0.0.0:80"}, "http://0.0.0.0:80"),
        ({"public_url": "https://e.example/k/"}, "https://e.example/k"),
    ],
)
def test_base_url(options: dict[str, str], url: str) -> None:
    """Clients are told the public URL, or the listener's."""
    assert url == load_settings(None, {}, options).base_url


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(demo=False, workers=3, site_rate=0.25, listen="[::1]:80"),
        Settings(geo_databases=("a b", "c"), trusted_proxies=("10.0.0.0/8",)),
    ],
    ids=["none", "numbers", "lists"],
)
def test_settings_as_variables(settings: Settings) -> None:
    """Settings are handed on as variables, and read back the same."""
    assert settings == load_settings(None, as_environment(settings), {})


def test_settings_that_are_no_variables() -> None:
    """A path that a variable cannot hold is refused, not cut."""
    with pytest.raises(SettingsError, match="comma"):
        as_environment(Settings(geo_databases=("a,b",)))
