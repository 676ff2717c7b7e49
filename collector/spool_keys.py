"""
The keys under which the spool is encrypted: from a file, or from the environment.

Each is 64 hexadecimal digits; the first encrypts, further ones read what was written
under them. In the file they stand on lines of their own, in KASTANA_SPOOL_KEY with
commas between them. Never an option: other programs see the command line.
"""

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from pipeline.sealing import PLAIN, Sealing
from schemas.settings import Settings, SettingsError

VARIABLE: Final = "KASTANA_SPOOL_KEY"
_KEY: Final = re.compile(r"[0-9a-fA-F]{64}\Z")


def spool_sealing(settings: Settings, environment: Mapping[str, str]) -> Sealing:
    """
    Return the keys, or what writes plainly when there are none.

    Args:
        settings: names the file, if there is one.
        environment: has KASTANA_SPOOL_KEY, if there is no file.

    Raises:
        SettingsError: naming the source, never its content.

    """
    name, text = settings.spool_key_file, environment.get(VARIABLE, "")
    if name and text:
        message = f"spool_key_file and {VARIABLE} are both given"
        raise SettingsError(message)
    if not name and not text:
        return PLAIN
    source = name or VARIABLE
    parts = _lines(Path(name)) if name else text.split(",")
    keys = [part.strip() for part in parts if part.strip()]
    if not keys or not all(map(_KEY.match, keys)):
        message = f"{source}: a key is 64 hexadecimal digits"
        raise SettingsError(message)
    if find_spec("cryptography") is None:
        message = f"{source}: encryption needs `pip install kastana[encryption]`"
        raise SettingsError(message)
    return Sealing([bytes.fromhex(key) for key in keys])


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").splitlines()
    except OSError as error:
        message = f"{file}: {error.strerror}"
    except UnicodeDecodeError:
        message = f"{file}: a key is 64 hexadecimal digits"
    raise SettingsError(message)
