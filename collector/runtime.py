"""
What every process builds from settings and data folder before it can work.
"""

from pathlib import Path

import msgspec

from collector.doors import Doors
from collector.folder import Folder
from collector.sites import Sites
from pipeline.device import ClientHints, parse_device
from pipeline.location import Locator
from pipeline.objections import Objections
from pipeline.process import Processor
from pipeline.salt import DaySalt
from pipeline.segment import header_bytes
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


def build(settings: Settings, folder: Folder) -> Runtime:
    """
    Build the shared parts.

    Raises:
        PolicyError, FolderError, SaltError, OSError: with words for the operator.

    """
    policy = load_policy()
    # The agent parser builds its patterns at first use, a third of a second: better
    # now than in a visitor's request.
    parse_device("", ClientHints())
    named = [Path(name) for name in settings.geo_databases]
    locator = Locator(named or sorted(folder.geo.glob("*.mmdb")))
    objections = Objections(folder.objections)
    processor = Processor(
        policy,
        locator,
        folder.secret("visitor.key"),
        DaySalt(folder.salt),
        objections,
    )
    sites = Sites(folder.sites, open_sites=settings.open_sites)
    doors = Doors(settings, policy, sites, processor, folder.secret("link.key"))
    headers = {
        table: header_bytes(*segment_header(policy, table)) for table in policy.tables
    }
    return Runtime(settings, folder, policy, locator, doors, headers, objections)
