"""Ask whether containers can be run here. Knows nothing of what runs in them."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache

ANSWER_SECONDS = 20


@cache
def reachable() -> bool:
    """Tell whether a Docker daemon answers; asked once, because it takes up to a second."""
    docker = shutil.which("docker")
    if not docker:
        return False
    try:
        asked = subprocess.run(
            [docker, "info"], capture_output=True, timeout=ANSWER_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0
