"""`kastana lists refresh` and `show`: whose lists name the sources of visits."""

from datetime import UTC, datetime
from pathlib import Path

import click
import orjson

from collector.folder import write_private
from collector.lists import Taken, places_text, spam_text, take
from collector.options import data_option, fail, open_folder
from pipeline.referrer_lists import (
    BUILT_IN,
    PLACES,
    SPAM,
    About,
    ListError,
    read_lists,
)

# A list that lost half of itself is more likely damaged than tidied up.
_LEAST_SHARE = 0.5


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@data_option
@click.option(
    "--revision",
    default="",
    metavar="TEXT",
    help="Which state of the lists it is (a commit or a tag), to be noted.",
)
@click.option("--accept-smaller", is_flag=True, help="Even if a list lost half of it.")
@click.option("--built-in", is_flag=True, help="Write the package's own files.")
def refresh(
    folder: Path, data: str, revision: str, *, accept_smaller: bool, built_in: bool
) -> None:
    """
    Take over lists of search engines, networks, assistants and referrer spammers.

    FOLDER holds checkouts of matomo-org/searchengine-and-social-list (CC0-1.0) and
    matomo-org/referrer-spam-list (public domain), or their files: SearchEngines.yml,
    Socials.yml, AIAssistants.yml, and active_spammers.txt or spammers.txt. They are
    checked and written to lists/ in the data folder; running servers read them within
    a second. Exit code 1, and nothing written, when one does not look right.
    """
    target = BUILT_IN if built_in else open_folder(data).lists
    try:
        taken = take(folder)
        before = read_lists(None if built_in else target).about
    except ListError as error:
        fail(f"{error.code}: {error}")
    now = {PLACES: _hosts(taken), SPAM: len(taken.spam)}
    if not accept_smaller:
        _check_share(before, now)
    stamp = f"{datetime.now(UTC):%Y-%m-%d}"
    if revision:
        stamp += f" ({revision})"
    _replace(target / PLACES, places_text(taken.media, stamp), private=not built_in)
    spam = spam_text(taken.spam, stamp, taken.spam_file)
    _replace(target / SPAM, spam, private=not built_in)
    for file, number in now.items():
        click.echo(f"{target / file}: {number} hosts")
    click.echo(f"{taken.skipped} entries were left out: paths, patterns, known places")


@click.command()
@data_option
@click.option(
    "--format",
    "fmt",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
)
def show(data: str, fmt: str) -> None:
    """Tell of each list where it comes from, its licence, its date and its size."""
    folder = open_folder(data).lists if Path(data).is_dir() else None
    try:
        about = read_lists(folder).about
    except ListError as error:
        fail(f"{error.code}: {error}")
    if fmt == "json":
        click.echo(orjson.dumps([one._asdict() for one in about]))
        return
    for one in about:
        place = "the package" if one.built_in else str(folder)
        click.echo(f"{one.file}: {one.entries} hosts, in {place}")
        click.echo(f"  source   {one.source}")
        click.echo(f"  licence  {one.licence}")
        click.echo(f"  date     {one.date or 'with the package'}")


def _hosts(taken: Taken) -> int:
    return sum(len(hosts) for names in taken.media.values() for hosts in names.values())


def _check_share(before: tuple[About, ...], now: dict[str, int]) -> None:
    for one in before:
        if one.file in now and now[one.file] < one.entries * _LEAST_SHARE:
            fail(
                f"too_few: {one.file} would have {now[one.file]} hosts instead of "
                f"{one.entries}; if that is right, say --accept-smaller"
            )


def _replace(path: Path, text: str, *, private: bool) -> None:
    """Write a file in one step, so that nobody ever reads half of it."""
    draft = path.with_name(f".{path.name}")
    if private:
        write_private(draft, text)
    else:
        draft.write_text(text, encoding="utf-8")
    draft.replace(path)
