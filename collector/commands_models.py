"""`kastana lists refresh-models`: whose lists know the kinds of devices' models."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from collector.model_lists import Models, models_text, take_models
from collector.options import fail
from pipeline.agents.device_models import MODELS_FILE
from pipeline.referrer_lists import ListError

# A list that lost half of itself is more likely damaged than tidied up.
_LEAST_SHARE = 0.5


@click.command("refresh-models")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--revision",
    default="",
    metavar="TEXT",
    help="Which state of the lists it is (versions or tags), to be noted.",
)
@click.option("--accept-smaller", is_flag=True, help="Even if a list lost half of it.")
def refresh_models(folder: Path, revision: str, *, accept_smaller: bool) -> None:
    """
    Take over lists that know tablets, televisions and telephones by their models.

    FOLDER holds the packages which-browser and mobile-detect (both MIT), or their
    files models-android.js and mobile-detect.js. They are checked, read as text, and
    written to the package's own file; servers read it at their next start. Exit code
    1, and nothing written, when one does not look right.
    """
    try:
        found = take_models(folder)
    except ListError as error:
        fail(f"{error.code}: {error}")
    before = sum(map(len, json.loads(MODELS_FILE.read_bytes())["models"].values()))
    now = _count(found)
    if now < before * _LEAST_SHARE and not accept_smaller:
        fail(
            f"too_few: there would be {now} models instead of {before}; if that is "
            "right, say --accept-smaller"
        )
    stamp = f"{datetime.now(UTC):%Y-%m-%d}" + (f" ({revision})" if revision else "")
    draft = MODELS_FILE.with_name(f".{MODELS_FILE.name}")
    draft.write_text(models_text(found, stamp), encoding="utf-8")
    draft.replace(MODELS_FILE)
    click.echo(f"{MODELS_FILE}: {now} models")


def _count(found: Models) -> int:
    return sum(len(names) for names in found.models.values())
