"""The rule file for Prometheus: what is written, and that promtool finds it right."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from lagmon import cli
from lagmon.alerts.conditions import Measure, above, in_state
from lagmon.alerts.rulefile import entries, inhibit_rules, rule_file, span, text, unwritten
from lagmon.alerts.rules import (
    KAFKA_CLUSTER_BLIND,
    KAFKA_CONSUMER_LAG,
    KAFKA_CONSUMER_STUCK,
    KAFKA_LAG_UNKNOWN,
    SHIPPED,
    Override,
    Scope,
)
from lagmon.alerts.ruletests import rule_tests
from lagmon.metrics import REGISTER
from lagmon.model import State
from tests.deploy.files import ALERTMANAGER, RULES, read
from tests.deploy.promql import metrics_of
from tests.infra.require import need

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lagmon.alerts.rules import Rule


def own(name: str, measure: Measure, scope: Scope, threshold: float) -> Rule:
    """Build a rule of one's own."""
    return replace(KAFKA_CONSUMER_LAG, name=name, scope=scope, condition=above(threshold, measure))


EVERY = tuple(
    own(f"{measure.title()}{scope.title()}", measure, scope, threshold)
    for measure, threshold in (
        (Measure.LAG, 1000),
        (Measure.SECONDS, 300),
        (Measure.RETENTION, 0.8),
    )
    for scope in Scope
)
PARTED = KAFKA_CONSUMER_LAG.changed(
    Override(
        groups="settle.*|audit",
        exceptions=(
            Override(groups=r"settle\.eu-.+", threshold=5, for_seconds=0.5, owner='the "eu" team'),
            Override(groups="settle-test", enabled=False),
            Override(groups="settle-[a-f]", keep_firing_for_seconds=90),
        ),
        annotations=(("how", "see {{ this }}"),),
        runbook="https://wiki.example/lag",
    )
)
STATES = replace(
    KAFKA_CONSUMER_LAG, name="Recreated", condition=in_state(State.BEYOND_END), for_seconds=0
)


def promtool(*arguments: str | Path) -> str:
    """Run promtool; give what it wrote, or fail with it."""
    program = need("promtool", "apt-get install prometheus")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def alerts(rules: Sequence[Rule], **named: Sequence[str]) -> list[dict[str, Any]]:
    """Give the alerting rules that are written for *rules*."""
    groups = rule_file(rules, named)["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


each_set = pytest.mark.parametrize(
    "rules",
    [SHIPPED, EVERY, (PARTED,), (STATES,)],
    ids=["shipped", "every measure and scope", "parted", "states"],
)


@each_set
def test_promtool_finds_the_file_and_its_tests_right(
    rules: tuple[Rule, ...], tmp_path: Path
) -> None:
    """It has nothing to remark on the rules, and each of the written tests is true."""
    (tmp_path / "lagmon.yml").write_text(text(rule_file(rules, {"a-cluster": ["a.group"]})))
    (tmp_path / "test.yml").write_text(text(rule_tests(rules, "lagmon.yml")))

    said = promtool("check", "rules", tmp_path / "lagmon.yml")
    promtool("test", "rules", tmp_path / "test.yml")

    assert "duplicate" not in said
    tried = rule_tests(rules, "lagmon.yml")["tests"]
    assert len(tried) == 3 * len(list(entries(rules))), "fires, is silent, is held back"


def test_promtool_is_told_the_order_of_the_groups() -> None:
    """What alerts look up is recorded first: promtool itself takes groups in any order."""
    groups = rule_file(SHIPPED, {})["groups"]

    ordered = rule_tests(SHIPPED, "lagmon.yml")["group_eval_order"]

    assert ordered == [group["name"] for group in groups]
    assert all("record" in rule for rule in groups[0]["rules"])


@each_set
def test_what_is_asked_for_is_exported(rules: tuple[Rule, ...]) -> None:
    """Every metric of the file is in lagmon's register, or recorded by the file itself."""
    written = [
        each for group in rule_file(rules, {"c": ["g"]})["groups"] for each in group["rules"]
    ]
    recorded = {each["record"] for each in written if "record" in each}
    exported = {metric.name for metric in REGISTER}

    asked = [metrics_of(each["expr"]) for each in written]

    assert all(asked)
    assert set().union(*asked) <= exported | recorded


@each_set
def test_what_is_tried_is_exported(rules: tuple[Rule, ...]) -> None:
    """Every series of the file's tests is one of a metric in lagmon's register, with its labels."""
    labels = {metric.name: set(metric.labels) for metric in REGISTER}
    tried = rule_tests(rules, "lagmon.yml")["tests"]

    for series in (each["series"] for test in tried for each in test["input_series"]):
        name, _, rest = series.partition("{")
        assert set(re.findall(r'(\w+)="', rest)) == labels[name]


def test_the_tests_can_fail(tmp_path: Path) -> None:
    """Written for other limits, they find the file wrong."""
    (tmp_path / "lagmon.yml").write_text(text(rule_file(SHIPPED, {})))
    other = tuple(each.changed(Override(for_seconds=40)) for each in SHIPPED)
    (tmp_path / "test.yml").write_text(text(rule_tests(other, "lagmon.yml")))

    with pytest.raises(AssertionError, match="FAILED"):
        promtool("test", "rules", tmp_path / "test.yml")


def test_the_shipped_rules_are_those_of_the_compose_file() -> None:
    """Expression, time and labels of each are among those that are shipped for Prometheus.

    Beside them stand the rules of the compose file's own configuration.
    """
    groups = read(RULES / "lag.yml")["groups"]
    shipped = {
        rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule
    }

    for written in alerts(SHIPPED):
        for part in ("expr", "for", "labels"):
            assert written[part] == shipped[written["alert"]][part]


def test_the_groups_of_an_exception_are_taken_from_the_rule() -> None:
    """Each group has one limit: the first that matches, as in lagmon."""
    first, third, rest = alerts([PARTED])

    common = 'group=~"settle.*|audit"'
    assert f'{{{common}, group=~"settle\\\\.eu-.+"}}) > 5' in first["expr"]
    assert first["for"] == "500ms"
    assert first["labels"]["owner"] == 'the "eu" team'
    assert f'{{{common}, group=~"settle-[a-f]", group!~' in third["expr"]
    assert third["keep_firing_for"] == "90s"
    assert rest["expr"].count("group!~") == 3
    assert "for_groups" not in rest["labels"]


def test_a_pattern_that_no_name_can_be_made_up_for_has_no_test() -> None:
    """The rule is written all the same; an exception for nobody is neither."""
    odd = KAFKA_CONSUMER_LAG.changed(
        Override(exceptions=(Override(groups=r"(?=x)y\d{3}"), Override(threshold=1)))
    )

    assert len(alerts([odd])) == 2
    assert len(rule_tests([odd], "lagmon.yml")["tests"]) == 3


def test_a_text_is_no_template() -> None:
    """What people wrote arrives as they wrote it, braces too."""
    assert alerts([PARTED])[0]["annotations"]["how"] == 'see {{ "{{" }} this }}'


def test_groups_that_are_named_are_alive_from_the_start() -> None:
    """As in lagmon: whoever names a group wants to be told of it."""
    (memory, _) = rule_file(SHIPPED, {"local": ["a.b", "c"]})["groups"]
    (alive, _) = memory["rules"]

    assert '{kafka_cluster="local", group=~"a\\\\.b|c"}' in alive["expr"]


def test_states_of_partitions_are_not_written() -> None:
    """They are no metrics; the rule holds in lagmon alone, and the command says so."""
    rule = replace(STATES, scope=Scope.PARTITION)

    assert alerts([rule]) == []
    assert unwritten([rule, *SHIPPED]) == ["Recreated"]


@pytest.mark.parametrize(
    ("rule", "more"),
    [
        (KAFKA_CONSUMER_LAG, "why, on which partition, the oldest uncommitted record and its"),
        (KAFKA_CONSUMER_STUCK, "why, on which partition, the oldest uncommitted record and its"),
        (KAFKA_LAG_UNKNOWN, "why it cannot be read, in the words of the broker."),
        (KAFKA_CLUSTER_BLIND, "what the brokers answered, if anything."),
        (own("A", Measure.LAG, Scope.PARTITION, 5), "why, the oldest uncommitted record and its"),
        (own("A", Measure.SECONDS, Scope.CLUSTER, 5), "which of its groups, and why."),
    ],
    ids=lambda each: getattr(each, "name", ""),
)
def test_what_an_alert_points_to_fits_what_it_is_about(rule: Rule, more: str) -> None:
    """Nobody is sent to look for a record of a whole cluster, or of a group without a value."""
    (alert,) = alerts([rule])

    assert f"The page of lagmon says more: {more}" in alert["annotations"]["description"]


def test_alertmanager_is_shipped_with_what_is_written() -> None:
    """The two inhibitions come first: lagmon before the copy, the lag before the state."""
    written = inhibit_rules()

    assert len(written) == 2
    assert read(ALERTMANAGER)["inhibit_rules"][:2] == written


@pytest.mark.parametrize(
    ("seconds", "written"), [(15, "15s"), (0.5, "500ms"), (1.25, "1250ms"), (7200, "7200s")]
)
def test_a_length_of_time_is_written_for_prometheus(seconds: float, written: str) -> None:
    """It knows no fractions."""
    assert span(seconds) == written


def test_the_command_writes_to_standard_output(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a word it is the rule file of what is shipped, whatever the environment says."""
    monkeypatch.setenv("LAGMON_RULES", '{"KafkaConsumerLag": {"threshold": 5}}')

    assert cli.main(["rules"]) == 0

    written = capsys.readouterr().out
    assert yaml.safe_load(written) == rule_file(SHIPPED, {})


def test_the_command_writes_three_files(tmp_path: Path) -> None:
    """Promtool takes the tests as they lie there, beside the rules that the configuration gives."""
    config = tmp_path / "lagmon.yml"
    config.write_text("rules: {KafkaConsumerLag: {threshold: 5}}")
    out = tmp_path / "prometheus"

    assert cli.main(["rules", "--config", str(config), "--out", str(out)]) == 0

    promtool("test", "rules", out / "lagmon-test.yml")
    assert "> 5" in (out / "lagmon.yml").read_text()
    assert read(out / "alertmanager-inhibit.yml") == {"inhibit_rules": inhibit_rules()}


def test_the_command_says_what_it_could_not_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rule without a metric, and a folder that is a file."""
    config = tmp_path / "lagmon.yml"
    config.write_text("rules: {Own: {condition: state in lost, scope: partition}}")

    assert cli.main(["rules", "--config", str(config), "--out", str(config / "x")]) == 1

    said = capsys.readouterr().err
    assert "lagmon: Own: not written" in said
    assert "cannot be written: Not a directory" in said
