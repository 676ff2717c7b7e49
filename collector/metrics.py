"""
Metrics, from the declarations in schemas/metrics.toml.

Edges and keeper are several processes: prometheus-client keeps each one's numbers
in small files under PROMETHEUS_MULTIPROC_DIR (set by the command line before this
module is imported), and the keeper's /metrics adds them up.
"""

import functools
import os
import tomllib
from importlib import resources

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector


@functools.cache
def _declared() -> dict[str, Counter | Gauge]:
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


def count(name: str, *labels: str, by: int = 1) -> None:
    """
    Add to a counter.

    Raises:
        KeyError: when schemas/metrics.toml does not declare it.

    """
    _child(name, labels).inc(by)


def show(name: str, value: float) -> None:
    """
    Set a gauge.

    Raises:
        KeyError: when schemas/metrics.toml does not declare it.

    """
    gauge = _declared()[name]
    if not isinstance(gauge, Gauge):
        message = f"{name} is not a gauge"
        raise TypeError(message)
    gauge.set(value)


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
