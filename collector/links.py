"""
Signed links in e-mails: to a page, by way of a counter; and to withdraw consent.

`<payload>.<signature>`, both base64url: JSON, and its HMAC-SHA256 cut to 128 bits.
Each kind is signed under a name of its own, so that no link of one kind is good as
the other. Nothing unsigned is ever redirected to: there is no open redirect.
"""

import base64
import binascii
import hashlib
import hmac
import re
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from schemas.consent import Category
from schemas.event import Text128, Url

T = TypeVar("T")

_SIGNATURE_BYTES = 16
_CLICK = b"kastana-link-1\0"
_WITHDRAWAL = b"kastana-withdraw-1\0"
# Without blanks and control characters: the target becomes a header.
_TARGET = re.compile(r"https?://[^\s\x00-\x1f\x7f]+\Z")
MAX_SIGNED_CHARACTERS = 8192


class LinkError(ValueError):
    """The link was not signed with this key, or not for a web page."""


class Link(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a signed link says; one letter a name, since it goes into mails."""

    site: Annotated[str, Meta(max_length=253)] = msgspec.field(name="s")
    target: Url = msgspec.field(name="t")
    mailing: Text128 = msgspec.field(name="m", default="")
    recipient: Text128 = msgspec.field(name="r", default="")
    consent: tuple[Category, ...] | None = msgspec.field(name="c", default=None)


class Withdrawal(msgspec.Struct, frozen=True):
    """Whose consent a signed link withdraws: a recipient's of one site, all of it."""

    site: Annotated[str, Meta(min_length=1, max_length=253)] = msgspec.field(name="s")
    recipient: Annotated[str, Meta(min_length=1, max_length=128)] = msgspec.field(
        name="r"
    )


def sign_link(link: Link, key: bytes) -> str:
    """
    Return the signed form of a link.

    Raises:
        LinkError: when the target is not an http or https URL, or a text is too
            long to be read back.

    """
    if not _TARGET.match(link.target):
        message = "a link's target must be an http or https URL"
        raise LinkError(message)
    return _sign(link, _CLICK, key)


def read_link(signed: str, key: bytes) -> Link:
    """
    Return what a signed link says.

    Raises:
        LinkError: when it was not signed with this key.

    """
    return _read(signed, Link, _CLICK, key)


def sign_withdrawal(withdrawal: Withdrawal, key: bytes) -> str:
    """
    Return the signed form of a link that withdraws consent.

    Raises:
        LinkError: when site or recipient is missing, or too long to be read back.

    """
    return _sign(withdrawal, _WITHDRAWAL, key)


def read_withdrawal(signed: str, key: bytes) -> Withdrawal:
    """
    Return whose consent a signed link withdraws.

    Raises:
        LinkError: when it was not signed with this key, to withdraw.

    """
    return _read(signed, Withdrawal, _WITHDRAWAL, key)


def _sign(content: Link | Withdrawal, domain: bytes, key: bytes) -> str:
    encoded = msgspec.json.encode(content)
    try:
        msgspec.json.decode(encoded, type=type(content))
    except msgspec.ValidationError as error:
        message = f"the link: {error}"
        raise LinkError(message) from error
    payload = _encode(encoded)
    signed = f"{payload}.{_encode(_signature(payload, domain, key))}"
    if len(signed) > MAX_SIGNED_CHARACTERS:
        message = f"the link would be over {MAX_SIGNED_CHARACTERS} characters"
        raise LinkError(message)
    return signed


def _read(signed: str, kind: type[T], domain: bytes, key: bytes) -> T:
    payload, _, signature = signed.partition(".")
    try:
        given = _decode(signature)
        if hmac.compare_digest(given, _signature(payload, domain, key)):
            return msgspec.json.decode(_decode(payload), type=kind)
    except (binascii.Error, ValueError):
        # Whatever is wrong with it, it says the same: not signed here.
        given = b""
    message = "the link was not signed here"
    raise LinkError(message)


def _signature(payload: str, domain: bytes, key: bytes) -> bytes:
    text = domain + payload.encode("ascii", "replace")
    return hmac.new(key, text, hashlib.sha256).digest()[:_SIGNATURE_BYTES]


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    padded = text.encode("ascii") + b"=" * (-len(text) % 4)
    return base64.b64decode(padded, altchars=b"-_", validate=True)
