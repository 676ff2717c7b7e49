"""
What the fields of each consent manager's cookie mean.

A function a consent manager, from its own fields to a `Choice`. Whatever says that
nobody chose makes an undecided choice of it; whatever says that the choice no longer
counts is a problem, which takes grants away and leaves refusals.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.signals.cmp_choice import Choice
from pipeline.signals.cmp_ids import COOKIE_CATEGORIES, DEFAULT_IDS
from pipeline.signals.cmp_text import moment

_YES_NO: dict[str, bool] = {"yes": True, "no": False}
_TRUE_FALSE: dict[str, bool] = {"true": True, "false": False}
_MAX_REVISION = 2**31
# Cookiebot's switches; its other fields are about the choice.
_COOKIEBOT = ("necessary", "preferences", "statistics", "marketing")


@dataclass(frozen=True, slots=True, repr=False)
class Context:
    """
    What is known beside the cookie.

    Attributes:
        now_ms: the time, ms since 1970 UTC.
        revision: the site's revision for vanilla-cookieconsent, "" if any will do.
        closed: the values of `OptanonAlertBoxClosed`.
        behaviour: the values of TrustArc's `notice_behavior`.

    """

    now_ms: int
    revision: str = ""
    closed: tuple[str, ...] = ()
    behaviour: tuple[str, ...] = ()


def read_fields(cmp: str, fields: Mapping[str, Any], context: Context) -> Choice:
    """
    Say what was chosen.

    Args:
        cmp: the consent manager, of `cmp_ids.CMPS`.
        fields: of its cookie, or of all of its cookies together.
        context: what is known beside them.

    """
    return _READERS[cmp](fields, context)


def _cookiebot(fields: Mapping[str, Any], _: Context) -> Choice:
    if fields.get("value") == "0":
        return Choice(whole="refused")
    if fields.get("value") == "-1":
        return Choice(whole="unknown", method="none")
    # The stamp -1 stands for a region where nobody is asked.
    explicit = fields.get("method") == "explicit" and fields.get("stamp") != "-1"
    problems = () if explicit else ("implied",)
    updated_ms, bad = _date(fields.get("utc"))
    return Choice(
        switches={key: fields[key] for key in _COOKIEBOT},
        method="explicit" if explicit else "implied",
        updated_ms=updated_ms,
        problems=problems + bad,
    )


def _onetrust(fields: Mapping[str, Any], context: Context) -> Choice:
    flags = frozenset(
        "gpc"
        for key in ("isGpcEnabled", "browserGpcFlag")
        if fields.get(key, "") not in {"", "0", "false"}
    )
    # Further parameters follow the groups in every real cookie, this one among them.
    if not {"groups", "AwaitingReconsent"} <= set(fields) or [*fields][-1] == "groups":
        problems: tuple[str, ...] = ("truncated",)
    elif fields["AwaitingReconsent"] == "true":
        problems = ("reconsent",)
    else:
        problems = ()
    closed = [text for text in context.closed if text]
    if not closed and not int(fields.get("interactionCount") or "0"):
        return Choice(
            whole="unknown",
            method="none",
            flags=flags,
            problems=("no_action", *problems),
        )
    # The box was closed when the choice was made; the other date is of the last page.
    dates = [_date(text) for text in closed] or [_date(fields.get("datestamp"))]
    if any(bad for _, bad in dates):
        problems += ("bad_date",)
    return Choice(
        switches=fields.get("groups", {}),
        whole=None if "groups" in fields else "unknown",
        expired="reconsent" in problems,
        flags=flags,
        updated_ms=min((ms for ms, _ in dates if ms is not None), default=None),
        problems=problems,
    )


def _cookieyes(fields: Mapping[str, Any], _: Context) -> Choice:
    if fields["action"] != "yes":
        return Choice(whole="unknown", method="none", problems=("no_action",))
    # Where one opts out, "no" stands beside categories that are still on.
    return Choice(
        switches={key: _YES_NO.get(text) for key, text in fields.items()},
        kind="open",
        problems=() if fields["consent"] == "yes" else ("contradiction",),
    )


def _complianz(fields: Mapping[str, Any], _: Context) -> Choice:
    policy_version = fields.get("cmplz_policy_id", "")
    if fields.get("cmplz_banner-status") != "dismissed":
        return Choice(
            whole="unknown",
            method="none",
            problems=("no_action",),
            policy_version=policy_version,
        )
    return Choice(
        switches={
            name.removeprefix("cmplz_"): value == "allow"
            for name, value in fields.items()
            # Statistics that name nobody are no consent to those that do.
            if value in {"allow", "deny"} and name != "cmplz_statistics-anonymous"
        },
        policy_version=policy_version,
    )


def _cookieconsent(fields: Mapping[str, Any], context: Context) -> Choice:
    problems: tuple[str, ...] = ()
    revision = fields.get("revision")
    if context.revision and str(revision) != context.revision:
        problems += ("revision",)
    if "expirationTime" in fields:
        problems += _expiry(fields["expirationTime"], context)
    # Without these the tool itself asks again.
    needed = ("consentId", "consentTimestamp", "lastConsentTimestamp")
    if not all(isinstance(fields.get(key), str) and fields[key] for key in needed):
        problems += ("incomplete",)
    updated_ms, bad = _date(fields.get("lastConsentTimestamp"))
    categories = fields["categories"]
    services = fields.get("services", {})
    return Choice(
        switches=_listed(
            "cookieconsent", {key: services.get(key) for key in categories}
        )
        | dict.fromkeys(categories, True),
        kind="listing",
        expired=bool({"revision", "expired"} & set(problems)),
        updated_ms=updated_ms,
        problems=problems + bad,
        policy_version=_version(revision),
    )


def _klaro(fields: Mapping[str, Any], _: Context) -> Choice:
    return Choice(switches=fields)


def _borlabs(fields: Mapping[str, Any], context: Context) -> Choice:
    groups: Mapping[str, list[str]] = fields["consents"]
    problems = _expiry(fields["expires"], context) if "expires" in fields else ()
    return Choice(
        switches=_listed("borlabs", groups)
        | {group: bool(names) for group, names in groups.items()},
        kind="listing",
        expired="expired" in problems,
        problems=problems,
        policy_version=_version(fields.get("version")),
    )


def _iubenda(fields: Mapping[str, Any], _: Context) -> Choice:
    updated_ms, bad = _date(fields.get("timestamp"))
    if "purposes" in fields:
        return Choice(switches=fields["purposes"], updated_ms=updated_ms, problems=bad)
    # A yes without purposes: the tool also notes one when a visitor scrolls on.
    if fields["consent"]:
        return Choice(
            whole="unknown",
            method="implied",
            updated_ms=updated_ms,
            problems=("implied", *bad),
        )
    return Choice(whole="refused", updated_ms=updated_ms, problems=bad)


def _tarteaucitron(fields: Mapping[str, Any], _: Context) -> Choice:
    return Choice(
        switches={key: _TRUE_FALSE.get(text) for key, text in fields.items()},
        kind="open",
    )


def _trustarc(fields: Mapping[str, Any], context: Context) -> Choice:
    if "notice_preferences" in fields:
        levels = list(range(1, fields["notice_preferences"][0] + 2))
    elif "notice_gdpr_prefs" in fields:
        levels = [level + 1 for level in fields["notice_gdpr_prefs"]]
    else:
        levels = fields["cmapi_cookie_privacy"]
    implied = not all(text.startswith("expressed") for text in context.behaviour)
    return Choice(
        switches={str(level): True for level in levels},
        kind="listing",
        method="implied" if implied else "explicit",
        problems=("implied",) if implied else (),
    )


def _cookie_information(fields: Mapping[str, Any], _: Context) -> Choice:
    updated_ms, bad = _date(fields.get("timestamp"))
    approved: dict[str, bool | None] = dict.fromkeys(fields["consents_approved"], True)
    return Choice(
        switches=approved | dict.fromkeys(fields.get("consents_denied", []), False),
        kind="listing",
        updated_ms=updated_ms,
        problems=bad,
    )


def _osano(fields: Mapping[str, Any], _: Context) -> Choice:
    word = fields["cookieconsent_status"]
    if word == "dismiss":
        return Choice(whole="unknown", method="implied", problems=("implied",))
    if word == "deny":
        return Choice(whole="refused")
    return Choice(switches=dict.fromkeys(COOKIE_CATEGORIES, True))


def _cookielawinfo(fields: Mapping[str, Any], _: Context) -> Choice:
    viewed = fields.get("viewed_cookie_policy")
    if viewed is None:
        # The boxes are there, ticked, before anyone has seen them.
        return Choice(whole="unknown", method="none", problems=("no_action",))
    if viewed == "no":
        return Choice(whole="refused")
    return Choice(
        switches={
            name.removeprefix("cookielawinfo-checkbox-"): _YES_NO[value]
            for name, value in fields.items()
            if name != "viewed_cookie_policy"
        },
        kind="open",
    )


def _date(value: object) -> tuple[int | None, tuple[str, ...]]:
    """Return a date and what is wrong with it; without one, nothing is."""
    if value is None or value == "":
        return None, ()
    milliseconds = moment(value)
    return milliseconds, () if milliseconds is not None else ("bad_date",)


def _expiry(value: object, context: Context) -> tuple[str, ...]:
    milliseconds = moment(value)
    if milliseconds is None:
        return ("bad_date",)
    return ("expired",) if milliseconds <= context.now_ms else ()


def _version(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        return ""
    return str(value) if 0 <= value < _MAX_REVISION else ""


def _listed(cmp: str, groups: Mapping[str, list[str] | None]) -> dict[str, bool | None]:
    """Return the services that are on; one with the name of a category is none."""
    return {
        service: True
        for services in groups.values()
        for service in services or ()
        if service not in DEFAULT_IDS[cmp]
    }


_READERS: dict[str, Callable[[Mapping[str, Any], Context], Choice]] = {
    "cookiebot": _cookiebot,
    "onetrust": _onetrust,
    "cookieyes": _cookieyes,
    "complianz": _complianz,
    "cookieconsent": _cookieconsent,
    "klaro": _klaro,
    "borlabs": _borlabs,
    "iubenda": _iubenda,
    "tarteaucitron": _tarteaucitron,
    "trustarc": _trustarc,
    "cookie_information": _cookie_information,
    "osano": _osano,
    "cookielawinfo": _cookielawinfo,
}
