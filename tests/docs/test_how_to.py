"""The how-tos run as they stand, on a mock and a real Kafka, and print what they say they print."""

from __future__ import annotations

import pkgutil
import re
from typing import TYPE_CHECKING, Any

import pytest

from propagation.testing import captured_spans, drawn
from tests.docs.pages import DOCS, blocks, run

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from tests.docs.clusters import Cluster

IDS = [(r"\b[0-9a-f]{32}\b", "<trace id>"), (r"\b[0-9a-f]{16}\b", "<span id>")]


def follow(
    page: str, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> tuple[list[ReadableSpan], str]:
    """Run all code of *page* in its order; compare its output, and give its spans and picture."""
    names: dict[str, Any] = {"__name__": "how_to"}
    picture = ""
    with captured_spans() as spans:
        for block in blocks(page):
            if block.language == "python":
                cluster.run(block.text, page, names)
            elif block.language == "text":
                assert cluster.told(without_ids(capsys.readouterr().out)) == block.text
            elif block.language == "picture":
                picture = block.text.rstrip("\n")
    assert capsys.readouterr().out == ""
    return spans, picture


def without_ids(text: str) -> str:
    """Replace what differs each time."""
    for pattern, name in IDS:
        text = re.sub(pattern, name, text)
    return text


def test_wrap_a_producer(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """Every way to send that the page shows carries a trace; only ours have a send span."""
    spans, _ = follow("how-to/wrap-a-producer.md", cluster, capsys)

    assert [cluster.told(span.name) for span in spans].count("send orders") == 5
    assert all(span.status.is_ok or span.status.is_unset for span in spans)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        pair
        for page in ("how-to/wrap-a-producer.md", "how-to/wrap-a-consumer.md")
        for pair in re.findall(
            r"^\| `(confluent_kafka[\w.]*)` \| `(propagation\.\w+)` \|$",
            (DOCS / page).read_text(),
            flags=re.MULTILINE,
        )
    ],
)
def test_a_class_is_what_it_replaces(theirs: str, ours: str) -> None:
    """Where a page says what to import, that is a subclass of what was imported before."""
    real, traced = (pkgutil.resolve_name(name) for name in (theirs, ours))

    assert issubclass(traced, real)


def test_wrap_a_consumer(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """Every scope that the page shows names group and topic, and one of them failed."""
    spans, _ = follow("how-to/wrap-a-consumer.md", cluster, capsys)

    process = f"process {cluster.name('orders')}"
    scopes = [span.attributes or {} for span in spans if span.name == process]
    groups = {str(attributes["messaging.consumer.group.name"]) for attributes in scopes}
    assert len(scopes) == 8
    assert {cluster.told(group) for group in groups} == {"billing"}
    assert [one["error.type"] for one in scopes if "error.type" in one] == ["LookupError"]


def test_retry_topics(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    """From the request to the dead letter it is one trace, and every try is an error."""
    spans, picture = follow("how-to/retry-topics.md", cluster, capsys)

    tries = [span for span in spans if span.name.startswith("process")]
    assert cluster.told(drawn(spans)) == picture
    assert [(span.attributes or {}).get("error.type") for span in tries] == ["TimeoutError"] * 3


CHAPTERS = [block for block in blocks("how-to/test-your-consumer.md") if block.language == "python"]


def test_test_your_consumer() -> None:
    """The tests that the page shows pass."""
    names: dict[str, Any] = {"__name__": "how_to"}
    for block in CHAPTERS:
        run(block.text, "how-to/test-your-consumer.md", "", names)
    tests = {name: value for name, value in names.items() if name.startswith("test_")}

    for test in tests.values():
        cases = [mark.args for mark in getattr(test, "pytestmark", [])]
        for name, values in cases or [("", [None])]:
            for value in values:
                test(**({name: value} if name else {}))
    assert len(tests) == 5


def test_a_shown_test_can_fail() -> None:
    """With a handler that forgets its scope the page's own tests of the trace are red."""
    names: dict[str, Any] = {"__name__": "how_to"}
    forgetful = CHAPTERS[0].text.replace("with processing(message):", "if True:")
    for block in (CHAPTERS[0]._replace(text=forgetful), *CHAPTERS[1:]):
        run(block.text, "how-to/test-your-consumer.md", "", names)

    for name in ("test_an_order_is_billed_in_its_customers_trace", "test_the_trace_of_an_order"):
        with pytest.raises(AssertionError):
            names[name]()
