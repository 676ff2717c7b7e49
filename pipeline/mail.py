"""
Who opened a mail or followed its link: a person, a person's proxy, or a machine.

Decided before any robot is filtered, since mail proxies look like robots and stand
for people. Only the verdict is kept, never address or agent:

- human: someone's own mail reader or browser;
- proxy: the mailbox's provider loads for a person who reads;
- prefetch: loaded ahead, read or not;
- scanner: a gateway looks at what is in the mail.
"""

from typing import Literal

from pipeline.agents.mail_agents import reader_of
from pipeline.agents.networks import Networks
from pipeline.agents.sweeps import Sweeps
from pipeline.caller import device_of
from pipeline.robots import host_of
from schemas.event import EmailClick, EmailOpen
from schemas.raw_event import RawEvent

Verdict = Literal["", "human", "proxy", "prefetch", "scanner"]

# Where gateways look at a page before anyone is let through.
_SANDBOXES = (
    ".safelinks.protection.outlook.com",
    ".urldefense.com",
    ".urldefense.us",
    ".urldefense.proofpoint.com",
    ".mimecast.com",
    ".mimecastprotect.com",
    ".linkprotect.cudasvc.com",
)


class MailClerk:
    """Tells who is behind a mail's events; one for each process."""

    def __init__(
        self,
        networks: Networks,
        sweeps: Sweeps | None = None,
        *,
        datacenters: bool = True,
    ) -> None:
        """
        Bind the clerk to what it looks things up in.

        Args:
            networks: what kind of network an address is in.
            sweeps: who followed which links last.
            datacenters: whether an address in a data centre means anything.

        """
        self._networks = networks
        self._sweeps = Sweeps() if sweeps is None else sweeps
        self._datacenters = datacenters

    def verdict(self, raw: RawEvent) -> Verdict:
        """
        Return who is behind a mail's event; "" for what is no mail's.

        "" too where a server tells of it and the reader's agent is not known. Of a
        sweep's links the first ones stay human: nobody knows yet what follows. The
        view `mailings` counts those to the sweep as well.
        """
        event = raw.event
        if raw.door == "server" and not (raw.trusted and raw.user_agent):
            return ""
        if isinstance(event, EmailOpen):
            return self._open(raw)
        if isinstance(event, EmailClick):
            return self._click(raw, event)
        return ""

    def _open(self, raw: RawEvent) -> Verdict:
        reader = self._reader(raw)
        network = self._networks.kind(raw.address)
        if reader == "webkit":
            if network == "relay":
                # Apple Mail behind a relay: loaded for the reader, or ahead of one.
                return "prefetch"
        elif reader != "human":
            return reader
        # Webmailers' proxies have browsers' agents; nobody sits in a data centre.
        return "proxy" if self._datacenters and network == "datacenter" else "human"

    def _click(self, raw: RawEvent, event: EmailClick) -> Verdict:
        swept = self._swept(raw, event)
        reader = self._reader(raw)
        if (
            swept
            or reader in ("prefetch", "scanner")
            or f".{host_of(raw.referer)}".endswith(_SANDBOXES)
            or (self._datacenters and self._networks.kind(raw.address) == "datacenter")
        ):
            return "scanner"
        return "proxy" if reader == "proxy" else "human"

    def _reader(
        self, raw: RawEvent
    ) -> Literal["human", "webkit", "proxy", "prefetch", "scanner"]:
        if raw.method == "HEAD":
            # Who reads wants the picture, or the page.
            return "scanner"
        reader = reader_of(raw.user_agent)
        if reader in ("", "webkit") and device_of(raw).robot:
            return "scanner"
        return reader or "human"

    def _swept(self, raw: RawEvent, event: EmailClick) -> bool:
        # The interpreter's own keyed hash, as in pipeline.memo. A gateway's machines
        # take turns: where the recipient is known, the address does not matter.
        if event.recipient:
            reader = hash((event.site, event.mailing, event.recipient))
        elif raw.address:
            reader = hash((event.site, event.mailing, raw.address, raw.user_agent))
        else:
            return False
        return self._sweeps.follow(reader, hash(event.target_url), raw.received_ms)
