"""Run Kafka in Java, and keep what each start would otherwise do again.

Once on a machine a broker is started and shut down in order. Two things of it stay in the user's
cache, beside the jars: its classes as Java has linked them (a CDS archive, JEP 350), by which a
start takes half the CPU, and the file that names the features of a new log folder, so that a folder
is formatted without Java.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from tests.infra.kafka_jars import jars, java, locked
from tests.infra.kafka_ready import coordinates
from tests.infra.kafka_settings import CLIENTS, CONTROLLER, ONE_NODE, listeners
from tests.infra.ports import free_port
from tests.infra.process import Service
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Mapping

# A short life on a small machine: compile little, keep little.
JVM = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
LOGGING = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",)
CLASSES = "classes.jsa"
FEATURES = "bootstrap.checkpoint"  # the storage tool's name for it
START_SECONDS = 120
STOP_SECONDS = 120  # writing the archive takes some 5 s of CPU
FORMAT_SECONDS = 120


def command() -> list[str]:
    """Give the command that runs one of Kafka's classes; its name and arguments are to follow.

    Raises `Missing` without Java or the jars.
    """
    archive = prepared() / CLASSES
    # A Java that can write no archive is as good, and slower; one that does not fit is passed over.
    return [*_plain(), *([f"-XX:SharedArchiveFile={archive}"] if archive.exists() else [])]


def new_id() -> str:
    """Give an id for a cluster or a log folder, as Kafka writes them."""
    # The first byte keeps it from beginning with a dash, which Kafka's tools take for an option.
    return urlsafe_b64encode(b"\0" + uuid4().bytes[1:]).decode().rstrip("=")


def format_logs(logs: Path, node: int, cluster: str) -> None:
    """Make the folder *logs* of broker *node*, as the storage tool does for a static quorum."""
    logs.mkdir()
    shutil.copy(prepared() / FEATURES, logs)
    ids = {"version": 1, "cluster.id": cluster, "node.id": node, "directory.id": new_id()}
    write_properties(logs / "meta.properties", ids)


def write_properties(path: Path, properties: Mapping[str, object]) -> None:
    """Write *properties* to *path* as Java reads them."""
    path.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))


def prepared() -> Path:
    """Give the folder of what is kept for this Java, making it the first time."""
    program, libs = Path(java()).resolve(), jars()
    key = f"{program} {program.stat().st_mtime_ns} {JVM}"
    kept = libs.with_name(f"{libs.name}-{sha256(key.encode()).hexdigest()[:8]}")
    if not kept.exists():
        with locked(kept.parent / "kafka.lock"):
            if not kept.exists():
                _prepare(kept)
    return kept


def _plain() -> list[str]:
    return [java(), *JVM, *LOGGING, "-cp", f"{jars()}/*"]


def _prepare(kept: Path) -> None:
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix="prepare-") as scratch:
        made, logs, properties = (Path(scratch, name) for name in ("made", "logs", "properties"))
        made.mkdir()
        servers, controller = (f"127.0.0.1:{free_port()}" for _ in range(2))
        bound = {CLIENTS: servers, CONTROLLER: controller}
        write_properties(
            properties,
            {
                **ONE_NODE,
                **listeners(bound, {CLIENTS: servers}),
                "controller.quorum.voters": f"1@{controller}",
                "log.dirs": logs,
            },
        )
        _format(properties)
        shutil.copy(logs / FEATURES, made)
        _learn(properties, servers, made / CLASSES)
        made.rename(kept)


def _format(properties: Path) -> None:
    tool = ["kafka.tools.StorageTool", "format", "--cluster-id", new_id()]
    done = subprocess.run(
        [*_plain(), *tool, "--config", str(properties)],
        capture_output=True,
        text=True,
        timeout=FORMAT_SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the log folder was not formatted: {done.stdout}{done.stderr}")


def _learn(properties: Path, servers: str, archive: Path) -> None:
    """Let a broker serve once; as it ends, Java writes the classes that it has used."""
    learning = [*_plain(), f"-XX:ArchiveClassesAtExit={archive}", "kafka.Kafka", str(properties)]
    with Service(learning, name="kafka, for its classes") as broker:

        def serves() -> bool:
            if not broker.running:
                raise RuntimeError(f"Kafka ended before it served\n{broker.tail()}")
            return coordinates(servers)

        until(serves, timeout=START_SECONDS, what="Kafka, for its classes")
        broker.finish(STOP_SECONDS)
