"""The web configuration file changes: what holds then, and what is said of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from structlog.testing import capture_logs

from lagmon.webconfig.live import LiveWebConfig
from tests.infra.certificates import Authority
from tests.lagmon.webconfig.test_document import HASH

if TYPE_CHECKING:
    from pathlib import Path

TLS = {"cert_file": "server.pem", "key_file": "server.key"}
ASKED = {"client_ca_file": "authority.pem", "client_auth_type": "RequireAndVerifyClientCert"}
FULL = {"tls_server_config": {**TLS, **ASKED}, "basic_auth_users": {"ann": HASH}}


class File:
    """A web configuration file with the certificates beside it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "web.yml"
        self.authority = Authority(folder)
        self.authority.sign("server")

    def write(self, **content: Any) -> None:
        """Replace what the file holds."""
        self.path.write_text(yaml.safe_dump(content) if content else "")


@pytest.fixture
def file(tmp_path: Path) -> File:
    """Give a file that asks for everything."""
    made = File(tmp_path)
    made.write(**FULL)
    return made


def test_nothing_is_read_again_that_has_not_changed(file: File) -> None:
    """What is current stays the very same."""
    live = LiveWebConfig(file.path)
    before = live.current

    assert not live.refresh()
    assert live.current is before


def test_a_change_of_the_file_holds_from_then_on(file: File) -> None:
    """A further header is there after the next look."""
    live = LiveWebConfig(file.path)
    file.write(**FULL, http_server_config={"headers": {"X-Frame-Options": "deny"}})

    assert live.refresh()
    assert live.current.headers == {"X-Frame-Options": "deny"}


@pytest.mark.parametrize("name", ["server", "authority"])
def test_a_certificate_that_is_replaced_is_read(name: str, file: File) -> None:
    """The file that names it need not change."""
    live = LiveWebConfig(file.path)
    before = live.current.context
    certificate = file.path.parent / f"{name}.pem"
    later = certificate.stat().st_mtime_ns + 10**9  # the clock of a file system goes in steps
    os.utime(certificate, ns=(later, later))

    assert live.refresh()
    assert live.current.context is not before


def test_half_of_a_change_keeps_what_was(file: File) -> None:
    """A new certificate whose key is not there yet waits for it, and is said once."""
    live = LiveWebConfig(file.path)
    before = live.current
    key = (file.path.parent / "server.key").read_bytes()
    file.authority.sign("server")
    new_key = (file.path.parent / "server.key").read_bytes()
    (file.path.parent / "server.key").write_bytes(key)

    with capture_logs() as lines:
        assert [live.refresh() for _ in range(3)] == [False] * 3

    assert live.current is before
    assert [line["event"] for line in lines] == ["web_config_not_read"]
    assert "do not belong together" in str(live.problem)
    (file.path.parent / "server.key").write_bytes(new_key)
    assert live.refresh()
    assert live.problem is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "tls_server_config: comes and goes with a restart alone"),
        ({"basic_auth_users": {"ann": HASH}}, "tls_server_config: comes and goes"),
        ({"tls_server_config": {**TLS, **ASKED}}, "basic_auth_users: are gone"),
        ({"tls_server_config": TLS, "basic_auth_users": {"ann": HASH}}, "asks clients for less"),
    ],
)
def test_protection_is_not_lost_by_a_change(content: dict[str, Any], said: str, file: File) -> None:
    """A file that is just being written, and so is short, opens nothing."""
    live = LiveWebConfig(file.path)
    before = live.current
    file.write(**content)

    assert not live.refresh()
    assert live.current is before
    assert said in str(live.problem)


def test_a_file_that_is_gone_keeps_what_was(file: File) -> None:
    """Also when it comes back as it was."""
    live = LiveWebConfig(file.path)
    before = live.current
    content = file.path.read_bytes()
    file.path.unlink()

    assert not live.refresh()
    assert (live.current, live.problem is None) == (before, False)
    file.path.write_bytes(content)
    assert live.refresh()
    assert live.problem is None


def test_what_is_said_of_a_broken_file_holds_no_secret(file: File) -> None:
    """Neither a hash nor a password that was written in its place."""
    live = LiveWebConfig(file.path)
    file.write(**{**FULL, "basic_auth_users": {"ann": "hunter2", "bob": HASH}})

    with capture_logs() as lines:
        live.refresh()

    assert len(lines) == 1
    assert "hunter2" not in str(lines)
    assert HASH not in str(lines)
    assert HASH not in repr(live.current)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("basic_auth_users:\n  ? [ann]\n  : hash\n", "is no YAML: line 2 breaks its rules"),
        ('basic_auth_users: {"\\ud800": "' + HASH + '"}\n', "a character that cannot be printed"),
        ('tls_server_config: {cert_file: "a\\0b", key_file: c}\n', "is no name of a file"),
    ],
)
def test_nothing_odd_in_the_file_ends_the_looking(content: str, said: str, file: File) -> None:
    """It is a problem like any other: the next certificate is read all the same."""
    live = LiveWebConfig(file.path)
    file.path.write_text(content)

    assert not live.refresh()
    assert said in (live.problem or "")

    file.write(**FULL, http_server_config={"headers": {"X-Frame-Options": "deny"}})
    assert live.refresh()
