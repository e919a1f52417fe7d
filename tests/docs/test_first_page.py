"""The demo, kept running, and the tutorial that goes on from there: both are done to their end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import DOCS, blocks
from tests.infra.process import Service
from tests.infra.product import OURS, command
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = "tutorial/first-page.md"
ROOT = DOCS.parent
STORY_SECONDS = 400
SOON_SECONDS = 150  # for a page, and for a worker that catches up
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{32}\b")
# What is another in each run, and stands for itself on the page.
OTHER = re.compile(
    r"""(?<=date:)[\w,:\ ]+|(?<=127\.0\.0\.1:)\d+|(?<=test_)[0-9a-f]{12}|(?<=WORKER=)\d+
    |^\[\ *[\d.]+\ s\]
    |(?<="symbols":)\[[^]]*\]|(?<="payout":)\d+|(?<="span_id":)"\w+"|(?<="offset":)\ ?\d+
    |\d\d:\d\d:\d\d(?:\.\d+)?|\b20\d\d-\d\d-\d\d|\d+\.\d+|\b\d+[smh](?:\ \d+[sm])?\b
    |(?<=P1\ \ game-consumer\ \ )\w+
    |(?<="settlement_id":)"[^"]+"|even|[+-][\d.,]+/\w+|(?<=\ )-(?=\s)""",
    re.VERBOSE | re.MULTILINE,
)


class Follower:
    """Somebody who types what the page says in a second terminal, in *folder*."""

    def __init__(self, variables: dict[str, str], folder: Path) -> None:
        outer = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        path = f"{os.path.dirname(command('lagmon'))}:{outer['PATH']}"  # noqa: PTH120  # as a shell
        self._environment = {**outer, **variables, "PATH": path}
        self._folder = folder
        self._ids: dict[str, str] = {}

    def types(self, block: str, shown: str) -> None:
        """Type the lines of *block*; the last prints what is *shown*, if need be after a while."""
        *before, last = block.splitlines()
        for line in before:
            self._run(line)
            if line == "kill $WORKER":  # nobody is so fast as to play before it has ended
                until(partial(ended, self._environment["WORKER"]), what="the end of the worker")
        if not shown:
            self._run(last)
        elif "--json '" in last:  # asked once: each is another play
            printed = self._run(last)
            self._ids |= dict(zip(ID.findall(shown), ID.findall(printed), strict=True))
            assert plain(printed) == self._plain(shown)
        else:
            self._waits(last, self._plain(shown))

    def worker(self, line: str) -> Service:
        """Start what *line* leaves in the background; its output goes to a file as it says."""
        return Service(["sh", "-c", f"exec {line.removesuffix('&')}"], env=self._environment,
                       cwd=self._folder, name="worker")  # fmt: skip

    def _waits(self, line: str, shown: str) -> None:
        printed = ""

        def same() -> bool:
            nonlocal printed
            printed = self._run(line)
            return plain(printed) == shown

        try:
            until(same, timeout=SOON_SECONDS, every=4, what=line)
        except TimeoutError:
            assert plain(printed) == shown  # it shows where they differ

    def _run(self, line: str) -> str:
        for page, real in self._ids.items():
            line = line.replace(page, real)
        done = subprocess.run(
            ["sh", "-c", line],
            env=self._environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.stdout

    def _plain(self, shown: str) -> str:
        return plain(ID.sub(lambda found: self._ids.get(found[0], found[0]), shown))


def ended(pid: str) -> bool:
    """Tell whether the process *pid* has ended, though its parent may not have looked yet."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return status.rpartition(")")[2].split()[0] == "Z"


def plain(text: str) -> str:
    """Give *text* without what is another in each run, columns one space apart."""
    lines = (
        OTHER.sub("#", text.replace("a stand-in for ", "").replace("\r", "")).strip().splitlines()
    )
    return "\n".join(" ".join(line.split()) for line in lines)


@pytest.fixture
def demo() -> Iterator[Service]:
    """Give the demo, as `make demo KEEP=1` starts it, when its story is told."""
    with Service([sys.executable, "-m", "demo", "--keep"], cwd=ROOT, name="demo") as service:
        until(
            lambda: (
                any("CONSUMERS_FINTECH_URL=" in line for line in service.lines())
                or not service.running
            ),
            timeout=STORY_SECONDS,
            every=0.5,
            what="the demo's story",
        )
        yield service


@pytest.mark.timeout(STORY_SECONDS + 4 * SOON_SECONDS)
def test_the_demo_and_the_tutorial_hold(demo: Service, tmp_path: Path) -> None:
    """The story's 20 checks hold, and after it each command of the tutorial prints what it says."""
    told = demo.lines()
    exports = dict(line.strip().removeprefix("export ").split("=", 1) for line in told
                   if line.startswith("    export "))  # fmt: skip
    follower = Follower({name: value.strip("'") for name, value in exports.items()}, tmp_path)
    make, kept, activate, *steps = blocks(PAGE)
    assert (make.text, activate.text) == ("make demo KEEP=1\n", ". .venv/bin/activate\n")
    assert plain("\n".join(told)).endswith(plain(kept.text))

    worker: Service | None = None
    for block, after in pairwise([*steps, steps[-1]]):
        if block.language != "sh":
            continue
        if block.text.rstrip().endswith("&"):
            worker = follower.worker(block.text.strip())
            worker.start()
        elif block.text == "kill %1\n":
            assert worker
            assert worker.stop() == 0
        else:
            follower.types(block.text, after.text if after.language == "text" else "")

    assert worker
    assert demo.stop(120, by=signal.SIGINT) == 0, demo.tail()
    assert demo.lines()[-1].endswith("20 checks, all held")
