"""The page on the web configuration says what the code does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml

from lagmon.web.connections import Limits
from lagmon.webconfig.document import HEADERS, Document, HttpServer, TlsServer
from lagmon.webconfig.passwords import MOST_WAITING
from tests.docs.pages import DOCS, blocks

if TYPE_CHECKING:
    from lagmon.configuration.parts import Part

PAGE = (DOCS / "reference/lagmon-web.md").read_text()
INLINE = {"cert", "key", "client_ca"}  # refused, and said so below the table
REFUSED = {"curve_preferences", "rate_limit"}


def test_every_key_of_the_file_is_on_the_page() -> None:
    """The table has what is read; what is refused stands below it."""
    parts: dict[str, type[Part]] = {
        "tls_server_config": TlsServer,
        "http_server_config": HttpServer,
    }
    keys = {f"{name}.{key}" for name, part in parts.items() for key in part.model_fields}
    keys |= set(Document.model_fields) - parts.keys()
    row = re.compile(r"^\| `((?:tls|http)_server_config\.\w+|\w+_users)` \|", re.MULTILINE)
    listed = set(row.findall(PAGE))

    assert {key.rpartition(".")[2] for key in keys - listed} == INLINE | REFUSED
    assert listed <= keys
    for name in (*INLINE, *REFUSED, *HEADERS):
        assert f"`{name}`" in PAGE


@pytest.mark.parametrize(
    ("row", "value"),
    [
        ("TLS handshake", f"{Limits().handshake_seconds:.0f} s"),
        (
            "request, from its first byte to the last of its body",
            f"{Limits().request_seconds:.0f} s",
        ),
        ("answer that the client does not take", f"{Limits().answer_seconds:.0f} s"),
        ("connection without a request", f"{Limits().idle_seconds} s"),
        ("request line and headers", f"{Limits().head_bytes // 1024} KiB"),
        ("path and query", f"{Limits().target_bytes // 1024} KiB"),
        ("body", f"{Limits().body_bytes // 1024} KiB"),
    ],
)
def test_every_limit_is_the_one_on_the_page(row: str, value: str) -> None:
    """The numbers are those of the code."""
    assert f"\n| {row} | {value} |" in PAGE


def test_the_number_of_passwords_that_wait_is_on_the_page() -> None:
    """The same for the queue before bcrypt."""
    assert f" {MOST_WAITING} wait at most" in PAGE


def test_the_example_of_the_guide_is_a_good_one() -> None:
    """Its keys and its hash are taken; the files are the reader's own."""
    example, _ = [b.text for b in blocks("how-to/secure-lagmon.md") if b.language == "yaml"]

    document = Document(**yaml.safe_load(example))

    assert document.tls_server_config is not None
    assert document.tls_server_config.client_allowed_sans == ("prometheus.example",)
    assert set(document.basic_auth_users) == {"prometheus"}
