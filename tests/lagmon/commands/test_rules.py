"""What `lagmon rules` writes of the settings beside the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from lagmon import cli

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
clusters: [{name: local, bootstrap_servers: "127.0.0.1:9092"}]
links: {runbook: "https://wiki.example/{rule}"}
rules: {KafkaConsumerLag: {runbook: "https://wiki.example/own"}}
"""


def test_prometheus_leads_to_the_runbook_that_lagmon_leads_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The address for all rules has the name put in; a rule's own comes first."""
    config = tmp_path / "lagmon.yml"
    config.write_text(CONFIG)

    assert cli.main(["rules", "--config", str(config)]) == 0

    groups = yaml.safe_load(capsys.readouterr().out)["groups"]
    alerts = [rule for each in groups for rule in each["rules"] if "alert" in rule]
    leads = {rule["alert"]: rule["annotations"]["runbook_url"] for rule in alerts}
    assert leads.pop("KafkaConsumerLag") == "https://wiki.example/own"
    assert leads == {name: f"https://wiki.example/{name}" for name in leads}
    assert "KafkaClusterBlind" in leads


COARSE = """
metrics: {granularity: %s}
rules:
  Own: {condition: lag > 5, scope: partition, overrides: [{groups: a, threshold: 6}]}
  Wide: {condition: seconds > 5, scope: topic}
"""


@pytest.mark.parametrize("granularity", ["group", "topic"])
def test_a_rule_that_finds_no_series_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], granularity: str
) -> None:
    """Prometheus says nothing of an alert that cannot fire; whoever writes the rules is told."""
    config = tmp_path / "lagmon.yml"
    config.write_text(COARSE % granularity)

    assert cli.main(["rules", "--config", str(config)]) == 0

    why = f"metrics.granularity is {granularity}; series of partitions need partition"
    assert capsys.readouterr().err.splitlines() == [
        f"lagmon: Own: never fires in Prometheus: {why}",
        f"lagmon: Wide: never fires in Prometheus: {why}",
        "lagmon: KafkaConsumerStuck: misses groups that commit without members in Prometheus: "
        + why,
    ]


def test_where_partitions_have_series_every_rule_finds_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is nothing to be told of."""
    config = tmp_path / "lagmon.yml"
    config.write_text(COARSE % "partition")

    assert cli.main(["rules", "--config", str(config)]) == 0

    assert capsys.readouterr().err == ""
