"""`kastana doctor`: whether the rollups' totals are those of the events."""

from datetime import UTC, datetime, timedelta

import click

from collector.commands_rollup import drift
from collector.diagnose import Finding
from collector.folder import Folder
from schemas.rollups import load_rollups

_DAYS = 7


def look_at_rollups(folder: Folder) -> list[Finding]:
    """Compare the last days of each rollup with its events."""
    today = datetime.now(UTC).date()
    start, end = (today - timedelta(days=_DAYS)).isoformat(), today.isoformat()
    findings = []
    for name in load_rollups():
        try:
            # What arrives between two looks is in one of them; twice is a difference.
            wrong = drift(folder, name, "", start, end) and drift(
                folder, name, "", start, end
            )
        except click.ClickException as error:
            words = f"cannot be compared: {error.format_message()}"
            findings.append(Finding(f"rollup {name}", "warning", words))
            continue
        if wrong:
            words = f"{wrong} hours differ; `kastana rollup rebuild {name}`"
            findings.append(Finding(f"rollup {name}", "bad", words))
        else:
            words = f"the last {_DAYS} days are those of the events"
            findings.append(Finding(f"rollup {name}", "good", words))
    return findings
