"""Taking over others' lists of models, and what is known by them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import collector.commands_models
import collector.model_lists
from collector.cli import cli
from collector.model_lists import take_models
from pipeline.agents.device_lines import kind_of_line
from pipeline.agents.device_models import kind_of_model, model_of
from pipeline.referrer_lists import ListError

MODELS = r"""
exports.ANDROID_MODELS = {
  Android: [null, null],
  'google sdk': [null, null, DeviceType.EMULATOR],
  'A1-810': ['Acer', "Iconia 'A1'", DeviceType.TABLET],
  "Tom's 7": ['Tom', '7', DeviceType.TABLET] /* a note */,
  'Sony XZ-900': ['Sony', 'DeviceType.TABLET'],
  'CP-DX!!': {
    'CP-DX70': [
      'Cisco',
      'DX70',
      DeviceType.TABLET
    ],
    '9002[AWX]!': ['Alcatel', '[9002]', DeviceType.TABLET],
    'X\\-[0-9]+!': ['X', 'X', DeviceType.TELEVISION],
    'phone(?=x)!': ['P', 'P', DeviceType.TABLET],
    'SUGAR ([A-Z][0-9]?(?: Pro)?)!': ['SUGAR', '$1', DeviceType.TABLET],
    'GT-I9200': ['Samsung', 'Mega', DeviceType.TABLET],
    'Airis OnePad 725': ['Airis', 'OnePad 725'],
    'QC77QPS': ['Q', 'QC77QPS', DeviceType.TABLET]
  },
  'Big screen': ['S', 'S', DeviceType.TELEVISION],
};
"""
TABLETS = r"""
    "tablets": {
        "A": "TAB-500|\\bZed\\b|Android.*\\bQ-?800|(?!no)Pad|F.*d|\\b(M700|M701)\\b",
        "B": "ABC|HM NOTE 1W"
    },
    "oss": {"x": "not one"}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write lists as others publish them; small ones are enough."""
    monkeypatch.setattr(collector.model_lists, "_LEAST_MODELS", 3)
    monkeypatch.setattr(collector.model_lists, "_LEAST_TABLETS", 3)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "models-android.js").write_text(MODELS)
    (tmp_path / "mobile-detect.js").write_text(TABLETS)
    return tmp_path


def test_models_are_taken_over(folder: Path) -> None:
    """
    Names and patterns by kind; what RE2 cannot read is left out.

    So is what a maker's own numbering calls a telephone and the list a tablet, or the
    other way round; a number that tells a television does not undo what a list says.
    """
    index = folder / "data" / "indices" / "models-android.js"
    index.parent.mkdir()
    index.write_text("an index of the same name")
    found = take_models(folder)

    assert found.models == {
        "mobile": ["android", "xz-900"],
        "tablet": [
            "a1-810",
            "cp-dx70",
            "m700",
            "m701",
            "qc77qps",
            "tab-500",
            "tom's 7",
        ],
        "tv": ["big screen"],
    }
    assert found.patterns == {
        "tablet": ["^(?:9002[AWX])", "^(?:Q-?800)"],
        "tv": [r"^(?:X\-[0-9]+)"],
    }


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("data/models-android.js", "", "too_few"),
        ("data/models-android.js", None, "missing"),
        ("mobile-detect.js", '    "tablets": {\n    }\n', "too_few"),
        ("mobile-detect.js", '    "tablets": {"A": [1]\n    }\n', "wrong_shape"),
        ("mobile-detect.js", '    "tablets": {"A": \n    }\n', "wrong_shape"),
        ("mobile-detect.js", "nothing", "wrong_shape"),
    ],
)
def test_what_does_not_look_right_is_refused(
    folder: Path, name: str, text: str | None, code: str
) -> None:
    """A list that is missing, cut short or of another shape is not taken over."""
    if text is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(text)

    with pytest.raises(ListError) as caught:
        take_models(folder)

    assert caught.value.code == code


def test_the_command_writes_only_what_is_no_smaller(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list that lost half is refused unless that is said to be right."""
    target = folder / "device_models.json"
    before = json.dumps({"models": {"tablet": ["x"] * 100}})
    target.write_text(before)
    monkeypatch.setattr(collector.commands_models, "MODELS_FILE", target)
    command = ["lists", "refresh-models", str(folder), "--revision", "v9"]

    refused = CliRunner().invoke(cli, command)
    assert (refused.exit_code, "too_few" in refused.output) == (1, True)
    assert target.read_text() == before

    done = CliRunner().invoke(cli, [*command, "--accept-smaller"])
    assert done.exit_code == 0, done.output
    written = json.loads(target.read_text())
    assert written["models"]["tv"] == ["big screen"]
    assert written["date"].endswith(" (v9)")
    assert all("MIT" in licence for licence in written["sources"].values())


@pytest.mark.parametrize(
    ("device", "model"),
    [
        ("Linux; Android 9; SM-T510", "SM-T510"),
        ("Linux; U; Android 4.4.2; ru RU; Lenovo_A7600-H Build/KOT49H", "A7600-H"),
        ("Linux; U; Android 8.1.0; zh-Hans-CN; T1_8 Build/X", "T1 8"),
        ("Linux; Android 11; SAMSUNG SM-T870/DBT; wv", "SM-T870"),
        ("Linux; Android 11; P85_EEA", "P85"),
        ("Linux; Android 10; M40(N9H1)", "M40"),
        ("linux; android 9; bq-7082g", "bq-7082g"),
        ("Linux; Android 10; K", ""),
        ("Windows NT 10.0; Win64; x64", ""),
    ],
)
def test_model_of(device: str, model: str) -> None:
    """The model is what stands behind the system and its language, without a maker."""
    assert model_of(f"Mozilla/5.0 ({device}) AppleWebKit/537.36 Chrome/99") == model


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("A1-810", "tablet"),
        ("a1-810", "tablet"),
        ("Nexus 5X", "mobile"),
        ("BRAVIA 4K 2015", "tv"),
        ("9002X", "tablet"),
        ("Nexus 7 of mine", "tablet"),
        ("no such model", ""),
    ],
)
def test_kind_of_model(model: str, kind: str) -> None:
    """The lists in the package know models by name or by how they begin."""
    assert kind_of_model(model) == kind


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("43LF1204", "tv"),
        ("VIVAX-40LE78T2S2SM", "tv"),
        ("A95X F3 Air", "tv"),
        ("MXQ-4K", "tv"),
        ("P50plus", ""),
        ("QUICKTAB PLUS", "tablet"),
        ("24018RPACC", "tablet"),
        ("AGS2-L09", "tablet"),
        ("Latitude 7390", "desktop"),
        ("SM-F936B", "mobile"),
        ("Coolpad 7295", "mobile"),
        ("POLAR K P55U51T2CSM", "tv"),
        ("VMP-046-664", "tv"),
        ("8K618-T", "tv"),
        ("V400HJ6 shell", "tv"),
        ("CITI 7507 4G CS7113PL", "tablet"),
        ("VOX S505 3G VS5015PG", ""),
        ("Nomi C070044", "tablet"),
        ("2505DRP06G", "tablet"),
        ("25053PC47G", "mobile"),
        ("iPA2451", "tablet"),
        ("MIDO", ""),
        ("V2178A", "mobile"),
        ("RMX3619", "mobile"),
        ("PECM30", "mobile"),
        ("FCP-AN10", "mobile"),
        ("BAH3-AL00", "tablet"),
        ("BTK-AL09", "tablet"),
        ("M2105K81C", "tablet"),
        ("M2011J18C", "mobile"),
        ("ZTE 9030N", ""),
        ("9030N", "mobile"),
        ("NUC10i3FNH", "desktop"),
        ("Turbox S3", "mobile"),
        ("PadFone X", "mobile"),
        ("PSP3502DUO", "mobile"),
        ("moto g power", ""),
    ],
)
def test_kind_of_line(model: str, kind: str) -> None:
    """Diagonals, ranges of numbers and words of their own tell what no list has."""
    assert kind_of_line(model) == kind
