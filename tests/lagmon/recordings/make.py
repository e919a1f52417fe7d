"""Make the recordings on a real broker: ``python -m tests.lagmon.recordings.make [NAME…]``.

Each scenario is the life of one group while ``lagmon record`` watches it. With ``--expected`` only
the reports are written anew, of the recordings as they are: look at what changed before you keep
it. `tests.lagmon.recordings.test_recordings` says in words what each report must hold.
"""

from __future__ import annotations

import argparse
import socket
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from lagmon.commands.wiring import policy
from lagmon.configuration.settings import Cluster
from lagmon.configuration.sources import load
from lagmon.recording.lines import snapshot_from_json
from lagmon.recording.replay import replay
from tests.infra.kafka import KafkaBroker
from tests.infra.process import Service
from tests.infra.wait import until
from tests.integration.meaning import commit, delete_before, transaction
from tests.lagmon.recordings.actors import producing, reading, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOLDER = Path(__file__).parent
CONFIG = FOLDER / "lagmon.yml"
NOBODY = Cluster(name="local", bootstrap_servers="localhost:9092")
LARGEST = 200_000  # bytes of a file
SOON_BACK = {"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500"}


class Stage:
    """One scenario's broker, topic and group, and the recording that runs."""

    def __init__(self, kafka: KafkaBroker, name: str, out: Path) -> None:
        self.kafka = kafka
        self.servers = kafka.bootstrap_servers
        self.topic = self.group = name
        self.out = out

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record while the block runs, and end it as one ends a service."""
        cluster = {"name": "local", "bootstrap_servers": self.servers}
        settings = yaml.safe_load(CONFIG.read_text())
        settings["clusters"] = [{**cluster, "groups": {"include": [self.group]}}]
        with tempfile.TemporaryDirectory(prefix="lagmon-") as folder:
            config = Path(folder) / "lagmon.yml"
            config.write_text(yaml.safe_dump(settings))
            command = [sys.executable, "-m", "lagmon", "record", "--config", str(config)]
            with Service([*command, "--out", str(self.out)], name="lagmon") as service:
                service.wait_for_log("recording_started", timeout=30)
                yield
                assert service.stop(15) == 0

    def lasts(self, seconds: float) -> None:
        """Wait until the recording goes on for *seconds* more."""
        until(self._times, timeout=60, what="a first snapshot")
        end = self._times()[-1] + seconds
        until(lambda: self._times()[-1] >= end, timeout=seconds + 60, what=f"{seconds} s of it")

    def _times(self) -> list[float]:
        if not self.out.exists():
            return []
        whole = self.out.read_bytes().rpartition(b"\n")[0]
        return [snapshot_from_json(line).at for line in whole.splitlines()]


def outage(stage: Stage) -> None:
    """The only broker is killed and comes back; its readers and writers wait for it."""
    with (
        producing(stage.servers, stage.topic),
        reading(stage.servers, stage.group, stage.topic),
        stage.recording(),
    ):
        stage.lasts(6)
        stage.kafka.kill()
        stage.lasts(16)
        stage.kafka.start()
        stage.lasts(15)


def poison(stage: Stage) -> None:
    """A record that cannot be handled: its partition stands, the reader's other one goes on."""
    with (
        producing(stage.servers, stage.topic, partitions=2),
        reading(stage.servers, stage.group, stage.topic) as reader,
        stage.recording(),
    ):
        stage.lasts(5)
        reader.poisoned = True
        stage.lasts(20)
        reader.poisoned = False
        stage.lasts(6)


def deploy(stage: Stage) -> None:
    """The reader leaves, and a few seconds later another one takes its place."""
    with producing(stage.servers, stage.topic), stage.recording():
        with reading(stage.servers, stage.group, stage.topic):
            stage.lasts(10)
        stage.lasts(4)
        with reading(stage.servers, stage.group, stage.topic):
            stage.lasts(10)


def burst(stage: Stage) -> None:
    """Three thousand records at once, read down in ten seconds: it is more, and it gets less."""
    with reading(stage.servers, stage.group, stage.topic, at_most=4), stage.recording():
        send(stage.servers, stage.topic, 20)
        stage.lasts(5)
        send(stage.servers, stage.topic, 3000)
        stage.lasts(18)


def transaction_(stage: Stage) -> None:
    """A transaction stays open for longer than it may; then it is committed."""
    isolated = reading(stage.servers, stage.group, stage.topic)
    send(stage.servers, stage.topic, 5)
    with isolated, stage.recording():
        stage.lasts(4)
        with transaction(stage.servers) as producer:
            header = ("traceparent", f"00-{7:032x}-00f067aa0ba902b7-01".encode())
            for _ in range(3):
                producer.produce(stage.topic, b"play", partition=0, headers=[header])
            assert producer.flush(20) == 0
            stage.lasts(15)
            producer.commit_transaction(20)
            stage.lasts(5)
            producer.begin_transaction()


def recreated(stage: Stage) -> None:
    """The topic is deleted and made again, smaller; somebody commits what was true before."""
    send(stage.servers, stage.topic, 50)
    commit(stage.servers, stage.group, stage.topic, 40)
    with stage.recording():
        stage.lasts(4)
        stage.kafka.delete_topic(stage.topic)
        stage.lasts(3)
        stage.kafka.create_topic(stage.topic)
        send(stage.servers, stage.topic, 5)
        commit(stage.servers, stage.group, stage.topic, 40)
        stage.lasts(5)
        commit(stage.servers, stage.group, stage.topic, 5)
        stage.lasts(3)


def retention(stage: Stage) -> None:
    """Records are deleted before they were read; the group then goes on behind them."""
    send(stage.servers, stage.topic, 20)
    commit(stage.servers, stage.group, stage.topic, 5)
    with stage.recording():
        stage.lasts(4)
        commit(stage.servers, stage.group, stage.topic, 6)
        stage.lasts(2)
        delete_before(stage.kafka.admin(), stage.topic, 12)
        stage.lasts(7)
        commit(stage.servers, stage.group, stage.topic, 20)
        stage.lasts(4)


def restart(stage: Stage) -> None:
    """Lagmon itself ends and is started again, while a reader goes on."""
    with producing(stage.servers, stage.topic), reading(stage.servers, stage.group, stage.topic):
        with stage.recording():
            stage.lasts(8)
        with stage.recording():
            stage.lasts(8)


def stopped(stage: Stage) -> None:
    """The only reader leaves and nobody takes its place, until somebody starts it again."""
    with producing(stage.servers, stage.topic), stage.recording():
        with reading(stage.servers, stage.group, stage.topic):
            stage.lasts(10)
        stage.lasts(18)
        with reading(stage.servers, stage.group, stage.topic):
            stage.lasts(8)


def stalled(stage: Stage) -> None:
    """The only reader stays and commits nothing any more; then it goes on."""
    with (
        producing(stage.servers, stage.topic),
        reading(stage.servers, stage.group, stage.topic) as reader,
        stage.recording(),
    ):
        stage.lasts(10)
        reader.commits = False
        stage.lasts(18)
        reader.commits = True
        stage.lasts(8)


def uncommitted(stage: Stage) -> None:
    """A reader takes what comes and has never committed; then it does."""
    with (
        producing(stage.servers, stage.topic),
        reading(stage.servers, stage.group, stage.topic, commits=False) as reader,
        stage.recording(),
    ):
        stage.lasts(18)
        reader.commits = True
        stage.lasts(8)


def rewound(stage: Stage) -> None:
    """The offsets of a group are set back, and what it read before is read once more."""
    send(stage.servers, stage.topic, 50)
    commit(stage.servers, stage.group, stage.topic, 50)
    with stage.recording():
        stage.lasts(4)
        for offset in (10, 20, 35, 50):
            commit(stage.servers, stage.group, stage.topic, offset)
            stage.lasts(4)


# The outage comes last: it is the one after which a broker has lost time.
SCENARIOS: dict[str, tuple[Callable[[Stage], None], int]] = {
    "poison": (poison, 2),
    "deploy": (deploy, 1),
    "burst": (burst, 1),
    "transaction": (transaction_, 1),
    "recreated": (recreated, 1),
    "retention": (retention, 1),
    "restart": (restart, 1),
    "stopped": (stopped, 1),
    "stalled": (stalled, 1),
    "uncommitted": (uncommitted, 1),
    "rewound": (rewound, 1),
    "outage": (outage, 1),
}


def reports(path: Path) -> list[str]:
    """Replay the recording at *path* by the settings beside it; raise what is wrong in a line."""
    told = []
    with path.open("rb") as lines:
        for _, said in replay(lines, policy(load(CONFIG, unnamed=NOBODY))):
            if not isinstance(said, str):
                raise said
            told.append(said)
    return told


def record(kafka: KafkaBroker, name: str) -> None:
    """Play scenario *name* and keep its recording."""
    play, partitions = SCENARIOS[name]
    with tempfile.TemporaryDirectory(prefix="lagmon-") as folder:
        out = Path(folder) / "recording.jsonl"
        stage = Stage(kafka, name, out)
        kafka.create_topic(name, partitions)
        play(stage)
        text = out.read_text()
    assert socket.gethostname() not in text, "the recording names this machine"
    assert len(text) < LARGEST, f"{name}: {len(text)} bytes"
    (FOLDER / f"{name}.jsonl").write_text(text)


def expect(name: str) -> None:
    """Write the reports of recording *name* as they are now."""
    told = reports(FOLDER / f"{name}.jsonl")
    (FOLDER / f"{name}.expected.jsonl").write_text("".join(f"{line}\n" for line in told))
    sys.stdout.write(f"{name}: {len(told)} snapshots\n")


def main() -> None:
    """Make what was asked for, everything by default."""
    parser = argparse.ArgumentParser(description="Make recordings on a real broker.")
    parser.add_argument("names", nargs="*", choices=[[], *SCENARIOS], metavar="NAME")
    parser.add_argument("--expected", action="store_true", help="write the reports alone")
    chosen = parser.parse_args()
    names = [name for name in SCENARIOS if name in chosen.names or not chosen.names]
    if not chosen.expected:
        with KafkaBroker(own=True, settings=SOON_BACK) as kafka:
            for name in names:
                record(kafka, name)
                sys.stdout.write(f"{name}: recorded\n")
    for name in names:
        expect(name)


if __name__ == "__main__":
    main()
