"""What the board keeps, for how long, and what it counts."""

from __future__ import annotations

from dataclasses import replace

from lagmon.board import KEPT_CYCLES, Board, Cycle, advance
from lagmon.model import ClusterLag, IncidentKey, Why
from lagmon.readings import Share, StepDuration
from lagmon.report import ClusterReport, Report, Sent, Total
from tests.lagmon.builders import CLUSTER, NOON, cycle, group, incident, lags, offsets, part

BLIND = cycle(lags(error="no answer in 15 s", when=NOON + 60))


def after(*cycles: Cycle) -> ClusterReport:
    """Give the report of a cluster after *cycles*."""
    report = ClusterReport(CLUSTER)
    for each in cycles:
        report = advance(report, each)
    return report


def test_a_good_cycle_is_shown_whole() -> None:
    """Lag, offsets, durations and incidents come from the same cycle."""
    good = cycle(
        lags(group(7)),
        topics=(offsets(),),
        durations=(StepDuration("groups", 0.1),),
        incidents=(incident(),),
        pending=frozenset({"settle"}),
        restarts=2,
    )

    report = after(good)

    assert (report.lag, report.topics, report.durations) == (
        good.lag,
        good.snapshot.topics,
        good.snapshot.durations,
    )
    assert (report.incidents, report.pending, report.restarts) == (
        good.incidents,
        good.pending,
        2,
    )
    assert (report.error, report.last_success, report.failed_cycles) == (None, NOON, 0)


def test_values_are_kept_for_three_failed_cycles() -> None:
    """A short outage changes no value; only the error is new and the last success stays."""
    good = cycle(lags(group(7)), topics=(offsets(),))

    report = after(good, *[BLIND] * KEPT_CYCLES)

    assert (report.lag, report.topics) == (good.lag, good.snapshot.topics)
    assert (report.error, report.failed_cycles) == ("no answer in 15 s", 3)
    assert report.last_success == NOON


def test_after_three_failed_cycles_the_values_are_gone() -> None:
    """An old number must not look like a new one for ever: gone, not 0."""
    report = after(cycle(lags(group(7)), topics=(offsets(),)), *[BLIND] * (KEPT_CYCLES + 1))

    assert (report.lag, report.topics, report.durations) == (None, (), ())
    assert report.last_success == NOON


def test_values_return_with_the_first_good_cycle() -> None:
    """After an outage one snapshot is enough."""
    report = after(*[BLIND] * 10, cycle(lags(group(3))))

    assert (report.error, report.failed_cycles) == (None, 0)
    assert report.lag == lags(group(3))


def test_incidents_follow_the_judgement_even_while_blind() -> None:
    """An incident stays on the board while its cluster does not answer."""
    report = after(cycle(lags(error="gone"), incidents=(incident(),)))

    assert report.incidents == (incident(),)


def test_maintenance_of_a_group_lasts_as_long_as_its_values() -> None:
    """While they are kept Prometheus judges them; what holds for the cluster comes with a cycle."""
    of_group, of_cluster = IncidentKey("A", CLUSTER, "settle"), IncidentKey("B", CLUSTER)
    good = replace(cycle(lags(group(7))), maintenance=(of_group, of_cluster))
    blind = replace(BLIND, maintenance=(of_cluster,))

    assert after(good).maintenance == (of_group, of_cluster)
    assert after(good, *[blind] * KEPT_CYCLES).maintenance == (of_cluster, of_group)
    assert after(good, *[BLIND] * KEPT_CYCLES).maintenance == (of_group,)
    assert after(good, *[blind] * (KEPT_CYCLES + 1)).maintenance == (of_cluster,)
    assert after(good, cycle()).maintenance == ()


def test_errors_are_counted_by_reason_once_a_group() -> None:
    """A group with two partitions that are unknown for one reason is one bad reading."""
    bad = group(
        None,
        "bad",
        part(0, None, why=Why.NO_END_OFFSET),
        part(1, None, why=Why.NO_END_OFFSET),
        unknown=2,
    )
    worse = group(None, "worse", why=Why.GROUP_UNREADABLE)

    report = after(cycle(lags(bad, worse)), cycle(lags(bad)))

    assert report.group_errors == (Total("group_unreadable", 1), Total("no_end_offset", 2))


def test_an_incomplete_list_is_counted_as_such() -> None:
    """A list that did not come from every broker is a reason of its own, once a cycle."""
    partial = cycle(lags(group(), complete=False))

    report = after(partial, partial, cycle(lags(group())))

    assert report.group_errors == (Total("list_incomplete", 2),)
    assert report.list_errors == ()


def test_an_answer_is_no_error() -> None:
    """That a group never committed, or that a topic was deleted, is known and not counted."""
    quiet = group(
        None,
        "quiet",
        part(0, None, committed=None, why=Why.NEVER_COMMITTED),
        part(1, None, why=Why.TOPIC_DELETED),
        why=Why.NEVER_COMMITTED,
    )

    assert after(cycle(lags(quiet))).group_errors == ()


def test_cut_negatives_are_counted() -> None:
    """Each partition whose difference was cut to 0 counts, cycle after cycle."""
    cut = cycle(lags(group(0, "g", part(0, 0, clamped=True), part(1, 0, clamped=True), part(2))))

    assert after(cut, cut).clamped == 4


def test_names_with_a_stand_in_are_counted_once_a_cycle() -> None:
    """A hostile group and a hostile topic are two names, however often they are used."""
    hostile = group(0, "g\x00", part(0, 0, topic="t\x00"), part(1, 0, topic="t\x00"))

    assert after(cycle(lags(hostile), topics=(offsets(topic="t\x00"),))).sanitised == 2


def test_cycles_are_counted_by_outcome() -> None:
    """A cycle that brought nothing and one that lagmon broke on are told apart."""
    crashed = cycle(lags(error="ValueError: x"), crashed=True)

    report = after(cycle(), cycle(), BLIND, crashed)

    assert report.cycles == (Total("failed", 1), Total("no_snapshot", 1), Total("ok", 2))


def test_the_board_is_ready_when_each_cluster_was_asked() -> None:
    """An answer that is an error counts: lagmon can serve what it knows."""
    board = Board("1.0", [CLUSTER, "other"])
    board.put(cycle())
    before = board.ready

    board.put(cycle(ClusterLag(NOON, "other", error="gone")))

    assert (before, board.ready) == (False, True)


def test_a_report_once_taken_does_not_change() -> None:
    """A reader sees one moment, whatever is put up meanwhile."""
    board = Board("1.0", [CLUSTER])
    taken = board.report

    board.put(cycle(lags(group(7))))
    board.put_sent([Sent("log", "sent", 1)])

    assert taken.clusters == (ClusterReport(CLUSTER),)
    assert taken.sent == ()
    assert board.report.clusters[0].lag == lags(group(7))


def test_a_listener_hears_of_each_cycle_once() -> None:
    """Also one that was handed in again, as after a reload of the settings."""
    board = Board("1.0", [CLUSTER])
    heard: list[int] = []

    def listener() -> None:
        heard.append(board.report.clusters[0].asked)

    for _ in range(2):
        board.listen(listener)
    board.put(cycle())
    board.put(cycle())

    assert heard == [1, 2]


def test_a_share_that_ran_out_is_taken_down_and_told_of() -> None:
    """Groups and their incidents go at once; the cluster's own stay, and no cycle is counted."""
    board, heard = Board("1", [CLUSTER]), list[Report]()
    of_cluster = replace(incident(), key=IncidentKey("KafkaClusterBlind", CLUSTER))
    board.put(cycle(lags(group(5)), incidents=(incident(), of_cluster)))
    board.listen(lambda: heard.append(board.report))
    (before,) = board.report.clusters

    board.vacate(CLUSTER, Share(until=0.0, why="late"))

    (after,) = board.report.clusters
    assert after.lag is not None
    assert (after.lag.groups, after.incidents) == ((), (of_cluster,))
    assert not after.is_confirmed
    assert (after.cycles, after.last_success) == (before.cycles, before.last_success)
    assert heard == [board.report]
