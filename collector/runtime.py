"""
What every process builds from settings and data folder before it can work.
"""

import functools
import os
from pathlib import Path

import msgspec

from collector.doors import Doors
from collector.folder import Folder
from collector.sites import Sites
from collector.spool_keys import spool_sealing
from pipeline.agents.networks import LaterNetworks, lists_in, load_networks
from pipeline.agents.rate import Rate
from pipeline.device import ClientHints, parse_device
from pipeline.geo.files import databases_in
from pipeline.location import Locator
from pipeline.mail import MailClerk
from pipeline.process import Processor
from pipeline.referrer import is_spam, lists, use_lists
from pipeline.robots import Robots
from pipeline.salt import DaySalt
from pipeline.sealing import Sealing
from pipeline.segment import header_bytes
from pipeline.withdrawal.objections import Objections
from schemas.ddl import segment_header
from schemas.policy import Policy, load_policy
from schemas.settings import Settings


class Runtime(msgspec.Struct, frozen=True):
    """The parts that edge, keeper and `kastana explain` share."""

    settings: Settings
    folder: Folder
    policy: Policy
    locator: Locator
    doors: Doors
    headers: dict[str, bytes]
    objections: Objections
    salts: DaySalt
    sealing: Sealing


def build(
    settings: Settings, folder: Folder, *, keep: bool = True, serving: bool = False
) -> Runtime:
    """
    Build the shared parts.

    Args:
        settings: the server's.
        folder: its data folder.
        keep: False for who asks what would be, perhaps on another day: the day's salt
            is then not turned.
        serving: True for who answers visitors: what takes its time is made ready now,
            and not in a visitor's request.

    Raises:
        PolicyError, FolderError, SaltError, SettingsError, OSError: with words for
            the operator.

    """
    policy = load_policy()
    use_lists(folder.lists)
    lists()
    named = [Path(name) for name in settings.geo_databases]
    locator = Locator(
        named or functools.partial(databases_in, folder.geo),
        folder.geo / ".mapped",
    )
    objections = Objections(folder.objections)
    salts = DaySalt(folder.salt, keep=keep)
    paths = [Path(name) for name in settings.networks] or lists_in(folder.networks)
    networks = load_networks(paths) if serving else LaterNetworks(paths)
    apart = settings.datacenter_visits == "count_apart"
    rate = Rate(settings.robot_events, settings.robot_seconds)
    processor = Processor(
        policy,
        locator,
        folder.secret("visitor.key"),
        salts,
        objections,
        networks,
        Robots(rate, is_spam, datacenters=apart),
        MailClerk(networks, datacenters=apart),
    )
    if serving:
        # The agent parser builds its patterns at first use, a third of a second.
        parse_device("", ClientHints())
    sites = Sites(folder.sites, open_sites=settings.open_sites)
    doors = Doors(settings, policy, sites, processor, folder.secret("link.key"))
    headers = {
        table: header_bytes(*segment_header(policy, table)) for table in policy.tables
    }
    return Runtime(
        settings,
        folder,
        policy,
        locator,
        doors,
        headers,
        objections,
        salts,
        spool_sealing(settings, os.environ),
    )
