"""
Print how right devices and robots are told: `make accuracy`.

With --wrong the commonest errors too. Ends with 1 when a target is missed.
"""

import sys

from tests.accuracy.measure import measure
from tests.accuracy.sources import fetch_all


def main() -> int:
    """Fetch the lists, measure, print; return the exit code."""
    fetch_all(seconds=300)
    print(
        f"{'source':<26} {'version':<9} {'n':>6}  {'metric':<17}"
        f"{'value':>8}  {'target':>9}  {'unknown':>8}  met"
    )
    missed = 0
    for result in measure():
        sign = "<=" if result.at_most else ">="
        unknown = "" if result.unknown is None else f"{result.unknown:.2%}"
        print(
            f"{result.source.package:<26} {result.source.version:<9} {result.n:>6}  "
            f"{result.metric:<17}{result.value:>8.2%}  {sign} {result.target:>6.1%}  "
            f"{unknown:>8}  {'yes' if result.met else 'NO'}"
            f"{' (floor)' if result.floor else ''}"
        )
        if "--wrong" in sys.argv[1:]:
            for what, count in result.wrong:
                print(f"    {count:>5} {what[:150]}")
        missed += not result.met
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
