"""Taking over incidents: who is asked, of what, and what becomes of the answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from lagmon.labels import safe
from lagmon.model import Incident, IncidentKey
from lagmon.notify.open_alerts import OpenAlert
from lagmon.readings import GroupReading, Share, Snapshot
from lagmon.sharding.ownership import home
from lagmon.sharding.takeover import Takeover
from tests.lagmon.builders import CLUSTER, GROUP, NOON

if TYPE_CHECKING:
    from collections.abc import Coroutine

HOME = home(GROUP, 50)
HOLDS = 240.0
OTHER = (HOME + 1) % 50
OPEN = OpenAlert("KafkaConsumerLag", GROUP, None, None, NOON - 60, NOON - 30, 1200.0)
TAKEN = Incident(
    IncidentKey("KafkaConsumerLag", CLUSTER, GROUP),
    since=NOON - 60,
    opened_at=NOON - 30,
    value=1200.0,
    sent_at=0.0,
)


class Told:
    """An Alertmanager that gives one *answer* after the other, the last one again and again."""

    def __init__(self, *answers: tuple[OpenAlert, ...] | None) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, cluster: str) -> tuple[OpenAlert, ...] | None:
        """Answer."""
        self.asked.append(cluster)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def holding(*owned: int, groups: tuple[str, ...] = (GROUP,)) -> Snapshot:
    """Build the snapshot of a replica that holds *owned*."""
    readings = tuple(GroupReading(group) for group in groups)
    return Snapshot(NOON, CLUSTER, groups=readings, owned=Share(owned, 50))


async def after(takeover: Takeover, *snapshots: Snapshot) -> list[tuple[Incident, ...]]:
    """Give what is found with each of *snapshots*, with time for an answer between them."""
    found = []
    for snapshot in snapshots:
        found.append(takeover.incidents(snapshot))
        for _ in range(3):
            await asyncio.sleep(0)
    await takeover.stop()
    return found


def play(story: Coroutine[None, None, None]) -> None:
    """Run *story*."""
    asyncio.run(asyncio.wait_for(story, 60))


def test_what_is_open_comes_with_the_share() -> None:
    """The cycle after a partition came gives what is open in it, once."""

    async def story() -> None:
        told = Told((OPEN,))

        found = await after(Takeover(CLUSTER, told, HOLDS), *[holding(HOME)] * 3)

        assert found == [(), (TAKEN,), ()]
        assert told.asked == [CLUSTER]

    play(story())


def test_what_is_of_another_partition_is_left_to_others() -> None:
    """The Alertmanager knows of all groups; this replica judges its own."""

    async def story() -> None:
        found = await after(Takeover(CLUSTER, Told((OPEN,)), HOLDS), holding(OTHER), holding(OTHER))

        assert found == [(), ()]

    play(story())


def test_what_was_given_away_meanwhile_is_not_taken_over() -> None:
    """The answer comes when the partition is another replica's again."""

    async def story() -> None:
        found = await after(Takeover(CLUSTER, Told((OPEN,)), HOLDS), holding(HOME), holding(OTHER))

        assert found == [(), ()]

    play(story())


def test_a_partition_that_comes_back_is_asked_for_again() -> None:
    """Whoever had it meanwhile may have told of more, also since the last question."""

    async def story() -> None:
        told = Told((), (OPEN,))
        takeover = Takeover(CLUSTER, told, HOLDS)
        for snapshot in (holding(HOME), holding(), holding(HOME)):  # the first answer is on its way
            assert takeover.incidents(snapshot) == ()

        found = await after(takeover, *[holding(HOME)] * 4)

        assert [one for one in found if one] == [(TAKEN,)]
        assert told.asked == [CLUSTER, CLUSTER]

    play(story())


def test_without_an_answer_it_is_asked_again_and_then_no_more() -> None:
    """As long as it may still be open there, however short a cycle is; then the log says so."""

    async def story() -> None:
        told = Told(None)
        cycles = [replace(holding(HOME), at=NOON + second / 2) for second in range(600)]

        with capture_logs() as lines:
            await after(Takeover(CLUSTER, told, HOLDS), *cycles)

        assert len(told.asked) == 480
        [line] = lines
        assert (line["event"], line["seconds"]) == ("incidents_not_taken_over", HOLDS)

    play(story())


def test_names_that_were_made_safe_find_their_group() -> None:
    """An alert has a stand-in for a name that no label may have."""
    name = "odd\x07name"

    async def story() -> None:
        alert = OpenAlert("KafkaConsumerLag", safe(name), None, None, NOON, NOON, 0.0)
        snapshot = holding(home(name, 50), groups=(name,))

        found = await after(Takeover(CLUSTER, Told((alert,)), HOLDS), snapshot, snapshot)

        assert [one.key.group for one in found[1]] == [name]

    play(story())


def test_what_is_about_the_cluster_comes_with_the_first_partition() -> None:
    """Its owner is who speaks for the cluster."""

    async def story() -> None:
        alert = OpenAlert("KafkaClusterBlind", None, None, None, NOON, NOON, 1.0)

        found = await after(Takeover(CLUSTER, Told((alert,)), HOLDS), holding(0), holding(0))

        assert [one.key for one in found[1]] == [IncidentKey("KafkaClusterBlind", CLUSTER)]

    play(story())


def test_who_has_everything_asks_nobody() -> None:
    """Without replicas there is nobody to take over from."""

    async def story() -> None:
        told = Told((OPEN,))

        await after(Takeover(CLUSTER, told, HOLDS), Snapshot(NOON, CLUSTER))

        assert told.asked == []

    play(story())
