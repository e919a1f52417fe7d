"""A setting that would pass for something else is refused, and the sentence says what is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consumers.commands.service import read
from consumers.configuration.loading import load
from consumers.configuration.settings import RunSettings
from consumers.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

NEEDED = "bootstrap_servers: kafka-1:9092\ntopic: payments\ngroup: billing\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give the path of a settings file that a test writes."""
    return tmp_path / "consumers.yaml"


def problems(file: Path, text: str) -> tuple[str, ...]:
    """Read *text* beside what is needed, and give the sentences about it."""
    file.write_text(f"{NEEDED}{text}\n")
    with pytest.raises(SettingsError) as caught:
        read(RunSettings, file)
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("retries: yes", "retries: write a whole number from 0 to 100"),
        ("retries: 2.5", "retries: write a whole number from 0 to 100"),
        ("retries: [3]", "retries: write a whole number from 0 to 100"),
        ("retries: 1e999", "retries: write a whole number from 0 to 100"),
        ("lanes: 0", "lanes: write a whole number from 1 to 256"),
        ("batch_records: many", "batch_records: write a whole number from 1 to 10000"),
        ("max_queued_bytes: 0", "max_queued_bytes: write a whole number of 1 or more"),
        ("dlq_limit_ratio: 0", "dlq_limit_ratio: write a number above 0, up to 1, such as 0.5"),
        ("dlq_limit_ratio: yes", "dlq_limit_ratio: write a number above 0, up to 1, such as 0.5"),
        ("backoff_jitter: .nan", "backoff_jitter: write a number from 0 to 1, such as 0.2"),
        ("batch_wait: -1s", "batch_wait: a duration must be longer than nothing, such as 5s"),
        ("shutdown_timeout: 1ms", "shutdown_timeout: to stop in order takes 1s at least"),
        ("dlq_topic: 123", "dlq_topic: must be text: put quotes round it"),
        ("dlq_create: perhaps", "dlq_create: write true or false"),
        ("metrics_token_file: [a]", "metrics_token_file: write the path of a file"),
        ("client: {5: a}", "client: the name of a property is text, such as security.protocol"),
        ("CONSUMERS_TOPIC: x", "CONSUMERS_TOPIC: is not a setting; did you mean topic?"),
        (
            "backoff_initial: 60s",
            "backoff_max: must not be shorter than backoff_initial, which is the first wait",
        ),
        (
            "backoff_initial: 2s\nbackoff_max: 1s",
            "backoff_max: must not be shorter than backoff_initial, which is the first wait",
        ),
    ],
)
def test_what_would_pass_for_something_else_is_refused(file: Path, text: str, problem: str) -> None:
    """One sentence, which names the setting and what would be right."""
    assert problems(file, text) == (problem,)


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("retries: 0", "retries", 0),
        ("retries: '3'", "retries", 3),
        ("retries: 3.0", "retries", 3),
        ("max_queued_bytes: 1_000_000", "max_queued_bytes", 1_000_000),
        ("dlq_limit_ratio: 1", "dlq_limit_ratio", 1.0),
        ("backoff_jitter: 0", "backoff_jitter", 0.0),
    ],
)
def test_numbers_are_taken_however_they_are_written(
    file: Path, text: str, name: str, value: float
) -> None:
    """Quoted, with a point, at a bound."""
    file.write_text(f"{NEEDED}{text}\n")

    found = getattr(load(RunSettings, file), name)

    assert found == value
    assert type(found) is type(value)


def test_a_key_that_is_there_twice_is_told_with_its_lines(file: Path) -> None:
    """At the top and below it: YAML would take the last one, whoever reads the file the first."""
    text = "retries: 3\nclient:\n  ssl.ca.location: a\n  ssl.ca.location: b\nretries: 3"

    assert problems(file, text) == (
        f"client.ssl.ca.location: is there twice in {file}, lines 6 and 7: take one out",
        f"retries: is there twice in {file}, lines 4 and 8: take one out",
    )


def test_the_same_mapping_in_two_places_is_not_twice(file: Path) -> None:
    """An anchor that is used again, even within itself, repeats no key."""
    file.write_text(f"{NEEDED}fintech_ledger: &a {{b: *a}}\nfintech_url: *a\n")

    assert load(RunSettings, file).topic == "payments"


def test_a_file_of_a_variable_is_named_by_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As every other setting that the environment holds."""
    monkeypatch.setenv("CONSUMERS_METRICS_TOKEN_FILE", "/nowhere/token")

    (problem,) = problems(file, "")
    monkeypatch.delenv("CONSUMERS_METRICS_TOKEN_FILE")
    (other,) = problems(file, "metrics_token_file: /nowhere/token")

    assert problem.startswith("CONSUMERS_METRICS_TOKEN_FILE: cannot be read: ")
    assert other.startswith("metrics_token_file: cannot be read: ")
