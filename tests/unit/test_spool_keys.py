"""The spool's keys: a file or a variable, and words that never quote them."""

from pathlib import Path

import pytest

from collector.spool_counts import SpoolCounts
from collector.spool_keys import VARIABLE, spool_sealing
from pipeline.sealing import PLAIN
from pipeline.spool_writer import Done
from schemas.settings import Settings, SettingsError, load_settings

FIRST, SECOND = "ab" * 32, "cd" * 32


def test_none() -> None:
    """Without a key the spool is plain."""
    assert spool_sealing(Settings(), {}) is PLAIN


def test_file_and_variable(tmp_path: Path) -> None:
    """Lines of a file and parts of the variable are the same keys in the same order."""
    file = tmp_path / "keys"
    file.write_text(f"{FIRST}\n\n{SECOND}\n")
    sealings = [
        spool_sealing(Settings(spool_key_file=str(file)), {}),
        spool_sealing(Settings(), {VARIABLE: f"{FIRST}, {SECOND}"}),
    ]
    written = sealings[0].close("a", b"x")

    assert sealings[0].encrypts
    assert b"x" == sealings[1].open("a", written)
    assert b"x" == spool_sealing(Settings(), {VARIABLE: FIRST}).open("a", written)


@pytest.mark.parametrize(
    "text",
    [FIRST[:-1], f"{FIRST}0", "xy" * 32, f"{FIRST},{SECOND}0"],
    ids=["short", "long", "no digits", "the second"],
)
def test_bad_key(tmp_path: Path, text: str) -> None:
    """What is no key is refused, in words that do not show it."""
    file = tmp_path / "keys"
    file.write_text(text.replace(",", "\n"))
    for settings, environment in (
        (Settings(), {VARIABLE: text}),
        (Settings(spool_key_file=str(file)), {}),
    ):
        with pytest.raises(SettingsError, match="64 hexadecimal") as caught:
            spool_sealing(settings, environment)
        assert text[:16] not in str(caught.value)


def test_no_file_and_both(tmp_path: Path) -> None:
    """A file that is not there, an empty one, and two sources are errors."""
    missing = Settings(spool_key_file=str(tmp_path / "none"))
    with pytest.raises(SettingsError, match="No such file"):
        spool_sealing(missing, {})
    with pytest.raises(SettingsError, match="both"):
        spool_sealing(missing, {VARIABLE: FIRST})
    (tmp_path / "none").touch()
    with pytest.raises(SettingsError, match="64 hexadecimal"):
        spool_sealing(missing, {})


def test_no_option() -> None:
    """The variable is no setting, so that no command line can hold a key."""
    assert Settings() == load_settings(None, {VARIABLE: FIRST}, {})
    assert not hasattr(Settings(), "spool_key")


def test_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics get what came since the last time, and each has its metric."""
    told: dict[str, float] = {}

    def count(name: str, *, by: float) -> None:
        told[name] = told.get(name, 0) + by

    monkeypatch.setattr("collector.spool_counts.count", count)
    done = Done(groups=2)
    counts = SpoolCounts(done)
    counts.count()
    done.groups = 5
    done.sync_seconds = 0.5
    counts.count()

    assert 5 == told["kastana_spool_groups_total"]
    assert 0.5 == told["kastana_spool_sync_seconds_total"]
