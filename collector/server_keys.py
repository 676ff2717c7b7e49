"""
A server that speaks for its visitors: only with a key of the site.

Without one anyone could write down visits of anybody, from anywhere, at any time.
"""

from pipeline.address import client_bytes, spelled
from schemas.event import ClientClaim
from schemas.outcome import Invalid
from schemas.raw_event import RawEvent
from schemas.server_key import is_one_of
from schemas.site import Site

# Of these headers a server's own say nothing of the visitor it speaks of.
_CLIENT_HEADERS = {
    "accept-language": "language",
    "sec-ch-ua": "brands",
    "sec-ch-ua-mobile": "mobile",
    "sec-ch-ua-platform": "platform",
}


def refusal(
    site: Site, digest: str | None, client: ClientClaim | None, door: str, index: int
) -> Invalid | None:
    """
    Return why a key, or what needs one, is refused; None if it is not.

    Args:
        site: whose event it is.
        digest: of the key that was shown, None if none was.
        client: whose request it is said to be.
        door: where it came in; only servers have keys.
        index: of the event in its request.

    """
    if digest is None:
        if client is None:
            return None
        message = "client needs a key of the site (kastana site key add)"
        return Invalid("key_required", message, "client", index, site.name)
    if door != "server":
        message = "a key is for servers: replace this one, it was in a page"
        return Invalid("key_in_page", message, "", index, site.name)
    if not is_one_of(digest, site.keys.values()):
        message = "the key is not one of the site's"
        return Invalid("bad_key", message, "", index, site.name)
    address = None if client is None else client.address
    if address is not None and client_bytes(address) is None:
        message = "is no address"
        return Invalid("bad_format", message, "client.address", index, site.name)
    return None


def speak_for(raw: RawEvent, client: ClientClaim) -> None:
    """
    Put the visitor that a server speaks of in the server's place.

    What is not told of the visitor is not known: the server's own is no answer.
    Signals stay as they came: a server may pass its visitor's Sec-GPC on.
    """
    packed = None if client.address is None else client_bytes(client.address)
    raw.address = "" if packed is None else spelled(packed)
    raw.user_agent = client.user_agent or ""
    raw.headers = {
        key: value for key, value in raw.headers.items() if key not in _CLIENT_HEADERS
    }
    for name, field in _CLIENT_HEADERS.items():
        value = getattr(client, field)
        if value is not None:
            raw.headers[name] = value
    raw.referer = ""
    raw.trusted = True
    # Its fellows may be of others.
    raw.fellows = None
