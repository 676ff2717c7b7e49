"""
Canaries: raw data that is easily recognised, in every spelling it could be written in.
"""

import base64
import functools
import hashlib
import ipaddress
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote

from tests.tc_strings import encode_tc

SITE = "canary.example"
# Addresses of documentation networks in every part of which something shows.
ADDRESS = "198.51.100.213"
ADDRESS6 = "2001:db8:85a3:9d1c:7f3e:8a2e:370:7334"
# One of this machine's own, which a socket can be bound to: it is the peer itself.
PEER = "127.83.149.211"
AGENT = "Mozilla/5.0 (CanaryOS 77.31; Zz9k) CanaryBrowser/88.7654.321"
EMAIL = "carla.canary@birdmail.example"
COOKIE = "canarycookie7f3a9c"
VISITOR = "CanaryVisitorToken00042"
ACCOUNT = "canary-account-8814"
RECIPIENT = "canary-recipient-5521"
LATITUDE, LONGITUDE = 47.3769123, 8.5417456
PHONE = "+41791234599"
CARD = "4111 1111 1111 1111"
SECRET_QUERY = "canaryqueryvalue55"
REFERRER_QUERY = "canaryreferrervalue66"
PASSWORD = "canarypassword9"
SERVER_KEY = "ks_" + "CanaryServerKey40412".ljust(43, "x")
# Consent strings mark their browsers: a whole one, a broken one, and what cookies of
# consent managers hold beside the choice.
TC_STRING = encode_tc(
    created_ms=int(time.time() // 86_400 - 3) * 86_400_000,
    cmp_id=2749,
    vendor_list_version=3461,
    publisher_purpose_consents=range(1, 12),
    vendors_disclosed=(1, 77, 777),
)
GPP_STRING = "DBABLA~BVQqAAAAAgA.QA"
CONSENT_ID = "canaryconsentid31337"
CONSENT_COOKIES = "; ".join(
    [
        (
            f"CookieConsent={{stamp:%27{CONSENT_ID}==%27%2Cnecessary:true"
            "%2Cpreferences:true%2Cstatistics:true%2Cmarketing:true"
            "%2Cmethod:%27explicit%27%2Cver:1%2Cutc:1764000000000%2Cregion:%27de%27}"
        ),
        f"euconsent-v2={TC_STRING}",
        f"OTGPPConsent={GPP_STRING}",
        f"usprivacy={CONSENT_ID}",
        f"klaro={CONSENT_ID}",
    ]
)

# What `find_in` may look for in bytes that are anything, such as packed columns: a
# needle of 4 bytes would be found there by accident, once in 4 GB.
_LEAST_BYTES = 6


def address_spellings(text: str) -> dict[str, str]:
    """Return the texts that an address may be written as, by what they are called."""
    address = ipaddress.ip_address(text)
    packed = address.packed
    four = len(packed) == 4
    found = {
        "text": str(address),
        "integer": str(int(address)),
        "integer, other order": str(int.from_bytes(packed, "little")),
        "hex": packed.hex(),
        "hex, other order": packed[::-1].hex(),
        **{f"hex with {sign!r}": packed.hex(sign) for sign in ":.- _"},
        "arpa": address.reverse_pointer,
        "percent": "".join(f"%{byte:02X}" for byte in str(address).encode()),
        "percent, signs": quote(str(address).replace(".", "%2E"), safe="%"),
        "JSON": str(address).replace(".", "\\u002e").replace(":", "\\u003a"),
        "dashed": str(address).replace(".", "-").replace(":", "-"),
        "base64 of packed": base64.b64encode(packed).decode().rstrip("="),
        **{f"{name}": _digest(name, text) for name in ("md5", "sha1", "sha256")},
    }
    if four:
        high, low = packed[:2].hex(), packed[2:].hex()
        found |= {
            "mapped": f"::ffff:{address}",
            "mapped, hex": f"::ffff:{high}:{low}",
            "mapped, exploded": f"0000:0000:0000:0000:0000:ffff:{high}:{low}",
            "6to4": f"2002:{high}:{low}::1",
            "NAT64": f"64:ff9b::{high}:{low}",
            "octets, hex": ".".join(f"0x{byte:02x}" for byte in packed),
            "octets, octal": ".".join(f"0{byte:o}" for byte in packed),
            "octets, padded": ".".join(f"{byte:03}" for byte in packed),
            "port": f"{address}:4711",
        }
    else:
        found |= {
            "exploded": address.exploded,
            "upper case": str(address).upper(),
            "zone": f"{address}%eth0",
            "port": f"[{address}]:4711",
            "interface part": str(address).split(":", 4)[4],
        }
    return found


def _digest(name: str, text: str) -> str:
    # Of 4 billion addresses any unkeyed digest is undone in seconds.
    return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()


def _in_base64(text: str) -> Iterator[str]:
    """Yield what base64 makes of a text, wherever in the packed bytes it stands."""
    for before in range(3):
        packed = base64.b64encode(b"\0" * before + text.encode()).decode()
        # The first and last characters may hold bits of what stands beside.
        yield packed.rstrip("=")[-(-before * 8 // 6) : -1]


@functools.cache
def _needles() -> tuple[tuple[str, bytes, Callable[[bytes], bytes]], ...]:
    """Return name, bytes and folding of all that must not be found."""
    found: list[tuple[str, bytes, Callable[[bytes], bytes]]] = []
    texts = {
        "agent": AGENT,
        "agent, product": "CanaryBrowser/88.7654",
        "agent, system": "CanaryOS 77.31",
        "e-mail": EMAIL,
        "e-mail, encoded": quote(EMAIL),
        "e-mail, local part": "carla.canary",
        "cookie": COOKIE,
        "visitor token": VISITOR,
        "account": ACCOUNT,
        "recipient token": RECIPIENT,
        "latitude": "47.3769",
        "longitude": "8.54174",
        "telephone": PHONE[1:],
        "card": CARD,
        "card, closed up": CARD.replace(" ", ""),
        "query value": SECRET_QUERY,
        "referrer query value": REFERRER_QUERY,
        "password": PASSWORD,
        "server key": SERVER_KEY,
        "TC string": TC_STRING,
        "TC string, core": TC_STRING.partition(".")[0],
        "GPP string": GPP_STRING,
        "consent id": CONSENT_ID,
    }
    for address in (ADDRESS, ADDRESS6, PEER):
        packed = ipaddress.ip_address(address).packed
        spelled = address_spellings(address)
        digits = spelled.pop("base64 of packed")
        found += [
            (f"{address}, packed", packed, _as_it_is),
            (f"{address}, packed, other order", packed[::-1], _as_it_is),
            (f"{address}, packed, base64", digits.encode(), _as_it_is),
            (f"{address}, UTF-16", address.encode("utf-16-le"), _as_it_is),
        ]
        # An address as it stands in a longer one's text is found by the shorter.
        texts |= {f"{address}, {name}": text for name, text in spelled.items()}
        if len(packed) == 4:
            pair = f"{packed[:2].hex()}:{packed[2:].hex()}"
            backwards = ".".join(reversed(address.split(".")))
            texts |= {f"{address}, pair": pair, f"{address}, reversed": backwards}
    for name, text in texts.items():
        found.append((name, text.lower().encode(), bytes.lower))
    for text in (ADDRESS, ADDRESS6, PEER, EMAIL, COOKIE, VISITOR, ACCOUNT):
        for part in _in_base64(text):
            found.append((f"{text}, base64", part.encode(), _as_it_is))
    return tuple(found)


def _as_it_is(content: bytes) -> bytes:
    return content


def find_in(content: bytes, *, packed: bool = False) -> list[str]:
    """
    Return the names of the canaries in some bytes.

    Args:
        content: a file, an answer, a log.
        packed: the bytes may be anything, as those of packed columns: needles that are
            too short for that are not looked for.

    """
    lowered = content.lower()
    return [
        name
        for name, needle, fold in _needles()
        if not (packed and len(needle) < _LEAST_BYTES)
        and needle in (lowered if fold is bytes.lower else content)
    ]
