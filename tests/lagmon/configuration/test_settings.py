"""The configuration: what is read, from where, and how every problem is told at once."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from lagmon.collector.peek import PROPERTIES
from lagmon.configuration.parts import seconds
from lagmon.configuration.settings import (
    OURS_ALONE,
    Cluster,
    CollectorSettings,
    Groups,
    Selection,
)
from lagmon.configuration.sources import load
from lagmon.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

FULL = """
clusters:
  - name: local
    bootstrap_servers: 127.0.0.1:9092,[::1]:9093
    client: {security.protocol: PLAINTEXT, enable.ssl.certificate.verification: true}
    groups: {static: {game-consumer: [game.slots.plays]}, include: [], exclude: ["tmp-.*"]}
    topics: {include: ["game.*"], exclude: []}
poll_interval: 2s
cycle_deadline: 1m
request_timeout: 500ms
fan_out: 10
peeks_per_cycle: 3
web: {host: 0.0.0.0, port: 0, external_url: "http://lag.example:10308/"}
alertmanagers: [{url: "http://127.0.0.1:9093"}]
links: {jaeger: "http://localhost:16686/", runbook: "https://wiki.example/lag"}
rules: {KafkaConsumerLag: {threshold: 10, for: 1m}}
environment: production
log_level: DEBUG
"""


def written(folder: Path, text: str) -> Path:
    """Write a configuration file."""
    path = folder / "lagmon.yml"
    path.write_text(text)
    return path


def cluster(**client: str) -> Cluster:
    """Build a cluster with defaults."""
    return Cluster(name="a", bootstrap_servers="kafka:1", client={**client})


def problems(path: Path | None = None, *, bootstrap_servers: str | None = None) -> list[str]:
    """Load what must not be loaded, and give what it says."""
    with pytest.raises(SettingsError) as caught:
        load(path, bootstrap_servers=bootstrap_servers)
    return list(caught.value.problems)


def test_the_flag_alone_is_enough() -> None:
    """Without a file the flag gives one cluster named default, and the documented defaults."""
    settings = load(bootstrap_servers="kafka:9092")

    (cluster,) = settings.clusters
    assert (cluster.name, cluster.bootstrap_servers) == ("default", "kafka:9092")
    assert settings.poll_interval == 5.0
    assert settings.cycle_deadline == 15.0
    assert settings.request_timeout == 5.0
    assert (settings.fan_out, settings.peeks_per_cycle) == (50, 20)
    assert (settings.web.host, settings.web.port) == ("127.0.0.1", 10308)


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    """Every key of the documented form arrives, durations in seconds, addresses without the end."""
    settings = load(written(tmp_path, FULL))

    (cluster,) = settings.clusters
    assert cluster.client == {
        "security.protocol": "PLAINTEXT",
        "enable.ssl.certificate.verification": True,
    }
    assert cluster.groups.static == {"game-consumer": ("game.slots.plays",)}
    assert (settings.poll_interval, settings.cycle_deadline) == (2.0, 60.0)
    assert settings.request_timeout == 0.5
    assert settings.web.external_url == "http://lag.example:10308"
    assert settings.alertmanagers[0].url == "http://127.0.0.1:9093"
    assert settings.links.jaeger == "http://localhost:16686"
    override = settings.rules["KafkaConsumerLag"]
    assert (override.threshold, override.for_seconds) == (10, 60.0)
    assert (settings.environment, settings.log_level) == ("production", "DEBUG")


def test_every_problem_is_told_at_once_with_its_path(tmp_path: Path) -> None:
    """A file with many faults gives one line for each, naming the place and what would be right."""
    path = written(
        tmp_path,
        """
clusters:
  - name: one
    bootstrap_servers: nowhere
    groups: {include: ["("], static: {g: []}}
    colour: blue
  - bootstrap_servers: kafka:9092
poll_interval: 5
cycle_deadline: 0s
fan_out: none
web: {port: 70000}
alertmanagers: [{url: "alerts:9093"}]
rules: {KafkaConsumerLag: {threshold: -1, for: soon}}
log_level: LOUD
surprise: 1
""",
    )

    paths = {problem.split(": ")[0] for problem in problems(path)}

    assert paths == {
        "clusters[0].bootstrap_servers",
        "clusters[0].groups.include[0]",
        "clusters[0].groups.static.g",
        "clusters[0].colour",
        "clusters[1].name",
        "poll_interval",
        "cycle_deadline",
        "fan_out",
        "web.port",
        "alertmanagers[0].url",
        "rules.KafkaConsumerLag.threshold",
        "rules.KafkaConsumerLag.for",
        "log_level",
        "surprise",
    }


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        (("127.0.0.1:9092", "h:99999"), "clusters[0].bootstrap_servers"),
        (("http://127.0.0.1:9093", "http://h:abc"), "alertmanagers[0].url"),
        (("http://127.0.0.1:9093", "http://[::1"), "alertmanagers[0].url"),
        (("http://localhost:16686/", "http://u:p@h"), "links.jaeger"),
        (("threshold: 10", "threshold: .inf"), "rules.KafkaConsumerLag.threshold"),
        (("threshold: 10", "threshold: .nan"), "rules.KafkaConsumerLag.threshold"),
        (("for: 1m", "for: 99999999h"), "rules.KafkaConsumerLag.for"),
        (("poll_interval: 2s", "poll_interval: 169h"), "poll_interval"),
    ],
)
def test_what_could_never_work_is_refused(
    tmp_path: Path, wrong: tuple[str, str], path: str
) -> None:
    """Ports, addresses and numbers that no run could use are problems of their key."""
    (problem,) = problems(written(tmp_path, FULL.replace(*wrong)))

    assert problem.startswith(f"{path}: ")


def test_the_password_of_an_alertmanager_is_not_shown(tmp_path: Path) -> None:
    """Credentials in its address are allowed, and in no repr."""
    settings = load(written(tmp_path, FULL.replace("127.0.0.1:9093", "u:hunter2@h")))

    assert settings.alertmanagers[0].url == "http://u:hunter2@h"
    assert "hunter2" not in repr(settings)


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    """A key that does not exist is refused by name."""
    path = written(tmp_path, FULL + "poll_intervall: 5s\n")

    assert problems(path) == ["poll_intervall: unknown key"]


def test_nothing_to_watch_is_a_problem() -> None:
    """Without file, flag and variable the one problem is the missing cluster, with both flags."""
    (problem,) = problems()

    assert problem.startswith("nothing to watch: ")


def test_a_file_without_a_cluster_is_a_problem(tmp_path: Path) -> None:
    """Where a file was given, its key is named."""
    assert problems(written(tmp_path, "fan_out: 3")) == ["clusters: is missing"]


def test_an_empty_list_of_clusters_is_a_problem(tmp_path: Path) -> None:
    """A list without a cluster is as good as none."""
    assert problems(written(tmp_path, "clusters: []")) == [
        "clusters: names no cluster; one at least"
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [("- a\n- b", "must hold keys and values"), ("a: [", "is no YAML"), ("{}", "is missing")],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, text: str, told: str) -> None:
    """A file that cannot be a configuration says why."""
    (problem,) = problems(written(tmp_path, text))

    assert told in problem


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nsasl.password: 'hunter2\n", "line 3 breaks its rules"),
        ("a: 1\nsasl.password: hunter2: x\n", "line 2 breaks its rules"),
        ("a: 1\nsasl.password: @hunter2\n", "line 2 breaks its rules"),
        ("sasl.password: hunter2\x07", "a character is not allowed"),
        ("[" * 3000, "it is nested too deeply"),
        ("environment: 2024-13-45", "looks like a date or a number and is none"),
        ("environment: !!timestamp hunter2", "looks like a date or a number and is none"),
        ("environment: !!bool hunter2", "looks like a date or a number and is none"),
        ("environment: !!int hunter2", "looks like a date or a number and is none"),
        ("a: 1\nhunter2: 1\n\nhunter2: 2", "line 4 has a key that its part has already"),
        ("a:\n  - {b: 1, 'b': hunter2}", "line 2 has a key that its part has already"),
    ],
)
def test_a_broken_file_is_told_without_what_it_holds(tmp_path: Path, text: str, told: str) -> None:
    """One sentence says where it breaks; the line itself may hold a password."""
    (problem,) = problems(written(tmp_path, text))

    assert told in problem
    assert "hunter2" not in problem


def test_what_is_merged_may_be_overridden(tmp_path: Path) -> None:
    """A key of one's own beside one that ``<<`` brings in is no second one."""
    text = """
clusters:
  - &first {name: a, bootstrap_servers: "kafka:1"}
  - {<<: *first, name: b}
"""

    settings = load(written(tmp_path, text))

    assert [cluster.name for cluster in settings.clusters] == ["a", "b"]


def test_a_folder_is_no_place_for_the_memory(tmp_path: Path) -> None:
    """It would have to be moved out of the way."""
    file = written(tmp_path, f"{FULL}state: {{path: '{tmp_path}'}}\n")

    assert problems(file) == [f"state.path: {tmp_path} is a directory; name a file in it"]


def test_a_file_in_another_encoding_is_told(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are not shown either."""
    path = tmp_path / "lagmon.yml"
    path.write_bytes("environment: größe".encode("latin-1"))

    assert problems(path) == [f"{path}: is no YAML: it is not written in UTF-8"]


def test_a_variable_that_is_nested_too_deeply_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a problem of its key, and no crash."""
    monkeypatch.setenv("LAGMON_CLUSTERS", "[" * 100_000)

    (problem,) = problems()

    assert problem.startswith("clusters: ")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """A path without a file is named with the system's reason."""
    path = tmp_path / "none.yml"

    assert problems(path) == [f"{path}: cannot be read: No such file or directory"]


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable replaces one key and leaves its neighbours."""
    monkeypatch.setenv("LAGMON_WEB__PORT", "1234")
    monkeypatch.setenv("LAGMON_POLL_INTERVAL", "7s")

    settings = load(written(tmp_path, FULL))

    assert (settings.web.host, settings.web.port) == ("0.0.0.0", 1234)
    assert settings.poll_interval == 7.0


def test_a_part_comes_from_the_environment_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole part in one variable is JSON, so that no file is needed."""
    clusters = [{"name": "env", "bootstrap_servers": "kafka:1", "client": {"sasl.password": "x"}}]
    monkeypatch.setenv("LAGMON_CLUSTERS", json.dumps(clusters))

    assert load().clusters[0].client == {"sasl.password": "x"}


def test_the_flag_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was typed last is meant."""
    monkeypatch.setenv("LAGMON_CLUSTERS", '[{"name": "env", "bootstrap_servers": "kafka:1"}]')

    assert load(bootstrap_servers="typed:1").clusters[0].bootstrap_servers == "typed:1"


def test_unknown_variables_and_broken_json_are_told_with_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A misspelt variable and one that is no JSON stand in the same list."""
    monkeypatch.setenv("LAGMON_POLL_INTERVALL", "5s")
    monkeypatch.setenv("LAGMON_ALERTMANAGERS", "http://alerts:9093")

    told = problems(bootstrap_servers="kafka:1")

    assert told[0].startswith("LAGMON_POLL_INTERVALL: unknown variable; there are")
    assert told[1].startswith("alertmanagers: ")


def test_an_unknown_variable_alone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that are otherwise right do not hide it."""
    monkeypatch.setenv("LAGMON_PORT", "1")

    (problem,) = problems(bootstrap_servers="kafka:1")

    assert problem.startswith("LAGMON_PORT: ")


def test_an_alertmanager_that_is_named_twice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its metric would be there twice; neither scheme nor credentials make another of it."""
    urls = ["http://am:9093", "http://other:9093", "https://u:hunter2@am:9093/"]
    monkeypatch.setenv("LAGMON_ALERTMANAGERS", json.dumps([{"url": url} for url in urls]))

    (problem,) = problems(bootstrap_servers="kafka:1")

    assert problem == "alertmanagers: [0] and [2] are at the same address; name it once"


def test_two_clusters_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is a label of every series: it must tell clusters apart."""
    clusters = [{"name": "a", "bootstrap_servers": "kafka:1"}] * 2
    monkeypatch.setenv("LAGMON_CLUSTERS", json.dumps(clusters))

    (problem,) = problems()

    assert problem == "clusters: two clusters are named 'a'; the name is a label"


def test_a_request_must_fit_into_the_cycle(tmp_path: Path) -> None:
    """A request time-out beyond the cycle's deadline could never be reached."""
    path = written(tmp_path, FULL.replace("500ms", "2m"))

    assert problems(path) == ["request_timeout must fit into cycle_deadline"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("15s", 15.0), ("2m", 120.0), ("500ms", 0.5), ("1.5h", 5400.0), (" 1s ", 1.0)],
)
def test_a_duration_is_read(text: str, value: float) -> None:
    """A number and a unit give seconds."""
    assert seconds(text) == value


@pytest.mark.parametrize("text", [15, 1.5, "15", "s", "-1s", "1 s", "1d", "", None, True])
def test_what_is_no_duration_is_refused(text: object) -> None:
    """A number without a unit is refused: nobody could tell seconds from milliseconds."""
    with pytest.raises(ValueError, match="write it as 15s, 2m, 1h or 500ms"):
        seconds(text)


def test_secrets_come_from_files(tmp_path: Path) -> None:
    """A property that ends in _file is set to what the file holds, without the line break."""
    secret = tmp_path / "password"
    secret.write_text("hunter2\n")

    read = cluster(**{"sasl.password_file": str(secret)})

    assert read.client == {"sasl.password": "hunter2"}


def test_a_secret_file_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The problem names property and path."""
    client = {"sasl.password_file": "/nowhere/password"}
    clusters = [{"name": "a", "bootstrap_servers": "kafka:1", "client": client}]
    monkeypatch.setenv("LAGMON_CLUSTERS", json.dumps(clusters))

    (problem,) = problems()

    assert problem.startswith("clusters[0].client: sasl.password_file: /nowhere/password cannot be")


@pytest.mark.parametrize(
    ("client", "told"),
    [
        ({"bootstrap.servers": "kafka:1"}, "is not set here but as bootstrap_servers"),
        ({"sasl.password": "hunter2", "sasl.password_file": "/x"}, "are both set; keep one"),
        ({"group.id": "hunter2", "auto.offset.reset": "x"}, "auto.offset.reset, group.id: set by"),
        ({"sasl.password": ["hunter2"]}, "must be text, a number, true or false"),
    ],
)
def test_a_property_that_cannot_be_meant_is_refused_without_its_value(
    monkeypatch: pytest.MonkeyPatch, client: dict[str, object], told: str
) -> None:
    """Each problem says what to do, and none repeats a secret."""
    clusters = [{"name": "a", "bootstrap_servers": "kafka:1", "client": client}]
    monkeypatch.setenv("LAGMON_CLUSTERS", json.dumps(clusters))

    (problem,) = problems()

    assert told in problem
    assert "hunter2" not in problem


def test_no_secret_is_shown() -> None:
    """The repr of settings, as a log line or a traceback would show it, has no property of it."""
    settings = load(bootstrap_servers="kafka:1")
    secret = cluster(**{"sasl.password": "hunter2"})
    handed_on = settings.collector(secret)

    assert "hunter2" not in f"{secret!r} {secret} {handed_on!r} {handed_on}"


def test_a_refused_secret_is_not_shown() -> None:
    """Nor does the error have it that the settings raise by themselves."""
    with pytest.raises(ValidationError) as caught:
        Cluster.model_validate({"name": "a", "client": {"sasl.password": ["hunter2"]}})

    assert "hunter2" not in str(caught.value)


def test_a_collector_gets_its_part_over_the_pipe() -> None:
    """The line for the child reads back as it was, secrets and patterns too."""
    settings = load(bootstrap_servers="kafka:1")
    handed_on = settings.collector(cluster(**{"sasl.password": "hunter2"}))

    read = CollectorSettings.model_validate_json(handed_on.model_dump_json())

    assert read == handed_on
    assert read.cluster.client == {"sasl.password": "hunter2"}


@pytest.mark.parametrize(
    ("include", "exclude", "name", "wanted"),
    [
        ((), (), "anything", True),
        (("game-.*",), (), "game-consumer", True),
        (("game",), (), "game-consumer", False),
        (("a|game",), (), "game-consumer", False),
        (("game-.*",), ("game-con.*",), "game-consumer", False),
        ((), ("tmp-.*",), "my-tmp-1", True),
        ((".*",), (), "two\nlines", True),
        ((), (".*",), "two\nlines", False),
    ],
)
def test_a_selection(
    include: tuple[str, ...], exclude: tuple[str, ...], name: str, *, wanted: bool
) -> None:
    """Patterns match the whole name, no include takes all, exclude wins."""
    selection = Selection.model_validate({"include": include, "exclude": exclude})

    assert selection.accepts(name) is wanted


def test_what_is_excluded_is_not_watched_though_it_is_named() -> None:
    """Exclude wins over names as it does over patterns; of all named there has to be one left."""
    static = {"settle": ["plays"], "tmp-settle": ["plays"]}

    groups = Groups.model_validate({"static": static, "exclude": ["tmp-.*"]})

    assert groups.static == {"settle": ("plays",)}
    with pytest.raises(ValidationError, match="names no group that exclude leaves"):
        Groups.model_validate({"static": static, "exclude": [".*"]})


def test_what_a_look_at_a_record_needs_cannot_be_set() -> None:
    """Each property that it overrides is refused, so that none is set in vain."""
    assert {*PROPERTIES, "isolation.level"} <= OURS_ALONE


def test_patterns_go_over_the_pipe_as_they_are() -> None:
    """The collector reads a name with a line break as its parent does."""
    read = Groups.model_validate_json(Groups(include=(re.compile(".*"),)).model_dump_json())

    assert read.accepts("two\nlines")
    assert not read.accepts("console-consumer-\n")


def test_console_consumers_are_left_out() -> None:
    """The groups of the command-line consumer are nobody's to be woken for."""
    assert not Groups().accepts("console-consumer-4711")
    assert Groups().accepts("game-consumer")


def test_the_collector_is_told_where_its_secrets_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path of a secret goes to the collector, so that it can see the file change."""
    secret = tmp_path / "password"
    secret.write_text("hunter2\n")
    client = {"sasl.password_file": str(secret), "sasl.username": "ada"}
    monkeypatch.setenv(
        "LAGMON_CLUSTERS",
        json.dumps([{"name": "a", "bootstrap_servers": "kafka:1", "client": client}]),
    )

    settings = load()
    made = settings.collector(settings.clusters[0])

    assert made.secret_files == {"sasl.password": str(secret)}
    assert "password" not in repr(made)
