"""MaxMind's own test databases, broken ones among them, as `maxminddb` carries them."""

import tarfile
from importlib.metadata import version
from pathlib import Path

from tests.fetched import CACHE, alone, fetched


def data_folder() -> Path:
    """
    Return the folder that holds `test-data` and `bad-data`, unpacked once.

    Raises:
        FetchError: when the package cannot be had.

    """
    release = version("maxminddb")
    folder = CACHE / f"maxminddb-{release}" / "tests" / "data"
    archive = fetched("maxminddb", release, source=True)
    with alone():
        if not folder.is_dir():
            with tarfile.open(archive) as package:
                package.extractall(CACHE, filter="data")
    return folder
