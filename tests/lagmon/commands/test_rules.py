"""What `lagmon rules` writes of the settings beside the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from lagmon import cli

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

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
