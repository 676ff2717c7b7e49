"""
Signed links: a click in an e-mail is counted, then sent on to where it was signed for.

`<payload>.<signature>`, both base64url: JSON with site, target, mailing, recipient
and consent, and its HMAC-SHA256, cut to 128 bits. Nothing unsigned is ever
redirected to: there is no open redirect.
"""

import base64
import binascii
import hashlib
import hmac
import re
from typing import Annotated

import msgspec
from msgspec import Meta

from schemas.consent import Category
from schemas.event import Text128, Url

_SIGNATURE_BYTES = 16
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
    encoded = msgspec.json.encode(link)
    try:
        msgspec.json.decode(encoded, type=Link)
    except msgspec.ValidationError as error:
        message = f"the link: {error}"
        raise LinkError(message) from error
    payload = _encode(encoded)
    signed = f"{payload}.{_encode(_signature(payload, key))}"
    if len(signed) > MAX_SIGNED_CHARACTERS:
        message = f"the link would be over {MAX_SIGNED_CHARACTERS} characters"
        raise LinkError(message)
    return signed


def read_link(signed: str, key: bytes) -> Link:
    """
    Return what a signed link says.

    Raises:
        LinkError: when it was not signed with this key.

    """
    payload, _, signature = signed.partition(".")
    try:
        given = _decode(signature)
        if hmac.compare_digest(given, _signature(payload, key)):
            return msgspec.json.decode(_decode(payload), type=Link)
    except (binascii.Error, ValueError):
        # Whatever is wrong with it, it says the same: not signed here.
        given = b""
    message = "the link was not signed here"
    raise LinkError(message)


def _signature(payload: str, key: bytes) -> bytes:
    text = b"kastana-link-1\0" + payload.encode("ascii", "replace")
    return hmac.new(key, text, hashlib.sha256).digest()[:_SIGNATURE_BYTES]


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    padded = text.encode("ascii") + b"=" * (-len(text) % 4)
    return base64.b64decode(padded, altchars=b"-_", validate=True)
