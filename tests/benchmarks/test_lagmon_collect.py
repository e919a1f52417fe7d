"""The benchmark of collecting: its work runs, and what it measures on is what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions

from lagmon.board import advance
from lagmon.exposition.page import render
from lagmon.report import ClusterReport, Report
from tests.lagmon.builders import CLUSTER, cycle, group, lags

if TYPE_CHECKING:
    from tests.infra.kafka import KafkaBroker
    from tests.infra.mock_kafka import MockKafka

FOLDER = Path(__file__).parent.parent.parent / "benchmarks"

MAKE = """
import sys
import harness
from lagmon_collect_world import Group, World
world = World(sys.argv[1])
world.create({sys.argv[2]: 3})
world.join([Group(f"{sys.argv[2]}-{n}", sys.argv[2], 3, committed=1) for n in range(5)])
world.commit([Group(f"{sys.argv[2]}-idle", sys.argv[2], 1, committed=7)])
world.advance()
"""


SEEN = """
import sys
import harness, lagmon_collect_live as live
groups = [live.Group(name, "plays", 2) for name in sys.argv[2:]]
print(live.have_read_all(sys.argv[1], groups))
"""


def run(*arguments: str, **environment: str) -> list[str]:
    """Run Python with *arguments* beside the benchmarks; give its lines."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=FOLDER,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def commits(admin: Any, group: str) -> list[int]:
    """Give what *group* has committed, by partition."""
    asked = ConsumerGroupTopicPartitions(group)
    answer = admin.list_consumer_group_offsets([asked])[group].result(20)
    return [one.offset for one in sorted(answer.topic_partitions, key=lambda at: at.partition)]


def test_judging_gives_its_seconds_for_each_group_partition() -> None:
    """In a process of its own, with groups that are stuck, stopped and falling behind."""
    *_, last = run("-P", str(FOLDER / "lagmon_collect_work.py"), "judge", "2", "200")

    told = json.loads(last)
    assert told["cpu_seconds"] > 0
    assert told["rows"] == 2000
    assert told["open"] >= 10


def test_parent_and_child_are_weighed_while_both_work(mock_kafka: MockKafka) -> None:
    """Neither what the one judges nor what the other collects is an error, which weighs little."""
    *_, last = run(
        *(str(FOLDER / "lagmon_collect_work.py"), "memory"),
        *(mock_kafka.bootstrap_servers, "3", "20", "2"),
        PYTHONSAFEPATH="1",  # the child has to find the package, too
    )

    told = json.loads(last)
    assert told["error"] is None
    assert told["parent_cycles"] == 3
    assert told["child_cycles"] >= 2
    assert told["parent_mb"] > 0
    assert told["child_mb"] > 0


def test_groups_made_by_hand_are_groups_to_kafka(kafka: KafkaBroker, topic: str) -> None:
    """Those that joined are stable, own their partitions and have moved on; the other is empty."""
    name = f"{topic}-bench"

    run("-c", MAKE, kafka.bootstrap_servers, name)

    admin = kafka.admin()
    described = admin.describe_consumer_groups([f"{name}-4", f"{name}-idle"])
    joined, idle = (described[f"{name}-{one}"].result(20) for one in ("4", "idle"))
    [member] = joined.members
    assert joined.state is ConsumerGroupState.STABLE
    assert sorted(at.partition for at in member.assignment.topic_partitions) == [0, 1, 2]
    assert commits(admin, f"{name}-4") == [2, 2, 2]
    assert idle.state is ConsumerGroupState.EMPTY
    assert commits(admin, f"{name}-idle") == [7]


def test_a_group_that_has_read_all_is_found_on_the_page() -> None:
    """From then on it can fall behind: the row on alerts waits for that."""
    groups = lags(group(0, "a"), group(0, "b"), group(7, "late"))
    report = advance(ClusterReport(CLUSTER), cycle(groups))
    page = render(Report("1.2.3", (report,))).decode()

    assert run("-c", SEEN, page, "a", "b") == ["True"]
    assert run("-c", SEEN, page, "a", "late") == ["False"]


def test_a_row_that_does_not_exist_is_refused_with_those_that_do() -> None:
    """Before anything is started."""
    done = subprocess.run(
        [sys.executable, str(FOLDER / "lagmon_collect.py")],
        env={**os.environ, "ROWS": "judge,tea"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 1
    assert done.stderr == (
        "ROWS: there is no 'tea'; there are judge, race, alert, cycle, memory, many, hang\n"
    )


def test_a_partner_that_is_not_given_is_named() -> None:
    """Its ratio is not measured, and that is why."""
    ask = "import harness, lagmon_collect_live as live; print(live.partner(None, 'NO_SUCH', ''))"

    assert run("-c", ask) == ["NO_SUCH names no program"]
