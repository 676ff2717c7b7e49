"""
Consent managers' cookies: what a Cookie header says of the consent categories.

Read without any script, for pixels on the site's own domain. Only the consent
managers that a site names are looked for, and nothing of a cookie is kept but the
states: ids, addresses and places that stand in it end here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline.signals.cmp_choice import Choice, settle
from pipeline.signals.cmp_formats import CmpCookie, cmp_of, decode_cookie
from pipeline.signals.cmp_ids import ASKED, CMPS, DEFAULT_IDS, IAB_COOKIES, PROBLEMS
from pipeline.signals.cmp_readers import Context, read_fields
from pipeline.signals.errors import SignalError
from pipeline.signals.reading import Reading, SignalState

__all__ = [
    "CMPS",
    "IAB_COOKIES",
    "PROBLEMS",
    "CmpCookie",
    "decode_cookie",
    "read_cookies",
]

# Clocks of visitors go wrong by hours, seldom by a day.
_AHEAD_MS = 86_400_000
# Cookies that only say something about another one.
_COMPANIONS = frozenset(("OptanonAlertBoxClosed", "notice_behavior"))
# Consent managers whose cookies are read together.
_FAMILIES = ("complianz", "cookielawinfo")


def read_cookies(
    cookies: Sequence[tuple[str, str]],
    *,
    cmps: Collection[str],
    mapping: Mapping[str, str],
    now_ms: int,
    revision: str = "",
) -> list[Reading]:
    """
    Read what the consent managers of a site have noted.

    A cookie that is there twice with different values gives two readings; one that
    cannot be read gives a reading that grants nothing. Nothing is raised.

    Args:
        cookies: names and values as in the Cookie header, still percent-encoded.
        cmps: the consent managers to look for, of CMPS.
        mapping: id -> category of the site, beside the usual ids; a category that
            is none of ours, such as "", makes an id count for nothing. Where a text
            has no end mark (CookieYes, tarteaucitron, cookielawinfo) or lists only
            what is on (vanilla-cookieconsent, Borlabs, Cookie Information,
            TrustArc), a category is only given if all ids named here for it are on.
        now_ms: the time, ms since 1970 UTC.
        revision: the revision that vanilla-cookieconsent is configured with; ""
            if any will do.

    """
    found: dict[str, dict[str, None]] = {}
    for name, value in cookies:
        if cmp_of(name) in cmps:
            found.setdefault(name, {})[value] = None
    context = Context(
        now_ms=now_ms,
        revision=revision,
        closed=tuple(found.get("OptanonAlertBoxClosed", ())),
        behaviour=tuple(found.get("notice_behavior", ())),
    )
    readings = []
    families: dict[str, dict[str, list[str]]] = {}
    for name, values in found.items():
        cmp = cmp_of(name) or ""
        if cmp in _FAMILIES:
            families.setdefault(cmp, {})[name] = list(values)
        elif name not in _COMPANIONS:
            readings += [_read(cmp, {name: v}, mapping, context) for v in values]
    for cmp, members in families.items():
        readings += [
            _read(cmp, _nth(members, index), mapping, context)
            for index in range(max(map(len, members.values())))
        ]
    return readings


def _nth(members: Mapping[str, list[str]], index: int) -> dict[str, str]:
    """Return the n-th value of each member, the last one where there are fewer."""
    return {
        name: values[min(index, len(values) - 1)] for name, values in members.items()
    }


def _read(
    cmp: str, members: Mapping[str, str], mapping: Mapping[str, str], context: Context
) -> Reading:
    """Read one cookie, or those of a family together."""
    fields: dict[str, Any] = {}
    codes: list[str] = []
    for name, value in members.items():
        try:
            fields |= decode_cookie(name, value).fields
        except SignalError as error:
            codes.append(error.code)
    if not fields:
        choice = Choice(whole="unknown", method="none")
    else:
        choice = read_fields(cmp, fields, context)
    problems = {*choice.problems, *codes}
    # What could not be read may have spoken of any of them.
    unread: dict[str, SignalState] = {}
    if codes or "truncated" in problems:
        unread = dict.fromkeys(ASKED, "unknown")
    if choice.updated_ms is not None and choice.updated_ms > context.now_ms + _AHEAD_MS:
        problems.add("future")
    choice = replace(choice, problems=tuple(sorted(problems)))
    reading = settle(cmp, choice, DEFAULT_IDS[cmp], mapping)
    return replace(reading, states=unread | dict(reading.states)) if unread else reading
