"""
What one event costs from its bytes to its row, without HTTP and disk.

    python -m tests.load.bench_doors

Processor time, so that a busy machine disturbs less; compare runs side by side.
"""

import json
import tempfile
import time
from pathlib import Path

from collector.call import Call
from collector.doors import Doors
from collector.folder import Folder
from collector.runtime import build
from collector.sites import editing
from pipeline.clock import now_ms
from schemas.settings import Settings
from schemas.site import make_site
from tests.gpp_strings import encode_gpp
from tests.tc_strings import encode_tc

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)
_ROUNDS = 3000


def main() -> None:
    """Print microseconds an event for requests that say consent in different ways."""
    day_ms = now_ms() // 86_400_000 * 86_400_000
    string = encode_tc(created_ms=day_ms, publisher_purpose_consents=range(1, 12))
    opted = encode_gpp({"usnat": {"SaleOptOut": 2}})
    cases: dict[str, dict[str, object] | None] = {
        "no consent, counted": None,
        "own consent": {"statistics": True, "marketing": True},
        "own consent, refused": {"statistics": False},
        "TC string": {"gdpr": 1, "gdpr_consent": string},
        "GPP string": {"gpp": opted, "gpp_sid": "7"},
        "everything at once": {
            "statistics": True,
            "gdpr_consent": string,
            "gpp": opted,
            "us_privacy": "1YNN",
            "gcs": "G111",
            "gcd": "11r1r1r1r5",
        },
    }
    with tempfile.TemporaryDirectory() as root:
        folder = Folder(Path(root))
        with editing(folder.sites) as sites:
            sites["example.com"] = make_site("example.com", {})
        doors = build(Settings(data=root), folder).doors
        for name, consent in cases.items():
            print(f"{name:24}{_measure(doors, consent):8.0f} us")


def _measure(doors: Doors, consent: dict[str, object] | None) -> float:
    bodies = []
    for number in range(200):
        event: dict[str, object] = {
            "event": "page_view",
            "site": "example.com",
            "url": f"https://example.com/page/{number}?utm_source=news",
            "referrer": "https://search.example/",
            "title": "A page",
            "visitor": "browser_0123456789",
        }
        if consent is not None:
            event["consent"] = consent
        bodies.append(json.dumps(event).encode())
    call = Call(
        headers=[("User-Agent", CHROME), ("Origin", "https://example.com")],
        peer="203.0.113.77",
        query="",
        received_ms=now_ms(),
    )
    best = float("inf")
    for _ in range(3):
        begun = time.process_time()
        for number in range(_ROUNDS):
            doors.events(call, bodies[number % 200])
        best = min(best, time.process_time() - begun)
    return best / _ROUNDS * 1e6


if __name__ == "__main__":
    main()
