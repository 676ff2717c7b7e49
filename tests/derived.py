"""
The checked-in files that derive from policy and settings: write them, or check.

    python -m tests.derived [--check]
"""

import re
import sys
from pathlib import Path

from pipeline.statements import cluster_statements, script, server_statements
from schemas.ddl_access import access_ddl
from schemas.inventory import privacy_markdown
from schemas.policy import load_policy
from schemas.settings import example_toml

ROOT = Path(__file__).parent.parent
# What the cluster is called in deploy/clickhouse/.
CLUSTER = "kastana"
_BLOCK = re.compile(
    r"(<!-- derived: fields -->\n).*?(<!-- end of derived -->)", re.DOTALL
)


def derived_files() -> dict[Path, str]:
    """Return what each derived file has to be."""
    privacy = ROOT / "PRIVACY.md"
    table = privacy_markdown(load_policy())
    text = privacy.read_text(encoding="utf-8")
    if not _BLOCK.search(text):
        message = "PRIVACY.md has lost its `<!-- derived: fields -->` block"
        raise SystemExit(message)
    policy, clickhouse = load_policy(), ROOT / "deploy" / "clickhouse"
    return {
        ROOT / "deploy" / "settings.example.toml": example_toml(),
        clickhouse / "server.sql": script(server_statements(policy)),
        clickhouse / "cluster.sql": script(cluster_statements(policy, CLUSTER)),
        clickhouse / "access.sql": script(access_ddl()),
        clickhouse / "access_cluster.sql": script(access_ddl(CLUSTER)),
        privacy: _BLOCK.sub(lambda found: f"{found[1]}\n{table}\n{found[2]}", text),
    }


def stale_files() -> list[Path]:
    """Return the files that are not what they derive from says."""
    return [
        path
        for path, text in derived_files().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def main() -> int:
    """Write the files, or with --check name the stale ones; return exit code."""
    if "--check" in sys.argv[1:]:
        stale = stale_files()
        for path in stale:
            print(f"stale: {path.relative_to(ROOT)} (make derive)")
        return 1 if stale else 0
    for path, text in derived_files().items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
