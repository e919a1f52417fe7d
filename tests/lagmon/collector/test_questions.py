"""The order of questions, and what a list with errors does to the client."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError

from lagmon.collector.calls import Calls, Deadline
from lagmon.collector.client import Client
from lagmon.collector.cycle import Cycle
from lagmon.collector.questions import Questions
from lagmon.configuration.settings import Cluster
from lagmon.readings import Isolation, Plan, TopicPartition
from tests.integration.meaning import collecting

if TYPE_CHECKING:
    from collections.abc import Collection

    from confluent_kafka.admin import AdminClient

    from tests.infra.mock_kafka import MockKafka

CODES = KafkaError._TRANSPORT, KafkaError.CLUSTER_AUTHORIZATION_FAILED


class Listing(Client):
    """A client whose brokers list no group, and give the error *code*."""

    def __init__(self, *codes: int) -> None:
        super().__init__(Cluster(name="test", bootstrap_servers="127.0.0.1:1"))
        self._codes = codes

    @property
    def admin(self) -> AdminClient:
        """Give what answers in its place."""
        return SimpleNamespace(list_consumer_groups=self._list)  # type: ignore[return-value] # all that is asked

    def _list(self, request_timeout: float) -> Future[Any]:
        assert request_timeout > 0
        answer: Future[Any] = Future()
        answer.set_result(SimpleNamespace(valid=[], errors=[KafkaError(c) for c in self._codes]))
        return answer


@pytest.mark.parametrize(
    ("codes", "replaced"), [((), 0), (CODES[:1], 1), (CODES[1:], 0), (CODES[::-1], 1)]
)
def test_after_a_list_with_errors_the_client_is_replaced(
    codes: tuple[int, ...], replaced: int
) -> None:
    """A client that lost a broker does not heal; one that was refused is as good as ever."""
    client = Listing(*codes)
    questions = Questions(Calls(client, request_timeout=60, fan_out=1), client)

    _, errors = questions.groups(Deadline(60))

    assert len(errors) == len(codes)
    assert client.generation == replaced


def test_ends_are_asked_stable_first(
    mock_kafka: MockKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What grows between the two questions never makes the stable end lie past the high one."""
    asked: list[Isolation] = []

    def growing(
        _: Questions, wanted: Collection[TopicPartition], isolation: Isolation, until: Deadline
    ) -> dict[TopicPartition, int]:
        assert until.left()
        asked.append(isolation)
        return dict.fromkeys(wanted, len(asked))

    monkeypatch.setattr(Questions, "ends", growing)
    mock_kafka.create_topic("growing")
    groups = {"static": {"g": ["growing"]}}
    made = collecting(mock_kafka.bootstrap_servers, request_timeout=60, groups=groups)

    logs = Cycle(made.model_copy(update={"cycle_deadline": 60.0})).run(Plan()).topics

    assert asked == [Isolation.READ_COMMITTED, Isolation.READ_UNCOMMITTED]
    assert {(log.stable, log.high) for log in logs} == {(1, 2)}
