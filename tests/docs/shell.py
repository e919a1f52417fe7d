"""Follow a page in a folder of its own: write the files it shows, type what it says, in its order.

A file's block begins with a comment that names it. What a command prints is the next block of
``text`` or ``json``, to the letter. Blocks of examples are passed over.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.docs.commands import is_example
from tests.docs.pages import text

ANSWER_SECONDS = 120
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"\A# (\S+\.\w+)\n")


def followed(page: str, folder: Path) -> list[tuple[str, str]]:
    """Follow *page* in *folder*; give what was shown and what was printed, where either was."""
    pairs: list[tuple[str, str]] = []
    printed = ""
    for _, language, shown in BLOCK.findall(text(page)):
        block = textwrap.dedent(shown)
        if language == "sh" and not is_example(block):
            pairs += [("", printed)] if printed else []
            printed = typed(block, folder)
        elif language in {"text", "json"}:
            pairs.append((block, printed))
            printed = ""
        elif named := NAMED.match(block):
            (folder / named[1]).write_text(block)
    return [*pairs, ("", printed)] if printed else pairs


def typed(block: str, folder: Path) -> str:
    """Type *block* in *folder*, without settings of ours around it; give what it prints."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("LAGMON_")}
    beside = str(Path(sys.executable).parent)
    done = subprocess.run(
        ["bash", "-eu", "-c", block],
        cwd=folder,
        env={**bare, "PATH": os.pathsep.join([beside, os.environ["PATH"]])},
        capture_output=True,
        text=True,
        timeout=ANSWER_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{block}{done.stdout}{done.stderr}"
    return done.stdout
