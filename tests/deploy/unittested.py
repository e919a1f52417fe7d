"""Try files of cases by promtool, all at once, and tell what it says about each of them."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from tests.infra.require import need

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAMED = re.compile(r"^Unit Testing: .*\n", re.MULTILINE)  # promtool 2 says it, promtool 3 does not
VERDICT = re.compile(r"^  (?=SUCCESS|FAILED)", re.MULTILINE)


def tried_by_file(paths: Sequence[Path]) -> dict[str, str]:
    """Give what promtool says about each of *paths*, by its name; it keeps their order."""
    program = need("promtool", "apt-get install prometheus")
    done = subprocess.run(
        [program, "test", "rules", *paths],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    verdicts = VERDICT.split(NAMED.sub("", done.stdout))[1:]
    assert len(verdicts) == len(paths), done.stdout
    return {path.stem: text for path, text in zip(paths, verdicts, strict=True)}
