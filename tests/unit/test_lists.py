"""Taking over lists by others."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import collector.lists
from collector.cli import cli
from collector.lists import take
from pipeline.referrer_lists import PLACES, SPAM, ListError, read_lists

SPAMMERS = [f"spam{number}.example" for number in range(400)]


def write(folder: Path, **changed: str) -> Path:
    """Write lists as others publish them; some may be changed or (empty) left out."""
    search = "\n".join(
        f"Engine {number}:\n  -\n    urls:\n      - www.e{number}.example\n"
        f"      - e{number}.{{}}\n      - e{number}.example/path\n"
        "    params:\n      - q\n    backlink: '?q={k}'\n"
        for number in range(100)
    )
    social = "\n".join(f"Net {number}:\n  - n{number}.example" for number in range(38))
    social += (
        '\nreddit:\n  - reddit.com\n  - old.example\nGoogle%2B:\n  - "plus.example"\n'
    )
    ai = "\n".join(f"Mind {number}:\n  - m{number}.example" for number in range(9))
    ai += "\nNo:\n  - android-app://org.mind.app\n"
    files = {
        "SearchEngines.yml": search,
        "Socials.yml": social,
        "AIAssistants.yml": ai,
        "active_spammers.txt": "\n".join(
            ["! dead: gone.example", "QIWI.xyz", "", *SPAMMERS]
        ),
    }
    files.update({name.replace("_yml", ".yml"): text for name, text in changed.items()})
    if "active_spammers" in changed:
        files["active_spammers.txt"] = files.pop("active_spammers")
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        if text:
            (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_lists_are_taken_over(tmp_path: Path) -> None:
    """Hosts, any country's, apps; names in our spelling; what we know stays out."""
    taken = take(write(tmp_path / "lists"))

    assert taken.media["search"]["Engine 7"] == ["e7.*", "e7.example"]
    assert taken.media["social"]["Reddit"] == ["old.example"]
    assert taken.media["social"]["Google+"] == ["plus.example"]
    assert taken.media["ai"]["No"] == ["org.mind.app"]
    assert taken.spam == sorted(["qiwi.xyz", *SPAMMERS])
    assert taken.skipped == 100


def test_checkouts_may_lie_side_by_side(tmp_path: Path) -> None:
    """Each list may be in a folder of its own, and the longer list of spammers do."""
    folder = write(tmp_path / "lists", active_spammers="")
    (folder / "spam").mkdir()
    (folder / "spam" / "spammers.txt").write_text("\n".join(SPAMMERS))
    shutil.copytree(folder, tmp_path / "more" / "channels")
    shutil.copytree(folder / "spam", tmp_path / "more" / "spam")

    assert take(tmp_path / "more").spam_file == "spammers.txt"
    assert take(tmp_path / "more").spam == sorted(SPAMMERS)


SEARCH_HEAD = "\n".join(f"E {n}:\n  - urls: [e{n}.example]" for n in range(100))
NETS = "\n".join(f"N {n}: [n{n}.example]" for n in range(40))


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("Socials_yml", "", "missing"),
        ("Socials_yml", "{", "not_yaml"),
        ("Socials_yml", "- a.example", "wrong_shape"),
        ("Socials_yml", "A: [a.example]", "too_few"),
        ("Socials_yml", f"{NETS}\nA: a.example", "wrong_shape"),
        ("Socials_yml", f"{NETS}\nA: []", "wrong_shape"),
        ("Socials_yml", f"{NETS}\nA: [[a.example]]", "wrong_shape"),
        ("Socials_yml", f'{NETS}\n"\\e[31m": [a.example]', "wrong_shape"),
        ("Socials_yml", f"{NETS}\nA: &a [a.example]\nB: *a", "not_yaml"),
        ("Socials_yml", f"{NETS}\nA: !!python/name:os.system [a.b]", "not_yaml"),
        ("Socials_yml", "[" * 800, "not_yaml"),
        ("Socials_yml", f"{NETS}\nA: [nobody, 10.0.0.1, a b.example]", "bad_hosts"),
        ("Socials_yml", "x" * (9 << 20), "too_large"),
        ("Socials_yml", f"{NETS}\nA: [e7.example]", "two_media"),
        ("SearchEngines_yml", f"{SEARCH_HEAD}\nA:\n  - urls: [[x]]", "wrong_shape"),
        (
            "SearchEngines_yml",
            f"{SEARCH_HEAD}\nA:\n  - urls: [{'a.example, ' * 500}]",
            "too_many",
        ),
        ("active_spammers", "\n".join(SPAMMERS[:100]), "too_few"),
        ("active_spammers", "\n".join([*SPAMMERS, *["no host"] * 20]), "bad_hosts"),
    ],
)
def test_what_does_not_look_right_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    text: str,
    code: str,
) -> None:
    """Each defect of a list has its word."""
    monkeypatch.setattr(collector.lists, "_MOST_HOSTS", 500)
    with pytest.raises(ListError) as caught:
        take(write(tmp_path / "lists", **{name: text}))

    assert code == caught.value.code


def test_known_places_and_registries_are_no_spammers(tmp_path: Path) -> None:
    """A list that names a search engine, or all of a country, does not get its way."""
    more = ["google.com", "www.facebook.com", "mail.google.com", "co.uk", "com.ua"]
    folder = write(tmp_path / "lists", active_spammers="\n".join([*SPAMMERS, *more]))

    assert take(folder).spam == sorted(SPAMMERS)


def test_a_host_in_two_lists_is_ours_to_decide(tmp_path: Path) -> None:
    """What our own list knows, or leaves out, may be in several of theirs."""
    folder = write(
        tmp_path / "lists",
        Socials_yml=f"{NETS}\nA: [reddit.com, login.live.com, new.example]",
        SearchEngines_yml=f"{SEARCH_HEAD}\nA:\n  - urls: [reddit.com, cnn.com]",
    )
    media = take(folder).media

    assert media["social"]["A"] == ["new.example"]
    assert "A" not in media["search"]


def run(*arguments: str) -> tuple[int, str]:
    """Run a command; return its exit code and all that it said."""
    done = CliRunner().invoke(cli, ["lists", *arguments])
    return done.exit_code, done.output


def test_refresh_writes_the_data_folder_and_show_tells(tmp_path: Path) -> None:
    """The operator's copy holds, with source, licence, date and number."""
    data = tmp_path / "data"
    data.mkdir()
    source = write(tmp_path / "lists")
    # The package's are larger than these made-up ones.
    code, said = run("refresh", str(source), "--data", str(data))
    assert (code, said.startswith("Error: too_few")) == (1, True)
    assert not list((data / "lists").iterdir())

    more = ["--revision", "abc", "--accept-smaller"]
    code, said = run("refresh", str(source), "--data", str(data), *more)
    assert code == 0, said
    code, said = run("show", "--data", str(data), "--format", "json")
    about = {one["file"]: one for one in json.loads(said)}

    assert code == 0
    assert (
        "100 entries were left out"
        in run("refresh", str(source), "--data", str(data))[1]
    )
    assert about[PLACES]["licence"] == "CC0-1.0"
    assert about[PLACES]["entries"] == 200 + 40 + 10
    assert about[PLACES]["date"].endswith(" (abc)")
    assert about[SPAM]["entries"] == 401
    assert about[SPAM]["source"] == "matomo-org/referrer-spam-list, active_spammers.txt"
    assert read_lists(data / "lists").places.find("e7.de") == ("search", "Engine 7")
    assert {path.name for path in (data / "lists").iterdir()} == {PLACES, SPAM}
    assert all(path.stat().st_mode & 0o077 == 0 for path in (data / "lists").iterdir())


def test_a_list_that_lost_half_is_refused(tmp_path: Path) -> None:
    """A shorter list than the one in force is damaged more often than tidied up."""
    data = tmp_path / "data"
    data.mkdir()
    many = "\n".join(f"spam{number}.example" for number in range(1_000))
    for text, expected in ((many, 0), ("\n".join(SPAMMERS), 1)):
        source = write(tmp_path / "lists", active_spammers=text)
        more = ["--accept-smaller"] if expected == 0 else []
        code, _ = run("refresh", str(source), "--data", str(data), *more)

        assert expected == code
    assert len(read_lists(data / "lists").spam) == 1_000


def test_show_without_a_data_folder_tells_of_the_package(tmp_path: Path) -> None:
    """Nobody needs a server to see whose lists these are."""
    code, said = run("show", "--data", str(tmp_path / "none"))

    assert code == 0
    assert "matomo-org/referrer-spam-list" in said
    assert "CC0-1.0" in said
    assert "in the package" in said
