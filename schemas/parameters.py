"""
Parameters of a page's URL: which a site may keep, and which never.

Nothing of a query is kept but the campaign, unless the site says so by name. A name
that is known to stand for a person, a secret or one click is refused: whoever lists
it has overlooked something.
"""

import re

from schemas.personal_names import rule_of_name

MAX_PARAMETERS = 30
_NAME = re.compile(r"[a-z0-9_][a-z0-9_.\[\]-]{0,39}")

# Parameters of equal meaning, the first that is there wins.
CAMPAIGN = {
    "source": ("utm_source", "source", "ref"),
    "medium": ("utm_medium",),
    "campaign": ("utm_campaign",),
    "term": ("utm_term",),
    "content": ("utm_content",),
    "id": ("utm_id",),
}
CAMPAIGN_NAMES = frozenset(name for names in CAMPAIGN.values() for name in names)
# Each value of these is one person's click.
CLICK_IDS = frozenset(
    (
        "_openstat",
        "cjevent",
        "dclid",
        "dicbo",
        "epik",
        "fbclid",
        "gbraid",
        "gclid",
        "igshid",
        "irclickid",
        "li_fat_id",
        "msclkid",
        "obclid",
        "qclid",
        "rdt_cid",
        "sccid",
        "srsltid",
        "tblci",
        "ttclid",
        "twclid",
        "wbraid",
        "yclid",
        "ymclid",
    )
)
# Each value of these is one subscriber, one device, one session or one permission.
_PERSONAL = frozenset(
    (
        "_ga",
        "_gl",
        "_hsenc",
        "_hsmi",
        "__hssc",
        "__hstc",
        "_ke",
        "_kx",
        "access_key",
        "aspsessionid",
        "awsaccesskeyid",
        "ck_subscriber_id",
        "client_id",
        "clientid",
        "customer_id",
        "customerid",
        "device_id",
        "deviceid",
        "fb_comment_id",
        "fb_xd_fragment",
        "fbc",
        "fbp",
        "gclsrc",
        "idfa",
        "gaid",
        "hsctatracking",
        "id_token",
        "igsh",
        "inf_contact_key",
        "irgwc",
        "jsessionid",
        "key",
        "mc_cid",
        "mc_eid",
        "mkt_tok",
        "ml_subscriber",
        "ml_subscriber_hash",
        "nonce",
        "oauth_token",
        "oauth_verifier",
        "oly_anon_id",
        "oly_enc_id",
        "otc",
        "phpsessid",
        "pk_vid",
        "recipient",
        "rb_clickid",
        "s_cid",
        "sig",
        "subscriber",
        "subscriber_id",
        "ticket",
        "uid",
        "user",
        "user_id",
        "userid",
        "vero_conv",
        "vero_id",
        "vgo_ee",
        "visitor_id",
        "wickedid",
        "yadclid",
        "zanpid",
        "name",
        "first",
        "last",
    )
)


def parameters_problem(names: tuple[str, ...]) -> str:
    """Return what is wrong with the names of parameters to keep, in words."""
    if len(names) > MAX_PARAMETERS:
        return f"parameters: more than {MAX_PARAMETERS}"
    if len(set(names)) != len(names):
        return "parameters: names one twice"
    for name in names:
        problem = _name_problem(name)
        if problem:
            return f"parameters: {name!r} {problem}"
    return ""


def _name_problem(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        return "is not a name in lower case, such as 'page'"
    if name in CAMPAIGN_NAMES or name.startswith("utm_"):
        return "is read as the campaign"
    if name in CLICK_IDS:
        return "names one person's click"
    if name in _PERSONAL or rule_of_name(name) is not None:
        return "names a person or a secret"
    return ""
