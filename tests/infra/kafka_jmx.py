"""Give a Kafka in Java the agent that prints its beans for Prometheus, as the shipped image has it.

The jar is fetched once by Maven and kept beside Kafka's. Use: choose a port, hand `options` of it
to `KafkaBroker` as *java_options*, and read `page_url`.
"""

from __future__ import annotations

import tempfile
from hashlib import sha256
from pathlib import Path

from tests.infra.kafka_jars import INSTALL, folder, locked, run_maven
from tests.infra.require import program

AGENT = "io.prometheus.jmx:jmx_prometheus_javaagent"
AGENT_VERSION = "1.0.1"
AGENT_SHA256 = "7d61f737fd661610ccc14aea79764faa1ea94a340cbc8f0029b3d2edea3d80c1"
CONFIG = Path(__file__).parents[2] / "deploy" / "kafka" / "jmx.yml"


def options(port: int) -> list[str]:
    """Give Java's options by which a broker prints its page at `page_url` of *port*.

    Raises `Missing` where the jar cannot be had.
    """
    return [f"-javaagent:{jar()}=127.0.0.1:{port}:{CONFIG}"]


def page_url(port: int) -> str:
    """Give the address of the page that the agent prints at *port*."""
    return f"http://127.0.0.1:{port}/metrics"


def jar() -> Path:
    """Give the agent's jar, fetching it the first time, or raise `Missing`."""
    kept = folder().parent / f"jmx-{AGENT_VERSION}.jar"
    if not kept.exists():
        maven = program("mvn", INSTALL)
        kept.parent.mkdir(parents=True, exist_ok=True)
        with locked(kept.parent / "jmx.lock"):
            if not kept.exists():
                _fetch(maven, kept)
    return kept


def _fetch(maven: str, kept: Path) -> None:
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix="fetch-") as scratch:
        goal = ["dependency:copy", f"-Dartifact={AGENT}:{AGENT_VERSION}"]
        run_maven(maven, [*goal, f"-DoutputDirectory={scratch}"], scratch, "Kafka's JMX agent")
        (fetched,) = Path(scratch).glob("*.jar")
        if (found := sha256(fetched.read_bytes()).hexdigest()) != AGENT_SHA256:
            raise RuntimeError(f"{fetched.name} has the sum {found}, not {AGENT_SHA256}")
        fetched.rename(kept)
