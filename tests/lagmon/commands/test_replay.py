"""``lagmon replay`` as somebody calls it: files, settings, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from lagmon import cli
from lagmon.recording.lines import snapshot_to_json
from tests.lagmon.builders import NOON
from tests.lagmon.recording.test_replay import snapshot

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Give a recording of a group that is 1500 behind, and 15 s later still is."""
    path = tmp_path / "night.jsonl"
    lines = [snapshot_to_json(snapshot(1500, when=NOON + 15 * step)) for step in range(2)]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def opened(out: str) -> list[Any]:
    """Give the value of every lag incident that *out* says was opened."""
    return [
        alert["value"]
        for line in out.splitlines()
        for alert in json.loads(line)["alerts"]
        if (alert["rule"], alert["change"]) == ("KafkaConsumerLag", "opened")
    ]


def test_each_recorded_line_gives_one_report(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line of JSON a snapshot, the shipped rules applied, exit code 0."""
    code = cli.main(["replay", str(recording)])

    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    assert [json.loads(line)["at"] for line in out.splitlines()] == [NOON, NOON + 15]
    assert opened(out) == [1500]


def test_the_rules_of_a_file_hold_where_one_is_given(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A threshold can be tried on last night's recording; the file need not name a cluster."""
    config = tmp_path / "tried.yml"
    config.write_text("rules: {KafkaConsumerLag: {threshold: 1500}}\n")

    code = cli.main(["replay", str(recording), "--config", str(config)])

    assert (code, opened(capsys.readouterr().out)) == (0, [])


def test_without_a_file_the_environment_changes_nothing(
    recording: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A recording in a bug report means the same on every machine."""
    monkeypatch.setenv("LAGMON_RULES", '{"KafkaConsumerLag": {"threshold": 1500}}')

    assert cli.main(["replay", str(recording)]) == 0

    assert opened(capsys.readouterr().out) == [1500]


def test_a_wrong_line_is_named_with_its_file_and_number(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A torn last line does not hide the rest: it is named on stderr, and the exit code is 1."""
    with recording.open("a") as file:
        file.write('{"v":1,"at":176')

    code = cli.main(["replay", str(recording)])

    out, err = capsys.readouterr()
    assert code == 1
    assert len(out.splitlines()) == 2
    assert err.startswith(f"{recording}:3: the line is no JSON: ")


def test_a_file_that_is_not_there_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is printed but which file cannot be read, and why."""
    path = tmp_path / "none.jsonl"

    code = cli.main(["replay", str(path)])

    said = f"lagmon: {path}: cannot be read: No such file or directory\n"
    assert (code, *capsys.readouterr()) == (1, "", said)


def test_a_wrong_configuration_is_said_before_anything_is_judged(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 with every problem, as for every command."""
    config = tmp_path / "wrong.yml"
    config.write_text("fan_out: 0\nfan_in: 1\n")

    code = cli.main(["replay", str(recording), "--config", str(config)])

    out, err = capsys.readouterr()
    assert (code, out, len(err.splitlines())) == (2, "", 2)


def test_a_reader_may_go_away(recording: Path) -> None:
    """`lagmon replay FILE | head -1` ends without a traceback."""
    with recording.open("a") as file:
        file.write(recording.read_text() * 2000)
    command = [sys.executable, "-m", "lagmon", "replay", str(recording)]

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stderr
        child.stdout.readline()
        child.stdout.close()
        err = child.stderr.read()
        code = child.wait(30)

    assert (code, err) == (141, b"")
