"""The reference of alerts shows one that was really built, and names all that an alert can have."""

from __future__ import annotations

import ast
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

import lagmon.notify
from lagmon.commands.wiring import policy, rules
from lagmon.configuration.settings import Settings
from lagmon.configuration.sources import load
from lagmon.judge.judging import Memory, judge
from lagmon.notify.alertmanager import alert
from lagmon.recording.lines import snapshot_from_json
from lagmon.report import Links, Reach
from tests.docs.pages import blocks, table
from tests.lagmon.recordings.make import CONFIG, FOLDER, NOBODY

if TYPE_CHECKING:
    from lagmon.report import Notice

PAGE = "reference/lagmon-alerts.md"
LINKS = Links(
    "http://localhost:16686",
    "https://wiki.example/{rule}",
    "http://localhost:10308",
    (Reach("local", "kafka:9092"),),
)


@cache
def first() -> Notice:
    """Give the first notice of the recorded poison record."""
    by = policy(load(CONFIG, unnamed=NOBODY))
    memory = Memory.of(by)
    for line in (FOLDER / "poison.jsonl").read_text().splitlines():
        judged = judge(memory, snapshot_from_json(line), by)
        memory = judged.memory
        if judged.notices:
            return judged.notices[0]
    raise AssertionError("the recording pages nobody")


def shown() -> dict[str, Any]:
    """Give its alert."""
    return alert(first(), LINKS, 240)


def named(heading: str) -> set[str]:
    """Give the names in the first column of the table below *heading*."""
    rows = table(PAGE, heading)[1:]
    return {name.strip("` ") for row in rows for name in row[0].split(",")}


def keys(module: str) -> set[str]:
    """Give the texts that are keys in *module* of `lagmon.notify`."""
    path = Path(lagmon.notify.__file__).with_name(f"{module}.py")
    found = [n.keys for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Dict)]
    return {
        key.value
        for each in found
        for key in each
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }


def test_the_example_is_a_real_alert() -> None:
    """It is what the recorded incident gives, to the last digit."""
    (example,) = [block.text for block in blocks(PAGE) if block.language == "json"]

    assert json.loads(example) == shown()


def test_every_annotation_is_on_the_page() -> None:
    """All that the code writes stands in the table, and nothing else does."""
    written = keys("annotations") | {f"command_{name}" for name in keys("commands")}

    assert named("Annotations") == written


def test_every_command_has_a_row() -> None:
    """Each says when it is there and what it does."""
    assert named("Commands") == {f"command_{name}" for name in keys("commands")}


def test_every_label_of_the_example_is_on_the_page() -> None:
    """Nothing routes that is not told of."""
    assert set(shown()["labels"]) <= named("Labels")


def test_the_runbooks_of_the_page_are_those_of_the_alerts() -> None:
    """The name of the rule is put in, and the override of a group comes first."""
    (example,) = [block.text for block in blocks(PAGE) if block.language == "yaml"]
    settings = Settings.model_validate({"clusters": [NOBODY], **yaml.safe_load(example)})
    lag, stuck, *_ = rules(settings)
    links = Links(runbook=settings.links.runbook or "")
    billing = lag.of("billing-eu")

    assert links.runbook_of(billing) == "https://wiki.example/billing"
    assert links.runbook_of(lag.of("settle")) == "https://wiki.example/KafkaConsumerLag"
    assert links.runbook_of(stuck) == "https://wiki.example/KafkaConsumerStuck"
