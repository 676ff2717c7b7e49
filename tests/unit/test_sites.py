"""The sites of an edge: read again when the file changes, kept when it is bad."""

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

import collector.sites
from collector.commands_site import site as command
from collector.sites import (
    DEMO_SITE,
    Sites,
    editing,
    ensure_demo_site,
    host_name,
    read_sites,
)
from schemas.site import Site, SiteError, make_site
from tests.builders import ROOT

A = "[sites.'a.com']\n"
B = "[sites.'b.com']\nrules = ['us_other']\n"
IS_B = make_site("b.com", {"rules": ["us_other"]})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the list of sites is."""
    return tmp_path / "sites.toml"


@pytest.fixture(autouse=True)
def _look_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every question look at the file; how often it does is tested apart."""
    monkeypatch.setattr(collector.sites, "_LOOK_EVERY_S", -1.0)


def write(path: Path, text: str | bytes) -> None:
    """Replace the file as an editor does."""
    draft = path.with_name("draft")
    draft.write_bytes(text if isinstance(text, bytes) else text.encode())
    draft.replace(path)


def test_listed(path: Path) -> None:
    """A site in the list is known, another is not."""
    write(path, A + B)
    sites = Sites(path, open_sites=False)

    assert Site("a.com") == sites.get("a.com")
    assert IS_B == sites.get("b.com")
    assert None is sites.get("c.com")


def test_no_file(path: Path) -> None:
    """Without a list there are no sites; once there is one, there are."""
    sites = Sites(path, open_sites=False)

    assert None is sites.get("a.com")

    write(path, A)

    assert Site("a.com") == sites.get("a.com")

    path.unlink()

    assert None is sites.get("a.com")


@pytest.mark.parametrize(
    "slip", ["[sites.", "[sites.'a.com']\nrules = ['x']", b"\xff\xfe\x00", "sites = 3"]
)
def test_slip_of_the_pen(
    path: Path, caplog: pytest.LogCaptureFixture, slip: str | bytes
) -> None:
    """The last good list stays in force, and it is said once what is wrong."""
    write(path, A)
    sites = Sites(path, open_sites=False)
    write(path, slip)
    with caplog.at_level(logging.ERROR, "kastana.sites"):
        assert Site("a.com") == sites.get("a.com")
        assert Site("a.com") == sites.get("a.com")

    assert 1 == len(caplog.records)

    write(path, B)

    assert (None, IS_B) == (sites.get("a.com"), sites.get("b.com"))


def test_not_read_for_every_event(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is looked at once a second at most."""
    monkeypatch.setattr(collector.sites, "_LOOK_EVERY_S", 1.0)
    now = [1000.0]
    monkeypatch.setattr(collector.sites.time, "monotonic", lambda: now[0])
    write(path, A)
    sites = Sites(path, open_sites=False)
    write(path, B)

    assert Site("a.com") == sites.get("a.com")

    now[0] += 1.01

    assert None is sites.get("a.com")


def test_open(path: Path) -> None:
    """An open collector takes any site, with care; a listed one as it is listed."""
    write(path, B)
    sites = Sites(path, open_sites=True)

    assert make_site("new.example", {"origins": ["*"]}) == sites.get("new.example")
    assert ("eu_strict",) == getattr(sites.get("new.example"), "rules", None)
    assert IS_B == sites.get("b.com")
    assert None is sites.get("Not a site")
    assert sites.allows_origin("https://anywhere.example")


@pytest.mark.parametrize("open_sites", [False, True])
def test_any_case(path: Path, *, open_sites: bool) -> None:
    """A site is found however its name is spelled, and has one name."""
    write(path, A)
    sites = Sites(path, open_sites=open_sites)

    assert Site("a.com") == sites.get("A.Com")
    assert sites.get("new.example") == sites.get("NEW.example")
    # Lower case of the Kelvin sign is k: not what an owner wrote.
    assert None is sites.get("\u212a.com")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "localhost",
        "203.0.113.77",
        "203.0.113.77.nip.io",
        "0x7f.0x1",
        "example.1",
        "4111111111111111",
        "4111111111111111.com",
        "user-0197b2f4-0000-7000-8000-000000000001",
        "user-0197b2f4-0000-7000-8000-000000000001.example.com",
        "USER-0197B2F4-0000-7000-8000-000000000001.example.com",
        "jane@example.com",
        "[2001:db8::1]",
    ],
)
def test_open_is_not_for_people(path: Path, name: str) -> None:
    """What may be a person's address, number or token becomes no site's name."""
    write(path, "[sites.'localhost']\n")

    assert None is Sites(path.with_name("none"), open_sites=True).get(name)
    assert ("localhost" == name) is (Sites(path, open_sites=True).get(name) is not None)


def test_open_has_an_end(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Past the limit new names are unknown; known and listed sites go on."""
    monkeypatch.setattr(collector.sites, "_MOST_OPEN_SITES", 3)
    write(path, A)
    sites = Sites(path, open_sites=True)
    taken = [sites.get(f"s{number}.example") for number in (0, 0, 1, 2, 3, 4)]

    assert [True, True, True, True, False, False] == [one is not None for one in taken]
    assert sites.get("s2.example") is not None
    assert Site("a.com") == sites.get("a.com")
    assert 1 == len(caplog.records)
    assert "example" not in caplog.text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("EXAMPLE.org", "example.org"),
        (" example.org ", "example.org"),
        ("Exämple.com", "xn--exmple-cua.com"),
        ("XN--exmple-cua.com", "xn--exmple-cua.com"),
        ("localhost", "localhost"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
    ],
)
def test_host_name(text: str, name: str) -> None:
    """A name in any case and script becomes the one that events bear."""
    assert name == host_name(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "https://a.com", "a.com:80", "a b.com", "ä ö.com", "-ä.com", "a_b.com"),
        *("\ud800.com", "ä" * 300, "jane@example.com"),
    ],
)
def test_no_host_name(text: str) -> None:
    """What is none is refused in words, not with a pattern."""
    with pytest.raises(SiteError, match="is not a host name") as caught:
        host_name(text)

    assert "regex" not in str(caught.value)


def test_preflight_origins(path: Path) -> None:
    """An origin is allowed when some site allows it."""
    write(path, A + B)
    sites = Sites(path, open_sites=False)

    assert [True, True, False] == [
        sites.allows_origin(f"https://{host}") for host in ("a.com", "b.com", "c.com")
    ]


def test_editing(path: Path) -> None:
    """What is changed is written whole, 0600, and read back."""
    with editing(path) as sites:
        sites["a.com"] = make_site("a.com", {"debug": True})
    with editing(path) as sites:
        sites["b.com"] = make_site("b.com", {})

    assert {"a.com": Site("a.com", debug=True), "b.com": Site("b.com")} == read_sites(
        path
    )
    assert 0o600 == path.stat().st_mode & 0o777


def fail_while_editing(path: Path) -> None:
    """Begin a change and fail."""
    with editing(path) as sites:
        sites.clear()
        raise KeyboardInterrupt


def test_old_list(path: Path) -> None:
    """A list of an older version is read, and rewritten when it is edited."""
    old = "[sites.'b.com']\nregime = 'opt_out'\nundecided = 'count'\nrefused = 'drop'\n"
    write(path, old)

    assert IS_B == Sites(path, open_sites=False).get("b.com")

    with editing(path):
        pass

    assert {"b.com": IS_B} == read_sites(path)
    assert 'rules = ["us_other"]' in path.read_text("utf-8")
    assert "regime" not in path.read_text("utf-8")


def test_failed_edit(path: Path) -> None:
    """A change that fails changes nothing, and leaves no lock."""
    write(path, A)

    with pytest.raises(KeyboardInterrupt):
        fail_while_editing(path)
    with editing(path) as sites:
        assert ["a.com"] == list(sites)


@pytest.mark.parametrize("content", [b"[sites.", b"\xff"])
def test_a_bad_list_is_not_edited(path: Path, content: bytes) -> None:
    """A list that cannot be read is not replaced by a new one."""
    write(path, content)

    with pytest.raises(SiteError), editing(path):
        pass
    assert content == path.read_bytes()


def test_edits_at_the_same_time(path: Path) -> None:
    """Changes by several processes are all kept."""
    code = (
        "import sys; from pathlib import Path; from collector.sites import editing; "
        "from schemas.site import make_site\n"
        "for number in range(20):\n"
        "    name = f'{sys.argv[2]}{number}.com'\n"
        "    with editing(Path(sys.argv[1])) as sites:\n"
        "        sites[name] = make_site(name, {})\n"
    )
    editors = [
        subprocess.Popen([sys.executable, "-c", code, path, name], cwd=ROOT)
        for name in "abc"
    ]

    assert [0, 0, 0] == [editor.wait(30) for editor in editors]
    assert 60 == len(read_sites(path))


def test_demo_site(path: Path) -> None:
    """The demo's site is added to what is there."""
    write(path, A)
    ensure_demo_site(path, ("http://127.0.0.1:8001",))
    sites = read_sites(path)

    assert {"a.com", DEMO_SITE} == set(sites)
    assert sites[DEMO_SITE].debug
    assert sites[DEMO_SITE].allows("http://127.0.0.1:8001")


def test_demo_site_beside_errors(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that cannot be read is said and left alone; the keeper goes on."""
    write(path, "[sites.'a.com'")

    ensure_demo_site(path, ("http://127.0.0.1:8001",))

    assert "[sites.'a.com'" == path.read_text()
    assert "no demo site, sites.toml not read" in caplog.text


def test_command(tmp_path: Path) -> None:
    """A site is added under its one name, and removed by any spelling of it."""
    run, data = CliRunner().invoke, ["--data", str(tmp_path)]
    told = [
        run(command, [*words.split(), *data]).output
        for words in ("add EXAMPLE.org", "add a_b", "remove Example.ORG", "list")
    ]

    assert '"name":"example.org"' in told[0]
    assert "Error: 'a_b' is not a host name" in told[1]
    assert ["", ""] == told[2:]


def told(tmp_path: Path, *words: str) -> dict[str, Any]:
    """Add a site, or change it, and return what is told of it."""
    done = CliRunner().invoke(command, ["add", *words, "--data", str(tmp_path)])

    assert 0 == done.exit_code, done.output
    line: dict[str, Any] = orjson.loads(done.output)
    return line


def refused(tmp_path: Path, *words: str) -> str:
    """Do what is refused, and return in which words."""
    done = CliRunner().invoke(command, ["add", *words, "--data", str(tmp_path)])

    assert 0 != done.exit_code
    return done.output


def test_command_rules(tmp_path: Path) -> None:
    """Packs are named one by one or in one go; the order is the site's."""
    assert ["eu_strict"] == told(tmp_path, "a.com")["rules"]
    assert ["eu_fr_exempt", "eu_strict", "us_ca"] == told(
        tmp_path, "a.com", "--rules", "eu_fr_exempt, eu_strict", "--rules", "us_ca"
    )["rules"]
    assert ["eu_fr_exempt", "eu_strict", "us_ca"] == told(tmp_path, "a.com", "--debug")[
        "rules"
    ]
    assert "no rule pack 'eu'" in refused(tmp_path, "a.com", "--rules", "eu")
    assert ["auto"] == told(tmp_path, "a.com", "--rules", "auto")["rules"]


def test_command_switches(tmp_path: Path) -> None:
    """Switches are turned on and off; what other packs do not know goes."""
    on = told(tmp_path, "a.com", "--switch", "count_refusals,ignore_dnt")
    off = told(tmp_path, "a.com", "--no-switch", "count_refusals")
    again = told(tmp_path, "a.com", "--switch", "ignore_dnt")
    other = told(tmp_path, "a.com", "--rules", "us_ca")
    back = told(tmp_path, "a.com", "--rules", "eu_strict")

    assert ["count_undecided", "count_refusals", "ignore_dnt"] == on["switches"]
    assert ["count_undecided", "ignore_dnt"] == off["switches"]
    assert ["count_undecided", "ignore_dnt"] == again["switches"]
    assert ["ignore_dnt"] == other["switches"]
    # Nothing is turned on by itself.
    assert ["ignore_dnt"] == back["switches"]
    assert [] == told(tmp_path, "b.com", "--rules", "us_ca")["switches"]
    assert [] == told(tmp_path, "c.com", "--no-switch", "count_undecided")["switches"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("--switch nonsense", "no switch 'nonsense'"),
        ("--no-switch nonsense", "no switch 'nonsense'"),
        ("--switch statistical_id", "knows 'statistical_id'"),
        ("--rules us_ca --switch count_undecided", "knows 'count_undecided'"),
        ("--switch count_refusals --no-switch count_undecided", "nothing without"),
        ("--consent-cookies nonsense", "'nonsense' is not read"),
        ("--consent-map C0002", "'C0002' is not ID=CATEGORY"),
        ("--consent-map C0002=nonsense", "'nonsense' is no category"),
        ("--tcf-vendor -1", "tcf_vendor"),
    ],
)
def test_command_refuses(tmp_path: Path, words: str, problem: str) -> None:
    """What is no option of a site is refused, and nothing is written."""
    assert problem in refused(tmp_path, "a.com", *words.split())
    listed = CliRunner().invoke(command, ["list", "--data", str(tmp_path)])
    assert "" == listed.output


def test_command_parameters(tmp_path: Path) -> None:
    """The parameters that are kept are the site's; other options leave them alone."""
    first = told(tmp_path, "a.com", "--parameter", "page,q", "--parameter", "sort")
    second = told(tmp_path, "a.com", "--debug")
    third = told(tmp_path, "a.com", "--parameter", "none")

    assert first["parameters"] == second["parameters"] == ["page", "q", "sort"]
    assert third["parameters"] == []
    assert "token" in refused(tmp_path, "a.com", "--parameter", "token")


def test_command_consent(tmp_path: Path) -> None:
    """How consent is read is the site's: managers, their ids, revision, vendor."""
    words = "--consent-cookies cookiebot,iab --consent-map C0002=statistics "
    words += "--consent-map a=b=marketing --tcf-vendor 12 --child-directed"
    first = told(tmp_path, "a.com", *words.split(), "--consent-revision", "7")
    words = "--consent-map C0002= --consent-map new=preference --consent-cookies none "
    words += "--consent-map idle=none --tcf-purposes core"
    second = told(tmp_path, "a.com", *words.split(), "--no-child-directed")
    listed = CliRunner().invoke(command, ["list", "--data", str(tmp_path)])

    assert {
        "consent_cookies": ["cookiebot", "iab"],
        "consent_map": {"C0002": "statistics", "a=b": "marketing"},
        "consent_revision": "7",
        "tcf_vendor": 12,
        "child_directed": True,
    }.items() <= first.items()
    assert {
        "consent_cookies": [],
        "consent_map": {"a=b": "marketing", "new": "preference", "idle": ""},
        "consent_revision": "7",
        "tcf_vendor": 12,
        "tcf_purposes": "core",
        "child_directed": False,
    }.items() <= second.items()
    assert second == orjson.loads(listed.output)


def test_a_first_list_that_cannot_be_read(tmp_path: Path) -> None:
    """Without any list nobody knows whose an event is; a later slip is no matter."""
    path = tmp_path / "sites.toml"
    path.write_text("[x")
    sites = Sites(path, open_sites=False)
    assert sites.unread
    path.write_text('[sites."example.com"]\n')
    sites._looked = 0.0
    assert not sites.unread
    assert sites.get("example.com") is not None
    path.write_text("[y")
    sites._looked = 0.0
    assert not sites.unread
    assert sites.get("example.com") is not None
    path.unlink()
    sites._looked = 0.0
    assert not sites.unread
    assert sites.get("example.com") is None
