"""What the compose file says about running services, tried on the real ones."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented to be there
    ConfigResource,
    ResourceType,
)

from tests.deploy.files import listening, services
from tests.deploy.paging import Paging
from tests.infra.alertmanager import INSTALL
from tests.infra.ports import free_port
from tests.infra.product import Product, address
from tests.infra.require import need
from tests.infra.wait import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.infra.kafka import KafkaBroker

FOR_THE_IMAGE = {"CLUSTER_ID", "KAFKA_HEAP_OPTS"}  # not the broker's own settings
each_of_ours = pytest.mark.parametrize("name", ["api", "worker", "fintech", "lagmon"])


def well(name: str, url: str) -> bool:
    """Run the health check of service *name*, asking at *url*; tell whether it is content."""
    (port,) = listening(services()[name])
    _, program, *arguments = services()[name]["healthcheck"]["test"]
    here = [part.replace(f"http://127.0.0.1:{port}", url) for part in arguments]
    assert here != arguments
    program = sys.executable if program == "python" else program
    return subprocess.run([program, *here], capture_output=True, check=False).returncode == 0


@each_of_ours
def test_a_ready_service_is_healthy(
    name: str, kafka: KafkaBroker, topic: str, database: str
) -> None:
    """The health check of a service is content once the service is ready."""
    kafka.create_topic(f"{topic}.dlq")
    with Product(kafka=kafka.bootstrap_servers, database=database) as product:
        product.environment["CONSUMERS_TOPIC"] = topic
        product.migrate()

        url = address(getattr(product, name)())

        until(lambda: well(name, url), every=0.5, what=f"{name} to be healthy")


@each_of_ours
def test_an_absent_service_is_not_healthy(name: str) -> None:
    """The health check of a service fails where nobody answers."""
    assert not well(name, f"http://127.0.0.1:{free_port()}")


def test_alertmanager_is_healthy_while_it_runs(tmp_path: Path) -> None:
    """The health check of Alertmanager is content with a running one, and only with that."""
    need("amtool", INSTALL)
    with Paging(tmp_path) as paging:
        assert well("alertmanager", paging.url)

    assert not well("alertmanager", paging.url)


def test_kafka_knows_its_settings(kafka: KafkaBroker) -> None:
    """Every variable of the broker is a property of this Kafka: it would ignore a misspelt one."""
    broker = ConfigResource(ResourceType.BROKER, "1")
    admin = kafka.admin()  # kept: its answers end with it
    (described,) = admin.describe_configs([broker]).values()
    known = set(described.result())

    given = services()["kafka"]["environment"].keys() - FOR_THE_IMAGE
    named = {name.removeprefix("KAFKA_").lower().replace("_", ".") for name in given}

    assert named <= known
