"""The secrets of the compose file: made once, kept, closed to others, never in the repository."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from tests.deploy.files import COMPOSE, DEPLOY, ROOT, read

PASSWORDS = ["postgres_password", "postgres_exporter_password", "grafana_admin_password"]


def make(folder: Path) -> str:
    """Run the script on *folder*; give what it says."""
    script = ["sh", str(DEPLOY / "secrets.sh"), str(folder)]
    return subprocess.run(script, check=True, capture_output=True, text=True).stdout


def test_a_second_run_keeps_the_password(tmp_path: Path) -> None:
    """Databases keep the passwords that they were created with, so the script does too."""
    make(tmp_path)
    first = {name: (tmp_path / name).read_text() for name in PASSWORDS}

    make(tmp_path)

    assert {len(password) for password in first.values()} == {48}
    assert {name: (tmp_path / name).read_text() for name in PASSWORDS} == first


def test_each_service_has_a_password_of_its_own(tmp_path: Path) -> None:
    """Who knows one of them knows no other."""
    make(tmp_path)

    assert len({(tmp_path / name).read_text() for name in PASSWORDS}) == len(PASSWORDS)


def test_every_secret_of_the_compose_file_is_made(tmp_path: Path) -> None:
    """After one run each file is there that Docker would otherwise miss, and can be read inside."""
    make(tmp_path)

    for secret in read(COMPOSE)["secrets"].values():
        file = tmp_path / Path(secret["file"]).name
        assert file.stat().st_size > 0
        assert file.stat().st_mode & stat.S_IROTH


def test_two_machines_have_two_passwords(tmp_path: Path) -> None:
    """A password is drawn at random, not shipped."""
    make(tmp_path / "one")
    make(tmp_path / "two")

    drawn = {(tmp_path / each / "postgres_password").read_text() for each in ("one", "two")}

    assert len(drawn) == 2


def test_other_users_of_the_machine_cannot_look(tmp_path: Path) -> None:
    """The folder is its owner's alone; a container's user can read the file mounted from it."""
    folder = tmp_path / "secrets"

    make(folder)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / "database_url").stat().st_mode & stat.S_IROTH


@pytest.mark.parametrize("name", ["pagerduty_routing_key", "slack_api_url"])
def test_a_missing_secret_of_who_is_told_is_named(tmp_path: Path, name: str) -> None:
    """Without PagerDuty's key or Slack's address the script says where it belongs; with it not."""
    secret = tmp_path / "alertmanager" / name

    before = make(tmp_path)
    secret.write_text("a secret")

    assert str(secret) in before
    assert name not in make(tmp_path)


@pytest.mark.parametrize("name", ["pagerduty_routing_key", "slack_api_url"])
def test_a_secret_that_was_put_there_can_be_read_inside(tmp_path: Path, name: str) -> None:
    """Alertmanager runs as another user: a file closed to it would silence the channel."""
    make(tmp_path)
    secret = tmp_path / "alertmanager" / name
    secret.write_text("a secret")
    secret.chmod(0o600)

    make(tmp_path)

    assert secret.stat().st_mode & stat.S_IROTH


def test_git_takes_no_secret() -> None:
    """What the script writes is ignored by git, in whichever folder below deploy/secrets."""
    names = [*PASSWORDS, "database_url", "alertmanager/pagerduty_routing_key"]
    paths = [f"deploy/secrets/{name}" for name in names]

    done = subprocess.run(
        ["git", "check-ignore", "--no-index", *paths],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    if done.returncode == 128:
        pytest.skip("not a git checkout: nothing is tracked")
    assert done.stdout.split() == paths
