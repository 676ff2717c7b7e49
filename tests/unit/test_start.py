"""What starting a process costs: only what it needs is loaded."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from collector.cli import cli
from collector.options import LazyGroup
from tests.builders import ROOT

LOADED = "import json, sys; {}; print(json.dumps(sorted(sys.modules)))"
EDGE = "from collector.authorities import import_aiohttp; import_aiohttp(); import {}"


def loaded(code: str) -> set[str]:
    """Return the modules that a new process has after some code."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(code)],
        capture_output=True,
        check=True,
        cwd=ROOT,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def groups(group: click.Group, *names: str) -> list[tuple[str, ...]]:
    """Return the words by which a group and the groups in it are called."""
    found = [names]
    for name, command in group.commands.items():
        if isinstance(command, LazyGroup):
            found += groups(command, *names, name)
    return found


@pytest.mark.parametrize(
    ("code", "unneeded"),
    [
        ("import collector.commands_serve", ("aiohttp", "chdb", "pipeline.process")),
        ("import collector.commands_site", ("aiohttp", "chdb", "pipeline.redact")),
        ("import collector.commands_read", ("aiohttp", "rich", "schemas.policy")),
        (EDGE.format("collector.app"), ("chdb", "clickhouse_connect")),
        (EDGE.format("collector.keeper"), ("ua_parser_builtins.regexes",)),
    ],
    ids=["serve", "site", "sql", "edge", "keeper"],
)
def test_a_process_loads_what_it_needs(code: str, unneeded: tuple[str, ...]) -> None:
    """The supervisor needs no web server, the edge no store, nobody a slow parser."""
    assert set() == loaded(code) & set(unneeded)


def test_no_command_is_loaded_for_the_list_of_commands() -> None:
    """`kastana --help` and completion read the sources of commands, at most."""
    code = "from collector.cli import cli; cli(['{}'], standalone_mode=False)"
    shown = loaded(code.format("--help"))

    assert not [name for name in shown if name.startswith("collector.commands_")]


@pytest.mark.parametrize("names", groups(cli), ids=" ".join)
def test_list_of_commands_says_what_they_say(names: tuple[str, ...]) -> None:
    """What is shown of a command that is not loaded is its own short help."""
    group: click.Group = cli
    for name in names:
        group = group.commands[name]  # type: ignore[assignment]
    context = click.Context(group)
    completed = {item.value: item.help for item in group.shell_complete(context, "")}

    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        assert command.get_short_help_str()
        assert command.get_short_help_str() == completed.pop(name)
    assert {} == completed


def test_completion_offers_what_begins_so() -> None:
    """Half a word leaves the commands that begin with it, two hyphens the options."""
    context = click.Context(cli)
    words = [[one.value for one in cli.shell_complete(context, x)] for x in ("s", "--")]
    begin_so = [name for name in cli.list_commands(context) if name.startswith("s")]

    assert {"serve", "site", "sql"} <= set(begin_so)
    assert [begin_so, ["--help"]] == words


def test_aiohttp_trusts_nobody_and_the_environment_is_as_it_was(
    tmp_path: Path,
) -> None:
    """The web library's client has no authorities; the names for them stay."""
    code = (
        "import os; before = dict(os.environ); "
        "from collector.authorities import import_aiohttp; import_aiohttp(); "
        "from aiohttp.connector import _SSL_CONTEXT_VERIFIED as made; "
        "assert dict(os.environ) == before; "
        "assert made.verify_mode.name == 'CERT_REQUIRED'; "
        "print(made.cert_store_stats()['x509_ca'])"
    )
    for named in ({}, {"SSL_CERT_FILE": str(tmp_path / "a.pem")}):
        env = {k: v for k, v in os.environ.items() if not k.startswith("SSL_CERT")}
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            cwd=ROOT,
            env={**env, **named},
        )
        assert b"0\n" == done.stdout


def test_nothing_is_looked_through_at_the_end() -> None:
    """A process that ends has no objects left for the collector of garbage."""
    code = (
        "import atexit, gc, sys; from collector.cli import main; "
        "atexit.register(lambda: print('frozen', gc.get_freeze_count() > 1000)); "
        "sys.argv = ['kastana', 'version']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT
    )
    assert done.stdout.endswith(b"frozen True\n")


def test_agents_are_told_without_the_patterns_of_user_agents() -> None:
    """Its classes are there, its own parser knows nothing, and the name is free."""
    code = (
        "import os; os.environ['UA_PARSER_YAML'] = 'kept'; "
        "from pipeline.agents.families import parsers; "
        "assert os.environ['UA_PARSER_YAML'] == 'kept'; "
        "assert parsers.UserAgent.is_pc; "
        "assert parsers.user_agent_parser.OS_PARSERS == []"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
