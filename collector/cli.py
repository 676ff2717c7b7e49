"""
The command line: `kastana`.

Exit codes: 0 done, 1 the answer is no (a check failed), 2 wrong usage, 69 the
keeper or the store cannot be reached, 78 the configuration is wrong.
"""

from collector.options import LazyGroup

# Where the commands are: each module is loaded when its command is called, since
# most of them need little of what the others do.
_ELSEWHERE = {
    "doctor": "collector.commands_doctor:doctor",
    "edge": "collector.commands_serve:edge",
    "explain": "collector.commands_explain:explain",
    "keeper": "collector.commands_serve:keeper",
    "policy": "collector.commands_policy:policy",
    "query": "collector.commands_read:query",
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
            "show": "collector.commands_lists:show",
        },
        "Lists by others that name the sources of visits.",
    )
)


def main() -> None:
    """Run the command line."""
    cli(prog_name="kastana")


if __name__ == "__main__":
    main()
