"""What a consumer tells of receiving and settling: counts, durations, and spans where wanted.

``poll``, ``consume`` and ``commit`` stay the real methods and give what those give. While no meter
provider is set and no poll spans are asked for, each is one question dearer than the real one.
A poll that brings nothing is told nowhere: an idle consumer must not fill a backend.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import cimpl
from opentelemetry.trace import INVALID_SPAN_CONTEXT, Link, SpanKind, Status, StatusCode

from propagation import conventions as names
from propagation import instruments
from propagation.clusters import cluster_of
from propagation.contexts import get_current, is_suppressed, span_in
from propagation.failures import error_text, error_type
from propagation.headers import NO_NAMES
from propagation.origins import read_origin
from propagation.plans import Plans
from propagation.recorders import finish, recorder
from propagation.spans import ProcessSpans, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from confluent_kafka import Message
    from opentelemetry.context import Context
    from opentelemetry.util.types import AttributeValue

# The unbound method: looking it up through super() costs a quarter of the call.
_poll: Final[Callable[..., Message | None]] = cimpl.Consumer.poll


class ClientSpans:
    """Start, end and measure the ``poll`` and ``commit`` operations of one consumer."""

    __slots__ = ("_commits", "_polls", "_process", "_wish", "has_polls", "is_new", "watches")

    def __init__(self, consumer: ProcessSpans, *, is_new: bool = False) -> None:
        shared, options = names.client_attributes(*consumer.identity), consumer.options
        self._polls = Plans(names.POLL, shared, options)
        self._commits = Plans(names.COMMIT, shared, options)
        self.has_polls = options.poll_spans
        self._wish = options.commit_spans
        self._process = consumer.plans
        self.is_new = is_new  # its cluster is to be learnt
        self.watches = self.has_polls or is_new

    @property
    def are_wanted(self) -> bool:
        """Whether anybody wants to be told of what is polled."""
        return self.watches or instruments.current() is not None

    def meet(self, client: cimpl.Consumer) -> None:
        """Learn the cluster of *client*, which this thread has just polled, unless it is known.

        Where several threads poll one consumer it may wait for another's poll, as any poll does.
        """
        if self.is_new and (cluster := cluster_of(client)):
            self.is_new, self.watches = False, self.has_polls
            for plans in (self._polls, self._commits, self._process):
                plans.share({names.CLUSTER_ID: cluster})

    def polled(self, messages: Sequence[Message], began_ns: int, *, is_batch: bool) -> None:
        """Tell of *messages* that one call gave, begun at *began_ns* of `time.time_ns`."""
        records = [message for message in messages if message.error() is None]
        if not records or is_suppressed(get_current()):
            return
        heard = instruments.current()
        if heard is not None:
            for record in records:
                plan = self._polls.of(record.topic() or "")
                heard.consumed_messages.add(1, plan.measured(record.partition()))
            taken = (time.time_ns() - began_ns) / 1e9
            topic, partition = _place(records)
            heard.operation_duration.record(taken, self._polls.of(topic).measured(partition))
        if self.has_polls:
            self._tell(records, began_ns, is_batch=is_batch)

    def _tell(self, records: Sequence[Message], began_ns: int, *, is_batch: bool) -> None:
        """Record the span ``poll TOPIC``, which links to the context of every record."""
        topic, partition = _place(records)
        plan = self._polls.of(topic)
        attributes = plan.attributes | _located(partition)
        if is_batch:
            attributes[names.BATCH_COUNT] = len(records)
        else:
            attributes |= _located(None, records[0].offset())
            describe(attributes, records[0].key(), records[0].value())
        here = get_current()
        links = [
            Link(origin)
            for record in records
            if self._polls.of(record.topic() or "").follows != "none"
            if (origin := read_origin(record.headers(), here, NO_NAMES)[1]) is not None
        ]
        self._record(plan.name, attributes, links, began_ns, None)

    def committed(self, subject: object, began_ns: int, error: BaseException | None) -> None:
        """Tell of a commit that was begun at *began_ns*, and how it ended.

        *subject*: the message or the list of partitions it was called with, if it was.
        """
        here = get_current()
        if is_suppressed(here):
            return
        topic, partition, offset = _settled(subject)
        plan = self._commits.of(topic)
        failed = "" if error is None else error_type(error)
        heard = instruments.current()
        if heard is not None:
            taken = (time.time_ns() - began_ns) / 1e9
            heard.operation_duration.record(taken, plan.measured(partition, failed))
        if not self._has_commit(here):
            return
        links: list[Link] = []
        if isinstance(subject, cimpl.Message) and plan.follows != "none":
            origin = read_origin(subject.headers(), here, NO_NAMES)[1]
            links = [] if origin is None else [Link(origin)]
        attributes = plan.attributes | _located(partition, offset)
        self._record(plan.name, attributes, links, began_ns, error)

    def _has_commit(self, here: Context) -> bool:
        """Tell whether a commit that is made *here* is to be a span."""
        if self._wish != "traced":
            return self._wish == "always"
        around = span_in(here)
        return around.is_recording() or around.get_span_context().trace_flags.sampled

    @staticmethod
    def _record(
        name: str,
        attributes: dict[str, AttributeValue],
        links: list[Link],
        began_ns: int,
        error: BaseException | None,
    ) -> None:
        here = get_current()
        parent = span_in(here).get_span_context() if here else INVALID_SPAN_CONTEXT
        maker = recorder()
        if maker.dropped(parent) is not None:
            return
        span = maker.start(name, SpanKind.CLIENT, attributes, links, None, parent, began_ns)
        last: dict[str, AttributeValue] = {}
        if error is not None:
            last[names.ERROR_TYPE] = error_type(error)
            span.set_status(Status(StatusCode.ERROR, error_text(error)))
        finish(span, last)


class Receiving(cimpl.Consumer):
    """The real consumer, which tells `client_spans` of what it receives and settles."""

    client_spans: ClientSpans = ClientSpans(ProcessSpans())

    def poll(self, *args: Any, **kwargs: Any) -> Message | None:
        """Give the next message or None; as the real method."""
        if instruments.current() is None and not self.client_spans.watches:
            return _poll(self, *args, **kwargs)
        began_ns = time.time_ns()
        message = _poll(self, *args, **kwargs)
        if message is not None:
            self.client_spans.meet(self)
            self.client_spans.polled((message,), began_ns, is_batch=False)
        return message

    def consume(self, *args: Any, **kwargs: Any) -> list[Message]:
        """Give several messages; as the real method."""
        began_ns = time.time_ns()
        messages = super().consume(*args, **kwargs)
        if messages and self.client_spans.are_wanted:
            self.client_spans.meet(self)
            self.client_spans.polled(messages, began_ns, is_batch=True)
        return messages

    def commit(self, *args: Any, **kwargs: Any) -> Any:
        """Commit offsets; as the real method. The span ``commit TOPIC`` lasts as long as the call.

        With ``asynchronous=True``, the default, that is until it is handed over, not until the
        broker has it.
        """
        began_ns = time.time_ns()
        subject = subject_of(*args, **kwargs)
        try:
            done = super().commit(*args, **kwargs)
        except BaseException as error:
            self.client_spans.committed(subject, began_ns, error)
            raise
        self.client_spans.committed(subject, began_ns, None)
        return done


def subject_of(*args: Any, **kwargs: Any) -> object:
    """Give the message or the list of partitions among the arguments of a commit; None if none."""
    # By type, not by truth: a message without a value is an empty one.
    given = (kwargs.get("message"), kwargs.get("offsets"), *args)
    return next((one for one in given if isinstance(one, cimpl.Message | list)), None)


def _place(records: Sequence[Message]) -> tuple[str, int | None]:
    """Give topic and partition that all *records* are of; empty and None where they differ."""
    return _shared([(record.topic() or "", record.partition()) for record in records])


def _settled(subject: object) -> tuple[str, int | None, int | None]:
    """Give the one topic, partition and record that a commit is about, as far as there is one."""
    if isinstance(subject, cimpl.Message):
        return subject.topic() or "", subject.partition(), subject.offset()
    if not isinstance(subject, list):
        return "", None, None
    # An offset in such a list is the next record's, and names none.
    places = [(str(getattr(one, "topic", "")), getattr(one, "partition", None)) for one in subject]
    return *_shared(places), None


def _shared(places: list[tuple[str, int | None]]) -> tuple[str, int | None]:
    topics = {topic for topic, _ in places}
    if len(topics) != 1:
        return "", None
    partitions = {partition for _, partition in places}
    return topics.pop(), partitions.pop() if len(partitions) == 1 else None


def _located(partition: int | None, offset: int | None = None) -> dict[str, AttributeValue]:
    """Give the attributes for *partition* and *offset*, as far as they are known."""
    located: dict[str, AttributeValue] = {}
    if partition is not None and partition >= 0:
        located[names.PARTITION] = str(partition)
    if offset is not None and offset >= 0:
        located[names.OFFSET] = offset
    return located
