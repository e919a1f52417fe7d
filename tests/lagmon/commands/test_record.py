"""``lagmon record`` and then ``lagmon replay``, as somebody calls them, on a real broker."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from lagmon import cli
from lagmon.recording.lines import snapshot_from_json
from propagation.integrations import logs
from tests.infra.process import Service
from tests.infra.records import produce
from tests.infra.wait import until
from tests.integration.meaning import commit, new_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.infra.kafka import KafkaBroker


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Put the logging back after a command that ran inside this process."""
    yield
    logs.restore()


def lines(path: Path) -> list[bytes]:
    """Give the whole lines of the file at *path*, none while there is no file."""
    written = path.read_bytes() if path.exists() else b""
    return written[: written.rfind(b"\n") + 1].splitlines()


def enough(recorded: list[bytes]) -> bool:
    """Tell whether what is *recorded* covers three seconds, and a look at a record."""
    if not recorded:
        return False
    first, last = (snapshot_from_json(recorded[place]).at for place in (0, -1))
    return last - first > 3 and any(b'"peeks"' in line for line in recorded)


def test_what_is_recorded_can_be_replayed(kafka: KafkaBroker, topic: str, tmp_path: Path) -> None:
    """Every snapshot is a line; the replay reports on each what a service would have said.

    The questions that judging asks are asked while recording, so that the record that a group
    stands at is in the recording.
    """
    group, out = new_name(), tmp_path / "night.jsonl"
    produce(kafka.bootstrap_servers, topic, *[b"play"] * 7)
    commit(kafka.bootstrap_servers, group, topic, 2)
    config = tmp_path / "lagmon.yml"
    cluster = {"name": "night", "bootstrap_servers": kafka.bootstrap_servers}
    rules = {"KafkaConsumerLag": {"threshold": 3, "for": "1s"}}
    settings = {
        "clusters": [{**cluster, "groups": {"include": [group]}}],
        "poll_interval": "300ms",
        "request_timeout": "20s",
        "cycle_deadline": "60s",
        "rules": rules,
    }
    config.write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "lagmon", "record", "--config", str(config)]

    with Service([*command, "--out", str(out)], name="lagmon") as service:
        until(lambda: enough(lines(out)), timeout=60, what="three seconds and a look in them")
        code = service.stop()
        stopped = service.logs()[-1]
    replayed = subprocess.run(
        [sys.executable, "-m", "lagmon", "replay", str(out), "--config", str(config)],
        capture_output=True,
        text=True,
        check=True,
    )

    told = [snapshot_from_json(line) for line in lines(out)]
    said = [json.loads(line) for line in replayed.stdout.splitlines()]
    assert (code, stopped["event"], stopped["snapshots"]) == (0, "recording_stopped", len(told))
    assert {(one.cluster, one.error) for one in told} == {("night", None)}
    assert [one["at"] for one in said] == [one.at for one in told]
    assert said[-1]["groups"][group]["lag"] == 5
    opened = [alert for one in said for alert in one["alerts"] if alert["change"] == "opened"]
    assert ("KafkaConsumerLag", 5) in [(alert["rule"], alert["value"]) for alert in opened]


def test_a_file_that_cannot_be_written_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is watched for nobody: exit code 1, and which file it was."""
    out = tmp_path / "no-such-folder" / "night.jsonl"

    code = cli.main(["record", "--bootstrap-servers", "127.0.0.1:1", "--out", str(out)])

    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (code, said["event"], said["file"]) == (1, "recording_failed", str(out))
    assert "No such file or directory" in said["why"]


def test_where_to_record_must_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Without `--out` the usage is shown and the exit code is 2."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["record", "--bootstrap-servers", "127.0.0.1:1"])

    assert ended.value.code == 2
    assert "--out" in capsys.readouterr().err
