"""
The spool's numbers as metrics: below the collector nobody knows of those.
"""

import contextlib
from collections.abc import AsyncIterator

import msgspec

from collector.metrics import count
from collector.watch import watching
from pipeline.spool_writer import Done


@contextlib.asynccontextmanager
async def counting(done: Done) -> AsyncIterator[None]:
    """Count what was done again and again while the context lasts."""
    counts = SpoolCounts(done)
    async with watching(counts.count):
        yield
    # What came since the last time.
    counts.count()


class SpoolCounts:
    """Adds to the metrics what came since the last call."""

    def __init__(self, done: Done) -> None:
        """Begin with nothing counted."""
        self._done = done
        self._counted = Done()

    def count(self) -> None:
        """Add what is new."""
        now, old = msgspec.structs.replace(self._done), self._counted
        count("kastana_spool_groups_total", by=now.groups - old.groups)
        written = now.written_bytes - old.written_bytes
        count("kastana_spool_written_bytes_total", by=written)
        count("kastana_spool_syncs_total", by=now.syncs - old.syncs)
        seconds = now.sync_seconds - old.sync_seconds
        count("kastana_spool_sync_seconds_total", by=seconds)
        count("kastana_spool_failures_total", by=now.failures - old.failures)
        count("kastana_spool_lost_rows_total", by=now.lost_rows - old.lost_rows)
        self._counted = now
