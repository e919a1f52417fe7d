"""The how-to for asyncio runs as it stands, and prints what it says it prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from confluent_kafka import aio
from opentelemetry.trace import StatusCode

import propagation
from propagation.testing import captured_spans
from tests.docs.pages import DOCS, blocks

if TYPE_CHECKING:
    import pytest

    from tests.docs.clusters import Cluster

PAGE = "how-to/async.md"


def test_async(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """Every message of the page has a send span that ended well; one of them is processed."""
    names: dict[str, Any] = {"__name__": "how_to"}
    with captured_spans() as spans:
        for block in blocks(PAGE):
            if block.language == "python":
                cluster.run(block.text, PAGE, names)
            else:
                assert capsys.readouterr().out == block.text

    told = [cluster.told(span.name) for span in spans]
    assert told.count("send orders") == 102
    assert told.count("process orders") == 1
    assert {span.status.status_code for span in spans} == {StatusCode.UNSET}


def test_the_table_names_every_client() -> None:
    """Each class of the real module has its row, and its name here."""
    text = (DOCS / PAGE).read_text()

    for name in aio.__all__:
        assert f"| `confluent_kafka.aio.{name}` | `propagation.{name}` |" in text
        assert name in propagation.__all__
