"""Events that a client sends again: known by their id, in bounded memory."""

from collector.repeats import Repeats


async def test_new_id_is_new_once() -> None:
    """The first is new; while it is written the second waits for it."""
    repeats = Repeats()

    assert repeats.begin("a") is None
    second = repeats.begin("a")
    assert second is not None
    assert not second.done()
    repeats.end(["a"], durable=True)
    assert await second
    third = repeats.begin("a")
    assert third is not None
    assert await third


async def test_failed_write_makes_the_id_new_again() -> None:
    """What did not become durable is not remembered, and says so to who waits."""
    repeats = Repeats()
    repeats.begin("a")
    second = repeats.begin("a")
    repeats.end(["a"], durable=False)

    assert second is not None
    assert not await second
    assert repeats.begin("a") is None


async def test_memory_is_bounded() -> None:
    """The oldest ids are forgotten."""
    repeats = Repeats(size=2)
    for key in ("a", "b", "c"):
        repeats.begin(key)
        repeats.end([key], durable=True)

    assert repeats.begin("a") is None
    assert repeats.begin("c") is not None


async def test_the_last_half_is_known_in_any_case() -> None:
    """However many came before, none of the last is taken for new."""
    repeats = Repeats(size=100)
    for number in range(1000):
        repeats.begin(f"{number}")
        repeats.end([f"{number}"], durable=True)
        known = [
            repeats.begin(f"{one}") is not None
            for one in range(max(0, number - 49), number + 1)
        ]
        assert all(known)
