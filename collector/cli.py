"""
The command line: `kastana`.

Exit codes: 0 done, 1 the answer is no (a check failed), 2 wrong usage, 69 the
keeper or the store cannot be reached, 78 the configuration is wrong.
"""

import atexit
import gc

from collector.options import LazyGroup

# Where the commands are: each module is loaded when its command is called, since
# most of them need little of what the others do.
_ELSEWHERE = {
    "doctor": "collector.commands_doctor:doctor",
    "edge": "collector.commands_serve:edge",
    "explain": "collector.commands_explain:explain",
    "generate": "collector.commands_generate:generate",
    "keeper": "collector.commands_serve:keeper",
    "policy": "collector.commands_policy:policy",
    "query": "collector.commands_read:query",
    "replay": "collector.commands_replay:replay",
    "reload": "collector.commands_reload:reload",
    "serve": "collector.commands_serve:serve",
    "site": "collector.commands_site:site",
    "sql": "collector.commands_read:sql",
    "version": "collector.commands_read:version",
}


cli = LazyGroup(
    "kastana",
    _ELSEWHERE,
    "Kastana: analytics that can prove what it does with people's data.",
)
cli.add_command(
    LazyGroup(
        "consent",
        {
            "decide": "collector.commands_decide:decide",
            "decode": "collector.commands_decide:decode",
            "receipt": "collector.commands_receipt:receipt",
            "verify": "collector.commands_verify:verify_command",
        },
        "What consent strings say, what follows, and the ledger of choices.",
    )
)
cli.add_command(
    LazyGroup(
        "link",
        {
            "sign": "collector.commands_link:sign",
            "withdraw": "collector.commands_link:withdraw",
        },
        "Signed links for e-mails.",
    )
)
cli.add_command(
    LazyGroup(
        "lists",
        {
            "refresh": "collector.commands_lists:refresh",
            "refresh-models": "collector.commands_models:refresh_models",
            "show": "collector.commands_lists:show",
        },
        "Lists by others that name the sources of visits and models of devices.",
    )
)
cli.add_command(
    LazyGroup(
        "rollup",
        {
            "check": "collector.commands_rollup:check",
            "rebuild": "collector.commands_rollup:rebuild",
        },
        "Totals by the hour: whether they are right, and making them again.",
    )
)
cli.add_command(
    LazyGroup(
        "spool",
        {
            "drop": "collector.commands_spool:drop_command",
            "ls": "collector.commands_spool:list_command",
            "retry": "collector.commands_spool:retry_command",
            "show": "collector.commands_spool:show",
        },
        "Segments on their way to the store; those it refused can be given again.",
    )
)


def main() -> None:
    """Run the command line."""
    # Else the interpreter looks through all that was ever loaded for garbage before it
    # ends: a quarter of a second of each process that is stopped or replaced.
    atexit.register(gc.freeze)
    cli(prog_name="kastana")


if __name__ == "__main__":
    main()
