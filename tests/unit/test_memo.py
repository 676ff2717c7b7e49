"""Remembering results, and not what they were made of."""

import gc
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from pipeline.memo import remember

SECRET = "jane.doe@canary.example"


def test_a_result_is_made_once() -> None:
    """The second question costs nothing, another one is another result."""
    asked: list[str] = []

    @remember(8)
    def upper(text: str) -> str:
        asked.append(text)
        return text.upper()

    assert [upper("a"), upper("a"), upper("b")] == ["A", "A", "B"]
    assert asked == ["a", "b"]
    upper.forget()  # type: ignore[attr-defined]
    assert upper("a") == "A"
    assert asked == ["a", "b", "a"]


def test_what_it_was_made_of_is_gone() -> None:
    """Nothing that the cache holds leads to the text it was asked for."""

    @remember(8)
    def length(text: str) -> int:
        return len(text)

    # Made at run time: a constant of this function would be found.
    assert length("".join(SECRET)) == len(SECRET)
    gc.collect()
    cells = [cell.cell_contents for cell in length.__closure__ or ()]
    kept = [cell for cell in cells if isinstance(cell, dict)]

    assert sum(map(len, kept)) == 1
    assert all(type(key) is int for found in kept for key in found)


@given(st.lists(st.integers(0, 40), max_size=200))
def test_never_another_result(numbers: list[int]) -> None:
    """Whatever was dropped: the answer is the function's, and memory is bounded."""

    @remember(4)
    def text_of(number: int) -> str:
        return f"<{number}>"

    assert [text_of(number) for number in numbers] == [f"<{one}>" for one in numbers]
    cells = [cell.cell_contents for cell in text_of.__closure__ or ()]
    assert all(len(cell) <= 4 for cell in cells if isinstance(cell, dict))


def test_what_is_asked_for_stays() -> None:
    """Something that is asked for again and again outlives any number of others."""
    asked: list[int] = []

    @remember(4)
    def double(number: int) -> int:
        asked.append(number)
        return 2 * number

    for number in range(1, 50):
        double(0)
        double(number)

    assert asked.count(0) == 1


def test_a_known_seed_is_refused() -> None:
    """With a seed that others know they could tell keys, and make two texts meet."""
    told = subprocess.run(
        [sys.executable, "-c", "import pipeline.memo"],
        env={"PYTHONHASHSEED": "0"},
        capture_output=True,
        check=False,
        timeout=60,
    )

    assert told.returncode == 1
    assert b"PYTHONHASHSEED" in told.stderr
