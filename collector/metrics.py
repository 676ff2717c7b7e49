"""
Metrics, from the declarations in schemas/metrics.toml.

Edges and keeper are several processes: prometheus-client keeps each one's numbers
in small files under PROMETHEUS_MULTIPROC_DIR (set by the command line before this
module is imported), and the keeper's /metrics adds them up.
"""

import functools
import os
import socket
import threading
import tomllib
from importlib import resources

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector

from pipeline.redact import COUNTS

# Threads count as well (collector/watch.py): two that were first at once would both
# register every metric, and the second of them would fail.
_DECLARING = threading.Lock()
# Names of files are cut at "_".
_HOST = socket.gethostname().replace("_", "-")


def _declared() -> dict[str, Counter | Gauge]:
    with _DECLARING:
        return _made()


def _process() -> str:
    """Name this process: in containers that share a folder each has the number 1."""
    return f"{os.getpid()}-{_HOST}"


@functools.cache
def _made() -> dict[str, Counter | Gauge]:
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        values.ValueClass = values.MultiProcessValue(_process)  # type: ignore[no-untyped-call]
    text = resources.files("schemas").joinpath("metrics.toml").read_text("utf-8")
    made: dict[str, Counter | Gauge] = {}
    for name, about in tomllib.loads(text).items():
        if about["kind"] == "gauge":
            made[name] = Gauge(
                name, about["help"], about["labels"], multiprocess_mode="mostrecent"
            )
        else:
            made[name] = Counter(name, about["help"], about["labels"])
    return made


def count(name: str, *labels: str, by: float = 1) -> None:
    """
    Add to a counter.

    Raises:
        KeyError: when schemas/metrics.toml does not declare it.

    """
    _child(name, labels).inc(by)


# What `tally` noted since the last `settle`.
_NOTED: dict[tuple[str, ...], int] = {}


def tally(name: str, *labels: str, by: int = 1) -> None:
    """
    Note what `settle` adds to a counter: for what is counted at every request.

    To add to a file that processes share costs twenty times as much. For the event
    loop's thread alone. Errors are those of `count`, and come from `settle`.
    """
    key = (name, *labels)
    _NOTED[key] = _NOTED.get(key, 0) + by


def settle() -> None:
    """Add what was noted to the counters; on the event loop's thread."""
    while _NOTED:
        (name, *labels), by = _NOTED.popitem()
        count(name, *labels, by=by)


def show(name: str, value: float, *labels: str) -> None:
    """
    Set a gauge.

    Raises:
        KeyError: when schemas/metrics.toml does not declare it.

    """
    gauge = _declared()[name]
    if not isinstance(gauge, Gauge):
        message = f"{name} is not a gauge"
        raise TypeError(message)
    (gauge.labels(*labels) if labels else gauge).set(value)


def count_redactions() -> None:
    """
    Add what this process replaced in texts since the last call, by rule.

    Where the text is, only a dictionary is counted up; called once a request, this
    costs nothing where nothing was found.
    """
    while COUNTS:
        rule, found = COUNTS.popitem()
        count("kastana_redactions_total", rule, by=found)


def render() -> bytes:
    """Return all processes' metrics in the Prometheus text format."""
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        for metric in _declared().values():
            registry.register(metric)
    return generate_latest(registry)


@functools.lru_cache(maxsize=1024)
def _child(name: str, labels: tuple[str, ...]) -> Counter:
    metric = _declared()[name]
    if not isinstance(metric, Counter):
        message = f"{name} is not a counter"
        raise TypeError(message)
    return metric.labels(*labels) if labels else metric
