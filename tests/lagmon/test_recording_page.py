"""The page on recordings has every key of a line, no other, and its examples are real."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lagmon import cli
from lagmon.errors import RecordingError
from lagmon.model import Change, Method
from lagmon.readings import (
    Committed,
    GroupReading,
    Isolation,
    Member,
    MissingRight,
    PartitionOffsets,
    Peek,
    PeekRequest,
    Probe,
    ProbeRequest,
    Resource,
    Share,
    Snapshot,
    StepDuration,
    TopicId,
)
from lagmon.recording.lines import snapshot_from_json, snapshot_to_json
from tests.docs.pages import blocks, table, text
from tests.lagmon.builders import NOON, at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = "reference/lagmon-recording.md"
WORDS = {
    "topics": "TOPIC.PARTITION",
    "committed": "TOPIC.PARTITION",
    "topic_ids": "TOPIC",
    "groups": "GROUP",
    "assignments": "MEMBER",
    "durations": "STEP",
    "headers": "NAME",
    "labels": "NAME",
}

EVERYTHING = Snapshot(
    NOON,
    "local",
    topics=(PartitionOffsets(at(), 1, 2, 3, "partly"),),
    groups=(
        GroupReading(
            "settle",
            "stable",
            "classic",
            1,
            (Committed(at(0), 5), Committed(at(1), 5, "busy")),
            (Member("m", "reader", "/host", (at(),)),),
            "partly",
            NOON,
        ),
    ),
    peeks=(
        Peek(
            PeekRequest(at(), 5, Isolation.READ_UNCOMMITTED),
            *(6, NOON, 7, "ff", "aa", True, "odd", "none", (("tenant", "blue"),)),
        ),
    ),
    list_errors=("one broker is away",),
    durations=(StepDuration("ends", 0.1),),
    error="none",
    probes=(Probe(ProbeRequest(at(), NOON), 5, NOON, "odd"),),
    topic_ids=(TopicId("plays", "id"),),
    missing_rights=(MissingRight(Resource.TOPIC, "plays"),),
    owned=Share((0, 3), 12, 9.0, "late"),
)


def keys(value: object, path: str = "", word: str = "") -> Iterator[str]:
    """Give the path of each leaf of *value*, names of strangers in capitals."""
    if isinstance(value, list):
        for each in value:
            yield from keys(each, f"{path}[]")
    elif not isinstance(value, dict):
        yield path
    elif word:
        first, _, rest = word.partition(".")
        for inner in value.values():
            yield from keys(inner, f"{path}.{first}", rest)
    else:
        for key, inner in value.items():
            named = WORDS.get(key, "")
            if key == "partitions":  # of a member a list of numbers, in a report an object
                named = "TOPIC.PARTITION" if _is_report(inner) else "TOPIC"
            yield from keys(inner, f"{path}.{key}" if path else key, named)


def _is_report(partitions: dict[str, Any]) -> bool:
    return all(isinstance(inner, dict) for inner in partitions.values())


def written(heading: str) -> list[list[str]]:
    """Give the rows of the table under *heading*, the key without its quotes."""
    return [[row[0].strip("`"), *row[1:]] for row in table(PAGE, heading)[1:]]


def test_every_key_of_a_line_is_on_the_page() -> None:
    """The table has the keys that a snapshot with everything is written with, and no other."""
    line = json.loads(snapshot_to_json(EVERYTHING))

    assert {row[0] for row in written("Lines of a recording")} == set(keys(line))


def test_what_the_page_calls_required_is() -> None:
    """A line without such a key is refused, by its path; without any other one it is read."""
    rows = written("Lines of a recording")

    refused = {row[0] for row in rows if is_refused_without(row[0])}

    assert refused == {row[0] for row in rows if row[1] == "required"}


def is_refused_without(path: str) -> bool:
    """Tell whether the line with everything is refused when *path* is taken out of it."""
    line = json.loads(snapshot_to_json(EVERYTHING))
    steps = path.replace("[]", ".[]").split(".")
    remove(line, steps)
    try:
        snapshot_from_json(json.dumps(line))
    except RecordingError as error:
        return steps[-1] in str(error)
    return False


def remove(value: Any, steps: list[str]) -> None:
    """Take what *steps* lead to out of *value*, in every place."""
    step, *rest = steps
    if step == "[]":
        if not rest:
            value.clear()
        for each in value:
            remove(each, rest)
    elif step.isupper():
        for key in list(value):
            if not rest:
                del value[key]
            elif isinstance(value[key], dict | list):
                remove(value[key], rest)
    elif not rest:
        value.pop(step, None)
    elif step in value:
        remove(value[step], rest)


def lines() -> list[str]:
    """Give the page's example of a line, and the same 15 s later."""
    (example,) = [block.text for block in blocks(PAGE) if block.heading == "Lines of a recording"]
    first = json.loads(example)
    return [json.dumps(first), json.dumps(first | {"at": first["at"] + 15})]


def test_the_report_on_the_page_is_the_one_that_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The example line, twice, gives what the page shows; its keys are those of the table."""
    path = tmp_path / "night.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines()))
    (shown,) = [json.loads(block.text) for block in blocks(PAGE) if block.heading == "Reports"]

    assert cli.main(["replay", str(path)]) == 0

    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    documented = {row[0] for row in written("Reports")}
    assert printed[-1] == shown
    assert set(keys(shown)) == documented - {"error"}


def test_a_wrong_line_is_named_as_the_page_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """File, number, path, what would be right."""
    (said,) = [block.text for block in blocks(PAGE) if block.language == "text"]
    wrong = json.loads(lines()[0])
    wrong["groups"]["settle"]["members"] = "two"
    (tmp_path / "night.jsonl").write_text("\n".join([*lines(), json.dumps(wrong)]))
    monkeypatch.chdir(tmp_path)

    assert cli.main(["replay", "night.jsonl"]) == 1

    assert capsys.readouterr().err == said


def test_the_words_of_a_report_are_on_the_page() -> None:
    """Each way to find a time, and each change of an incident, is named."""
    for word in (*Method, *Change, *Isolation):
        assert f"`{word.value}`" in text(PAGE)


def test_every_command_on_the_page_is_one() -> None:
    """What the page shows can be called: the help of each command is there."""
    for command, _ in table(PAGE, "Commands")[1:]:
        with pytest.raises(SystemExit) as ended:
            cli.main([command.strip("`").split()[1], "--help"])
        assert ended.value.code == 0
