"""Processes that share a folder of metrics, and the number of a process."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.builders import ROOT

_CHILD = """
import os, socket, sys
os.getpid = lambda: 1
socket.gethostname = lambda: sys.argv[1]
from collector import metrics
metrics.count("kastana_loaded_rows_total", by=3)
metrics.show("kastana_store_up", 1)
sys.stdout.write(metrics.render().decode())
"""


def test_containers_do_not_share_files(tmp_path: Path) -> None:
    """Two containers' processes, both number 1, are counted side by side."""
    for host in ("3f0c", "host_with_lines"):
        done = subprocess.run(
            [sys.executable, "-c", _CHILD, host],
            cwd=ROOT,
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
            check=True,
            capture_output=True,
            text=True,
        )
    counted = re.search(r"^kastana_loaded_rows_total (\S+)$", done.stdout, re.MULTILINE)

    assert counted is not None
    assert 6.0 == float(counted[1])
    assert "\nkastana_store_up 1.0\n" in done.stdout
    assert 4 == len(list(tmp_path.glob("*.db")))
