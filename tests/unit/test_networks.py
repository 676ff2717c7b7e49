"""Kinds of networks: which list says what, and what a broken list says."""

import ipaddress
from pathlib import Path
from types import SimpleNamespace

import iporigin
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.diagnose import Finding, diagnose
from pipeline.agents import networks
from pipeline.agents.networks import KINDS, Kind, Networks, Range, load_networks
from schemas.settings import SettingsError

# Of iCloud Private Relay, Mullvad, Tor and clouds, as their operators publish them.
RELAY, RELAY_6 = "172.224.226.1", "2a02:26f7:c9c8:4000::1"
CLOUD, CLOUD_6 = "52.95.110.1", "2a05:d018::1"


@pytest.fixture(scope="module")
def bundled() -> Networks:
    """Return what is known without a list of the operator's."""
    return load_networks([])


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave iporigin out, as if it were not installed."""
    monkeypatch.setattr(networks.importlib.util, "find_spec", lambda _name: None)


def written(folder: Path, name: str, text: str) -> Path:
    """Write a list."""
    path = folder / name
    path.write_text(text)
    return path


def install(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let a folder be the package."""
    spec = SimpleNamespace(origin=str(folder / "__init__.py"))
    monkeypatch.setattr(networks.importlib.util, "find_spec", lambda _name: spec)


def test_bundled(bundled: Networks) -> None:
    """Clouds are data centres, and relays are not, in both families."""
    assert ("datacenter", "datacenter", "relay", "relay") == tuple(
        bundled.kind(one) for one in (CLOUD, CLOUD_6, RELAY, RELAY_6)
    )
    assert bundled.available
    assert ["iporigin of 2026-10-05"] == list(bundled.sources)
    assert "" == bundled.problem


@pytest.mark.parametrize(
    "address",
    ["", "unknown", "192.0.2.1", "203.0.113.9", "2001:db8::1", "127.0.0.1", "::1"],
)
def test_nobodys(bundled: Networks, address: str) -> None:
    """What is no address, or one of documentation, is in no network."""
    assert "" == bundled.kind(address)


def test_as_the_package_says(bundled: Networks) -> None:
    """The table read as a file says what the package says of the same addresses."""
    kinds = {"hosting": "datacenter", "bot": "datacenter", "tor": "tor"}
    found = set()
    for number in range(0, 2**32, 65_537 * 13):
        address = str(ipaddress.IPv4Address(number))
        origin = iporigin.classify(address)
        if origin.kind == "vpn":
            expected = "relay" if "Relay" in origin.provider else "vpn"
        elif origin.provider == "Cogent":
            expected = ""
        else:
            expected = kinds.get(origin.kind, "")
        assert expected == bundled.kind(address), address
        found.add(expected)

    assert {"", "datacenter"} <= found


@pytest.mark.usefixtures("alone")
def test_lists(tmp_path: Path) -> None:
    """One network a line, comments and empty lines; a name says the kind."""
    clouds = "# a cloud\n\n198.51.100.0/24  # of 2026\n192.0.2.7\n 2001:db8::/32\n"
    known = load_networks(
        [
            written(tmp_path, "datacenter-acme.txt", clouds),
            written(tmp_path, "relay.txt", "198.51.100.128/25\n2001:db8:1::/48\n"),
            written(tmp_path, "people.v4.txt", "198.51.100.255/32\r\n"),
        ]
    )

    expected = {
        "198.51.99.255": "",
        "198.51.100.0": "datacenter",
        "198.51.100.127": "datacenter",
        "198.51.100.128": "relay",
        "198.51.100.254": "relay",
        "198.51.100.255": "people",
        "198.51.101.0": "",
        "192.0.2.6": "",
        "192.0.2.7": "datacenter",
        "192.0.2.8": "",
        "2001:db7:ffff::": "",
        "2001:db8::": "datacenter",
        "2001:db8:1::5": "relay",
        "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff": "datacenter",
        "2001:db9::": "",
    }
    assert expected == {address: known.kind(address) for address in expected}
    assert ("datacenter-acme.txt", "relay.txt", "people.v4.txt") == known.sources


@pytest.mark.usefixtures("alone")
def test_without_any_list() -> None:
    """Without a list nothing is a data centre, and it says so."""
    nothing = load_networks([])

    assert not nothing.available
    assert "no list of networks" == nothing.problem
    assert "" == nothing.kind(CLOUD) == nothing.kind(CLOUD_6)


@pytest.mark.usefixtures("alone")
def test_doctor(tmp_path: Path) -> None:
    """The doctor says that there is no list, which there are, and which is broken."""
    found = found_by_doctor(tmp_path)
    assert "warning" == found.state
    assert found.words.startswith("no list of networks: a robot in a data centre is")
    (tmp_path / "networks").mkdir(exist_ok=True)
    written(tmp_path / "networks", "relay.txt", "198.51.100.0/24\n")
    found = found_by_doctor(tmp_path)
    assert ("good", "relay.txt") == (found.state, found.words)
    named = written(tmp_path, "vpn.txt", "nonsense\n")
    found = found_by_doctor(tmp_path, str(named))
    assert "bad" == found.state
    assert "vpn.txt: line 1: is not a network" in found.words


def found_by_doctor(data: Path, *named: str) -> Finding:
    """Return what the doctor says of the networks."""
    [found] = [one for one in diagnose(data, (), named) if one.what == "networks"]
    return found


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    "line",
    [
        "198.51.100.300/24",
        "198.51.100.0/33",
        "198.51.100.0/",
        "198.51.100.0/-1",
        "198.51.100.0/ 24",
        "198.51.100.0/2٤",
        "2001:db8::/129",
        "0.0.0.0/0",
        "::/0",
        "198.51.100.0-198.51.100.9",
        "a cloud",
        "198.51.100.0/24 198.51.101.0/24",
        "198.51.100.7\0",
    ],
)
def test_bad_line(tmp_path: Path, line: str) -> None:
    """A bad line is named by its file and number, and not repeated."""
    path = written(tmp_path, "relay.txt", f"# ours\n198.51.100.0/24\n{line}\n")

    with pytest.raises(SettingsError) as caught:
        load_networks([path])
    assert f"{path}: line 3: is not a network such as 192.0.2.0/24" == str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("name", ["hosting.txt", "list.txt", ".txt", "relays.txt"])
def test_unknown_kind(tmp_path: Path, name: str) -> None:
    """A file whose name is no kind is refused, and the kinds are named."""
    path = written(tmp_path, name, "198.51.100.0/24\n")

    with pytest.raises(SettingsError, match=r"begin with one of datacenter, tor, vpn"):
        load_networks([path])


def test_unreadable(tmp_path: Path) -> None:
    """A file that is missing or no text is named."""
    with pytest.raises(SettingsError, match=r"relay\.txt: No such file"):
        load_networks([tmp_path / "relay.txt"])
    (tmp_path / "vpn.txt").write_bytes(b"198.51.100.0/24 # \xff\n")
    with pytest.raises(SettingsError, match=r"vpn\.txt: is not UTF-8"):
        load_networks([tmp_path / "vpn.txt"])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "damaged"),
        (b"IPORIGIN" + bytes(30), "form that is not read"),
        (b"NOTATHNG" + bytes(30), "form that is not read"),
        (None, "No such file"),
    ],
)
def test_strange_table(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes | None,
    problem: str,
) -> None:
    """Another form of the package's table takes the layer away, not the collector."""
    (tmp_path / "data").mkdir()
    if content is not None:
        (tmp_path / "data" / "ranges.bin").write_bytes(content)
    install(monkeypatch, tmp_path)

    known = load_networks([written(tmp_path, "relay.txt", "198.51.100.0/24\n")])
    assert "relay" == known.kind("198.51.100.1")
    assert problem in known.problem
    known = load_networks([])
    assert not known.available
    assert problem in known.problem


def test_cut_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that was cut short anywhere is damaged, not half read."""
    whole = (Path(iporigin.__file__).parent / "data" / "ranges.bin").read_bytes()
    (tmp_path / "data").mkdir()
    install(monkeypatch, tmp_path)
    for size in (7, 31, 40, 1000, 50_000, len(whole) - 1):
        (tmp_path / "data" / "ranges.bin").write_bytes(whole[:size])
        assert "iporigin: its table is damaged" == load_networks([]).problem


blocks = st.builds(
    lambda first, size, kind: (32, first, min(first + size, 300), kind),
    st.integers(0, 300),
    st.integers(0, 60),
    st.sampled_from(KINDS[1:]),
)


@given(st.lists(blocks, max_size=12))
def test_overlaps(ranges: list[Range]) -> None:
    """Of all the ranges that an address is in, the last kind of the list wins."""
    known = Networks(ranges, ["a list"])
    for number in range(302):
        kinds: list[Kind] = [
            kind for _, first, last, kind in ranges if first <= number <= last
        ]
        best = max(kinds, key=KINDS.index, default="")
        assert best == known.kind(str(ipaddress.IPv4Address(number)))


def test_whole_space() -> None:
    """The first and the last address of both families are in their range."""
    known = Networks(
        [(32, 0, 2**32 - 1, "vpn"), (128, 0, 2**128 - 1, "tor")], ["a list"]
    )
    last = str(ipaddress.IPv6Address(2**128 - 1))

    assert ("vpn", "vpn") == (known.kind("0.0.0.0"), known.kind("255.255.255.255"))
    assert ("tor", "tor") == (known.kind("::"), known.kind(last))


def test_read_when_first_asked(tmp_path: Path) -> None:
    """Who seldom asks starts without the lists; the answers are the same."""
    path = written(tmp_path, "relay.txt", "198.51.100.0/24\n")
    later = networks.LaterNetworks([path])
    assert "_read" not in vars(later)

    assert later.kind("198.51.100.7") == "relay"
    assert later.kind("8.8.8.8") == networks.load_networks([path]).kind("8.8.8.8")
