"""
The named views for analysts: one `.sql` file each, with a head that says what it
shows, how to read it, and for which purpose of the policy it exists.

Every view has the columns `site` and `day`, so that one way of asking fits all.
"""

import functools
import re
from importlib import resources

import msgspec

from schemas.policy import load_policy

_HEAD = re.compile(r"^-- (title|meaning|purpose|order): (.+)$", re.MULTILINE)


class ViewError(ValueError):
    """A view's file lacks a part of its head, or names an unknown purpose."""


class View(msgspec.Struct, frozen=True):
    """A named view: its head and its SELECT."""

    name: str
    title: str
    meaning: str
    purpose: str
    order: str
    sql: str


@functools.cache
def load_views() -> dict[str, View]:
    """
    Return all views by name.

    Raises:
        ViewError: when a file's head is not complete.

    """
    folder = resources.files("pipeline.queries")
    names = sorted(
        item.name.removesuffix(".sql")
        for item in folder.iterdir()
        if item.name.endswith(".sql")
    )
    return {
        name: parse_view(name, folder.joinpath(f"{name}.sql").read_text("utf-8"))
        for name in names
    }


def parse_view(name: str, text: str) -> View:
    """
    Read a view's file.

    Raises:
        ViewError: naming the part that is missing or wrong.

    """
    head = dict(_HEAD.findall(text))
    for part in ("title", "meaning", "purpose", "order"):
        if part not in head:
            message = f"{name}.sql: the head lacks `-- {part}: …`"
            raise ViewError(message)
    if head["purpose"] not in load_policy().purposes:
        message = f"{name}.sql: the policy has no purpose {head['purpose']!r}"
        raise ViewError(message)
    lines = [line for line in text.splitlines() if not line.startswith("-- ")]
    return View(name=name, sql="\n".join(lines).strip(), **head)


def ask(view: View) -> str:
    """
    Return the query behind `kastana query`.

    It takes the parameters `site` (empty: all), `from` and `to` (both included).
    """
    return (
        f"SELECT * FROM kastana.{view.name} "
        "WHERE ({site:String} = '' OR site = {site:String}) "
        "AND day BETWEEN {from:Date} AND {to:Date} "
        f"ORDER BY {view.order}"
    )
