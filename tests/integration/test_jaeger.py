"""One play where traces are kept: in Jaeger if it is at hand, else in the OTLP receiver."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.infra.jaeger import Jaeger, binary
from tests.infra.otlp import OtlpReceiver
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.conftest import Game


class Stored(NamedTuple):
    """A span as the store gives it: its own id, its parent's (empty for a root), its name."""

    span_id: str
    parent: str
    name: str


class Store(NamedTuple):
    """Where spans are sent, and how a trace is read back."""

    endpoint: str
    trace: Callable[[str], list[Stored]]


@pytest.fixture
def store() -> Iterator[Store]:
    """Give Jaeger, or the receiver that stands in for it."""
    with ExitStack() as stack:
        if binary():
            jaeger = stack.enter_context(Jaeger())
            yield Store(jaeger.endpoint, lambda trace_id: from_jaeger(jaeger, trace_id))
        else:
            receiver = stack.enter_context(OtlpReceiver())
            yield Store(receiver.endpoint, lambda trace_id: from_receiver(receiver, trace_id))


def from_jaeger(jaeger: Jaeger, trace_id: str) -> list[Stored]:
    """Read a trace by Jaeger's API.

    Jaeger merges a span's parent with a link to the same span into one reference, FOLLOWS_FROM;
    its UI draws the tree by the first reference, of either kind. So is it read here.
    """
    return [
        Stored(
            span["spanID"],
            span["references"][0]["spanID"] if span["references"] else "",
            span["operationName"],
        )
        for span in jaeger.trace(trace_id)
    ]


def from_receiver(receiver: OtlpReceiver, trace_id: str) -> list[Stored]:
    """Read a trace out of what the receiver has kept."""
    return [
        Stored(span.span_id, span.parent_span_id, span.name)
        for span in receiver.spans()
        if span.trace_id == trace_id
    ]


def test_a_play_is_one_tree_in_the_store_of_traces(game: Game, store: Store) -> None:
    """The response's trace id leads to one tree: request, send, process, the writes below it."""
    game.product.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = store.endpoint
    game.start_api()
    game.start_worker()
    trace_id = game.post().headers["x-trace-id"]

    spans = until(lambda: whole(store.trace(trace_id), game.topic), timeout=60, what="the tree")

    by_id = {span.span_id: span for span in spans}
    roots = [span for span in spans if not span.parent]
    assert [root.name for root in roots] == ["POST /game/slots/play"]
    assert all(span.parent in by_id for span in spans if span.parent)
    (process,) = [span for span in spans if span.name == f"process {game.topic}"]
    assert by_id[process.parent].name == f"send {game.topic}"
    assert by_id[by_id[process.parent].parent] == roots[0]
    assert {s.parent for s in spans if s.name.startswith("INSERT")} == {process.span_id}


def whole(spans: list[Stored], topic: str) -> list[Stored] | None:
    """Give *spans* once all kinds of them have arrived."""
    names = {span.name for span in spans}
    wanted = {"POST /game/slots/play", f"send {topic}", f"process {topic}"}
    return spans if wanted <= names and any(name.startswith("INSERT") for name in names) else None
