"""
What reading a consent signal costs, beside what others read it with.

Run as `python -m tests.load.bench_consent`. Rows are cases; a signal that joins
adds a function that returns its cases to SIGNALS.

The other reader of TC strings, iab-tcf, installs a package named `tests`, so it
goes into a folder of its own, which is left out of version control.
"""

import importlib
import subprocess
import sys
import time
import timeit
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.signals.bits import MAX_RANGES
from pipeline.signals.errors import SignalError
from pipeline.signals.tcf import decode_tcf, read_tcf
from tests.tc_strings import (
    CREATED_MS,
    DEFAULTS,
    base64url,
    core_bits,
    encode_tc,
    entry,
    number,
)

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".bench"
# Without its dependencies: it names a fork of bitarray that needs a compiler.
PACKAGES = ("iab-tcf==0.2.2", "bitarray==3.12.3")
REPEATS, SECONDS = 7, 0.05


@dataclass(frozen=True)
class Case:
    """
    One row.

    Attributes:
        name: what is read.
        size: of the text, in characters.
        runs: what is measured, by the name of its column.

    """

    name: str
    size: int
    runs: dict[str, Callable[[], object]]


def install() -> Any:
    """Return iab-tcf's `decode`, installed now if need be; None if that fails."""
    if not (FOLDER / "iab_tcf").is_dir():
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / ".gitignore").write_text("*\n", encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        done = subprocess.run(
            [*pip, "--target", str(FOLDER), *PACKAGES],
            capture_output=True,
            check=False,
            text=True,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            print(f"iab-tcf is left out, pip could not install it: {last}\n")
            return None
    # Behind everything else: `tests` stays ours.
    sys.path.append(str(FOLDER))
    try:
        return importlib.import_module("iab_tcf").decode
    except ImportError as error:
        print(f"iab-tcf is left out, it cannot be imported: {error}\n")
        return None


# ------------------------------------------------------------------------------ cases
def tc_strings() -> dict[str, str]:
    """Return TC strings of several lengths and shapes."""
    many = [one for one in range(1, 1200) if one % 3]
    few = range(5, 700, 31)
    restricted = [
        (purpose, 1, range(purpose, 1100, 37)) for purpose in range(2, 12)
    ] * 2
    more = set(range(1, 2600, 3)) | {2600}
    choice = {"purpose_consents": range(1, 12), "publisher_purpose_consents": ()}
    bomb = number(65535, 16) + "1" + number(MAX_RANGES, 12)
    bomb += entry(1, 65535) * MAX_RANGES + "0" * 29
    return {
        "core only": encode_tc(vendors_disclosed=None),
        "core, 3 vendors disclosed, publisher": encode_tc(**choice),
        "vendors in ranges": encode_tc(
            **choice, vendor_consents=few, vendors_disclosed=few, ranges=True
        ),
        "800 vendors, bit by bit": encode_tc(
            **choice, vendor_consents=many, vendors_disclosed=many
        ),
        "the same, with interests and allowed": encode_tc(
            **choice,
            vendor_consents=many,
            vendor_legitimate_interests=many,
            vendors_disclosed=many,
            vendors_allowed=many,
        ),
        "1,800 characters, bit by bit": encode_tc(
            **choice,
            vendor_consents=more,
            vendor_legitimate_interests=more,
            vendors_disclosed=more,
            vendors_allowed=more,
        ),
        "600 entries of restrictions": encode_tc(
            **choice, vendor_consents=many, publisher_restrictions=restricted
        ),
        "bomb: ranges over 65,535 vendors": base64url(core_bits(DEFAULTS)[:213] + bomb),
    }


def tcf_cases(rival: Any) -> list[Case]:
    """Return the cases of TC strings."""
    cases = []
    for name, text in tc_strings().items():
        runs: dict[str, Callable[[], object]] = {
            "decode_tcf": partial(decode_tcf, text),
            "read_tcf": partial(read_tcf, text, now_ms=CREATED_MS),
        }
        if rival is not None:
            runs["iab-tcf"] = partial(rival, text)
        cases.append(Case(name, len(text), runs))
    return cases


SIGNALS: list[Callable[[Any], list[Case]]] = [tcf_cases]


# -------------------------------------------------------------------------- measuring
def microseconds(run: Callable[[], object]) -> float:
    """Return the best of some runs, in microseconds of processor time a call."""
    timer = timeit.Timer(run, timer=time.process_time)
    once = max(timer.timeit(1), 1e-7)
    number_of = max(1, int(SECONDS / once))
    return min(timer.repeat(REPEATS, number_of)) / number_of * 1e6


def show_times(cases: list[Case]) -> None:
    """Print the table."""
    columns = list(dict.fromkeys(name for case in cases for name in case.runs))
    print(f"{'us a call':<38}{'chars':>7}" + "".join(f"{one:>13}" for one in columns))
    for case in cases:
        times = [
            f"{microseconds(case.runs[one]):13,.1f}" if one in case.runs else " " * 13
            for one in columns
        ]
        print(f"{case.name:<38}{case.size:>7}" + "".join(times))


def show_cut(rival: Any) -> None:
    """Print what becomes of a string that consents to nothing and was cut."""
    whole = encode_tc(publisher_purpose_consents=())
    print("\nA string that refuses everything, cut: may purpose 1 be used?")
    for end in (2, 10, 26, len(whole.partition(".")[0]) - 8, len(whole)):
        text = whole[:end]
        try:
            ours = "yes" if 1 in decode_tcf(text).purpose_consents else "no"
        except SignalError as error:
            ours = f"SignalError {error.code}"
        theirs = "not installed" if rival is None else answer(rival, text)
        print(f"{end:>4} of {len(whole)} chars   ours: {ours:<26} iab-tcf: {theirs}")


def answer(rival: Any, text: str) -> str:
    """Return what the other reader says of purpose 1."""
    try:
        return "yes" if rival(text).is_purpose_allowed(1) else "no"
    except Exception as error:  # noqa: BLE001 - whatever it raises is the answer
        return type(error).__name__


def main() -> None:
    """Measure and print."""
    rival = install()
    show_times([case for signal in SIGNALS for case in signal(rival)])
    show_cut(rival)


if __name__ == "__main__":
    main()
