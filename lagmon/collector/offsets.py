"""Ask the leaders of partitions for offsets: ends, starts, the first record of a time.

Comes in: partitions, and what is wanted of each. Goes out: for each of them what its leader said,
or a `Failure`. Many are asked for in one request, but not all: the client looks for each answer
among everything that was asked with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from confluent_kafka import IsolationLevel
from confluent_kafka import TopicPartition as Asked
from confluent_kafka.admin import (  # type: ignore[attr-defined] # documented to be there
    ListOffsetsResultInfo,
    OffsetSpec,
)

from lagmon.collector.answers import Failure
from lagmon.collector.futures import gathered
from lagmon.readings import Isolation, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lagmon.collector.calls import Ask, Calls, Deadline
    from lagmon.collector.lanes import Lanes

Wanted = Mapping[TopicPartition, OffsetSpec]
Found = dict[TopicPartition, ListOffsetsResultInfo | Failure]

AT_ONCE = 250  # partitions in a request; 2,000 take four times as long in one as in eight
ISOLATION = {  # always said: what happens without it hangs on the client's configuration
    Isolation.READ_COMMITTED: IsolationLevel.READ_COMMITTED,
    Isolation.READ_UNCOMMITTED: IsolationLevel.READ_UNCOMMITTED,
}


class Request(NamedTuple):
    """One request: the broker that is asked, and about which partitions."""

    lane: int
    ats: Sequence[TopicPartition]


class Offsets:
    """Asks for offsets by way of *calls*."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._number = count()

    def ask(
        self,
        wanted: Wanted,
        lanes: Lanes,
        isolation: Isolation,
        until: Deadline,
        *,
        step: str,
        hurry: bool,
    ) -> Found:
        """Give for each partition the offset that is *wanted* of it.

        What hangs in one cycle is not taken for an answer in the next: offsets of two moments do
        not fit.
        """
        number = next(self._number)
        requests = {(number, nth): one for nth, one in enumerate(_requests(wanted, lanes))}
        asks = {key: _ask(wanted, one.ats, isolation) for key, one in requests.items()}
        by_lane = {key: one.lane for key, one in requests.items()}
        answers = self._calls.each(asks, until, step=step, lanes=by_lane, hurry=hurry)
        found: Found = {}
        for key, answer in answers.items():
            if isinstance(answer, Failure):
                found |= dict.fromkeys(requests[key].ats, answer)
            else:
                found |= {TopicPartition(at.topic, at.partition): one for at, one in answer.items()}
        return found


def _requests(wanted: Wanted, lanes: Lanes) -> Iterator[Request]:
    for lane, ats in lanes.by_partition(wanted).items():
        for first in range(0, len(ats), AT_ONCE):
            yield Request(lane, ats[first : first + AT_ONCE])


def _ask(wanted: Wanted, ats: Sequence[TopicPartition], isolation: Isolation) -> Ask:
    asked = {Asked(at.topic, at.partition): wanted[at] for at in ats}
    return lambda admin, seconds: gathered(
        admin.list_offsets(asked, isolation_level=ISOLATION[isolation], request_timeout=seconds)
    )
