"""What the compose file tells the exporters, and asks of their health, tried on real ones."""

from __future__ import annotations

import os
import re
import subprocess

import httpx
import pytest

from tests.deploy.files import DEPLOY, services
from tests.infra.endpoint import Endpoint, Request, Response
from tests.infra.ports import free_port
from tests.infra.process import Service
from tests.infra.require import need
from tests.infra.wait import until


def health_url(name: str) -> httpx.URL:
    """Give the address that the health check of service *name* asks."""
    *_, url = services()[name]["healthcheck"]["test"]
    return httpx.URL(url)


def options(name: str) -> list[str]:
    """Give the command of service *name* for a program on this machine.

    Which collectors run is left out for Postgres: Debian's exporter is too old to be asked.
    """
    moved = {"/etc/blackbox": str(DEPLOY / "blackbox"), "=/host": "=/"}
    command = " ".join(services()[name].get("command", [])).replace("$$", "$")
    for inside, here in moved.items():
        command = command.replace(inside, here)
    words = command.split()
    return [word for word in words if name != "postgres-exporter" or "collector." not in word]


@pytest.mark.parametrize("name", ["node-exporter", "blackbox-exporter", "postgres-exporter"])
def test_an_exporter_takes_its_options_and_is_healthy(name: str) -> None:
    """It starts with the options of the compose file, and answers its health check by 200."""
    program = need(f"prometheus-{name}", f"apt-get install prometheus-{name}")
    asked, port = health_url(name), free_port()
    command = [program, *options(name), f"--web.listen-address=127.0.0.1:{port}"]
    environment = {**os.environ, "DATA_SOURCE_NAME": f"postgresql://127.0.0.1:{free_port()}/none"}

    def answers() -> httpx.Response | None:
        assert exporter.running, exporter.tail()
        try:
            return httpx.get(asked.copy_with(port=port), timeout=30)
        except httpx.TransportError:
            return None

    with Service(command, env=environment, name=name) as exporter:
        answer = until(answers, timeout=60, what=f"{name} to answer")

    assert answer.status_code == 200


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_alloys_health_is_told_by_the_status_alone(status: int, healthy: bool) -> None:  # noqa: FBT001 - a case's two halves
    """The shell of Alloy's image asks `/-/ready`: well is 200, whatever the page says."""
    paths: list[str] = []

    def answer(request: Request) -> Response:
        paths.append(request.path)
        return Response(status, b"not 200 but something else")

    with Endpoint(answer) as endpoint:
        done = alloys_check(httpx.URL(endpoint.address).port or 0)

    assert done == healthy
    assert paths == ["/-/ready"]


def test_alloy_that_is_away_is_not_healthy() -> None:
    """Where nobody listens the check fails."""
    assert not alloys_check(free_port())


def alloys_check(port: int) -> bool:
    """Run the health check of Alloy against *port*; tell whether it is content."""
    _, shell, option, script = services()["alloy"]["healthcheck"]["test"]
    here = re.sub(r"/127\.0\.0\.1/\d+", f"/127.0.0.1/{port}", script.replace("$$", "$"))
    assert here != script
    program = need(shell, "apt-get install bash")
    return subprocess.run([program, option, here], capture_output=True, check=False).returncode == 0
