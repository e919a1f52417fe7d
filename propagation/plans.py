"""What all spans and measurements of one client's operation on one topic have in common.

Names and attributes are put together when a topic is first seen and used per message afterwards.
The number of topics kept is bounded. Values only: nothing here starts or records anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from propagation import conventions as names

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from propagation.options import Options, TopicPolicy

_MAX_TOPICS: Final = 4096  # plans kept; a topic name made up per message must not fill the memory
_MAX_MEASURED: Final = 4096  # of one topic: partitions, times the errors that were met


class Plan:
    """What one operation on one topic shares: the span's name, attributes, the topic's policy."""

    __slots__ = ("_measured", "attributes", "follows", "name", "trust")

    def __init__(
        self, name: str, attributes: dict[str, AttributeValue], policy: TopicPolicy
    ) -> None:
        self.name = name
        self.attributes = attributes
        self.trust = policy.trust
        self.follows = policy.follows
        self._measured: dict[tuple[int | None, str], dict[str, AttributeValue]] = {}

    def measured(self, partition: int | None, error: str = "") -> dict[str, AttributeValue]:
        """Give the attributes of a measurement; *error* is an ``error.type``, empty for none.

        The same dict for the same arguments: not to be changed.
        """
        known = self._measured.get((partition, error))
        if known is not None:
            return known
        if len(self._measured) >= _MAX_MEASURED:
            self._measured.clear()
        made = {k: v for k, v in self.attributes.items() if k != names.CLIENT_ID}
        if partition is not None and partition >= 0:
            made[names.PARTITION] = str(partition)
        if error:
            made[names.ERROR_TYPE] = error
        self._measured[partition, error] = made
        return made


class Plans:
    """The plans of one client for one operation, by topic. *shared* is on all its spans."""

    __slots__ = ("_operation", "_plans", "_shared", "options")

    def __init__(self, operation: str, shared: dict[str, AttributeValue], options: Options) -> None:
        self.options = options
        self._operation = operation
        self._shared = shared
        self._plans: dict[str, Plan] = {}

    def of(self, topic: str) -> Plan:
        """Give the plan for *topic*, made when the topic is first seen."""
        plan = self._plans.get(topic)
        return self._made(topic) if plan is None else plan

    def _made(self, topic: str) -> Plan:
        if len(self._plans) >= _MAX_TOPICS:
            self._plans.clear()
        text = encodable(topic)
        plan = self._plans[topic] = Plan(
            names.span_name(self._operation, text),
            names.shared_attributes(self._operation, text) | self._shared,
            self.options.policy(topic),
        )
        return plan


def encodable(text: str) -> str:
    """Replace lone surrogates: one of them on a span costs an exporter its whole batch."""
    return text if text.isascii() else text.encode(errors="replace").decode()
