"""The programs behind the scripts, to their end."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}  # for pip to find anything


def script(
    module: str, *arguments: str, timeout: float | None = 50, changes: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the package `scripts.lib.MODULE`, at most `timeout` seconds, in our environment with `changes`."""
    return subprocess.run(
        [sys.executable, "-m", f"scripts.lib.{module}", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", **(changes or {})},
    )
