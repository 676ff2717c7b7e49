"""Secrets and identifiers in free text: tokens, keys, UUIDs, ids of people."""

import re
from collections.abc import Iterator
from itertools import pairwise

from pipeline.redaction.spans import Detector, Span

_UUID = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
# Below these words of a path stands whose page it is.
_OF_SOMEBODY = re.compile(
    r"/(?:users?|accounts?|customers?|members?|profiles?|patients?|clients?|employees?"
    r"|subscribers?|recipients?|people|persons?|kunden?|benutzer|utilisateurs?"
    r"|clientes?|usuarios?|utenti)/([0-9]{1,20}|[\w.~]{0,64}[0-9]{3,20}|[\w.~-]{0,64}[0-9]{5}[\w.~-]{0,64})"
    r"(?![\w~-]|\.\w)",
    re.IGNORECASE,
)

# How the providers' own keys begin. None of them begins inside of a word.
_KNOWN_KEYS = (
    r"eyJ[\w-]{8}",  # JSON Web Tokens
    r"(?:sk|pk|rk)_(?:live|test)_\w{8}|whsec_\w{16}",  # Stripe
    r"gh[opsur]_\w{16}|github_pat_\w{16}",  # GitHub
    r"gl(?:pat|dt|rt|cbt|ptt|ft|soat|imt|agent)-[\w-]{16}",  # GitLab
    r"(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ANVA|ABIA|ACCA)[0-9A-Z]{12}",  # AWS
    r"xox[abceoprs]-[\w-]{8}|xapp-[0-9]-[\w-]{8}",  # Slack
    r"AIza[\w-]{20}|ya29\.[\w-]{16}|GOCSPX-[\w-]{16}",  # Google
    r"sk-(?:proj|svcacct|admin|ant|or)-[\w-]{16}|sk-[A-Za-z0-9]{20}",  # OpenAI and kin
    r"npm_\w{20}|pypi-[\w-]{16}|rubygems_[0-9a-f]{20}",  # package registries
    r"shp(?:at|ca|pa|ss|tka|rt)_\w{16}",  # Shopify
    r"do[opr]_v1_\w{16}",  # DigitalOcean
    r"SG\.[\w-]{16}",  # SendGrid
    r"xkeysib-\w{16}|xsmtpsib-\w{16}",  # Brevo
    r"key-[0-9a-f]{32}|[0-9a-f]{32}-us[0-9]{1,2}",  # Mailgun, Mailchimp
    r"(?:SK|AC)[0-9a-f]{32}",  # Twilio
    r"[0-9]{8,10}:AA[\w-]{32}",  # Telegram
    r"[MNO][\w-]{23,27}\.[\w-]{6}\.[\w-]{27}|mfa\.[\w-]{20}",  # Discord
    r"sq0[a-z]{3}-[\w-]{22}|EAAA[\w-]{40}",  # Square
    r"EAA[A-Za-z0-9]{30}",  # Facebook
    r"hf_\w{20}|r8_\w{20}|nvapi-[\w-]{20}|gsk_\w{20}",  # models' hosts
    r"dckr_pat_[\w-]{20}|hv[sbr]\.[\w-]{20}|dp\.[a-z]{2,5}\.\w{20}|tskey-[\w-]{16}",
    r"glsa_\w{20}|sntry[su]_[\w+/=-]{16}|NRAK-[A-Z0-9]{20}|PMAK-[0-9a-f]{20}",
    r"lin_api_\w{20}|ntn_\w{20}|figd_[\w-]{20}|ATATT3[\w=-]{20}|ATBB\w{20}",
    r"rzp_(?:live|test)_\w{10}|AGE-SECRET-KEY-1[0-9A-Z]{20}",
)
_KNOWN = re.compile(rf"(?<![A-Za-z0-9])(?:{'|'.join(_KNOWN_KEYS)})")
_TOKEN_REST = re.compile(r"[A-Za-z0-9_+=-]*(?:\.[A-Za-z0-9_+=-]{3,})*={0,2}")
# The address of a webhook is its key.
_WEBHOOK = re.compile(
    r"hooks\.slack\.com/(?:services|workflows|triggers)/([\w/-]{8,200})"
    r"|discord(?:app)?\.com/api/(?:v[0-9]{1,2}/)?webhooks/([\w/-]{8,200})"
    r"|webhook\.office\.com/(?:webhookb2/)?([\w/@-]{8,300})"
    r"|api\.telegram\.org/bot([\w:-]{8,100})"
)

_RUN = re.compile(r"(?<![A-Za-z0-9_+-])[A-Za-z0-9_+-]{16,}")
_SEGMENT = re.compile(r"[A-Za-z0-9]+")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_DIGIT = re.compile(r"[0-9]")
_MIN_RANDOM = 20
_MIN_SEGMENT = 16
_MIN_SCRAMBLED = 18
# Between two separators a token of random letters may have as few as look like a word.
_SHORT = 2


def _find_uuids(text: str) -> Iterator[Span]:
    for match in _UUID.finditer(text):
        yield *match.span(), "id"


def _find_people(text: str) -> Iterator[Span]:
    for match in _OF_SOMEBODY.finditer(text):
        yield *match.span(1), "id"


def _find_known(text: str) -> Iterator[Span]:
    for match in _KNOWN.finditer(text):
        rest = _TOKEN_REST.match(text, match.end())
        yield match.start(), rest.end() if rest else match.end(), "token"


def _find_webhooks(text: str) -> Iterator[Span]:
    for match in _WEBHOOK.finditer(text):
        yield *match.span(match.lastindex or 0), "token"


def _find_random(text: str) -> Iterator[Span]:
    for run in _RUN.finditer(text):
        if len(run[0]) >= _MIN_RANDOM and _DIGIT.search(run[0]) is not None:
            yield from _find_in_run(run)


def _find_in_run(run: re.Match[str]) -> Iterator[Span]:
    """Mark chains of neighbours that are no words, where one looks drawn by lot."""
    chain: list[re.Match[str]] = []
    for segment in (*_SEGMENT.finditer(run[0]), None):
        if segment is not None and (
            len(segment[0]) <= _SHORT or not _WORD.fullmatch(segment[0])
        ):
            chain.append(segment)
            continue
        while chain and len(chain[-1][0]) <= _SHORT:
            chain.pop()
        if any(
            len(one[0]) >= _MIN_SEGMENT and _is_random(one[0]) for one in chain
        ) or _is_scrambled("".join(one[0] for one in chain)):
            yield run.start() + chain[0].start(), run.start() + chain[-1].end(), "token"
        chain = []


def _is_random(segment: str) -> bool:
    """
    Tell whether letters and digits alternate as no word or model number does.

    Of twenty random letters and digits about five neighbours are a digit and a
    letter, of hexadecimal ones nine; "iphone15pro128gb" has four of fifteen.
    """
    kinds = _kinds(segment)
    turns = [(one == 0) != (two == 0) for one, two in pairwise(kinds)]
    cases = [one != two for one, two in pairwise(kinds)]
    width = min(len(turns), _MIN_RANDOM - 1)
    return any(
        _mixes(sum(turns[at : at + width]), sum(cases[at : at + width]), width)
        for at in range(0, len(turns) - width + 1, 4)
    )


def _mixes(turns: int, cases: int, width: int) -> bool:
    return turns * 4 > width or (turns > 1 and cases * 2 > width)


def _is_scrambled(joined: str) -> bool:
    """Tell whether digits, small and capital letters take turns all the way."""
    kinds = _kinds(joined)
    if len(kinds) < _MIN_SCRAMBLED or len(set(kinds)) < len(_KINDS):
        return False
    return 2 * sum(one != two for one, two in pairwise(kinds)) > len(kinds)


_KINDS = (0, 1, 2)


def _kinds(text: str) -> list[int]:
    return [0 if char.isdigit() else 1 if char.islower() else 2 for char in text]


_BEARER = re.compile(r"\b(?:bearer|basic)\s+([\w.~+/-]{8,}={0,2})", re.IGNORECASE)
_BEARER_SHAPE = re.compile(r"[0-9]|=$|[a-z][A-Z]")
_VALUE = (
    r"[\\\"']{0,3}\s?(?::|=>?|%3d)\s?"
    r"(?:\\?\"([^\"\r\n\\]{1,256})|'([^'\r\n]{1,256})|([^\s\"'&,;\\]{1,256}))"
)
_ASSIGNED_NAME = (
    r"(?:pass(?:word|wd|phrase|code)|passwort|kennwort|pwd|secret|credentials?"
    r"|api[_-]?key|access[_-]?key|accesskeyid|account[_-]?key|private[_-]?key"
    r"|auth[_-]?key)"
)
_ASSIGNED = re.compile(rf"{_ASSIGNED_NAME}[\w-]{{0,16}}{_VALUE}", re.IGNORECASE)
_NUMBERED_NAME = (
    r"(?:token|session[_-]?id|sess(?:ion)?|sid|csrf|xsrf|signature|sig|otp|nonce"
    r"|(?:verification|auth(?:orization)?|security|login|one-time)[ _-]?code)"
)
_NUMBERED = re.compile(
    rf"(?<![a-z]){_NUMBERED_NAME}[\\\"']{{0,3}}\s?[:=]\s?[\\\"']{{0,2}}"
    r"([\w.~+/%-]{6,256}={0,2})|"
    rf"(?<=_)(?:token|signature)[\\\"']{{0,3}}\s?[:=]\s?[\\\"']{{0,2}}"
    r"([\w.~+/%-]{6,256}={0,2})",
    re.IGNORECASE,
)
_PEM = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY|PuTTY-User-Key-File|BEGIN PGP PRIVATE"
)
# An account's key of Azure: 64 bytes in base64.
_LONG_BASE64 = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==")


def _find_assigned(text: str) -> Iterator[Span]:
    for match in _ASSIGNED.finditer(text):
        yield *match.span(match.lastindex or 0), "secret"


def _find_numbered(text: str) -> Iterator[Span]:
    for match in _NUMBERED.finditer(text):
        group = match.lastindex or 0
        if _DIGIT.search(match[group]):
            yield *match.span(group), "secret"


def _find_bearers(text: str) -> Iterator[Span]:
    for match in _BEARER.finditer(text):
        if _BEARER_SHAPE.search(match[1]):
            yield *match.span(1), "token"


def _find_private_keys(text: str) -> Iterator[Span]:
    match = _PEM.search(text)
    if match is not None:
        yield match.start(), len(text), "key"


def _find_long_base64(text: str) -> Iterator[Span]:
    for match in _LONG_BASE64.finditer(text):
        yield *match.span(), "token"


DETECTORS = (
    Detector(r"-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-", _find_uuids),
    Detector(
        r"(?i)/(?:users?|accounts?|customers?|members?|profiles?|patients?|clients?"
        r"|employees?|subscribers?|recipients?|people|persons?|kunden?|benutzer"
        r"|utilisateurs?|clientes?|usuarios?|utenti)/[\w.~-]{0,64}[0-9]",
        _find_people,
    ),
    Detector(rf"(?:^|[^A-Za-z0-9])(?:{'|'.join(_KNOWN_KEYS)})", _find_known),
    Detector(r"(?i)webhook|hooks\.slack\.com|telegram\.org/bot", _find_webhooks),
    # A token has, unlike a word, capitals or digits inside. How long it is is for the
    # search to say: a sign that counts would slow all of them down.
    Detector(r"[a-z][A-Z]|[A-Za-z][0-9]|[0-9][A-Za-z]", _find_random),
    Detector(
        rf"(?i){_ASSIGNED_NAME}[\w-]{{0,16}}[\\\"']{{0,3}}\s?[:=%]", _find_assigned
    ),
    Detector(rf"(?i){_NUMBERED_NAME}[\\\"']{{0,3}}\s?[:=]", _find_numbered),
    Detector(r"(?i)(?:bearer|basic)\s", _find_bearers),
    Detector(
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY|PuTTY-User-Key-File|BEGIN PGP PRIVATE",
        _find_private_keys,
    ),
    Detector(r"==", _find_long_base64),
)
