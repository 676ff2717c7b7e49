"""What a run found, as one object: for the terminal, for a file, and for the page."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit

import msgspec

from collector.replay.account import Account
from collector.replay.measure import Measure, summary


class Setup(msgspec.Struct, frozen=True):
    """What was asked for, as far as it may be shown: no key, no header, no query."""

    target: str
    source: str
    format: str
    speed: str
    rate: float | None
    clients: int
    started_ms: int
    seconds: float


def shown_url(url: str) -> str:
    """Return a URL's scheme, host and port: the rest may be a secret."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}"


def report_of(
    setup: Setup, measure: Measure, unsent: Mapping[str, int], account: Account | None
) -> dict[str, Any]:
    """Return the report, ready for JSON. Latencies in ms."""
    seconds = setup.seconds or 1e-9
    started = datetime.fromtimestamp(setup.started_ms / 1000, UTC)
    return {
        "kastana": metadata.version("kastana"),
        "started": started.isoformat(timespec="milliseconds"),
        "seconds": round(setup.seconds, 3),
        "target": setup.target,
        "source": {"name": setup.source, "format": setup.format},
        "schedule": {
            "speed": setup.speed if setup.rate is None else None,
            "rate": setup.rate,
            "clients": setup.clients,
            "open_loop": setup.rate is not None or setup.speed != "max",
        },
        "requests": {
            "sent": measure.requests,
            "errors": measure.errors,
            "per_second": round(measure.requests / seconds, 1),
            "codes": [
                {"status": status, "code": code, "requests": number}
                for (status, code), number in sorted(measure.codes.items())
            ],
        },
        "events": {
            "sent": measure.sent,
            "accepted": measure.accepted,
            "per_second": round(measure.accepted / seconds, 1),
            "unknown": measure.unknown,
            "invalid": dict(sorted(measure.invalid.items())),
            "not_sent": dict(sorted(unsent.items())),
        },
        "latency": summary(measure.latency),
        "service": summary(measure.service),
        "lateness": summary(measure.lateness),
        "over_time": [msgspec.to_builtins(point) for point in measure.points],
        "check": None if account is None else account_of(account),
    }


def account_of(account: Account) -> dict[str, Any]:
    """Return the account as an object."""
    return {
        "right": account.right,
        "accepted": account.accepted,
        "stored": [
            {"outcome": outcome, "reasons": reasons, "events": number}
            for (outcome, reasons), number in account.stored.items()
        ],
        "total": account.total,
        "missing": account.missing,
        "surplus": account.surplus,
        "unknown": account.unknown,
        "invalid": {"answered": account.refused, "stored": account.refused_stored},
        "waited_seconds": account.seconds,
    }
