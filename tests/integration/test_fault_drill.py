"""The fault drill: three brokers behind proxies, and everything that can fail does, in turn.

Whatever happens, a page that lagmon serves is true or says what is missing; it is never late; and
when the fault is over all values come back by themselves within two minutes. One lagmon lives
through all of it, as it would in service.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import ResourceType  # type: ignore[attr-defined] # documented there

from tests.conftest import running
from tests.infra.wait import until
from tests.integration.drill import NODES, PASSWORD, WRONG, Drill

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(400)

SLOW_SECONDS = 0.2  # in each direction of each of a cycle's requests
FOR_EVER_SECONDS = 3600.0
EXPIRY_SECONDS = 5.0  # several cycles: values that are merely kept are gone by then
GIVEN_UP_SECONDS = 8.0  # longer than a broker may stay silent before the others give it up


@pytest.fixture(scope="module")
def drill() -> Iterator[Drill]:
    """Give the cluster and lagmon, all well."""
    yield from running(Drill())


def test_slow(drill: Drill) -> None:
    """A slow network: the values are late, and true."""
    with each_proxy_delayed(drill, SLOW_SECONDS):
        drill.lasts(EXPIRY_SECONDS)
        drill.recovered()  # also while it lasts: slow is not gone

    drill.recovered()
    assert drill.honest()


def test_cut(drill: Drill) -> None:
    """Every connection reset and refused: the cluster is silent, and comes back."""
    for proxy in drill.proxies:
        proxy.cut()
    drill.blind("cut connections")
    drill.lasts(EXPIRY_SECONDS)
    for proxy in drill.proxies:
        proxy.heal()

    drill.recovered()
    assert drill.honest()


def test_half_open(drill: Drill) -> None:
    """Connections that stay open and carry nothing: given up for new ones, once those work."""
    with each_proxy_delayed(drill, FOR_EVER_SECONDS):
        drill.blind("half open connections")
        drill.lasts(EXPIRY_SECONDS)

    drill.recovered()
    assert drill.honest()


def test_one_broker_cut(drill: Drill) -> None:
    """One of three out of reach: what only it knows is missing, what the others know is there."""
    drill.proxies[-1].cut()
    drill.partly("a broker out of reach")
    drill.lasts(EXPIRY_SECONDS)
    drill.proxies[-1].heal()

    drill.recovered()
    assert drill.honest()


@pytest.mark.parametrize("node", NODES)
def test_a_broker_stands_still(drill: Drill, node: int) -> None:
    """SIGSTOP of a leader and coordinator, long enough for the others to give it up.

    The first is the controller, without which nobody gives anybody up.
    """
    coordinated = drill.coordinated_by(node)
    drill.nodes.pause(node)
    try:
        drill.noticed("a broker that stands still")
        drill.lasts(GIVEN_UP_SECONDS)
        # Nobody can know those that it coordinates, and nobody says so.
        drill.partly("a broker that stands still", without=coordinated)
    finally:
        drill.nodes.resume(node)

    drill.recovered()
    assert coordinated
    assert drill.honest()


def test_a_broker_is_killed_and_comes_back(drill: Drill) -> None:
    """SIGKILL: its partitions have no leader and its groups no coordinator until it is back."""
    node = NODES[-1]
    drill.nodes.kill(node)
    drill.noticed("a broker killed")
    drill.partly("a broker killed")
    drill.nodes.restart(node)

    drill.recovered()
    assert drill.honest()


def test_a_wrong_password(drill: Drill) -> None:
    """The password changed under lagmon: refused, and said so; the right one is read again."""
    drill.password(WRONG)
    for proxy in drill.proxies:
        proxy.cut()
        proxy.heal()
    drill.blind("a wrong password")
    until(lambda: refused(drill), timeout=60, what="the reason to be said")
    drill.password(PASSWORD)

    drill.recovered()
    assert drill.honest()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (ResourceType.TOPIC, "*"),
        (ResourceType.GROUP, "*"),
        (ResourceType.BROKER, "kafka-cluster"),
    ],
)
def test_a_right_is_withdrawn(drill: Drill, kind: ResourceType, name: str) -> None:
    """A right withdrawn at run time: values go, none turns 0; given back, they return."""
    drill.withdraw(kind, name)
    drill.refused("a right withdrawn")
    drill.lasts(EXPIRY_SECONDS)
    drill.allow(kind, name)

    drill.recovered()
    assert drill.honest()


def test_groups_and_cluster_are_hidden(drill: Drill) -> None:
    """Without both rights the list is empty and no error is told: the groups are not gone."""
    hidden = ((ResourceType.BROKER, "kafka-cluster"), (ResourceType.GROUP, "*"))
    for kind, name in hidden:
        drill.withdraw(kind, name)
    drill.noticed("rights withdrawn")
    drill.lasts(EXPIRY_SECONDS)
    for kind, name in hidden:
        drill.allow(kind, name)

    drill.recovered()
    assert drill.honest()


def test_the_collector_aborts(drill: Drill) -> None:
    """The child ended as librdkafka ends it: the page stays, another one works."""
    before = collectors(drill)

    os.kill(before[-1], signal.SIGABRT)
    until(lambda: collectors(drill) != before, timeout=60, what="another collector")

    drill.recovered()
    assert any("SIGABRT" in reason for reason in said(drill, "collector_lost"))
    assert drill.honest()


@contextmanager
def each_proxy_delayed(drill: Drill, seconds: float) -> Iterator[None]:
    """Hold every byte back for *seconds* in each direction."""
    for proxy in drill.proxies:
        proxy.delay(seconds)
    try:
        yield
    finally:
        for proxy in drill.proxies:
            proxy.delay(0)


def refused(drill: Drill) -> bool:
    """Tell whether the cluster was last said to be silent because it refused lagmon."""
    reasons = said(drill, "cluster_silent")
    return bool(reasons) and "_AUTHENTICATION" in reasons[-1]


def collectors(drill: Drill) -> list[int]:
    """List the process ids of the children so far."""
    return [line["pid"] for line in drill.lagmon.logs() if line["event"] == "collector_started"]


def said(drill: Drill, event: str) -> list[str]:
    """List the reasons that the log lines *event* gave so far."""
    return [str(line["reason"]) for line in drill.lagmon.logs() if line["event"] == event]
