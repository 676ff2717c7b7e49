"""
Events that a site's rate kept out, told to the site's owner as numbers.

They are summed up and written now and then: a row for each would cost as much as what
was refused. A sender that comes again later is counted each time.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from collector.beside import beside
from collector.limit import SiteRates
from pipeline.clock import hour_text, now_ms
from pipeline.spool import Spool, SpoolError
from schemas.row import CountRow

_log = logging.getLogger("kastana.refusals")
_EVERY_S = 10.0


@contextlib.asynccontextmanager
async def telling(
    rates: SiteRates, spool: Spool, policy_version: str
) -> AsyncIterator[None]:
    """Write the numbers while the context lasts, and once more at its end."""
    try:
        async with beside(_tell_for_ever(rates, spool, policy_version)):
            yield
    finally:
        await tell(rates, spool, policy_version)


async def tell(rates: SiteRates, spool: Spool, policy_version: str) -> None:
    """Write what was refused until now; what cannot be written waits."""
    told, hour = rates.refused.copy(), hour_text(now_ms())
    try:
        await spool.append(
            [_row(site, events, hour, policy_version) for site, events in told.items()]
        )
    except SpoolError as error:
        _log.warning("refused events are not counted yet: %s", error)
        return
    rates.refused -= told


async def _tell_for_ever(rates: SiteRates, spool: Spool, policy_version: str) -> None:
    while True:
        await asyncio.sleep(_EVERY_S)
        await tell(rates, spool, policy_version)


def _row(site: str, events: int, hour: str, policy_version: str) -> CountRow:
    return CountRow(
        event_name="",
        site=site,
        occurred_at=hour,
        outcome="rate_limited",
        outcome_reasons=["rate_limited"],
        regime="",
        regime_version="",
        decision_row="",
        policy_version=policy_version,
        geo_country_iso_code="",
        device_type="",
        url_path="",
        synthetic=0,
        events=events,
    )
