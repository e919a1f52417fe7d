"""Files that a configuration names, and what becomes of it when they change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from lagmon.collector.client import Client
from lagmon.collector.files import Files
from lagmon.configuration.settings import Cluster

if TYPE_CHECKING:
    from pathlib import Path


def cluster(**client: str) -> Cluster:
    """Build a cluster with these properties."""
    return Cluster(name="test", bootstrap_servers="127.0.0.1:1", client={**client})


def test_a_secret_that_changes_is_read_again(tmp_path: Path) -> None:
    """The new password counts from the moment its file holds it, without its line break."""
    secret = tmp_path / "password"
    secret.write_text("old\n")
    files = Files(cluster(**{"sasl.password": "old"}), {"sasl.password": str(secret)})

    first = files.changed()
    secret.write_text("newer\n")
    second, third = files.changed(), files.changed()

    assert (first, second, third) == (False, True, False)
    assert files.cluster.client == {"sasl.password": "newer"}


def test_a_secret_that_changed_before_the_collector_started_counts(tmp_path: Path) -> None:
    """A collector that is started anew is handed what lagmon read long ago; it looks itself."""
    secret = tmp_path / "password"
    secret.write_text("new")
    files = Files(cluster(**{"sasl.password": "old"}), {"sasl.password": str(secret)})

    assert files.changed()
    assert files.cluster.client == {"sasl.password": "new"}


def test_a_secret_that_is_gone_counts_as_it_was(tmp_path: Path) -> None:
    """While a file is being replaced the old password stands, and the log says why."""
    secret = tmp_path / "password"
    secret.write_text("old")
    files = Files(cluster(**{"sasl.password": "old"}), {"sasl.password": str(secret)})
    files.changed()

    secret.unlink()
    with structlog.testing.capture_logs() as logs:
        changed = files.changed()

    assert not changed
    assert files.cluster.client == {"sasl.password": "old"}
    (line,) = logs
    assert (line["event"], line["property"]) == ("secret_unreadable", "sasl.password")


def test_a_certificate_that_is_replaced_wants_a_new_client(tmp_path: Path) -> None:
    """Certificates are read when a client is made alone; one replaced by a rename is seen."""
    kept, new = tmp_path / "client.pem", tmp_path / "new.pem"
    kept.write_text("certificate")
    new.write_text("certificate of the same size"[:11])
    files = Files(cluster(**{"ssl.certificate.location": str(kept)}), {})
    first = files.changed()

    kept.unlink()
    gone = files.changed()
    new.rename(kept)

    assert (first, gone, files.changed(), files.changed()) == (False, False, True, False)


def test_a_client_is_replaced_when_its_password_changes(tmp_path: Path) -> None:
    """The next client is made with the new password; without a change the client stays."""
    secret = tmp_path / "password"
    secret.write_text("old")
    client = Client(cluster(**{"sasl.password": "old"}), {"sasl.password": str(secret)})
    first = client.admin
    client.refresh()
    same = client.admin

    secret.write_text("newer")
    client.refresh()

    assert first is same
    assert client.admin is not first
    assert client.cluster.client["sasl.password"] == "newer"
