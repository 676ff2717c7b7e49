"""
What a request says about consent: every source in it, read and never merged here.

A source that is there and cannot be read says "unknown" of every category and names
its problem: it takes away what the others grant, and never adds to it. The strings
themselves stay where they are.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import replace

from pipeline.clock import parse_time
from pipeline.memo import remember
from pipeline.signals.browser_signals import read_browser
from pipeline.signals.cmp_cookies import CMPS, IAB_COOKIES, read_cookies
from pipeline.signals.consent_mode import read_consent_mode
from pipeline.signals.consent_objects import (
    read_rudderstack,
    read_segment,
    read_snowplow,
)
from pipeline.signals.errors import SignalError
from pipeline.signals.gpp import parse_gpp_sid, read_gpp
from pipeline.signals.macros import is_absent
from pipeline.signals.reading import Method, Reading, SignalState
from pipeline.signals.tcf import TcfRules, read_tcf
from pipeline.signals.us_privacy import read_us_privacy
from schemas.consent import ASKED, Category, Claim, ConsentClaim, state_of
from schemas.policy import Policy
from schemas.raw_event import RawEvent
from schemas.site import Site

_DAY_MS = 86_400_000
_NO_CLAIM = ConsentClaim()
_CACHED = 4096
_UNKNOWN: dict[str, SignalState] = dict.fromkeys(ASKED, "unknown")
# Whom a page's script may have asked: the consent managers and frameworks we know.
_SOURCES = frozenset({*CMPS, "didomi", "gpp", "tcf", "usercentrics"})
_TOO_YOUNG = frozenset({"under_13", "13_15"})


class SignalReader:
    """Reads what requests say as policy and site want it; one for each process."""

    def __init__(self, policy: Policy) -> None:
        """Bind the reader to the policy's versions and to how long consent is good."""
        self._policy = policy
        self._said = remember(_CACHED)(self._read_said)

    def read(
        self, raw: RawEvent, site: Site, *, place: str, tcf_applies: bool
    ) -> list[Reading]:
        """
        Return one reading a source.

        Args:
            raw: the request's event, headers and consent cookies.
            site: which consent managers it has, and how their ids translate.
            place: where the request comes from, "US-CA", "DE" or "".
            tcf_applies: False where a string of the European framework means
                nothing: the request says `gdpr=0`, and its place agrees.

        """
        claim = raw.event.consent or _NO_CLAIM
        readings = [*self._own(claim, raw, site), *_browser(claim, raw)]
        if raw.cookies or has_strings(claim):
            readings += self._strings(claim, raw, site, place, tcf_applies=tcf_applies)
        if raw.cookies:
            cookies = read_cookies(
                raw.cookies,
                cmps=site.consent_cookies,
                mapping=site.consent_map,
                now_ms=raw.received_ms,
                revision=site.consent_revision,
            )
            readings += [self._aged(reading, raw) for reading in cookies]
        return readings

    def key(self, raw: RawEvent, site: Site) -> tuple[Hashable, ...] | None:
        """
        Return all that `read` depends on beside place and day, None if it is too much.

        Strings and cookies are read anew for each event: they have caches of their own,
        and are better in no key, not even as a hash.
        """
        event, headers = raw.event, raw.headers
        claim = event.consent or _NO_CLAIM
        if raw.cookies or has_strings(claim):
            return None
        updated_ms = _updated_ms(claim, raw)
        return (
            claim,
            updated_ms,
            self._wrong_time(updated_ms, raw),
            event.gpc,
            event.dnt,
            headers.get("sec-gpc"),
            headers.get("dnt"),
            site.number,
        )

    def _strings(
        self,
        claim: ConsentClaim,
        raw: RawEvent,
        site: Site,
        place: str,
        *,
        tcf_applies: bool,
    ) -> Iterator[Reading]:
        """Read the strings of the frameworks and the objects of other trackers."""
        yield from _objects(claim, site)
        texts = _texts(claim, raw, site)
        for text in texts("gdpr_consent"):
            if tcf_applies:
                tcf = self._tcf(text, raw, site)
                # "gdpr=0" where the rules read the string all the same: then it may
                # refuse, and does not grant what the sender says it is not about.
                yield tcf if claim.gdpr is None or claim.gdpr else _set_aside(tcf)
            # A string of the other framework in this one's place grants nothing, and
            # what it opts out of holds.
            if text.startswith("DB"):
                for one in self._gpp(text, claim, raw, site, place):
                    yield replace(one, states=_UNKNOWN)
        for text in texts("gpp"):
            yield from self._gpp(text, claim, raw, site, place)
        for text in texts("us_privacy"):
            yield read_us_privacy(text)
        if claim.gcs or claim.gcd:
            gcs, gcd = _present(claim.gcs), _present(claim.gcd)
            if gcs or gcd:
                yield read_consent_mode(gcs, gcd)

    def _own(self, claim: ConsentClaim, raw: RawEvent, site: Site) -> list[Reading]:
        flags = _own_flags(claim, site)
        if claim is _NO_CLAIM and not flags:
            return []
        updated_ms = _updated_ms(claim, raw)
        said = self._said(
            claim.preference,
            claim.statistics,
            claim.marketing,
            claim.precise_location,
            claim.policy_version,
            claim.method,
            self._wrong_time(updated_ms, raw),
            _source(claim),
            flags,
        )
        if not said.states and not flags:
            return []
        if updated_ms is None:
            return [said]
        return [
            Reading(
                said.source, said.states, flags, said.method, updated_ms, said.problems
            )
        ]

    def _read_said(  # noqa: PLR0913 - the parts of a claim, for the cache
        self,
        preference: Claim,
        statistics: Claim,
        marketing: Claim,
        precise_location: Claim,
        version: str | None,
        method: Method,
        wrong_time: str,
        source: str,
        flags: frozenset[str],
    ) -> Reading:
        """Return what a claim says, but for the time at which it was made."""
        claims = (preference, statistics, marketing, precise_location)
        states: dict[str, SignalState] = {}
        problems: dict[str, None] = {}
        for category, said in zip(ASKED, claims, strict=True):
            if said is None:
                continue
            states[category] = state = state_of(said)
            if state == "given":
                states[category], problem = self._grant(
                    category, version, method, wrong_time
                )
                problems |= {problem: None} if problem else {}
        return Reading(source, states, flags, method, None, tuple(problems))

    def _grant(
        self, category: Category, version: str | None, method: Method, wrong_time: str
    ) -> tuple[SignalState, str]:
        """Return what a claimed grant is worth, and what is wrong with it."""
        if method == "implied":
            return "unknown", "implied"
        if version is not None and self._policy.expires(version, category):
            return "expired", "policy_version"
        return ("expired", wrong_time) if wrong_time else ("given", "")

    def _aged(self, reading: Reading, raw: RawEvent) -> Reading:
        """Hold a consent manager's grants to the same age as any other."""
        problem = self._wrong_time(reading.updated_ms, raw)
        if not problem:
            return reading
        states: dict[str, SignalState] = {
            category: "expired" if state == "given" else state
            for category, state in reading.states.items()
        }
        problems = tuple(dict.fromkeys([*reading.problems, problem]))
        return replace(reading, states=states, problems=problems)

    def _wrong_time(self, updated_ms: int | None, raw: RawEvent) -> str:
        if updated_ms is None:
            return ""
        age = raw.received_ms - updated_ms
        if age > self._policy.header.consent_valid_days * _DAY_MS:
            return "too_old"
        # A choice from the future is not a choice of this visitor's past.
        return "in_future" if age < -_DAY_MS else ""

    def _tcf(self, text: str, raw: RawEvent, site: Site) -> Reading:
        try:
            return read_tcf(text, now_ms=raw.received_ms, rules=self._rules(site))
        except SignalError as error:
            return Reading("tcf", _UNKNOWN, method="none", problems=(error.code,))

    def _gpp(
        self, text: str, claim: ConsentClaim, raw: RawEvent, site: Site, place: str
    ) -> list[Reading]:
        return read_gpp(
            text,
            gpp_sid=sections(claim),
            place=place,
            now_ms=raw.received_ms,
            tcf_rules=self._rules(site),
        )

    def _rules(self, site: Site) -> TcfRules:
        return TcfRules(
            vendor_id=site.tcf_vendor or None,
            purposes=site.tcf_purposes,
            max_age_ms=self._policy.header.consent_valid_days * _DAY_MS,
        )


def has_strings(claim: ConsentClaim) -> bool:
    """Say if there is more in a claim than our own words."""
    return claim is not _NO_CLAIM and not (
        claim.gdpr_consent is None
        and claim.gpp is None
        and claim.us_privacy is None
        and claim.gcs is None
        and claim.gcd is None
        and claim.categoryPreferences is None
        and claim.allowedConsentIds is None
        and claim.deniedConsentIds is None
        and claim.eventType is None
        and claim.consentScopes is None
        and claim.gpp_sid is None
        and claim.domainsApplied is None
    )


def _set_aside(reading: Reading) -> Reading:
    """Return a reading without its grants."""
    states: dict[str, SignalState] = {
        category: "unknown" if state == "given" else state
        for category, state in reading.states.items()
    }
    return replace(reading, states=states, problems=(*reading.problems, "gdpr_0"))


def sections(claim: ConsentClaim | None) -> tuple[int, ...]:
    """Return the GPP sections that the request says are in force."""
    if claim is None:
        return ()
    try:
        return parse_gpp_sid(claim.gpp_sid)
    except SignalError:
        # Which section is in force is then decided as if nothing had been said:
        # by the place, and without one by all that are there.
        return ()


def _own_flags(claim: ConsentClaim, site: Site) -> frozenset[str]:
    young = claim.age_band in _TOO_YOUNG
    child = claim.child or claim.coppa or young or site.child_directed
    return _OWN_FLAGS[bool(claim.objection), bool(child)]


_OWN_FLAGS = {
    (objection, child): frozenset(["objection"] * objection + ["child"] * child)
    for objection in (False, True)
    for child in (False, True)
}


def _source(claim: ConsentClaim) -> str:
    # The name is stored with anonymous rows too: a free text could say anything.
    return claim.source if claim.source in _SOURCES else "own"


def _updated_ms(claim: ConsentClaim, raw: RawEvent) -> int | None:
    if claim.updated_at is None:
        return None
    updated_ms = parse_time(claim.updated_at)
    if raw.event.sent_at is None:
        return updated_ms
    # A sender whose clock is ahead would otherwise date its grants after a
    # withdrawal that came later.
    return updated_ms - max(0, parse_time(raw.event.sent_at) - raw.received_ms)


def _browser(claim: ConsentClaim, raw: RawEvent) -> list[Reading]:
    event, headers = raw.event, raw.headers
    gpc, dnt = headers.get("sec-gpc", ""), headers.get("dnt", "")
    told_gpc, told_dnt = event.gpc or claim.gpc, event.dnt or claim.dnt
    if not (gpc or dnt or told_gpc or told_dnt):
        return []
    return read_browser([gpc, "1" if told_gpc else ""], [dnt, "1" if told_dnt else ""])


def _objects(claim: ConsentClaim, site: Site) -> Iterable[Reading]:
    if claim.categoryPreferences is not None:
        yield read_segment(claim.categoryPreferences, site.consent_map)
    if claim.allowedConsentIds is not None or claim.deniedConsentIds is not None:
        yield read_rudderstack(
            claim.allowedConsentIds or [],
            claim.deniedConsentIds or [],
            claim.provider or "",
            claim.resolutionStrategy or "",
            site.consent_map,
        )
    if claim.eventType is not None or claim.consentScopes is not None:
        yield read_snowplow(
            claim.eventType or "",
            claim.basisForProcessing or "",
            claim.consentScopes or [],
            claim.consentVersion or "",
            claim.gdprApplies,
            site.consent_map,
        )


def _texts(
    claim: ConsentClaim, raw: RawEvent, site: Site
) -> Callable[[str], list[str]]:
    """Return where the strings of a framework are: in the object, in cookies."""
    reads_cookies = "iab" in site.consent_cookies

    def texts(name: str) -> list[str]:
        said = getattr(claim, name)
        if said is None and not reads_cookies:
            return []
        found = [said]
        if reads_cookies:
            found += [
                value
                for cookie, value in raw.cookies
                if IAB_COOKIES.get(cookie) == name
            ]
        return list(dict.fromkeys(filter(None, map(_present, found))))

    return texts


def _present(text: str | None) -> str | None:
    # A template that was not filled in says nothing, neither yes nor no.
    return None if is_absent(text) else text
