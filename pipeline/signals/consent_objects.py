"""
The consent objects of other trackers: Segment, RudderStack, Snowplow.

They arrive as JSON that the schema has checked; here is what they mean. Ids are
found in the site's mapping first, then among the names that many tools share,
upper and lower case being the same.
"""

from collections.abc import Collection, Mapping

from pipeline.signals.cmp_choice import Choice, settle
from pipeline.signals.cmp_ids import COMMON_IDS, COOKIE_CATEGORIES, DEFAULT_IDS
from pipeline.signals.reading import Reading, SignalState

__all__ = ["COMMON_IDS", "read_rudderstack", "read_segment", "read_snowplow"]

_STRATEGIES = frozenset(("", "and", "or", "all", "any"))
# Consent managers whose ids RudderStack passes on as they are.
_PROVIDERS = {"onetrust": "onetrust", "iubenda": "iubenda"}
_WHOLE: dict[str, SignalState] = {
    "deny_all": "refused",
    "withdrawn": "withdrawn",
    "expired": "expired",
}


def read_segment(
    category_preferences: Mapping[str, bool], mapping: Mapping[str, str]
) -> Reading:
    """
    Read Segment's `context.consent.categoryPreferences`.

    Args:
        category_preferences: on or off by id.
        mapping: id -> category of the site.

    """
    choice = Choice(switches=_lower(category_preferences))
    return settle("segment", choice, COMMON_IDS, _lower_ids(mapping))


def read_rudderstack(
    allowed: Collection[str] | None,
    denied: Collection[str] | None,
    provider: str | None,
    resolution_strategy: str | None,
    mapping: Mapping[str, str],
) -> Reading:
    """
    Read RudderStack's `context.consentManagement`.

    An id that is both allowed and denied is denied. The strategy says whether a
    destination wants all of its ids or any of them; a category always wants all
    that the site names for it, and all that are there of the usual ones.

    Args:
        allowed: the ids that are on.
        denied: the ids that are off.
        provider: the consent manager; the ids of `oneTrust` and `iubenda` are known.
        resolution_strategy: `and`, `or`; any other grants nothing.
        mapping: id -> category of the site.

    """
    switches: dict[str, bool | None] = dict.fromkeys(
        map(str.lower, allowed or ()), True
    )
    switches |= dict.fromkeys(map(str.lower, denied or ()), False)
    site = _lower_ids(mapping)
    # An id of the site that is in neither list is undecided.
    switches |= {key: None for key in site if key not in switches}
    known = (resolution_strategy or "").lower() in _STRATEGIES
    choice = Choice(switches=switches, problems=() if known else ("unknown_type",))
    usual = DEFAULT_IDS.get(_PROVIDERS.get((provider or "").lower(), ""), {})
    return settle("rudderstack", choice, COMMON_IDS | _lower_ids(usual), site)


def read_snowplow(  # noqa: PLR0913 - the fields of the schema
    event_type: str | None,
    basis_for_processing: str | None,
    consent_scopes: Collection[str] | None,
    consent_version: str | None,
    gdpr_applies: bool | None,  # noqa: ARG001, FBT001 - changes nothing, on purpose
    mapping: Mapping[str, str],
) -> Reading:
    """
    Read Snowplow's `consent_preferences`, version 1-0-0.

    Args:
        event_type: `deny_all`, `allow_all`, `allow_selected`, `pending`,
            `implicit_consent`, `withdrawn` or `expired`.
        basis_for_processing: any other than `consent` grants nothing.
        consent_scopes: the ids that are on; the others are off if some were
            selected. Without any, `allow_all` grants what cookies are asked for.
        consent_version: the policy that was agreed to.
        gdpr_applies: what a page says of the law: it neither grants nor takes.
        mapping: id -> category of the site.

    """
    version = consent_version or ""
    kind = event_type or ""
    if kind in _WHOLE:
        choice = Choice(whole=_WHOLE[kind], policy_version=version)
    elif kind in {"allow_all", "allow_selected"}:
        scopes = [scope.lower() for scope in consent_scopes or ()]
        if kind == "allow_all" and not scopes:
            scopes = list(COOKIE_CATEGORIES)
        choice = Choice(
            switches=dict.fromkeys(scopes, True),
            kind="complete" if kind == "allow_all" else "listing",
            problems=() if basis_for_processing == "consent" else ("other_basis",),
            policy_version=version,
        )
    else:
        problem = {"pending": "no_action", "implicit_consent": "implied"}
        choice = Choice(
            whole="unknown",
            method="implied" if kind == "implicit_consent" else "none",
            problems=(problem.get(kind, "unknown_type"),),
            policy_version=version,
        )
    return settle("snowplow", choice, COMMON_IDS, _lower_ids(mapping))


def _lower(switches: Mapping[str, bool]) -> dict[str, bool | None]:
    """Return the switches in lower case; of two that become one, off wins."""
    found: dict[str, bool | None] = {}
    for key, on in switches.items():
        found[key.lower()] = on and found.get(key.lower(), True)
    return found


def _lower_ids(ids: Mapping[str, str]) -> dict[str, str]:
    return {key.lower(): category for key, category in ids.items()}
