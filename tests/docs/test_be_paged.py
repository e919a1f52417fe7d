"""The how-to on being paged runs as it stands, to a real Alertmanager and a stand-in phone."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from lagmon import cli
from lagmon.configuration.sources import load
from propagation.integrations import logs
from tests.docs.pages import blocks
from tests.infra.pagerduty import ROUTING_KEY, PagerDuty
from tests.infra.ports import free_port
from tests.infra.process import Service
from tests.infra.require import need
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = "how-to/be-paged.md"
WAIT_SECONDS = 60
INSTALL = "install the Debian package prometheus-alertmanager"


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Put the logging back after a command that ran inside this process."""
    yield
    logs.restore()


def texts(language: str) -> list[str]:
    """Give the blocks of the page in *language*."""
    return [block.text for block in blocks(PAGE) if block.language == language]


def placed(folder: Path, content: dict[str, Any], name: str) -> str:
    """Write *content* into *folder*, with the files that it names in there too; give its path."""
    text = json.dumps(content)
    for outer in ("/etc/alertmanager", "/var/lib/lagmon", "/run/secrets"):
        text = text.replace(outer, str(folder))
    path = folder / name
    path.write_text(text)
    return str(path)


def ready(url: str) -> bool:
    """Tell whether the Alertmanager at *url* serves."""
    try:
        return httpx.get(f"{url}/-/ready", timeout=30).is_success
    except httpx.TransportError:
        return False


def test_the_test_alert_of_the_page_rings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Alertmanager takes the page's file, and lagmon's P1 is an event of PagerDuty at once."""
    binary = need("prometheus-alertmanager|alertmanager", INSTALL)
    (tmp_path / "pagerduty_routing_key").write_text(ROUTING_KEY)
    routes, ours, _ = [yaml.safe_load(text) for text in texts("yaml")]
    where = f"127.0.0.1:{free_port()}"
    ours["alertmanagers"][0]["url"] = f"http://{where}"
    config = placed(tmp_path, ours, "lagmon.yml")
    with PagerDuty() as pagerduty:
        routes["global"] = {"pagerduty_url": pagerduty.url}
        command = [
            binary,
            f"--config.file={placed(tmp_path, routes, 'alertmanager.yml')}",
            f"--storage.path={tmp_path / 'data'}",
            f"--web.listen-address={where}",
            "--cluster.listen-address=",
        ]
        with Service(command, name="alertmanager"):
            until(lambda: ready(f"http://{where}"), timeout=WAIT_SECONDS, what="Alertmanager")
            assert cli.main(["notify-test", "--config", config, "--priority", "P1"]) == 0
            (event,) = until(pagerduty.events, timeout=WAIT_SECONDS, what="the phone")

    assert capsys.readouterr().out == texts("text")[0].replace("localhost:9093", where)
    assert event["payload"]["summary"] == (
        "P1 Cluster production: a test of notifications; there is nothing to do"
    )


@pytest.mark.parametrize(
    ("priority", "receiver"), [("P0", "phone"), ("P1", "phone"), ("P2", "screen"), ("P3", "screen")]
)
def test_what_wakes_somebody_rings(tmp_path: Path, priority: str, receiver: str) -> None:
    """With the page's routes an alert that is worse than a P1 rings as well."""
    routes = placed(tmp_path, yaml.safe_load(texts("yaml")[0]), "alertmanager.yml")
    command = [need("amtool", INSTALL), "config", "routes", "test", f"--config.file={routes}"]

    done = subprocess.run(
        [*command, f"priority={priority}"], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.split() == [receiver]


def test_what_stands_beside_it_is_read(tmp_path: Path) -> None:
    """A webhook and the fallback are added to the same file."""
    _, ours, beside = [yaml.safe_load(text) for text in texts("yaml")]
    for name in ("lagmon-webhook", "lagmon-pagerduty"):
        (tmp_path / name).write_text(ROUTING_KEY)

    settings = load(tmp_path / placed(tmp_path, ours | beside, "lagmon.yml"))

    assert settings.pagerduty is not None
    assert settings.pagerduty.routing_key_file == tmp_path / "lagmon-pagerduty"
    assert [each.secret_file for each in settings.webhooks] == [tmp_path / "lagmon-webhook"]
