"""`kastana reload`: new edges and a new keeper, without a gap."""

import os
import signal
import time

import click

from collector.folder import Folder, FolderError
from collector.options import data_option, open_folder
from collector.standing import Standing, read_standing

_LOOK_S = 0.1


@click.command()
@data_option
@click.option(
    "--wait",
    "wait_s",
    type=float,
    default=120.0,
    show_default=True,
    help="Seconds to wait for it.",
)
def reload(data: str, wait_s: float) -> None:
    """
    Replace the processes of `kastana serve` by new ones: code, settings, keys.

    The old edges answer until the new ones do; with a configuration that is wrong they
    go on, and the reason is printed.
    """
    folder = open_folder(data)
    before = _standing(folder)
    os.kill(before.pid, signal.SIGHUP)
    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        now = _standing(folder)
        if now.reloads > before.reloads:
            if now.problem:
                raise click.ClickException(f"not reloaded: {now.problem}")
            click.echo("reloaded")
            return
        time.sleep(_LOOK_S)
    raise click.ClickException("it takes longer; the server's log tells how it ends")


def _standing(folder: Folder) -> Standing:
    """Return how the server of the folder stands; end with words if none runs."""
    try:
        with folder.alone("server"):
            standing = None
    except FolderError:
        standing = read_standing(folder.server)
    if standing is None:
        raise click.ClickException(f"no server is running on {folder.root}")
    return standing
