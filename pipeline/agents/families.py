"""
The classes of user_agents, without the patterns that its import compiles.

It imports the older interface of ua_parser, which compiles 1,270 patterns as it is
imported: 0.2 s of each start, for a parser that is never asked here, since
`pipeline/device.py` fills these classes from the Rust parser's results. That interface
takes its patterns from the file that UA_PARSER_YAML names; ours has none. So in this
process `user_agents.parse` would know no agent.
"""

import os
from pathlib import Path

_NAME = "UA_PARSER_YAML"
_before = os.environ.get(_NAME)
os.environ[_NAME] = str(Path(__file__).with_name("no_patterns.yaml"))
try:
    from user_agents import parsers
finally:
    if _before is None:
        del os.environ[_NAME]
    else:
        os.environ[_NAME] = _before

__all__ = ["parsers"]
