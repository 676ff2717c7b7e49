"""
The golden pairs, and how to write them anew after a change that was meant.

    python -m tests.golden.golden    rewrites `expected` of every case; read the diff
"""

import tempfile
from pathlib import Path
from typing import Any

import orjson

from collector.doors import Doors
from collector.explain import explain
from collector.folder import Folder, write_private
from collector.runtime import build
from collector.sites import editing
from schemas.settings import Settings
from schemas.site import make_site

CASES = Path(__file__).parent / "cases"
# 2026-11-22 12:00:00 UTC, in the salt's day below: nothing here depends on today.
NOON_MS = 1_795_348_800_000
SITES: dict[str, dict[str, Any]] = {
    "opt-in.example": {"rules": ["eu_strict"]},
    "opt-out.example": {"rules": ["us_other"]},
    "exempt-anonymous.example": {"rules": ["eu_fr_exempt"]},
    "everywhere.example": {"rules": ["auto"]},
    "cookies.example": {"consent_cookies": ["iab", "cookiebot"]},
}
_DAY = NOON_MS // 86_400_000


def golden_doors(root: Path) -> Doors:
    """Return doors with fixed secrets, a fixed salt and the sites above."""
    folder = Folder(root)
    write_private(folder.secrets / "visitor.key", "11" * 32 + "\n")
    write_private(folder.secrets / "link.key", "22" * 32 + "\n")
    write_private(folder.salt, f"kastana-salt-1 {_DAY:010d} {'33' * 32}\n")
    with editing(folder.sites) as sites:
        for name, options in SITES.items():
            sites[name] = make_site(name, options)
    return build(Settings(data=str(root)), folder).doors


def read_cases() -> dict[str, dict[str, Any]]:
    """Return every case by name: `request` and `expected`."""
    return {
        path.stem: orjson.loads(path.read_bytes())
        for path in sorted(CASES.glob("*.json"))
    }


def main() -> None:
    """Write what the doors make of every request now."""
    with tempfile.TemporaryDirectory() as root:
        doors = golden_doors(Path(root))
        for name, case in read_cases().items():
            case["expected"] = explain(case["request"], doors)
            text = orjson.dumps(case, option=orjson.OPT_INDENT_2) + b"\n"
            (CASES / f"{name}.json").write_bytes(text)


if __name__ == "__main__":
    main()
