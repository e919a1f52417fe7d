"""What a doctor tries on this machine: the state file and the files of secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lagmon.configuration.settings import Settings
from lagmon.doctor.findings import Level
from lagmon.doctor.trials import files, of_state, secrets
from lagmon.state.keeper import dumps

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_that_can_be_made_is_good_and_nothing_is_left(tmp_path: Path) -> None:
    """Neither the file nor what was tried is there afterwards."""
    assert of_state(tmp_path / "state").level is Level.OK
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    """Somebody may be serving with it."""
    path = tmp_path / "state"
    path.write_text(dumps({}))

    assert of_state(path).level is Level.OK
    assert [each.read_text() for each in tmp_path.iterdir()] == [dumps({})]


def test_a_file_that_is_not_understood_is_told_and_not_moved(tmp_path: Path) -> None:
    """`lagmon serve` would set it aside; a doctor does not."""
    path = tmp_path / "state"
    path.write_text("half a file")

    told = of_state(path)

    assert told.level is Level.WARNING
    assert "no JSON" in told.what
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("place", ["nowhere/state", "file/state"])
def test_a_folder_that_is_none_cannot_be_written(tmp_path: Path, place: str) -> None:
    """A folder is never made for it, by lagmon neither."""
    (tmp_path / "file").touch()

    told = of_state(tmp_path / place)

    assert told.level is Level.FAILED
    assert "cannot be written: N" in told.what  # "No such file", "Not a directory"


def test_a_path_that_is_not_set_is_a_warning() -> None:
    """It works without a memory, too."""
    assert of_state(None).level is Level.WARNING


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Give settings with a secret in every place that there is for one."""
    for name in ("kafka", "password", "token", "signing", "ca", "routing"):
        (tmp_path / name).write_text(f"{name}-secret\n")
    cluster = {
        "name": "x",
        "bootstrap_servers": "kafka:9092",
        "client": {
            "sasl.username": "ada",
            "sasl.password_file": str(tmp_path / "kafka"),
            "ssl.key.password": "key-secret",
            "ssl.ca.location": str(tmp_path / "ca"),
        },
    }
    managers = [
        {"url": "http://u:in%2Furl@am:1"},
        {"url": "https://am:2", "username": "u", "password_file": tmp_path / "password"},
        {"url": "https://am:3", "bearer_token_file": tmp_path / "token"},
    ]
    hook = {"url": "https://hook", "secret_file": tmp_path / "signing"}
    pager = {"routing_key_file": tmp_path / "routing"}
    return Settings.model_validate(
        {"clusters": [cluster], "alertmanagers": managers, "webhooks": [hook], "pagerduty": pager}
    )


def test_every_secret_is_known_in_order_to_be_taken_out(settings: Settings) -> None:
    """Of properties, files and addresses, as written there and as meant; no name of a user."""
    assert secrets(settings) >= {
        "kafka-secret",
        "key-secret",
        "in/url",
        "in%2Furl",
        "password-secret",
        "token-secret",
        "signing-secret",
        "routing-secret",
    }
    assert not secrets(settings) & {"ada", "u", ""}


def test_every_file_that_is_named_is_counted(settings: Settings) -> None:
    """All of them were read, or the settings would not be."""
    assert {path.rpartition("/")[2] for path in files(settings)} == {
        "kafka",
        "ca",
        "password",
        "token",
        "signing",
        "routing",
    }
