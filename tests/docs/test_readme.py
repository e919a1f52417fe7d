"""Every command and example of the README runs, and every link leads somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.infra.ports import held
from tests.infra.process import Service
from tests.infra.product import command
from tests.infra.wait import until

if TYPE_CHECKING:
    from tests.infra.kafka import KafkaBroker
    from tests.infra.mock_kafka import MockKafka

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()
HERE = "localhost:9092"  # where the README supposes Kafka

# What is run here, and where the others are run.
ELSEWHERE = {
    "make demo": "tests/docs/test_first_page.py runs what it calls",
    "make test": "it runs this",
    ". .venv/bin/activate": "the tests start their commands from there",
    "make up": "needs a Docker daemon; tests/deploy checks what it starts",
    "make up PROFILE=full": "the same",
    "make down": "the same",
}
SERVE = "lagmon serve --bootstrap-servers localhost:9092"
CURL = "curl --silent localhost:10308/metrics"


def blocks(language: str) -> list[str]:
    """Give the code blocks of *language*."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def test_every_command_is_run_somewhere() -> None:
    """A command in the README is run by a test; a new one has to be added to one."""
    shown = [line[2:] for block in blocks("console") for line in block.splitlines()]

    assert set(shown) == {*ELSEWHERE, SERVE, CURL}


def test_make_knows_its_targets() -> None:
    """Each target that the README names is listed by `make` alone."""
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = {shown.split()[1] for shown in ELSEWHERE if shown.startswith("make ")}

    assert targets <= set(re.findall(r"^make (\w+)", listed, flags=re.MULTILINE))


def test_the_example_carries_the_trace(mock_kafka: MockKafka) -> None:
    """The Python example prints the record's value and the trace id of the request around it."""
    mock_kafka.create_topic("orders")
    (example,) = blocks("python")
    # On the mock cluster only the newer protocol assigns at once.
    example = example.replace(HERE, mock_kafka.bootstrap_servers).replace(
        '"group.id": "billing"', '"group.id": "billing", "group.protocol": "consumer"'
    )
    request = 'as_current_span("POST /orders")'
    assert request in example
    example = example.replace(
        f"{request}:", f"{request} as sent:\n    print(hex(sent.context.trace_id))"
    )

    done = subprocess.run(
        [sys.executable, "-c", example],
        env={"OTEL_TRACES_EXPORTER": "none"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    sent, printed = done.stdout.splitlines()
    assert printed == f"b'one' {int(sent, 16):032x}"


def test_serve_needs_no_file(kafka: KafkaBroker) -> None:
    """`lagmon serve` with an address alone watches that cluster and answers `curl`."""
    line = SERVE.replace(HERE, kafka.bootstrap_servers).split()
    ((place, port),) = re.findall(r"localhost(:(\d+)/\S+)", CURL)
    with held(int(port)), Service([command(line[0]), *line[1:]]) as service:
        address = service.wait_for_log("service_started")["address"]
        assert address.endswith(f":{port}")

        until(
            lambda: (
                'lagmon_up{kafka_cluster="default"} 1.0'
                in httpx.get(f"http://localhost{place}", timeout=60).text
            ),
            what="the first snapshot on the page",
        )


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda p: p.name)
def test_a_document_names_files_that_exist(page: Path) -> None:
    """Each path of a module in a document, and each relative link, leads to a file."""
    text = page.read_text()
    modules = re.findall(r"`((?:propagation|consumers|lagmon|tests)/[\w/.]+\.py)`", text)
    links = re.findall(r"\]\((?!http|#)([^)#]+)", text)

    assert [path for path in modules if not (ROOT / path).exists()] == []
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!http)([^)#]+)", README))))
def test_a_link_leads_somewhere(target: str) -> None:
    """A relative link of the README names a file or folder of the tree."""
    assert (ROOT / target).exists()
