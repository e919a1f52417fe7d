"""What one span can say of many messages: its name, its attributes, its links.

What all messages of a batch have in common stands on the span, what differs stands on the links
(semantic conventions 1.44.0, messaging, batches).

A span keeps a limited number of links and drops others: 128, or what OTEL_SPAN_LINK_COUNT_LIMIT or
the provider's own limits say. Here none is lost: links beyond the limit go to child spans of the
batch, ``links TOPIC``, each as full as may be and ended at once. Where the limit is 0 there are no
links and no such spans.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link

from propagation import conventions as names
from propagation.carrier import current_format
from propagation.headers import NO_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from confluent_kafka import Message
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from propagation.options import TopicPolicy
    from propagation.spans import ProcessSpans

    Place = dict[str, AttributeValue]

_LINKS_PER_SPAN: Final = 128  # OpenTelemetry's default limit; a higher one does no harm


def start_batch(messages: Iterable[Message], spans: ProcessSpans) -> Span:
    """Start the span that stands for all *messages*; an invalid one where there are no records.

    Errors of the client among *messages* are left out. The span links to the context of every
    message that the policy for its topic lets it know of.
    """
    records = [message for message in messages if message.error() is None]
    if not records:
        return trace.INVALID_SPAN
    places = [_place(record) for record in records]
    shared = _take_shared(places)
    links = _links(records, places, spans)
    topic = str(shared.pop(names.DESTINATION, ""))
    shared[names.BATCH_COUNT] = len(records)
    span = spans.start_batch(topic, shared, links[:_LINKS_PER_SPAN])
    if span.is_recording():
        _record_others(span, topic, links, spans)
    return span


def _place(record: Message) -> Place:
    """Tell where *record* is from: what a link says of it unless all messages share it."""
    topic = record.topic() or ""
    if not topic.isascii():
        topic = topic.encode(errors="replace").decode()  # no exporter takes a lone surrogate
    place: Place = {names.DESTINATION: topic}
    partition, offset = record.partition(), record.offset()
    if partition is not None:
        place[names.PARTITION] = str(partition)
    if offset is not None:
        place[names.OFFSET] = offset
    return place


def _take_shared(places: list[Place]) -> Place:
    """Take out of *places* what is the same in all. An offset is one record's own, always."""
    first, *others = places
    shared = {
        name: value
        for name, value in first.items()
        if name != names.OFFSET and all(other.get(name) == value for other in others)
    }
    for place in places:
        for name in shared:
            del place[name]
    return shared


def _links(records: list[Message], places: list[Place], spans: ProcessSpans) -> list[Link]:
    policies: dict[str, TopicPolicy] = {}
    links: list[Link] = []
    for record, place in zip(records, places, strict=True):
        topic = record.topic() or ""
        if topic not in policies:
            policies[topic] = spans.options.policy(topic)
        if policies[topic].follows == "none":
            continue
        carried = current_format().read(record.headers(), Context(), NO_NAMES)
        origin = trace.get_current_span(carried).get_span_context()
        if origin.is_valid:
            links.append(Link(origin, place))
    return links


def _record_others(span: Span, topic: str, links: list[Link], spans: ProcessSpans) -> None:
    """Put the *links* that *span* did not keep on children of it."""
    read: Any = span  # the SDK's tells what it dropped; a span that cannot tell keeps what it got
    dropped = getattr(read, "dropped_links", 0)
    kept = min(len(links), _LINKS_PER_SPAN) - dropped
    others = links[:dropped] + links[_LINKS_PER_SPAN:]  # it drops the first
    if kept > 0:
        for first in range(0, len(others), kept):
            spans.record_links(topic, span, others[first : first + kept])
