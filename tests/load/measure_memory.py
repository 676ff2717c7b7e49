"""
An edge's memory over time, while no visitor, agent or page ever comes twice.
"""

import time
from concurrent.futures import ThreadPoolExecutor

from tests.load import traffic, wrk
from tests.load.figures import growth
from tests.load.measure_requests import Place, durability_settings, empty_spool
from tests.load.results import Memory
from tests.load.serving import edge

_SAMPLES = 120
_FEWEST = 6


def memory(place: Place, minutes: float, visitors: int) -> Memory:
    """
    Sample an edge under as much load as it takes.

    Raises:
        MissingError: when something needed is missing.

    """
    requests = traffic.save(
        traffic.singles(visitors, unique=True), place.root / "unique"
    )
    data = place.root / "memory-over-time"
    seconds = max(minutes * 60, 6)
    pause = max(seconds / _SAMPLES, 0.5)
    samples = []
    with (
        edge(data, place.core, place.geo, **durability_settings("fsync")) as ours,
        ThreadPoolExecutor(1) as pool,
    ):
        running = pool.submit(wrk.run, ours, requests, place.other, seconds=seconds)
        while not running.done():
            time.sleep(pause)
            samples.append(ours.rss_mb())
            empty_spool(data)
        load = running.result()
    rising = growth(samples) if len(samples) >= _FEWEST else None
    return Memory(pause, samples, rising, load.requests)
