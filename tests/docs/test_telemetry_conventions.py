"""The names on the telemetry page against the conventions: the specification and its package.

`opentelemetry-semantic-conventions` publishes the names, deprecated ones marked; which of them are
asked of which span stands in the specification alone, and is written out here.
"""

from __future__ import annotations

import ast
import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from opentelemetry.metrics import NoOpMeter
from opentelemetry.semconv._incubating.attributes import messaging_attributes
from opentelemetry.semconv._incubating.attributes.messaging_attributes import (
    MessagingOperationTypeValues,
    MessagingSystemValues,
)
from opentelemetry.semconv._incubating.metrics import messaging_metrics
from opentelemetry.semconv.attributes import (
    error_attributes,
    network_attributes,
    server_attributes,
)
from opentelemetry.semconv.schemas import Schemas

from propagation import conventions, instruments
from tests.docs.pages import table, text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from opentelemetry.metrics import Counter, Histogram

PAGE = "reference/telemetry.md"
NAMES = (conventions.SEND, conventions.POLL, conventions.PROCESS, conventions.COMMIT)

# What the conventions ask of each kind of span and of metrics, required, recommended or opt-in:
# `model/messaging/{spans,kafka,metrics}.yaml` at v1.44.0, where Kafka's refine the general ones.
EVERY_SPAN = """
    error.type messaging.system messaging.operation.name messaging.operation.type
    messaging.destination.name messaging.destination.template messaging.destination.partition.id
    messaging.message.id messaging.message.conversation_id messaging.client.id
    messaging.kafka.cluster.id server.address server.port
"""
ONE_RECORD = "messaging.kafka.message.key messaging.kafka.message.tombstone messaging.kafka.offset"
A_BROKER = "network.peer.address network.peer.port"
A_SIZE = "messaging.message.body.size messaging.message.envelope.size"
A_GROUP = "messaging.consumer.group.name"
A_COUNT = "messaging.batch.message_count"
ASKED = {
    "send": f"{EVERY_SPAN} {ONE_RECORD} {A_BROKER} {A_SIZE}",
    "poll": f"{EVERY_SPAN} {ONE_RECORD} {A_BROKER} {A_SIZE} {A_GROUP} {A_COUNT}",
    "process": f"{EVERY_SPAN} {ONE_RECORD} {A_SIZE} {A_GROUP}",
    "batch": f"{EVERY_SPAN} {A_SIZE} {A_GROUP} {A_COUNT}",
    "commit": f"{EVERY_SPAN} {A_BROKER} {A_GROUP} messaging.kafka.offset",
}
ASKED_OF_METRICS = """
    error.type messaging.system messaging.operation.name messaging.operation.type
    messaging.destination.name messaging.destination.template messaging.destination.partition.id
    messaging.destination.subscription.name messaging.consumer.group.name server.address server.port
"""
OTHER_SYSTEMS = ("rabbitmq", "rocketmq", "gcp_pubsub", "servicebus", "eventhubs")


def published(module: ModuleType) -> set[str]:
    """Give the names that *module* of OpenTelemetry's own package holds, without deprecated ones.

    A constant's text stands below it and begins with "Deprecated" where it is.
    """
    found: set[str] = set()
    body = ast.parse(Path(str(module.__file__)).read_text()).body
    for constant, below in itertools.pairwise(body):
        if not isinstance(constant, ast.AnnAssign) or not isinstance(below, ast.Expr):
            continue
        assert isinstance(constant.value, ast.Constant)
        assert isinstance(below.value, ast.Constant)
        if not str(below.value.value).strip().startswith("Deprecated"):
            found.add(str(constant.value.value))
    return {name for name in found if name.split(".")[1] not in OTHER_SYSTEMS}


def refused() -> set[str]:
    """Give the names that the page says are not recorded."""
    return {
        name
        for row in table(PAGE, "Not recorded, and why")[1:]
        for name in re.findall(r"`([^`]+)`", row[0])
    }


@pytest.mark.parametrize("kind", ASKED)
def test_what_is_asked_of_a_span_is_recorded_or_refused(kind: str) -> None:
    """Each name has an entry in its span's column, or a reason why no span has it."""
    head, *body = table(PAGE, "Attributes")
    recorded = {row[0].strip("`") for row in body if row[head.index(kind)]}
    asked = set(ASKED[kind].split())
    if kind == "poll":
        asked.remove("error.type")  # a poll that failed has no span: the page says why

    assert asked - recorded == refused() & asked


def test_nothing_is_both_recorded_and_refused() -> None:
    """A name stands in one table alone, and each refusal has its reason."""
    listed = [
        row[0].strip("`") for name in ("Attributes", "Metrics") for row in table(PAGE, name)[1:]
    ]

    assert len(listed) == len(set(listed))
    assert not refused() & set(listed)
    assert all(row[1] for row in table(PAGE, "Not recorded, and why")[1:])


def test_what_is_asked_of_metrics_is_recorded_or_refused() -> None:
    """Each attribute is one of the listed, or has a reason why it is not."""
    [sentence] = re.findall(r"Their attributes are (.*), as far as known", text(PAGE))
    listed, asked = set(re.findall(r"`([^`]+)`", sentence)), set(ASKED_OF_METRICS.split())

    assert asked - listed == refused() & asked
    assert listed <= asked


def test_no_name_of_the_conventions_is_forgotten() -> None:
    """All that OpenTelemetry's own package publishes for messaging and Kafka is on the page."""
    names = published(messaging_attributes) | published(messaging_metrics)
    on_page = {
        row[0].strip("`") for name in ("Attributes", "Metrics") for row in table(PAGE, name)[1:]
    }

    assert len(names) > 20
    assert names - on_page - refused() == set()


def test_no_name_is_made_up() -> None:
    """Whatever is called as the conventions' names are is one of theirs, and not deprecated."""
    modules = (
        messaging_attributes, messaging_metrics, error_attributes, server_attributes,
        network_attributes,
    )  # fmt: skip
    known = set().union(*map(published, modules))
    spelt = [value for name, value in vars(conventions).items() if name.isupper()]
    ours = {name for name in spelt if isinstance(name, str) and re.fullmatch(r"[a-z_.]+", name)}
    asked = set(f"{' '.join(ASKED.values())} {ASKED_OF_METRICS}".split())

    assert {name for name in ours | asked | refused() if "." in name} - known == {
        "propagation.queue_time_seconds",
        "propagation.queue_time",
        "propagation.end_to_end_time",
    }


def test_operation_types_and_version_are_the_conventions() -> None:
    """The types are of the closed list, the system is Kafka's, the schema is a published one."""
    types = {value.value for value in MessagingOperationTypeValues}
    told = {conventions.shared_attributes(name, "")[conventions.OPERATION_TYPE] for name in NAMES}

    assert told <= types
    assert MessagingSystemValues.KAFKA.value == conventions.KAFKA
    assert conventions.SCHEMA_URL in {schema.value for schema in Schemas}


class Noted(NoOpMeter):
    """A meter that notes what is made with it."""

    def __init__(self) -> None:
        super().__init__("test")
        self.made: set[tuple[str, str, str]] = set()

    def create_counter(self, name: str, unit: str = "", description: str = "") -> Counter:
        """Note a counter."""
        self.made.add(("counter", name, unit))
        return super().create_counter(name, unit, description)

    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Sequence[float] | None = None,  # noqa: ARG002  # the interface
    ) -> Histogram:
        """Note a histogram."""
        self.made.add(("histogram", name, unit))
        return super().create_histogram(name, unit, description)


def test_instruments_are_the_conventions() -> None:
    """Kind and unit of each metric are those that OpenTelemetry's own package makes."""
    ours, theirs = Noted(), Noted()

    instruments.Instruments(ours)
    for name in published(messaging_metrics):
        getattr(messaging_metrics, f"create_{name.replace('.', '_')}")(theirs)

    assert {one for one in ours.made if one[1].startswith("messaging.")} == theirs.made
