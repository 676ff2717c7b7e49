"""
How many files a process may have open: each connection is one.
"""

import logging
import resource

_log = logging.getLogger("kastana.edge")
# What a process has open beside its connections.
_OTHERS = 512


def allow_connections(number: int) -> None:
    """Raise the soft limit to what so many connections need, as far as it goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number + _OTHERS
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    if raised < wanted:
        _log.warning(
            "max_connections is %d, but only %d files may be open; raise that limit",
            number,
            raised,
        )
