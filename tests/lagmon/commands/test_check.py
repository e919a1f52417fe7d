"""``lagmon check-config`` and the web configuration file that the settings name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from lagmon import cli
from lagmon.configuration.sources import load
from tests.lagmon.as_it_was import process_as_it_was

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """Give a settings file that names a web configuration file."""
    path = tmp_path / "lagmon.yml"
    clusters = [{"name": "local", "bootstrap_servers": "127.0.0.1:9092"}]
    web = {"config_file": str(tmp_path / "web.yml")}
    path.write_text(yaml.safe_dump({"clusters": clusters, "web": web}))
    return path


def test_the_web_configuration_is_checked_too(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong with it stands under its own name."""
    web = settings.with_name("web.yml")
    web.write_text("basic_auth_users: {ann: hunter2}")

    code = cli.main(["check-config", str(settings)])

    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert said.err.startswith(f"lagmon: {web}: basic_auth_users.ann: is no bcrypt hash")
    assert "hunter2" not in said.err


def test_a_good_web_configuration_is_good(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is said of it."""
    settings.with_name("web.yml").write_text("")

    assert cli.main(["check-config", str(settings)]) == 0
    assert capsys.readouterr().err == ""


def test_serving_refuses_a_web_configuration_that_is_wrong(
    settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is served without the protection that was asked for: here the file is not there."""
    with process_as_it_was():
        code = cli.main(["serve", "--config", str(settings)])

    assert code == 2
    assert "cannot be read: No such file" in capsys.readouterr().err


def test_the_flag_wins_over_the_file(settings: Path) -> None:
    """As every flag does; the rest of the part stays."""
    web = load(settings, web_config_file="other.yml").web

    assert (str(web.config_file), web.port) == ("other.yml", 10308)
