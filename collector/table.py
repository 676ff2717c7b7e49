"""
A table for people, of what visitors sent: neither markup nor terminal codes.
"""

import re
from typing import Any, Literal

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def print_table(names: list[str], rows: list[list[Any]]) -> None:
    """
    Print a table, as wide as it needs to be where no terminal shows it.

    Args:
        names: of the columns.
        rows: a value for each column, as JSON has them.

    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    numeric = [
        all(isinstance(row[i], int | float) for row in rows) and bool(rows)
        for i in range(len(names))
    ]
    for name, right in zip(names, numeric, strict=True):
        justify: Literal["left", "right"] = "right" if right else "left"
        table.add_column(Text(name), justify=justify, overflow="fold")
    for row in rows:
        # As Text: what visitors sent must be neither markup nor terminal codes.
        table.add_row(*(Text(_cell(value)) for value in row))
    console = Console()
    if not console.is_terminal:
        # Into a pipe or a file: as wide as it needs to be, never folded.
        console = Console(width=10_000)
    console.print(table)


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
