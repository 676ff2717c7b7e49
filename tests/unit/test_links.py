"""Signed links: what was not signed here leads nowhere."""

import base64
import hmac
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from collector.commands_link import withdraw
from collector.links import (
    MAX_SIGNED_CHARACTERS,
    Link,
    LinkError,
    Withdrawal,
    read_link,
    read_withdrawal,
    sign_link,
    sign_withdrawal,
)

KEY = b"k" * 32
LINK = Link(
    "example.com", "https://example.com/a?b=c#d", "May", "token", ("statistics",)
)
SIGNED = sign_link(LINK, KEY)
WITHDRAWAL = Withdrawal("example.com", "recipient-5521")
WITHDRAWN = sign_withdrawal(WITHDRAWAL, KEY)


@pytest.mark.parametrize(
    "link",
    [
        LINK,
        Link("a.com", "http://a.com"),
        Link("a.com", "https://a.com/ü?q=%20", consent=()),
        Link("a.com", "https://a.com/" + "x" * 4000, "m" * 128, "r" * 128),
    ],
)
def test_round_trip(link: Link) -> None:
    """What was signed is read back."""
    assert link == read_link(sign_link(link, KEY), KEY)


def test_form() -> None:
    """A signed link fits into a URL's path as it is, and is always the same."""
    assert set(SIGNED) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
    )
    assert SIGNED == sign_link(LINK, KEY)


@pytest.mark.parametrize(
    "target",
    [
        "",
        "/path",
        "//example.com/",
        "example.com",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://example.com/",
        "https://",
        " https://example.com/",
        "https://example.com/\r\nSet-Cookie: a=b",
        "https://example.com/\x00",
        "https://example.com/a b",
        "https://example.com/" + "x" * 4096,
    ],
)
def test_no_web_page(target: str) -> None:
    """What is no web page's URL is not signed."""
    with pytest.raises(LinkError):
        sign_link(Link("example.com", target), KEY)


@pytest.mark.parametrize(
    "fields",
    [
        {"site": "s" * 254},
        {"mailing": "m" * 129},
        {"recipient": "r" * 129},
        {"target": "https://a.com/" + "\U0001f600" * 2000},
    ],
)
def test_too_long(fields: dict[str, Any]) -> None:
    """What could not be read back, or requested, is not signed."""
    link = msgspec.structs.replace(LINK, **fields)

    with pytest.raises(LinkError):
        sign_link(link, KEY)


def test_longest_is_accepted_at_the_door() -> None:
    """Whatever was signed is short enough for the door."""
    link = Link("s" * 253, "https://a.com/" + "x" * 4080, "m" * 128, "r" * 128)

    assert len(sign_link(link, KEY)) <= MAX_SIGNED_CHARACTERS


@pytest.mark.parametrize("position", range(0, len(SIGNED), 3))
def test_changed_anywhere(position: int) -> None:
    """A link of which one character was changed was not signed here."""
    other = "A" if SIGNED[position] != "A" else "B"
    changed = SIGNED[:position] + other + SIGNED[position + 1 :]

    with pytest.raises(LinkError, match="not signed here"):
        read_link(changed, KEY)


@pytest.mark.parametrize(
    "signed",
    [
        "",
        ".",
        "..",
        SIGNED.partition(".")[0],
        SIGNED.partition(".")[0] + ".",
        "." + SIGNED.partition(".")[2],
        SIGNED + ".",
        SIGNED + "A",
        SIGNED[:-1],
        SIGNED.replace(".", ""),
        SIGNED.upper(),
        "ü.ü",
        "https://evil.example/",
        "\udc80.\udc80",
    ],
)
def test_not_signed(signed: str) -> None:
    """Whatever is wrong with a link, the answer is the same."""
    with pytest.raises(LinkError) as caught:
        read_link(signed, KEY)

    assert "the link was not signed here" == str(caught.value)


@given(st.text(max_size=60))
def test_any_text(signed: str) -> None:
    """No text that was not signed is a link."""
    with pytest.raises(LinkError):
        read_link(signed, KEY)


def test_another_key() -> None:
    """A link of another installation was not signed here."""
    with pytest.raises(LinkError):
        read_link(SIGNED, b"q" * 32)


def test_signature_is_of_the_payload() -> None:
    """A signature does not fit another payload."""
    other = sign_link(Link("example.com", "https://evil.example/"), KEY)

    with pytest.raises(LinkError):
        read_link(f"{other.partition('.')[0]}.{SIGNED.partition('.')[2]}", KEY)


def test_signed_with_another_purpose() -> None:
    """The key signs links alone: a bare HMAC of the payload is none."""
    payload = base64.urlsafe_b64encode(msgspec.json.encode(LINK)).rstrip(b"=")
    digest = hmac.new(KEY, payload, "sha256").digest()[:16]
    signature = base64.urlsafe_b64encode(digest).rstrip(b"=")

    with pytest.raises(LinkError):
        read_link(f"{payload.decode()}.{signature.decode()}", KEY)


# ------------------------------------------------------------------------ withdrawals
def test_withdrawal_round_trip() -> None:
    """What was signed is read back, and fits into a URL's path."""
    assert WITHDRAWAL == read_withdrawal(WITHDRAWN, KEY)
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", WITHDRAWN)
    assert WITHDRAWN == sign_withdrawal(WITHDRAWAL, KEY)


@pytest.mark.parametrize(
    "withdrawal",
    [
        Withdrawal("", "r"),
        Withdrawal("example.com", ""),
        Withdrawal("s" * 254, "r"),
        Withdrawal("example.com", "r" * 129),
    ],
)
def test_withdrawal_of_nobody(withdrawal: Withdrawal) -> None:
    """A link says whose consent it withdraws, and where."""
    with pytest.raises(LinkError):
        sign_withdrawal(withdrawal, KEY)


def test_longest_withdrawal_is_accepted_at_the_door() -> None:
    """Whatever was signed is short enough for the door."""
    longest = Withdrawal("s" * 253, "\U0001f600" * 128)

    assert len(sign_withdrawal(longest, KEY)) <= MAX_SIGNED_CHARACTERS
    assert longest == read_withdrawal(sign_withdrawal(longest, KEY), KEY)


@pytest.mark.parametrize("position", range(0, len(WITHDRAWN), 3))
def test_withdrawal_changed_anywhere(position: int) -> None:
    """A withdrawal of which one character was changed was not signed here."""
    other = "A" if WITHDRAWN[position] != "A" else "B"
    changed = WITHDRAWN[:position] + other + WITHDRAWN[position + 1 :]

    with pytest.raises(LinkError, match="not signed here"):
        read_withdrawal(changed, KEY)


@given(st.text(max_size=60))
def test_no_text_withdraws(signed: str) -> None:
    """No text that was not signed is a withdrawal."""
    with pytest.raises(LinkError):
        read_withdrawal(signed, KEY)


def test_withdrawal_with_another_key() -> None:
    """A withdrawal of another installation was not signed here."""
    with pytest.raises(LinkError):
        read_withdrawal(WITHDRAWN, b"q" * 32)


def test_a_click_does_not_withdraw() -> None:
    """The signature of one kind of link is none of the other, both ways."""
    # Even where the payload would be understood as the other kind.
    click = sign_link(Link("example.com", "https://example.com/", "", "token"), KEY)

    with pytest.raises(LinkError, match="not signed here"):
        read_withdrawal(click, KEY)
    with pytest.raises(LinkError, match="not signed here"):
        read_link(WITHDRAWN, KEY)


def test_a_withdrawal_leads_nowhere() -> None:
    """A payload with a target, signed to withdraw, redirects nobody."""
    payload = msgspec.json.encode(
        {"s": "a.com", "r": "x", "t": "https://evil.example/"}
    )
    encoded = base64.urlsafe_b64encode(payload).rstrip(b"=")
    text = b"kastana-withdraw-1\0" + encoded
    digest = hmac.new(KEY, text, "sha256").digest()[:16]
    signature = base64.urlsafe_b64encode(digest).rstrip(b"=")
    signed = f"{encoded.decode()}.{signature.decode()}"

    assert Withdrawal("a.com", "x") == read_withdrawal(signed, KEY)
    with pytest.raises(LinkError):
        read_link(signed, KEY)


# ------------------------------------------------------------------- the command line
def run(folder: Path, *options: str) -> Result:
    """Run `kastana link withdraw` on a folder."""
    return CliRunner().invoke(withdraw, ["--data", str(folder), *options])


def test_command(tmp_path: Path) -> None:
    """It prints a link that this folder's key signed."""
    options = ["--site", "Example.com", "--recipient", "r-1"]
    done = run(tmp_path, *options, "--public-url", "https://c.example/")
    key = bytes.fromhex((tmp_path / "secrets" / "link.key").read_text("ascii"))
    start, _, signed = done.output.strip().rpartition("/")

    assert (0, "https://c.example/w") == (done.exit_code, start)
    assert Withdrawal("example.com", "r-1") == read_withdrawal(signed, key)


@pytest.mark.parametrize(
    "options",
    [
        ["--site", "example.com"],
        ["--recipient", "r-1"],
        ["--site", "example.com", "--recipient", "carla@bird.example"],
        ["--site", "example.com", "--recipient", ""],
        ["--site", "example.com", "--recipient", "r" * 129],
        ["--site", "no site", "--recipient", "r-1"],
    ],
)
def test_command_used_wrongly(tmp_path: Path, options: list[str]) -> None:
    """Wrong usage is exit code 2, and prints no link."""
    done = run(tmp_path, *options)

    assert 2 == done.exit_code
    assert "/w/" not in done.output
