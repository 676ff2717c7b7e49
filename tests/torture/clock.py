"""A clock of day that steps, under the product's processes; see `stepping/`."""

import os
from pathlib import Path

_STEPPING = Path(__file__).parent / "stepping"


class Clock:
    """How far the product's clock is off the machine's."""

    def __init__(self, file: Path) -> None:
        """Keep it in a file."""
        self._file = file
        self.step(0)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to go by it."""
        folders = [str(_STEPPING), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {
            "PYTHONPATH": os.pathsep.join(folders),
            "TORTURE_CLOCK": str(self._file),
        }

    def step(self, seconds: int) -> None:
        """Let it be so far off."""
        draft = self._file.with_suffix(".draft")
        draft.write_text(f"{seconds}\n")
        draft.replace(self._file)
