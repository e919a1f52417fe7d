"""Find the jars of a Kafka broker: fetched once by Maven and kept in the user's cache.

Nothing is written into the source tree. Two runs at once do not disturb each other: the second
waits for the first, and a folder appears under its name only when it is complete.
"""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import tempfile
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from tests.infra.require import Missing, program

if TYPE_CHECKING:
    from collections.abc import Iterator

KAFKA_VERSION = "4.3.0"
INSTALL = "install Docker, or Java 17 and Maven (Debian: openjdk-17-jre-headless maven)"
OLDEST_JAVA = 17
FETCH_SECONDS = 600

# The broker, its tool that formats a log folder, and the logger without which it says nothing.
ARTIFACTS = (
    ("org.apache.kafka", "kafka_2.13", KAFKA_VERSION),
    ("org.apache.kafka", "kafka-tools", KAFKA_VERSION),
    ("org.slf4j", "slf4j-simple", "1.7.36"),
)
DEPENDENCY = """
    <dependency>
      <groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>
    </dependency>"""
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>lagmon</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>
  <dependencies>{}
  </dependencies>
</project>
""".format("".join(DEPENDENCY.format(*artifact) for artifact in ARTIFACTS))


def java() -> str:
    """Give the path of a Java that can run the broker, or raise `Missing`."""
    found = program("java", INSTALL)
    said = _presented(found)
    version = re.search(r'version "(\d+)', said)
    if not version or int(version[1]) < OLDEST_JAVA:
        raise Missing(f"Java {OLDEST_JAVA} (this one says {said.strip()!r})", INSTALL)
    return found


@cache
def _presented(program: str) -> str:
    """Ask a Java for its version; it starts for that, so it is asked once."""
    return subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr


def available() -> None:
    """Raise `Missing` if a broker can never be run here; fetches nothing."""
    java()
    if not folder().exists():
        program("mvn", INSTALL)


def folder() -> Path:
    """Give the place of the jars in the user's cache; it exists when they are complete."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lagmon"
    return cache / f"kafka-{KAFKA_VERSION}-{sha256(POM.encode()).hexdigest()[:8]}"


def jars() -> Path:
    """Give the folder with the broker's jars, fetching them the first time, or raise `Missing`."""
    kept = folder()
    if not kept.exists():
        maven = program("mvn", INSTALL)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with locked(kept.parent / "kafka.lock"):
            if not kept.exists():
                _fetch(maven, kept)
    return kept


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file *path*; another process that wants it waits."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run_maven(maven: str, arguments: list[str], scratch: str, what: str) -> None:
    """Have *maven* fetch *what* from within *scratch*, or raise `Missing` with what it said.

    Where the tests run may lie a pom.xml that is none of ours.
    """
    done = subprocess.run(
        [maven, "--quiet", "--batch-mode", *arguments],
        cwd=scratch,
        capture_output=True,
        text=True,
        timeout=FETCH_SECONDS,
        check=False,
    )
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-10:])
        raise Missing(what, f"let mvn fetch it once; it said\n{said}")


def _fetch(maven: str, kept: Path) -> None:
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix="fetch-") as scratch:
        pom, libs = Path(scratch, "pom.xml"), Path(scratch, "libs")
        pom.write_text(POM)
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={libs}"]
        run_maven(maven, [*goal, f"--file={pom}"], scratch, "the jars of Kafka")
        libs.rename(kept)
