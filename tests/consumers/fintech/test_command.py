"""``consumers fintech`` as it is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.infra.ports import free_port
from tests.infra.product import Product, address
from tests.infra.wait import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ORDER = {"play_id": "play-1", "player_id": "lovelace", "bet": 250, "payout": 0}


@pytest.fixture
def product() -> Iterator[Product]:
    """Give our commands, with neither Kafka nor a database configured."""
    with Product(kafka="") as product:
        del product.environment["CONSUMERS_BOOTSTRAP_SERVERS"]
        del product.environment["CONSUMERS_DATABASE_URL"]
        yield product


def settle(url: str) -> httpx.Response:
    """Ask for a settlement."""
    headers = {"Idempotency-Key": "play-1"}
    address = f"{url}/v1/settlements"
    return httpx.post(address, json=ORDER, headers=headers, timeout=PATIENCE_SECONDS)


def test_it_needs_nothing(product: Product) -> None:
    """Without Kafka and Postgres it is alive and ready, counts, logs no player, and ends by 0."""
    partner = product.fintech()
    url = address(partner)

    settled = settle(url)
    probes = [
        httpx.get(f"{url}/{one}", timeout=PATIENCE_SECONDS)
        for one in ("healthz", "readyz", "metrics")
    ]
    code = partner.stop()

    assert settled.status_code == 201
    assert [one.status_code for one in probes] == [200, 200, 200]
    assert 'route="/v1/settlements",status="201"} 1.0' in probes[2].text
    assert "lovelace" not in "".join(partner.lines())
    assert code == 0, partner.tail()


def test_the_port_may_be_given_on_the_command_line(product: Product) -> None:
    """`--port` wins over everything else; one that is taken is told in one line."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    assert address(product.fintech(CONSUMERS_PORT=str(port))) == url

    ended = product.run("consumers", "fintech", "--port", str(port))

    assert ended.returncode == 1
    assert ended.stdout.count('"service_failed"') == 1
    assert str(port) in ended.stdout.splitlines()[-1]


def test_its_book_outlives_a_kill(product: Product, tmp_path: Path) -> None:
    """Killed and started again on the same file, it knows what it has settled."""
    book = {"CONSUMERS_FINTECH_LEDGER": str(tmp_path / "book")}
    first = product.fintech(**book)
    settled = settle(address(first))
    first.kill()

    again = settle(address(product.fintech(**book)))

    assert (settled.status_code, again.status_code) == (201, 200)
    assert settled.json() == again.json()


def test_a_book_that_cannot_be_read_is_one_line(product: Product, tmp_path: Path) -> None:
    """What is no book ends it with 1, and is left as it is."""
    path = tmp_path / "book"
    path.write_text("once upon a time\n")

    ended = product.run("consumers", "fintech", CONSUMERS_FINTECH_LEDGER=str(path))

    assert ended.returncode == 1
    assert ended.stdout.count('"service_failed"') == 1
    assert path.read_text() == "once upon a time\n"
