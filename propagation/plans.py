"""What all spans and measurements of one client's operation on one topic have in common.

Names and attributes are put together when a topic is first seen and used per message afterwards;
once more when the client's cluster is known, which `propagation.clusters` asks for. The number of
topics kept is bounded. Values only: nothing here starts or records anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from propagation import conventions as names
from propagation.clusters import Asking
from propagation.headers import NO_NAMES

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from propagation.options import Options, TopicPolicy

_MAX_TOPICS: Final = 4096  # plans kept; a topic name made up per message must not fill the memory
_MAX_MEASURED: Final = 4096  # of one topic: partitions, times the errors that were met


# Not among what the conventions put on a measurement.
_OF_SPANS: Final = frozenset((names.CLIENT_ID, names.CLUSTER_ID))


class Plan:
    """What one operation on one topic shares: the span's name, attributes, the topic's policy.

    *baggage_keys* may come in with a message, where the topic is one whose traces are continued.
    """

    __slots__ = ("_measured", "attributes", "baggage_keys", "follows", "name", "trust")

    def __init__(
        self,
        name: str,
        attributes: dict[str, AttributeValue],
        policy: TopicPolicy,
        baggage_keys: frozenset[str],
    ) -> None:
        self.name = name
        self.attributes = attributes
        self.trust = policy.trust
        self.follows = policy.follows
        self.baggage_keys = baggage_keys if policy.trust == "continue" else NO_NAMES
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
        made = {k: v for k, v in self.attributes.items() if k not in _OF_SPANS}
        if partition is not None and partition >= 0:
            made[names.PARTITION] = str(partition)
        if error:
            made[names.ERROR_TYPE] = error
        self._measured[partition, error] = made
        return made


class Plans:
    """The plans of one client for one operation, by topic. *shared* is on all its spans.

    What is not known of a client at its start joins them by `share` or `learn_from`.
    """

    __slots__ = ("_ask", "_operation", "_unsettled", "known", "options", "shared")

    def __init__(self, operation: str, shared: dict[str, AttributeValue], options: Options) -> None:
        self.options = options
        self._operation = operation
        self.shared = shared
        self._ask: Asking | None = None
        self.known: dict[str, Plan] = {}
        self._unsettled: dict[str, Plan] = {}  # of topics met while the cluster is not known

    def of(self, topic: str) -> Plan:
        """Give the plan for *topic*, made when the topic is first seen."""
        plan = self.known.get(topic)
        return self._made(topic) if plan is None else plan

    def learn_from(self, *owner: Any) -> None:
        """Ask for the cluster, as `Asking` made of *owner* does, until it is known."""
        self._ask = Asking(*owner)

    def share(self, attributes: dict[str, AttributeValue]) -> None:
        """Put *attributes* on all spans from now on, beside what is shared already."""
        self.shared = self.shared | attributes
        self.known, self._unsettled = {}, {}

    def _made(self, topic: str) -> Plan:
        if self._ask is not None and (cluster := self._ask()):
            self._ask = None
            self.share({names.CLUSTER_ID: cluster})
        kept = self.known if self._ask is None else self._unsettled
        plan = kept.get(topic)
        if plan is not None:
            return plan
        if len(kept) >= _MAX_TOPICS:
            kept.clear()
        text = encodable(topic)
        plan = kept[topic] = Plan(
            names.span_name(self._operation, text),
            names.shared_attributes(self._operation, text) | self.shared,
            self.options.policy(topic),
            self.options.baggage_keys,
        )
        return plan


def encodable(text: str) -> str:
    """Replace lone surrogates: one of them on a span costs an exporter its whole batch."""
    return text if text.isascii() else text.encode(errors="replace").decode()
