"""The way of the logs: from the containers through Alloy to Loki, and from a line to its trace."""

from __future__ import annotations

import re

import pytest

from tests.deploy.alloy import Block, parse
from tests.deploy.files import COMPOSE, DEPLOY, listening, published, read, services

ALLOY = parse((DEPLOY / "alloy/config.alloy").read_text())
LOKI = read(DEPLOY / "loki/loki.yml")
LABELS = {"service", "level", "environment"}


def component(name: str) -> Block:
    """Give the one component called *name*."""
    (found,) = ALLOY.all(name)
    return found


def stages(name: str) -> list[Block]:
    """Give the stages of the pipeline called *name*, in order."""
    return component("loki.process").all(f"stage.{name}")


def test_each_component_is_fed_and_heard() -> None:
    """Every reference is to a component that is there, and the way leads from the files to Loki."""
    there = {f"{block.name}.{block.label}" for block in ALLOY.blocks}
    way = [
        component("loki.source.file").attributes["targets"],
        *component("loki.source.file").attributes["forward_to"],
        *component("loki.process").attributes["forward_to"],
    ]

    assert [reference.rpartition(".")[0] for reference in way] == [
        "local.file_match.containers",
        "loki.process.lines",
        "loki.write.loki",
    ]
    assert there == {"loki.source.file.containers", *(each.rpartition(".")[0] for each in way)}


def test_the_files_that_are_read_are_mounted() -> None:
    """The folder of the containers' output is mounted into Alloy, for reading alone."""
    (target,) = component("local.file_match").attributes["path_targets"]
    mounted = {
        entry["target"]: entry["read_only"]
        for entry in services()["alloy"]["volumes"]
        if isinstance(entry, dict)
    }

    folder = target["__path__"].removesuffix("/*/*-json.log")
    assert mounted == {folder: True}


def test_every_service_names_itself_in_its_lines() -> None:
    """Docker adds project and service to each line of a service; the pipeline takes these."""
    given = {service["logging"]["options"]["labels"] for service in services().values()}
    drivers = {service["logging"]["driver"] for service in services().values()}
    taken = stages("json")[0].attributes["expressions"].values()

    assert drivers == {"json-file"}
    assert given == {"com.docker.compose.project,com.docker.compose.service"}
    assert {f'attrs."{label}"' for label in given.pop().split(",")} < set(taken)


def test_labels_are_few_and_the_trace_id_is_none() -> None:
    """Only service, level and environment are labels; the trace id is structured metadata."""
    (kept,) = stages("label_keep")
    (metadata,) = stages("structured_metadata")
    labelled = {label for stage in stages("labels") for label in stage.attributes["values"]}
    last = component("loki.process").blocks.index(kept)
    after = [block.name for block in component("loki.process").blocks[last:]]

    assert labelled - {"project"} == set(kept.attributes["values"]) == LABELS
    assert metadata.attributes["values"].keys() == {"trace_id"}
    assert "stage.labels" not in after
    assert not [block for block in ALLOY.blocks if "external_labels" in block.attributes]


def test_what_is_dropped_is_counted_by_a_reason() -> None:
    """Lines of other projects are left out, under a reason; nothing else is, nor sampled."""
    (match,) = stages("match")
    project = read(COMPOSE)["name"]

    assert match.attributes == {
        "selector": f'{{project!="{project}"}}',
        "action": "drop",
        "drop_counter_reason": "another_project",
    }
    assert not stages("drop") + stages("limit") + stages("sampling")


def test_lines_wait_while_loki_is_away() -> None:
    """What Loki does not take is sent again for ever: giving up would be a loss unseen."""
    (endpoint,) = component("loki.write").all("endpoint")

    assert endpoint.attributes["max_backoff_retries"] == 0


def test_alloy_writes_where_loki_listens() -> None:
    """Lines are pushed to the port and path of the service."""
    (endpoint,) = component("loki.write").all("endpoint")
    port = LOKI["server"]["http_listen_port"]

    assert endpoint.attributes["url"] == f"http://loki:{port}/loki/api/v1/push"
    assert [inside for *_, inside in published(services()["loki"])] == [port]
    assert f":{port}/ready" in services()["loki"]["healthcheck"]["test"][-1]


def test_alloy_listens_where_its_health_is_asked() -> None:
    """The address of its own pages is the port that the service opens and the check asks."""
    (port,) = listening(services()["alloy"])
    alloy = services()["alloy"]

    assert f"--server.http.listen-addr=0.0.0.0:{port}" in alloy["command"]
    assert f"/127.0.0.1/{port} " in alloy["healthcheck"]["test"][-1]


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ('time=2026-11-21T20:51:13.000Z level=warn source=main.go:1 msg="a"', "warn"),
        ("ts=2026-11-21T20:51:13.000Z caller=main.go:9 level=info msg=b", "info"),
        ("[2026-11-21 20:51:13,000] ERROR [Broker id=1] no (kafka.server)", "ERROR"),
        ("2026-11-21 20:51:13.000 UTC [7] game-consumer/0af7@game FATAL:  too many", "FATAL"),
        ("a line that says nothing of a level", None),
    ],
)
def test_the_level_of_a_line_that_is_no_json_is_found(line: str, level: str | None) -> None:
    """Prometheus's, Kafka's and Postgres's own forms are understood; no word is guessed."""
    found = re.search(stages("regex")[0].attributes["expression"], line)

    assert (found and found["said"]) == level


def test_a_line_of_postgres_names_its_trace() -> None:
    """The trace id that a transaction is named after is found in what Postgres says of it."""
    line = f"2026-11-21 20:51:13.000 UTC [7] game-consumer/{'0af7' * 8}@game LOG:  duration: 300 ms"

    found = re.search(stages("regex")[1].attributes["expression"], line)

    assert found
    assert found["trace_id"] == "0af7" * 8


def test_a_password_in_an_address_is_replaced() -> None:
    """The password of a URL is not sent on, whoever printed it; an address without one stays."""
    (replace,) = stages("replace")

    found = re.search(
        replace.attributes["expression"], "at postgresql://game:sesame@postgres:5432/"
    )

    assert found
    assert found[1] == "sesame"
    assert not re.search(replace.attributes["expression"], "GET http://api:8080/game?at=a@b")


def test_loki_takes_structured_metadata_and_forgets_in_time() -> None:
    """The schema can hold trace ids, and what is older than the retention is really deleted."""
    (schema,) = LOKI["schema_config"]["configs"]
    limits = LOKI["limits_config"]

    assert (schema["store"], schema["schema"], schema["index"]["period"]) == ("tsdb", "v13", "24h")
    assert limits["allow_structured_metadata"] is True
    assert LOKI["compactor"]["retention_enabled"] is True
    assert LOKI["compactor"]["delete_request_store"] == schema["object_store"]
    assert hours(limits["retention_period"]) % hours(schema["index"]["period"]) == 0
    assert hours(limits["reject_old_samples_max_age"]) <= hours(limits["retention_period"])


def hours(duration: str) -> int:
    """Give *duration*, which must be in hours, as a number."""
    return int(duration.removesuffix("h"))


def test_loki_writes_to_its_volume_alone() -> None:
    """Each path of the configuration is on the volume; its root is read-only."""
    (volume,) = services()["loki"]["volumes"]
    folder = volume.split(":")[1]
    text = (DEPLOY / "loki/loki.yml").read_text()

    paths = re.findall(r"(?:prefix|directory|dir): (/[\w/-]+)", text)

    assert len(paths) >= 3
    assert all(f"{path}/".startswith(f"{folder}/") for path in paths)


def test_loki_allows_few_labels() -> None:
    """A mistake in the pipeline meets a limit: as many labels as there are, and few streams."""
    limits = LOKI["limits_config"]

    assert limits["max_label_names_per_series"] == len(LABELS)
    assert limits["discover_service_name"] == []
    assert limits["max_global_streams_per_user"] <= 1000
    assert limits["reject_old_samples"] is True
