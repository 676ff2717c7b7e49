"""Fixtures of the black-box tests."""

import time
from collections.abc import Iterator

import pytest

from tests.product import Product


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """One server for the tests of a module, with a few sites."""
    running = Product(tmp_path_factory.mktemp("kastana") / "data")
    running.start()  # which makes the folder, as it is to be
    running.run("site", "add", "opt-in.example", "--debug")
    running.run("site", "add", "opt-out.example", "--rules", "us_other", "--debug")
    running.run("site", "add", "exempt.example", "--rules", "eu_fr_exempt", "--debug")
    running.run("site", "add", "quiet.example", "--no-switch", "count_undecided")
    time.sleep(1.1)
    yield running
    running.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here as a system test."""
    for item in items:
        if "tests/system" in str(item.path):
            item.add_marker(pytest.mark.system)
