"""
The way out of an e-mail: a signed link, a page with one button, and it is done.

`GET /w/<signed>` only shows the page, because scanners of mail follow every link in
it; `POST /w/<signed>` withdraws, from the page's button or by a mail reader's own
(RFC 8058: the body `List-Unsubscribe=One-Click`). There is no script, no cookie, and
nothing of the request is kept but that it came.
"""

import base64
import hashlib
import re
from html import escape
from importlib import resources

import msgspec
from aiohttp import web

from collector.call import Call
from collector.choices import Choices, UnkeptError
from collector.desk import Desk, call_of
from collector.doors import Asked
from collector.links import LinkError, Withdrawal, read_withdrawal
from collector.metrics import count
from collector.sites import Sites
from pipeline.ids import uuid7
from schemas.event import ConsentChoice
from schemas.outcome import Invalid
from schemas.raw_event import RawEvent
from schemas.site import Site

_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_FORM = '<form method="post"><button name="withdraw" value="yes">{}</button></form>'


class Words(msgspec.Struct, frozen=True):
    """What a page says; `{site}` stands for the site's name."""

    title: str
    text: tuple[str, ...]
    button: str = ""


ASK = Words(
    "Withdraw your consent",
    (
        "If you consent, {site} records when you open its e-mails and use their links.",
        "This button withdraws that consent, at once and for e-mails you already have.",
    ),
    "Withdraw consent",
)
DONE = Words(
    "Your consent is withdrawn",
    (
        "{site} records no more when you open its e-mails or use their links.",
        "You can close this page.",
    ),
)
UNKNOWN = Words(
    "This link does not work",
    (
        "It may have been cut on its way.",
        "Please open the e-mail again and use the link in it, or copy all of it.",
    ),
)
LATER = Words(
    "That did not work yet",
    ("Your consent could not be withdrawn just now. Please try again in a minute.",),
    "Try again",
)


class WithdrawDoor:
    """The handlers of `/w/` in one edge process."""

    def __init__(
        self, desk: Desk, sites: Sites, choices: Choices, link_key: bytes
    ) -> None:
        """Bind the handlers to what takes choices, and to the key of the links."""
        self._desk = desk
        self._sites = sites
        self._choices = choices
        self._link_key = link_key
        page = resources.files("collector").joinpath("pages", "withdraw", "page.html")
        self._page = page.read_text("utf-8")
        self._headers = _headers(self._page)

    async def show(self, request: web.Request) -> web.Response:
        """`GET /w/<signed>`: say what the button will do."""
        found = self._find(request)
        if found is None:
            return self._answer(UNKNOWN, "", 400)
        site, _ = found
        return self._answer(ASK, site.name, 200)

    async def withdraw(self, request: web.Request) -> web.Response:
        """`POST /w/<signed>`: withdraw; whatever the body is, the link has said it."""
        found = self._find(request)
        if found is None:
            count("kastana_events_total", "invalid")
            count("kastana_event_reasons_total", "bad_signature")
            return self._answer(UNKNOWN, "", 400)
        site, withdrawal = found
        call = call_of(request)
        # A mail provider asks for many of its readers: the limit is the link's own.
        limited = self._desk.limited(
            call, {}, f"w\0{site.name}\0{withdrawal.recipient}"
        )
        if limited is not None:
            return self._later(site, limited)
        try:
            taken = await self._choices.take(_choice(site, withdrawal, call))
        except UnkeptError as error:
            unkept = self._desk.unkept(error.code, str(error), events=1, headers={})
            return self._later(site, unkept)
        if isinstance(taken, Invalid):
            message = "a withdrawal was not understood"
            raise TypeError(message)
        return self._answer(DONE, site.name, 200)

    def _find(self, request: web.Request) -> tuple[Site, Withdrawal] | None:
        try:
            withdrawal = read_withdrawal(request.match_info["signed"], self._link_key)
        except LinkError:
            return None
        site = self._sites.get(withdrawal.site)
        return None if site is None else (site, withdrawal)

    def _later(self, site: Site, refusal: web.Response) -> web.Response:
        answer = self._answer(LATER, site.name, refusal.status)
        answer.headers["Retry-After"] = refusal.headers["Retry-After"]
        return answer

    def _answer(self, words: Words, site: str, status: int) -> web.Response:
        lines = [
            f"<p>{escape(line.replace('{site}', site))}</p>" for line in words.text
        ]
        parts = {
            "{{title}}": escape(words.title),
            "{{text}}": "\n".join(lines),
            "{{form}}": _FORM.format(escape(words.button)) if words.button else "",
        }
        text = self._page
        for placeholder, part in parts.items():
            text = text.replace(placeholder, part)
        return web.Response(
            text=text, status=status, content_type="text/html", headers=self._headers
        )


def routes(door: WithdrawDoor, desk: Desk) -> list[web.RouteDef]:
    """Return the routes of the way out."""
    return [
        web.get("/w/{signed}", desk.guard("withdraw", door.show)),
        web.post("/w/{signed}", desk.guard("withdraw", door.withdraw)),
    ]


def _choice(site: Site, withdrawal: Withdrawal, call: Call) -> Asked:
    """Return the choice that a link stands for; the request adds but its time."""
    raw = RawEvent(
        event=ConsentChoice(
            site=site.name, action="withdraw", recipient=withdrawal.recipient
        ),
        event_id=uuid7(call.received_ms),
        # A mail provider's address and agent as often as the reader's own: neither
        # says where, or who, the reader is.
        door="redirect",
        address="",
        user_agent="",
        referer="",
        headers={},
        occurred_ms=call.received_ms,
        received_ms=call.received_ms,
    )
    return Asked(site, raw)


def _headers(page: str) -> dict[str, str]:
    found = _STYLE.search(page)
    style = found[1] if found else ""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    return {
        "Cache-Control": "no-store",
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
    }
