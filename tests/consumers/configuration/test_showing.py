"""Settings in force: what is printed can be read again, says where it was set, and is no secret."""

from __future__ import annotations

import gc
import re
import socket
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from consumers.cli import main
from consumers.configuration.fields import parse_duration
from consumers.configuration.loading import load, origins
from consumers.configuration.settings import SERVICES, RunSettings, WorkerSettings
from consumers.configuration.showing import duration, lines

if TYPE_CHECKING:
    from consumers.configuration.common import Settings

PAGE = Path(__file__).parents[3] / "docs/reference/consumers.md"
# Text that YAML would read as something else, or that would end its line.
ODD = "yes: 'no' # 1"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Write the settings of the page, and what needs care."""
    path = tmp_path / "settings.yaml"
    path.write_text(
        "bootstrap_servers: kafka-1:9092\ntopic: payments\n"
        "client:\n  security.protocol: sasl_ssl\n  sasl.password: sesame\n"
        f'database_url: postgresql://ada:sesame@db/game\ngroup: "{ODD}"\nbackoff_max: 90s\n'
    )
    return path


def shown(kind: type[Settings], path: Path) -> dict[str, str]:
    """Give the line for each setting, by its name."""
    found = list(lines(load(kind, path), origins(path)))
    return {line.partition(":")[0]: line for line in found}


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_printed_can_be_read_again(name: str, file: Path, tmp_path: Path) -> None:
    """As a file it gives the same settings, but for the secrets."""
    kind = SERVICES[name]
    again = tmp_path / "again.yaml"
    text = "\n".join(shown(kind, file).values()).replace(
        "database_url: '[masked]'", "database_url: postgresql://ada:sesame@db/game"
    )
    again.write_text(text.replace("'[masked]'", "sesame"))

    assert list(yaml.safe_load(text)) == sorted(kind.model_fields)
    assert load(kind, again) == load(kind, file)


def test_it_says_where_each_was_set(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable by its name, else the file, else nothing but the default."""
    monkeypatch.setenv("CONSUMERS_TOPIC", "orders")

    found = shown(RunSettings, file)

    assert found["topic"] == "topic: orders  # CONSUMERS_TOPIC"
    assert found["dlq_topic"] == "dlq_topic: orders.dlq  # default"
    assert found["backoff_max"] == f"backoff_max: 90s  # {file}"
    assert found["retries"] == "retries: 3  # default"
    assert found["instance_id"] == "instance_id: null  # default"


def test_a_secret_of_a_file_of_its_own_is_said_to_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The URL is masked; the variable that named its file is not."""
    secret = tmp_path / "url"
    secret.write_text("postgresql://ada:sesame@db/game")
    monkeypatch.setenv("CONSUMERS_BOOTSTRAP_SERVERS", "kafka-1:9092")
    monkeypatch.setenv("CONSUMERS_DATABASE_URL_FILE", str(secret))

    found = list(lines(load(WorkerSettings), origins(None)))

    assert "database_url: '[masked]'  # CONSUMERS_DATABASE_URL_FILE" in found
    assert f"database_url_file: {secret}  # CONSUMERS_DATABASE_URL_FILE" in found


@pytest.mark.parametrize(
    "name",
    [
        "sasl.password",
        "ssl.key.password",
        "ssl.keystore.password",
        "ssl.key.pem",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.config",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "sasl.oauthbearer.assertion.private.key.pem",
        "sasl.kerberos.kinit.cmd",
    ],
)
def test_a_secret_property_is_masked(
    name: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each property of librdkafka that holds one, and nothing beside it."""
    monkeypatch.setenv("CONSUMERS_CLIENT", f'{{"{name}": "sesame", "sasl.username": "ada"}}')

    (line,) = [line for line in shown(RunSettings, file).values() if line.startswith("client")]

    assert "sesame" not in line
    assert yaml.safe_load(line) == {"client": {name: "[masked]", "sasl.username": "ada"}}


@given(st.timedeltas(min_value=timedelta(microseconds=1), max_value=timedelta(days=1)))
def test_a_duration_is_written_as_it_is_read(value: timedelta) -> None:
    """Whatever it is, reading it again gives the same."""
    assert parse_duration(duration(value)) == value


@pytest.mark.parametrize(
    ("seconds", "text"), [(90, "90s"), (120, "2m"), (0.5, "500ms"), (7200, "2h"), (0.0005, "0.5ms")]
)
def test_a_duration_has_its_largest_unit(seconds: float, text: str) -> None:
    """The largest of which it is a whole number."""
    assert duration(timedelta(seconds=seconds)) == text


def test_the_command_prints_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The example of the reference, typed."""
    section = PAGE.read_text().split("### Settings in force")[1]
    (typed, printed) = re.findall(r"```\w+\n(.*?)```", section, re.DOTALL)[:2]
    (tmp_path / "settings.yaml").write_text(
        "topic: payments\nclient: {security.protocol: sasl_ssl, sasl.mechanism: PLAIN,"
        " sasl.username: billing, sasl.password: sesame}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONSUMERS_BOOTSTRAP_SERVERS", "kafka-1:9092")

    code = main(typed.split()[1:])

    assert code == 0
    assert capsys.readouterr().out == printed


def test_wrong_settings_are_told_as_by_the_command_itself(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2, the problem on standard error, and nothing printed."""
    monkeypatch.setenv("CONSUMERS_RETRIES", "many")

    code = main(["check", "run", "--config", str(file)])

    said = capsys.readouterr()
    assert code == 2
    assert said.err.startswith("consumers: CONSUMERS_RETRIES: ")
    assert said.out == ""


@pytest.mark.parametrize(
    ("command", "client", "refused"),
    [
        ("run", '{"bogus": 1}', ["consumer", "producer"]),
        ("run", '{"max.poll.interval.ms": 10}', ["consumer"]),
        ("run", '{"max.in.flight": 100}', ["producer"]),
        ("dlq", '{"bogus": 1}', ["producer"]),
        ("dlq", '{"max.poll.interval.ms": 10}', []),
    ],
)
def test_properties_that_librdkafka_refuses_are_told(
    file: Path,
    *,
    command: str,
    client: str,
    refused: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the clients that the command would make, in librdkafka's words; nothing is printed."""
    monkeypatch.setenv("CONSUMERS_CLIENT", client)

    code = main(["check", command, "--config", str(file)])

    said = capsys.readouterr()
    begin = "consumers: CONSUMERS_CLIENT: the"
    assert code == (2 if refused else 0)
    assert [line.partition(" cannot be made: ")[0] for line in said.err.splitlines()] == [
        f"{begin} {kind}" for kind in refused
    ]
    assert bool(said.out) != bool(refused)


def test_nobody_is_connected_to(
    file: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker that is named hears nothing, and the clients' own log is silent."""
    gc.collect()  # clients of other tests that nobody holds any more: they write of dead brokers
    capfd.readouterr()
    with socket.create_server(("127.0.0.1", 0)) as broker:
        broker.setblocking(False)
        host, port = broker.getsockname()
        monkeypatch.setenv("CONSUMERS_BOOTSTRAP_SERVERS", f"{host}:{port}")
        monkeypatch.setenv("CONSUMERS_CLIENT", "{}")

        assert main(["check", "run", "--config", str(file)]) == 0

        with pytest.raises(BlockingIOError):
            broker.accept()
    assert capfd.readouterr().err == ""
