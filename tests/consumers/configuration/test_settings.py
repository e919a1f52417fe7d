"""Settings come from a file and the environment, and everything wrong with them is told at once."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.configuration.fields import parse_duration
from consumers.configuration.loading import load
from consumers.configuration.settings import (
    ApiSettings,
    MigrateSettings,
    RunSettings,
    WorkerSettings,
)
from consumers.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from consumers.configuration.common import Settings

NEEDED = {
    "CONSUMERS_BOOTSTRAP_SERVERS": "kafka-1:9092",
    "CONSUMERS_DATABASE_URL": "postgresql://game:hunter2@db/game",
}


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Set what every service needs, and give the environment to change."""
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give the path of a settings file that a test writes."""
    return tmp_path / "consumers.yaml"


def problems(path: Path | None = None, kind: type[Settings] = WorkerSettings) -> tuple[str, ...]:
    """Load settings that are wrong, and give the sentences about them."""
    with pytest.raises(SettingsError) as caught:
        load(kind, path)
    return caught.value.problems


@pytest.mark.usefixtures("environ")
def test_what_is_needed_is_enough() -> None:
    """With brokers and a database everything else has a default that works."""
    settings = load(WorkerSettings)

    assert settings.topic == "game.slots.plays"
    assert settings.dlq_topic == "game.slots.plays.dlq"
    assert settings.group == "game-consumer"
    assert settings.produce_timeout == timedelta(seconds=5)
    assert settings.shutdown_timeout == timedelta(seconds=8)
    assert settings.retries == 3


@pytest.mark.usefixtures("environ")
def test_each_service_has_its_own_port() -> None:
    """The API and the worker can run beside each other on one machine."""
    assert load(ApiSettings).port == 8080
    assert load(WorkerSettings).port == 8081


def test_a_migration_needs_no_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration asks for the database alone."""
    monkeypatch.setenv("CONSUMERS_DATABASE_URL", NEEDED["CONSUMERS_DATABASE_URL"])

    assert load(MigrateSettings).database_url.get_secret_value().endswith("@db/game")


def test_what_is_missing_is_named() -> None:
    """Without any setting the two that are needed are asked for, both ways they can be given."""
    assert problems() == (
        (
            "bootstrap_servers: is required; set CONSUMERS_BOOTSTRAP_SERVERS"
            " or the key bootstrap_servers"
        ),
        "database_url: is required; set CONSUMERS_DATABASE_URL or the key database_url",
    )


def test_the_environment_wins(environ: pytest.MonkeyPatch, file: Path) -> None:
    """A variable goes before the same key in the file; the file goes before the default."""
    file.write_text("topic: from.file\ngroup: from-file\n")
    environ.setenv("CONSUMERS_TOPIC", "from.environment")

    settings = load(WorkerSettings, file)

    assert settings.topic == "from.environment"
    assert settings.group == "from-file"
    assert settings.dlq_topic == "from.environment.dlq"


def test_every_problem_is_told_at_once(environ: pytest.MonkeyPatch, file: Path) -> None:
    """Each wrong setting gets one sentence: where it was set, and what would be right."""
    file.write_text("grup: x\ntopic: a b\nport: 70000\nclient: {group.id: x}\nproduce_timeout: 5\n")
    environ.setenv("CONSUMERS_PROT", "1")
    environ.setenv("CONSUMERS_RETRIES", "many")
    environ.setenv("CONSUMERS_BOOTSTRAP_SERVERS", "kafka")

    assert set(problems(file)) == {
        "grup: is not a setting; did you mean group?",
        "CONSUMERS_PROT: is not a setting; did you mean CONSUMERS_PORT?",
        (
            "CONSUMERS_BOOTSTRAP_SERVERS: write HOST:PORT, several with commas between,"
            " such as kafka-1:9092"
        ),
        "port: write a whole number from 0 to 65535",
        "topic: a topic is 1 to 249 of the characters a-z A-Z 0-9 . _ -",
        "client: the runtime sets group.id itself: take it out",
        "produce_timeout: write a duration with its unit, such as 15s, 500ms or 2m",
        "CONSUMERS_RETRIES: write a whole number from 0 to 100",
    }


def test_a_name_like_no_other_is_answered_with_all_that_are_known(
    environ: pytest.MonkeyPatch,
) -> None:
    """When nothing similar exists the known names are listed, as they would be written."""
    environ.setenv("CONSUMERS_ZZZ", "1")

    (problem,) = problems()

    assert problem.startswith("CONSUMERS_ZZZ: is not a setting; known are CONSUMERS_BACKOFF_INI")
    assert "CONSUMERS_TOPIC" in problem


@pytest.mark.usefixtures("environ")
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "cannot be read: "),
        ("a: [", "is not YAML, line 1"),
        ("- a\n- b\n", "must hold keys and values"),
        ("\x00", "is not YAML"),
        ("[" * 1000, "is nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(file: Path, text: str | None, problem: str) -> None:
    """A file that is missing, or no YAML, or no mapping is a problem with its path."""
    if text is not None:
        file.write_text(text)

    (found,) = problems(file)

    assert found.startswith(f"{file}: {problem}")


@pytest.mark.usefixtures("environ")
def test_an_empty_file_is_no_problem(file: Path) -> None:
    """A file that says nothing leaves every default."""
    file.write_text("# nothing yet\n")

    assert load(WorkerSettings, file).port == 8081


def test_the_database_may_be_named_by_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A mounted secret holds the URL; white space around it does not count."""
    secret = tmp_path / "url"
    secret.write_text("postgresql://game:hunter2@db/game\n")
    monkeypatch.setenv("CONSUMERS_BOOTSTRAP_SERVERS", "kafka-1:9092")
    monkeypatch.setenv("CONSUMERS_DATABASE_URL_FILE", str(secret))

    url = load(WorkerSettings).database_url.get_secret_value()

    assert url == "postgresql://game:hunter2@db/game"


def test_a_secret_that_cannot_be_read_is_one_problem(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A missing secret file is told once, beside what else is wrong."""
    monkeypatch.setenv("CONSUMERS_DATABASE_URL_FILE", str(tmp_path / "gone"))

    missing, required = problems()

    assert missing.startswith("CONSUMERS_DATABASE_URL_FILE: cannot be read: ")
    assert required.startswith("bootstrap_servers: is required")


def test_a_secret_given_twice_is_a_problem(environ: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody has to guess which of two URLs counts."""
    environ.setenv("CONSUMERS_DATABASE_URL_FILE", str(tmp_path))

    assert problems() == ("CONSUMERS_DATABASE_URL_FILE: give this or database_url, not both",)


@pytest.mark.parametrize("text", ["database_url: [hunter2", "database_url: mysql://u:hunter2@h/d"])
def test_secrets_are_never_printed(monkeypatch: pytest.MonkeyPatch, file: Path, text: str) -> None:
    """A password is neither in a problem nor in what a settings object prints."""
    file.write_text(text)

    assert "hunter2" not in " ".join(problems(file))

    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CONSUMERS_CLIENT", '{"sasl.password": "hunter2"}')

    assert "hunter2" not in repr(load(WorkerSettings))


def test_client_properties_come_as_json(environ: pytest.MonkeyPatch) -> None:
    """In the environment librdkafka's properties are one JSON object."""
    environ.setenv("CONSUMERS_CLIENT", '{"security.protocol": "ssl", "socket.timeout.ms": 500}')

    assert load(ApiSettings).client == {"security.protocol": "ssl", "socket.timeout.ms": 500}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("security.protocol=ssl", "write librdkafka properties as an object"),
        ("[1]", "write librdkafka properties as an object"),
        ("[" * 100_000, "write librdkafka properties as an object"),
        ('{"enable.auto.commit": true}', "the runtime sets enable.auto.commit itself"),
        ('{"acks": 0}', "the runtime sets acks itself: take it out"),
        ('{"request.required.acks": 0}', "the runtime sets request.required.acks itself"),
        ('{"enable.idempotence": false}', "the runtime sets enable.idempotence itself"),
        ('{"transactional.id": "a"}', "the runtime sets transactional.id itself"),
        (
            '{"message.timeout.ms": 1, "acks": 1}',
            "the runtime sets acks, message.timeout.ms itself: take it out, and set produce_",
        ),
        (
            '{"auto.offset.reset": "latest"}',
            "the runtime sets auto.offset.reset itself: take it out, and set offset_reset",
        ),
        ('{"sasl.password": {"a": 1}}', "sasl.password must be text, a number, true or false"),
        (
            '{"group.protocol": "consumer", "session.timeout.ms": 1}',
            "with group.protocol=consumer the broker decides on session.timeout.ms",
        ),
    ],
)
def test_client_properties_that_cannot_be_are_refused(
    environ: pytest.MonkeyPatch, value: str, problem: str
) -> None:
    """What is no object, is the runtime's own, or contradicts itself is told before a client is."""
    environ.setenv("CONSUMERS_CLIENT", value)

    (found,) = problems()

    assert found.startswith(f"CONSUMERS_CLIENT: {problem}")


@pytest.mark.parametrize(
    ("name", "value", "client"),
    [
        ("GROUP_PROTOCOL", "classic", '{"group.protocol": "consumer"}'),
        ("INSTANCE_ID", "worker-0", '{"group.instance.id": "worker-1"}'),
    ],
)
def test_what_has_a_setting_is_not_said_twice(
    environ: pytest.MonkeyPatch, name: str, value: str, client: str
) -> None:
    """A property under client is taken, but not beside the setting that means the same."""
    environ.setenv("CONSUMERS_CLIENT", client)
    load(WorkerSettings)
    environ.setenv(f"CONSUMERS_{name}", value)

    (found,) = problems()

    assert re.fullmatch(rf"CONSUMERS_{name}: client sets [a-z.]+ too: take it out there", found)


def test_the_new_protocol_leaves_sessions_to_the_broker(environ: pytest.MonkeyPatch) -> None:
    """Properties that librdkafka then refuses are named before a client is made."""
    environ.setenv("CONSUMERS_CLIENT", '{"session.timeout.ms": 6000}')
    load(WorkerSettings)
    environ.setenv("CONSUMERS_GROUP_PROTOCOL", "consumer")

    assert problems() == (
        (
            "CONSUMERS_GROUP_PROTOCOL: the broker then decides on session.timeout.ms:"
            " take it out of client"
        ),
    )


@pytest.mark.parametrize("text", ["", " ", "worker-0 ", "a\nb"])
def test_a_member_has_a_name_or_none(environ: pytest.MonkeyPatch, text: str) -> None:
    """A blank name, which librdkafka would silently take for none, is refused, and odd ones too."""
    environ.setenv("CONSUMERS_INSTANCE_ID", text)

    (found,) = problems()

    assert found.startswith("CONSUMERS_INSTANCE_ID: a member has a name")


@pytest.mark.parametrize("text", ["-0.1", "1.1", "nan"])
def test_jitter_is_a_part_of_a_wait(environ: pytest.MonkeyPatch, text: str) -> None:
    """Chance takes away something between nothing and the whole wait."""
    environ.setenv("CONSUMERS_BACKOFF_JITTER", text)

    (found,) = problems()

    assert found == "CONSUMERS_BACKOFF_JITTER: write a number from 0 to 1, such as 0.2"


def test_a_worker_of_ones_own_needs_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks for brokers, a topic and a group: nothing of the game is its default."""
    asked = [problem.partition(":")[0] for problem in problems(kind=RunSettings)]
    monkeypatch.setenv("CONSUMERS_BOOTSTRAP_SERVERS", "kafka-1:9092")
    monkeypatch.setenv("CONSUMERS_TOPIC", "payments")
    monkeypatch.setenv("CONSUMERS_GROUP", "ledger")

    settings = load(RunSettings)

    assert asked == ["bootstrap_servers", "topic", "group"]
    assert settings.dlq_topic == "payments.dlq"
    assert settings.offset_reset == "error"


def test_one_file_serves_every_service(file: Path) -> None:
    """What only another service takes is no problem, right or wrong."""
    file.write_text(
        "bootstrap_servers: kafka-1:9092\ntopic: plays\ngroup: settle\n"
        "database_url_file: /nowhere/url\nfintech_timeout: soon\n"
    )

    assert load(RunSettings, file).topic == "plays"
    assert len(problems(file)) == 2


def test_the_dead_letters_need_a_topic_of_their_own(environ: pytest.MonkeyPatch) -> None:
    """Dead letters in the topic itself would be handled again for ever."""
    environ.setenv("CONSUMERS_DLQ_TOPIC", "game.slots.plays")

    (found,) = problems()

    assert found.startswith("CONSUMERS_DLQ_TOPIC: must differ from topic")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15s", 15), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("1.5s", 1.5), (" 5s ", 5)],
)
def test_a_duration_has_a_unit(text: str, seconds: float) -> None:
    """Durations are a number and one of ms, s, m, h."""
    assert parse_duration(text) == timedelta(seconds=seconds)


@given(st.text(max_size=8).filter(lambda text: not text.strip().endswith(("s", "m", "h"))))
def test_what_has_no_unit_is_no_duration(text: str) -> None:
    """Any text without a unit at its end is refused with an example, never misread."""
    with pytest.raises(ValueError, match="15s"):
        parse_duration(text)


def test_a_duration_is_longer_than_nothing(environ: pytest.MonkeyPatch) -> None:
    """A timeout of zero would fail everything at once."""
    environ.setenv("CONSUMERS_PRODUCE_TIMEOUT", "0s")

    (found,) = problems()

    assert found.startswith("CONSUMERS_PRODUCE_TIMEOUT: a duration must be longer than nothing")


@pytest.mark.parametrize("text", ["999999999999h", "25h", "9" * 400 + "s"])
def test_a_duration_has_an_end(environ: pytest.MonkeyPatch, text: str) -> None:
    """What is longer than a day is refused, however long it is."""
    environ.setenv("CONSUMERS_PRODUCE_TIMEOUT", text)

    assert problems() == ("CONSUMERS_PRODUCE_TIMEOUT: a duration is at most 24h",)


@pytest.mark.parametrize("text", ["", " ", "\t", " game", "game\n", "a\x07b"])
def test_a_group_has_a_name(environ: pytest.MonkeyPatch, text: str) -> None:
    """A blank name, over which librdkafka would abort the process, is refused, and odd ones too."""
    environ.setenv("CONSUMERS_GROUP", text)

    (found,) = problems()

    assert found.startswith("CONSUMERS_GROUP: a group has a name")


@pytest.mark.parametrize("text", ["", " ", "127.0.0.1 "])
def test_to_listen_on_every_address_is_said(environ: pytest.MonkeyPatch, text: str) -> None:
    """An empty address opens nothing by accident: the problem says how all are named."""
    environ.setenv("CONSUMERS_HOST", text)

    assert problems() == (
        "CONSUMERS_HOST: write one address, such as 127.0.0.1, or 0.0.0.0 to listen on all",
    )


@pytest.mark.parametrize("text", ["20/second", "1/hour", "600/minute", "unlimited"])
def test_a_rate_is_a_number_in_a_time(environ: pytest.MonkeyPatch, text: str) -> None:
    """So many plays in a second, minute or hour, or as many as there are."""
    environ.setenv("CONSUMERS_RATE_LIMIT", text)

    assert load(ApiSettings).rate_limit == text


@pytest.mark.parametrize(
    "text", ["", "20", "0/second", "-1/second", "20/day", "20 / second", "off"]
)
def test_any_other_rate_is_refused(environ: pytest.MonkeyPatch, text: str) -> None:
    """The problem says how a rate is written."""
    environ.setenv("CONSUMERS_RATE_LIMIT", text)

    assert problems(kind=ApiSettings) == (
        "CONSUMERS_RATE_LIMIT: write NUMBER/second, NUMBER/minute, NUMBER/hour, or unlimited",
    )


@pytest.mark.usefixtures("environ")
def test_classes_are_listed_in_either_place(environ: pytest.MonkeyPatch, file: Path) -> None:
    """A list in the file, commas in the environment; a name without its module is refused."""
    file.write_text("topic: a\ngroup: a\nunavailable: [stripe.APIConnectionError, a.b.C]\n")
    from_file = load(RunSettings, file)
    environ.setenv("CONSUMERS_UNAVAILABLE", "stripe.APIConnectionError, a.b.C")
    from_environment = load(RunSettings, file)
    environ.setenv("CONSUMERS_UNAVAILABLE", "APIConnectionError")

    assert from_file.unavailable == ("stripe.APIConnectionError", "a.b.C")
    assert from_environment.unavailable == from_file.unavailable
    (problem,) = problems(file, RunSettings)
    assert problem.startswith("CONSUMERS_UNAVAILABLE: write classes with their module, such as [")
