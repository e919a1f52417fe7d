"""Our services understand what they are given: variables of the compose file, configuration."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import opentelemetry.environment_variables as api_variables
import pytest
from opentelemetry.sdk import environment_variables as sdk_variables

from consumers.configuration.loading import load
from consumers.configuration.settings import (
    SERVICES,
    ApiSettings,
    FintechSettings,
    MigrateSettings,
    WorkerSettings,
)
from consumers.deadletters.topic import BROKER_BYTES, TopicFacts, properties
from lagmon.alerts.rulefile import COPY
from lagmon.alerts.rules import SHIPPED
from lagmon.commands.wiring import rules
from lagmon.configuration.sources import load as load_lagmon
from tests.deploy.files import DEPLOY, alerting_rules, listening, ours, published, read, services
from tests.infra.product import command

if TYPE_CHECKING:
    from consumers.configuration.common import DatabaseSettings, KafkaSettings, Settings
    from consumers.configuration.loading import AnySettings

LAGMON = DEPLOY / "lagmon/lagmon.yml"


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """Give a folder with the secrets that a new user makes."""
    subprocess.run(["sh", DEPLOY / "secrets.sh", tmp_path], check=True, capture_output=True)
    return tmp_path


def settings(
    kind: type[AnySettings], secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> AnySettings:
    """Load the settings of *kind* as the container of their service would."""
    for variable, value in services()[name_of(kind)]["environment"].items():
        monkeypatch.setenv(variable, str(value).replace("/run/secrets", str(secrets)))
    return load(kind)


def name_of(kind: type[Settings]) -> str:
    """Give the name of the service that takes settings of *kind*."""
    (name,) = (name for name, taken in SERVICES.items() if taken is kind)
    return name


@pytest.mark.parametrize("kind", [ApiSettings, WorkerSettings, MigrateSettings], ids=name_of)
def test_a_game_service_starts_with_its_variables(
    kind: type[DatabaseSettings], secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings take every variable of the service, and none is missing."""
    found = settings(kind, secrets, monkeypatch)

    password = (secrets / "postgres_password").read_text()
    assert found.database_url.get_secret_value() == (
        f"postgresql://game:{password}@postgres:5432/game"
    )


@pytest.mark.parametrize("kind", [ApiSettings, WorkerSettings], ids=name_of)
def test_a_game_service_finds_kafka(
    kind: type[KafkaSettings], secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is played and what is settled goes through the broker of the stack."""
    assert settings(kind, secrets, monkeypatch).bootstrap_servers == "kafka:19092"


@pytest.mark.parametrize("kind", [ApiSettings, WorkerSettings, FintechSettings], ids=name_of)
def test_a_game_service_listens_where_it_is_expected(
    kind: type[Settings], secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service listens on every address of its container, on the port that others ask."""
    found = settings(kind, secrets, monkeypatch)

    assert found.host == "0.0.0.0"
    assert [found.port] == listening(services()[name_of(kind)])


def test_the_worker_finds_the_partner(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address that the worker calls is the stand-in's service and port."""
    worker = settings(WorkerSettings, secrets, monkeypatch)

    assert worker.fintech_url == f"http://fintech:{listening(services()['fintech'])[0]}"


def test_no_play_is_left_out(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack says where the worker's group begins, and that it is the oldest play."""
    worker = settings(WorkerSettings, secrets, monkeypatch)

    assert "offset_reset" in worker.model_fields_set
    assert worker.offset_reset == "earliest"


def test_the_partners_book_outlives_its_container(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in's book lies in a named volume."""
    partner = settings(FintechSettings, secrets, monkeypatch)
    folders = [entry.rpartition(":")[2] for entry in services()["fintech"]["volumes"]]

    assert partner.fintech_ledger is not None
    assert str(partner.fintech_ledger.parent) in folders


def test_the_topics_of_the_game_are_made(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one-shot service makes the topic and the dead-letter topic that the worker will use."""
    worker = settings(WorkerSettings, secrets, monkeypatch)

    (script,) = services()["topics"]["command"]
    made = [line.split()[1] for line in script.splitlines() if line.startswith("create ")]
    assert made == [worker.topic, worker.dlq_topic]


def test_dead_letters_are_kept_with_room_for_every_record() -> None:
    """Their topic has the properties that the worker itself would give it."""
    (script,) = services()["topics"]["command"]
    (made,) = re.findall(r"^create \S+\.dlq .*$", script.replace("\\\n", ""), re.MULTILINE)

    given = dict(one.split("=") for one in re.findall(r"--config (\S+)", made))
    assert given == properties(TopicFacts(max_message_bytes=BROKER_BYTES))


def test_a_variable_for_opentelemetry_is_one_that_it_reads() -> None:
    """Every OTEL_ variable is known to OpenTelemetry: it would ignore a misspelt one."""
    known = {*vars(api_variables), *vars(sdk_variables)}

    used = {name for each in ours().values() for name in each.get("environment", {})}

    assert {name for name in used if name.startswith("OTEL_")} <= known


def test_lagmon_takes_its_configuration() -> None:
    """`lagmon check-config` finds nothing wrong with the shipped file."""
    done = subprocess.run(
        [command("lagmon"), "check-config", LAGMON], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_what_lagmon_remembers_outlives_its_container() -> None:
    """Its state lies in a named volume: a new container, or a new image, goes on with it."""
    service = services()["lagmon"]
    volumes = dict(entry.split(":") for entry in service["volumes"])

    path = load_lagmon(LAGMON).state.path

    assert path is not None
    assert path.parent in {Path(folder) for folder in volumes.values()}
    assert all("/" not in name for name in volumes), "a folder of the machine has another owner"


def test_lagmon_watches_the_group_of_the_worker(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group and topic that lagmon is told to watch are those that the worker uses."""
    worker = settings(WorkerSettings, secrets, monkeypatch)

    (cluster,) = read(LAGMON)["clusters"]

    assert cluster["groups"]["static"] == {worker.group: [worker.topic]}


def test_lagmon_links_to_what_is_published() -> None:
    """The addresses that lagmon puts into a page can be opened on the machine of the stack."""
    config = read(LAGMON)
    ports = {port for each in ("jaeger", "lagmon") for _, port, _ in published(services()[each])}
    opened = [config["links"]["jaeger"], config["web"]["external_url"]]

    assert {int(url.rsplit(":", 1)[1]) for url in opened} <= ports


def test_a_page_has_the_runbook_of_its_alert() -> None:
    """What lagmon sends leads to the same runbook as Prometheus's copy, for each of its rules."""
    copies = {
        rule["alert"]: rule["annotations"]["runbook_url"]
        for rule in alerting_rules()
        if rule["labels"].get(COPY) == "lagmon"
    }

    sent = {rule.name: rule.runbook for rule in rules(load_lagmon(LAGMON))}

    assert sent == copies
    assert {rule.name for rule in SHIPPED} <= sent.keys()
