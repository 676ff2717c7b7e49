"""
The cookies of consent managers, each in its own notation.

A cookie is taken apart as strictly as its maker writes it, under the maker's own
names; what the fields mean is in `cmp_readers`. Shapes are those that the makers
document or that public recordings show.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipeline.signals.cmp_text import json_object, percent_decoded
from pipeline.signals.errors import SignalError

# No browser keeps more.
MAX_COOKIE = 4096

_COOKIEBOT_FIELD = re.compile(
    r"([A-Za-z0-9_]{1,32}):(?:(true|false)|(-?[0-9]{1,16})|'([^'\\]*)')(,|\}\Z)"
)
_COOKIEBOT_SWITCHES = ("necessary", "preferences", "statistics", "marketing")
_WORD = re.compile("[A-Za-z0-9_-]{1,64}")
_IUBENDA = re.compile("_iub_cs-[0-9]{1,16}")
_CHECKBOXES = "cookielawinfo-checkbox-"
_CHECKBOX = re.compile("yes|no")
_ALLOW = re.compile("allow|deny")
_DIGITS = re.compile("[0-9]{1,9}")
# Levels of one digit: of two, a cut would make another one.
_LEVELS = re.compile(r"([0-9](?:[:,][0-9])*)(?::(?::[a-z]+(?:[,|][a-z]{2})?)?)?")
_LEVEL = re.compile(r"([0-9]):?")
_PERMIT = re.compile(r"permit[ _]([0-9](?:[,_][0-9])*)(?:[ _]required)?")


@dataclass(frozen=True, slots=True, repr=False)
class CmpCookie:
    """
    One cookie of a consent manager, taken apart.

    Attributes:
        cmp: the consent manager, of `cmp_ids.CMPS`.
        fields: what it says, under its own names, ready for JSON. Ids, addresses
            and places of the visitor are among them: for whoever pasted the
            cookie to look at, never to be kept.

    """

    cmp: str
    fields: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return everything, for the eyes of the one who asked."""
        return {"cmp": self.cmp, "fields": self.fields}

    def __repr__(self) -> str:
        """Say nothing: the fields name one browser."""
        return "<CmpCookie>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Say as little to rich, which does not ask `__repr__`."""
        return []


def decode_cookie(name: str, value: str) -> CmpCookie:
    """
    Take one cookie apart.

    Args:
        name: the cookie's name.
        value: as it stands in the Cookie header, still percent-encoded.

    Raises:
        SignalError: `unknown_format` for a name that is of no known consent
            manager; `too_long`, `empty`, `bad_percent`, `bad_format`, `bad_value`,
            `truncated`.

    """
    cmp = cmp_of(name)
    if cmp is None:
        raise SignalError("unknown_format", "name")
    if len(value) > MAX_COOKIE:
        raise SignalError("too_long", cmp)
    if not value and (cmp != "complianz" or name in _FORMS):
        raise SignalError("empty", cmp)
    return CmpCookie(cmp, _DECODERS[cmp](name, value))


def cmp_of(name: str) -> str | None:
    """Return the consent manager that sets a cookie of this name, if one does."""
    if name in _NAMES:
        return _NAMES[name]
    if name.startswith("cmplz_"):
        return "complianz"
    if name.startswith(_CHECKBOXES):
        return "cookielawinfo"
    return "iubenda" if _IUBENDA.fullmatch(name) else None


def _cookiebot(_: str, value: str) -> dict[str, Any]:
    """Read a JavaScript literal; a plus sign is itself, for the stamp is base64."""
    if value in {"0", "-1"}:
        return {"value": value}
    text = percent_decoded(value)
    if not text.startswith("{"):
        raise SignalError("bad_format", "cookiebot")
    fields: dict[str, Any] = {}
    at = 1
    while at < len(text):
        match = _COOKIEBOT_FIELD.match(text, at)
        if match is None or match[1] in fields:
            raise SignalError("bad_format", "cookiebot")
        key, switch, number, words, _end = match.groups()
        if switch:
            fields[key] = switch == "true"
        else:
            fields[key] = int(number) if number else words
        at = match.end()
    if not text.endswith("}"):
        raise SignalError("truncated", "cookiebot")
    if not all(isinstance(fields.get(key), bool) for key in _COOKIEBOT_SWITCHES):
        raise SignalError("bad_format", "cookiebot")
    if fields.get("method", "implied") not in {"implied", "explicit"}:
        raise SignalError("bad_value", "method")
    return fields


def _onetrust(name: str, value: str) -> dict[str, Any]:
    if name == "OptanonAlertBoxClosed":
        return _words(name, value)
    fields: dict[str, Any] = {}
    for part in value.split("&"):
        key, equals, text = part.partition("=")
        if not equals or not _WORD.fullmatch(key) or key in fields:
            raise SignalError("bad_format", "onetrust")
        fields[key] = percent_decoded(text, plus=True)
    if "groups" in fields:
        fields["groups"] = _groups(fields["groups"])
    if fields.get("AwaitingReconsent", "false") not in {"true", "false"}:
        raise SignalError("bad_value", "AwaitingReconsent")
    if not _DIGITS.fullmatch(fields.get("interactionCount", "") or "0"):
        raise SignalError("bad_value", "interactionCount")
    return fields


def _groups(text: str) -> dict[str, bool]:
    groups: dict[str, bool] = {}
    for part in text.split(",") if text else ():
        key, _, switch = part.rpartition(":")
        if not key or key in groups or switch not in {"0", "1"}:
            raise SignalError("bad_value", "groups")
        groups[key] = switch == "1"
    return groups


def _cookieyes(_: str, value: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for part in percent_decoded(value).split(","):
        key, colon, text = part.partition(":")
        if not colon or not _WORD.fullmatch(key) or key in fields:
            raise SignalError("bad_format", "cookieyes")
        fields[key] = text
    for key in ("consent", "action"):
        if key not in fields:
            raise SignalError("truncated", key)
    return fields


def _tarteaucitron(_: str, value: str) -> dict[str, Any]:
    text = percent_decoded(value)
    if not text.startswith("!"):
        raise SignalError("bad_format", "tarteaucitron")
    fields: dict[str, Any] = {}
    for part in text.removesuffix("!").split("!")[1:]:
        key, equals, switch = part.partition("=")
        if not key or not equals or key in fields:
            raise SignalError("bad_format", "tarteaucitron")
        fields[key] = switch
    return fields


def _cookieconsent(_: str, value: str) -> dict[str, Any]:
    fields = json_object(value)
    if not _is_texts(fields.get("categories")):
        raise SignalError("bad_value", "categories")
    services = fields.get("services", {})
    if not isinstance(services, dict) or not all(map(_is_texts, services.values())):
        raise SignalError("bad_value", "services")
    return fields


def _klaro(_: str, value: str) -> dict[str, Any]:
    fields = json_object(value)
    if not _is_switches(fields):
        raise SignalError("bad_value", "klaro")
    return fields


def _borlabs(_: str, value: str) -> dict[str, Any]:
    fields = json_object(value)
    groups = fields.get("consents")
    if not isinstance(groups, dict) or not all(map(_is_texts, groups.values())):
        raise SignalError("bad_value", "consents")
    return fields


def _iubenda(_: str, value: str) -> dict[str, Any]:
    fields = json_object(value)
    if "purposes" in fields:
        if not _is_switches(fields["purposes"]):
            raise SignalError("bad_value", "purposes")
    elif not isinstance(fields.get("consent"), bool):
        raise SignalError("bad_value", "consent")
    return fields


def _cookie_information(_: str, value: str) -> dict[str, Any]:
    fields = json_object(value)
    if not _is_texts(fields.get("consents_approved")):
        raise SignalError("bad_value", "consents_approved")
    if not _is_texts(fields.get("consents_denied", [])):
        raise SignalError("bad_value", "consents_denied")
    return fields


def _trustarc(name: str, value: str) -> dict[str, Any]:
    """Read the levels: the two notices count from 0, the permit from 1."""
    if name == "notice_behavior":
        return _words(name, value)
    form = {"notice_gdpr_prefs": _LEVELS, "notice_preferences": _LEVEL}.get(
        name, _PERMIT
    )
    match = form.fullmatch(percent_decoded(value))
    if match is None:
        raise SignalError("bad_format", name)
    return {name: [int(digit) for digit in re.findall("[0-9]", match[1])]}


def _words(name: str, value: str) -> dict[str, Any]:
    """Return the text itself, for the cookies that are but a word or a date."""
    form = _FORMS.get(name, _CHECKBOX if name.startswith(_CHECKBOXES) else None)
    if form is not None and not form.fullmatch(value):
        raise SignalError("bad_value", cmp_of(name) or "")
    return {name: percent_decoded(value)}


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_switches(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(item, bool) for item in value.values()
    )


# Cookies that are one of a few words.
_FORMS: dict[str, re.Pattern[str]] = {
    "cmplz_functional": _ALLOW,
    "cmplz_preferences": _ALLOW,
    "cmplz_statistics-anonymous": _ALLOW,
    "cmplz_statistics": _ALLOW,
    "cmplz_marketing": _ALLOW,
    "cmplz_policy_id": _DIGITS,
    "cookieconsent_status": re.compile("allow|deny|dismiss"),
    "viewed_cookie_policy": _CHECKBOX,
}

_NAMES: dict[str, str] = {
    "CookieConsent": "cookiebot",
    "OptanonConsent": "onetrust",
    "OptanonAlertBoxClosed": "onetrust",
    "cookieyes-consent": "cookieyes",
    "cc_cookie": "cookieconsent",
    "klaro": "klaro",
    "borlabs-cookie": "borlabs",
    "tarteaucitron": "tarteaucitron",
    "notice_gdpr_prefs": "trustarc",
    "notice_preferences": "trustarc",
    "cmapi_cookie_privacy": "trustarc",
    "notice_behavior": "trustarc",
    "CookieInformationConsent": "cookie_information",
    "cookieconsent_status": "osano",
    "viewed_cookie_policy": "cookielawinfo",
}

_DECODERS: dict[str, Callable[[str, str], dict[str, Any]]] = {
    "cookiebot": _cookiebot,
    "onetrust": _onetrust,
    "cookieyes": _cookieyes,
    "complianz": _words,
    "cookieconsent": _cookieconsent,
    "klaro": _klaro,
    "borlabs": _borlabs,
    "iubenda": _iubenda,
    "tarteaucitron": _tarteaucitron,
    "trustarc": _trustarc,
    "cookie_information": _cookie_information,
    "osano": _words,
    "cookielawinfo": _words,
}
