"""What the status page says, and in which order."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lagmon.alerts.conditions import Measure, above, in_state
from lagmon.alerts.rules import KAFKA_CONSUMER_LAG, SHIPPED
from lagmon.board import KEPT_CYCLES, advance
from lagmon.model import Age, GroupLag, IncidentKey, Method, State, Why
from lagmon.readings import Member, StepDuration
from lagmon.report import ClusterReport, Links, Report
from lagmon.web.status import GROUPS_SHOWN, Status, status
from tests.lagmon.builders import (
    CLUSTER,
    GROUP,
    NOON,
    TRACE,
    at,
    cycle,
    group,
    incident,
    lags,
    part,
    record,
)

if TYPE_CHECKING:
    from lagmon.alerts.conditions import Condition
    from lagmon.model import ClusterLag, PartitionLag
    from lagmon.web.groups import GroupView, RecordView

BLIND = cycle(lags(error="no broker answers"))
LINKS = Links("http://jaeger:16686")


def shown(*clusters: ClusterReport, now: float = NOON + 2) -> Status:
    """Lay out *clusters*."""
    return status(Report("1.0", clusters), SHIPPED, LINKS, now)


def watched(*groups: GroupLag, **more: object) -> ClusterReport:
    """Give a cluster after one good cycle with *groups*."""
    return advance(ClusterReport(CLUSTER), cycle(lags(*groups), **more))  # type: ignore[arg-type]


def the_group(report: ClusterReport) -> GroupView:
    """Give the only group on the page."""
    ((only,),) = (cluster.groups for cluster in shown(report).clusters)
    return only


def test_the_headline_is_calm_when_nothing_is_wrong() -> None:
    """Somebody who looks needs one line to go back to sleep."""
    page = shown(watched(group(3), group(0, "b")))

    assert (page.tone, page.headline, page.detail) == (
        "good",
        "All is well",
        "2 consumer groups watched.",
    )


def test_the_headline_counts_and_names_open_incidents() -> None:
    """What is open is said first, and who it is about."""
    page = shown(watched(group(1203), incidents=(incident(),)))

    assert (page.tone, page.headline, page.detail) == (
        "bad",
        "1 incident open",
        "settle on local.",
    )


def test_the_headline_names_no_more_than_three() -> None:
    """Of a storm of incidents the first are named and the rest counted."""
    storm = tuple(incident(f"g{number}") for number in range(9))

    assert shown(watched(group(), incidents=storm)).detail == (
        "g0 on local, g1 on local, g2 on local and 6 more."
    )


def test_an_incident_outranks_a_cluster_that_does_not_answer_and_both_are_said() -> None:
    """Neither hides the other."""
    blind = advance(ClusterReport("other"), cycle(lags(error="gone")))
    page = shown(watched(group(1203), incidents=(incident(),)), blind)

    assert (page.tone, page.detail) == ("bad", "settle on local. No answer from other.")


def test_a_cluster_that_does_not_answer_is_not_well() -> None:
    """Without incidents the missing answer is the headline."""
    page = shown(advance(ClusterReport(CLUSTER), BLIND))

    assert (page.tone, page.headline) == ("warn", "1 cluster not answering")


def test_pending_groups_are_a_warning() -> None:
    """Over the limit but not yet for long enough is neither an incident nor well."""
    page = shown(watched(group(1203), pending=frozenset({GROUP})))

    assert (page.tone, page.headline) == ("warn", "1 group over the limit")


@pytest.mark.parametrize(
    ("report", "sentence"),
    [
        (
            watched(group(None, GROUP, part(0, None, why=Why.NEVER_COMMITTED, waiting=True),
                          why=Why.NEVER_COMMITTED, uncommitted=1)),
            "Records wait where 1 group never committed.",
        ),
        (
            watched(group(5, GROUP, part(0, 5), part(1, None, why=Why.NEVER_COMMITTED,
                                                     waiting=True), uncommitted=1)),
            "Records wait where 1 group never committed.",
        ),
        (
            watched(group(None, why=Why.GROUP_UNREADABLE), group(0, "b")),
            "The lag of 1 group is not known, or not all of it.",
        ),
        (
            watched(group(None, why=Why.NEVER_COMMITTED)),
            "The lag of 1 group is not known, or not all of it.",
        ),
        (watched(group(5, unknown=1)), "The lag of 1 group is not known, or not all of it."),
        (
            advance(ClusterReport(CLUSTER), cycle(lags(group(), complete=False))),
            "Groups may be missing from the list of local.",
        ),
        (
            advance(ClusterReport(CLUSTER), cycle(lags(complete=False))),
            "Groups may be missing from the list of local.",
        ),
        (watched(), "No consumer group is watched on local."),
    ],
)  # fmt: skip
def test_what_is_not_known_is_not_called_well(report: ClusterReport, sentence: str) -> None:
    """Whatever cannot be told keeps the headline from being calm, and is what it says."""
    page = shown(report)

    assert (page.tone, page.headline, page.detail) == ("warn", "Not everything is known", sentence)


def test_what_is_not_known_is_said_beside_an_incident() -> None:
    """Bad news does not hide what nobody can see."""
    sick = group(None, "sick", why=Why.GROUP_UNREADABLE)

    assert shown(watched(group(1203), sick, incidents=(incident(),))).detail == (
        "settle on local. The lag of 1 group is not known, or not all of it."
    )


@pytest.mark.parametrize(
    ("quiet", "verdict"),
    [
        (part(0, None, why=Why.NEVER_COMMITTED), ("unknown", "nothing to read")),
        (part(0, None, why=Why.TOPIC_DELETED), ("unknown", "nothing to read")),
        (part(0, None, why=Why.NEVER_COMMITTED, waiting=True), ("warn", "not committed")),
    ],
)
def test_a_group_without_a_lag_is_never_called_ok(
    quiet: PartitionLag, verdict: tuple[str, str]
) -> None:
    """Empty and deleted partitions hold nothing to read; waiting records are a warning."""
    view = the_group(watched(group(None, GROUP, quiet, why=quiet.why)))

    assert (view.tone, view.verdict) == verdict


@pytest.mark.parametrize(
    ("state", "verdict"),
    [
        (State.OK, ("good", "ok")),
        (State.CATCHING_UP, ("good", "catching up")),
        (State.PENDING, ("good", "pending")),
        (State.OPEN_TRANSACTION, ("good", "open transaction")),
        (State.FALLING_BEHIND, ("warn", "falling behind")),
        (State.STOPPED, ("warn", "stopped")),
    ],
)
def test_a_group_bears_its_state(state: State, verdict: tuple[str, str]) -> None:
    """A group that stands is not called ok because its lag is small: the pill has the state."""
    view = the_group(watched(replace(group(7), judged=state)))

    assert (view.tone, view.verdict) == verdict


def test_the_reason_of_a_state_is_on_the_page() -> None:
    """Whoever reads that a group is blocked reads since when, and by whom."""
    blocked = replace(part(3, 7), judged=State.BLOCKED)
    reason = "plays[3]: worker-1 at /10.0.0.7 moves on with other partitions"
    behind = group(7, GROUP, blocked)

    view = the_group(watched(replace(behind, judged=State.BLOCKED, since=NOON, reason=reason)))

    assert view.notes == (f"blocked since 16:00:00 UTC: {reason}",)


def test_partitions_that_hold_nothing_do_not_spoil_the_headline() -> None:
    """A group that never committed on empty partitions has nothing to be behind on."""
    empty = part(1, None, why=Why.NEVER_COMMITTED)

    page = shown(watched(group(5, GROUP, part(0, 5), empty, uncommitted=1)))

    assert (page.tone, page.headline) == ("good", "All is well")
    assert page.clusters[0].groups[0].verdict == "ok"


@pytest.mark.parametrize(
    ("lag", "pill", "empty"),
    [
        (lags(group()), ("good", "up"), ""),
        (lags(), ("unknown", "nothing watched"), "none exists, or none is selected"),
        (lags(group(), complete=False), ("warn", "list incomplete"), ""),
        (lags(complete=False), ("warn", "list incomplete"), "is not known"),
    ],
)
def test_the_pill_of_a_cluster_says_what_its_list_is_worth(
    lag: ClusterLag, pill: tuple[str, str], empty: str
) -> None:
    """Up is a cluster that gave its groups, all of them."""
    (view,) = shown(advance(ClusterReport(CLUSTER), cycle(lag))).clusters

    assert (view.tone, view.word) == pill
    assert empty in view.empty
    assert ("broker down" in view.error) is not lag.complete


def test_a_hidden_topic_is_shown_beside_a_whole_list() -> None:
    """What would help is named, however long it is, and no group is said to be missing."""
    topic = "plays-" * 20
    said = f"lagmon may not DESCRIBE topic {topic}: partitions may be hidden; kafka-acls {topic}"
    seen = cycle(lags(group()))
    seen = replace(seen, snapshot=replace(seen.snapshot, list_errors=(said,)))
    (view,) = shown(advance(ClusterReport(CLUSTER), seen)).clusters

    assert (view.word, view.error) == ("up", f"Topics may be hidden: {said}")


def test_before_the_first_answer_nothing_is_claimed() -> None:
    """A page that has seen nothing does not say that all is well."""
    assert (shown(ClusterReport(CLUSTER)).tone, shown(ClusterReport(CLUSTER)).headline) == (
        "unknown",
        "Starting",
    )


def test_a_cluster_goes_from_up_over_stale_to_down() -> None:
    """While old values are shown their age is said; after that there are none."""
    up = watched(group(3))
    stale = advance(up, BLIND)
    down = advance(advance(advance(stale, BLIND), BLIND), BLIND)

    views = [shown(report, now=NOON + 30).clusters[0] for report in (up, stale, down)]

    assert [(view.word, view.stale, len(view.groups)) for view in views] == [
        ("up", "", 1),
        ("stale", "These values are 30s old.", 1),
        ("down", "", 0),
    ]
    assert views[1].error == "no broker answers"


def test_the_facts_of_a_cluster() -> None:
    """Last answer, groups, duration of a cycle and restarts, as far as there are any."""
    took = (StepDuration("groups", 0.1), StepDuration("ends", 0.25))
    (view,) = shown(watched(group(), durations=took, restarts=2)).clusters

    assert view.facts == (
        ("Last answer", "2s ago"),
        ("Groups", "1"),
        ("Collected in", "0.35 s"),
        ("Collector restarts", "2"),
    )


def test_an_incomplete_list_is_called_so() -> None:
    """The number of groups is not passed off as all of them."""
    report = advance(ClusterReport(CLUSTER), cycle(lags(group(), complete=False)))

    assert ("Groups", "1, list incomplete") in shown(report).clusters[0].facts


def test_a_cluster_that_never_answered_says_never() -> None:
    """No time is invented."""
    report = advance(ClusterReport(CLUSTER), BLIND)

    assert shown(report).clusters[0].facts == (("Last answer", "never"),)


def test_the_worst_group_comes_first() -> None:
    """Incidents, then pending, unknown, partly unknown, and the others by their lag."""
    report = watched(
        group(900, "busy"),
        group(0, "idle"),
        group(5, "partly", unknown=1),
        group(None, "unreadable", why=Why.GROUP_UNREADABLE),
        group(9000, "over"),
        group(1001, "firing"),
        incidents=(incident("firing"),),
        pending=frozenset({"over"}),
    )

    (view,) = shown(report).clusters
    assert [(each.name, each.tone, each.verdict) for each in view.groups] == [
        ("firing", "bad", "incident"),
        ("over", "warn", "over the limit"),
        ("unreadable", "unknown", "unknown"),
        ("partly", "warn", "partly unknown"),
        ("busy", "good", "ok"),
        ("idle", "good", "ok"),
    ]


def test_what_is_partly_unknown_hides_no_state_that_wants_looking_at() -> None:
    """A group that lost records is not called merely unknown."""
    judged = (State.LOST, State.STEADY, State.UNKNOWN)
    groups = [replace(group(5, each.value, unknown=1), judged=each) for each in judged]

    (view,) = shown(watched(*groups)).clusters

    assert [each.verdict for each in view.groups] == [
        "lost, partly unknown",
        "partly unknown",
        "partly unknown",
    ]


def test_the_page_is_bounded() -> None:
    """Of more groups than anybody reads the worst are shown and the others counted."""
    (view,) = shown(watched(*(group(n, f"g{n}") for n in range(GROUPS_SHOWN + 7)))).clusters

    assert (len(view.groups), view.groups_hidden) == (GROUPS_SHOWN, 7)
    assert view.groups[0].name == f"g{GROUPS_SHOWN + 6}"


@pytest.mark.parametrize(
    ("sick", "note"),
    [
        (group(None, why=Why.NEVER_COMMITTED), "has no committed offset"),
        (group(None, why=Why.GROUP_UNREADABLE), "cannot be read"),
        (group(5, unknown=2), "2 partitions unknown: the lag may be larger"),
        (group(5, uncommitted=1), "1 partition never committed"),
        (group(5, members=0), "nothing is reading"),
        (group(5, GROUP, part(0, 5, lost=3)), "3 messages deleted before being read"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_odd_about_a_group_is_said(sick: GroupLag, note: str) -> None:
    """Every reason for an odd or missing number stands beside it."""
    assert the_group(watched(sick)).notes == (note,)


@pytest.mark.parametrize(
    ("lag", "filled"), [(0, 0.0), (500, 0.5), (1000, 1.0), (90_000, 1.0), (None, None)]
)
def test_the_bar_is_the_lag_against_the_limit(lag: int | None, filled: float | None) -> None:
    """Full at the limit, and no bar where nothing is known."""
    assert the_group(watched(group(lag))).filled == filled


@pytest.mark.parametrize(
    ("rate", "pace"),
    [
        (None, ""),
        (0.0, "even"),
        (0.005, "even"),
        (12.3, "growing 12/s"),
        (-1234.0, "falling 1,234/s"),
        (0.4, "growing 24/min"),
        (-0.4, "falling 24/min"),
    ],
)
def test_the_pace_is_said_per_second_or_minute(rate: float | None, pace: str) -> None:
    """What is not known is not called even."""
    assert the_group(watched(replace(group(7), rate=rate))).pace == pace


def test_without_rules_there_is_no_limit_to_measure_against() -> None:
    """A bar against nothing is left out."""
    (cluster,) = status(Report("1.0", (watched(group(7)),)), (), LINKS, NOON).clusters

    assert cluster.groups[0].filled is None


def the_record(**about: str | None) -> RecordView:
    """Give the record as shown."""
    shown_record = record(**about)  # type: ignore[arg-type]
    view = the_group(watched(group(1203), records=((GROUP, shown_record),))).record
    assert view is not None
    return view


def test_the_oldest_record_is_linked_to_its_trace() -> None:
    """Where it is, how old it is, and the way to Jaeger."""
    view = the_record()

    assert (view.where, view.offset, view.age) == ("plays[0]", "5000", "44s")
    assert (view.trace_id, view.trace_url) == (TRACE, f"http://jaeger:16686/trace/{TRACE}")


def test_a_record_that_was_not_sampled_has_no_link() -> None:
    """A link that leads to nothing is worse than a reason."""
    view = the_record(trace_unknown="not sampled")

    assert (view.trace_id, view.trace_url, view.trace_unknown) == (TRACE, "", "not sampled")


def test_a_record_is_shown_with_size_and_allowed_headers() -> None:
    """What the settings allow to be told of it, and whether its transaction goes on."""
    full = replace(record(), size=1, headers=(("tenant", "blue\x00"),), pending=True)

    view = the_group(watched(group(1203), records=((GROUP, full),))).record

    assert view is not None
    assert (view.size, view.pending) == ("1 byte", True)
    ((name, text),) = view.headers
    assert (name, text.startswith("blue")) == ("tenant", True)
    assert text.isprintable()


def test_an_incident_says_since_when_and_against_which_limit() -> None:
    """The times are those of the incident, the limit that of its rule."""
    (view,) = the_group(watched(group(1203), incidents=(incident(),))).incidents

    assert (view.priority, view.rule, view.limit) == ("P1", "KafkaConsumerLag", "1,000")
    assert (view.since, view.lasted) == ("16:00:00 UTC", "2s")


def test_an_incident_names_its_owner_its_runbook_and_what_holds_it_back() -> None:
    """Who looks has the next step beside what is wrong; a rule's own runbook comes first."""
    rules = (replace(KAFKA_CONSUMER_LAG, owner="payments", runbook="https://wiki/lag"),)
    links = Links(runbook="https://wiki/all")
    report = Report("1", (watched(group(9), incidents=(replace(incident(), held=True),)),))

    own, other = (
        status(report, each, links, NOON).clusters[0].groups[0].incidents[0]
        for each in (rules, SHIPPED)
    )

    assert (own.owner, own.runbook, own.held) == ("payments", "https://wiki/lag", True)
    assert (other.owner, other.runbook) == ("", "https://wiki/all")


@pytest.mark.parametrize(
    ("condition", "limit"),
    [
        (above(300, Measure.SECONDS), "5m"),
        (above(0.8, Measure.RETENTION), "80%"),
        (in_state(State.LOST), ""),
    ],
)
def test_a_limit_is_said_with_its_unit(condition: Condition, limit: str) -> None:
    """A part of the log is no count of messages; a state has no limit."""
    rules = (replace(KAFKA_CONSUMER_LAG, condition=condition),)
    report = Report("1", (watched(group(9), incidents=(incident(),)),))

    (view,) = status(report, rules, LINKS, NOON).clusters[0].groups[0].incidents

    assert view.limit == limit


def test_an_incident_of_a_partition_names_it() -> None:
    """Two partitions of a group are two incidents, told apart."""
    key = IncidentKey("KafkaConsumerLag", CLUSTER, GROUP, "plays", 3)
    (view,) = the_group(watched(group(9), incidents=(replace(incident(), key=key),))).incidents

    assert view.where == "plays[3]"


def test_an_incident_of_a_cluster_is_shown_with_it() -> None:
    """It has no group to stand beside; the headline names the cluster alone."""
    blind = replace(incident(), key=IncidentKey("KafkaClusterBlind", CLUSTER))
    page = shown(watched(group(9), incidents=(blind,)))

    ((view,),) = (cluster.incidents for cluster in page.clusters)
    assert (view.rule, view.title, view.where) == (
        "KafkaClusterBlind",
        "cluster cannot be seen",
        "",
    )
    assert page.detail == "local."


def test_an_incident_of_a_group_that_is_not_shown_is_not_lost() -> None:
    """While the cluster is out of sight its groups are too, and what is open stays open."""
    report = watched(group(1203))
    for _ in range(KEPT_CYCLES + 1):
        report = advance(report, replace(BLIND, incidents=(incident(),)))

    (cluster,) = shown(report).clusters

    assert cluster.groups == ()
    assert [each.where for each in cluster.incidents] == [GROUP]


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (Age(200, Method.HISTORY, 5), "3m 20s ± 5s, by history"),
        (Age(40, Method.TIMESTAMPS, None), "at least 40s, by timestamps"),
        (None, ""),
    ],
)
def test_an_age_is_shown_with_its_bound(age: Age | None, said: str) -> None:
    """The group has that of its oldest unread record, and says how it was found."""
    view = the_group(watched(group(7, GROUP, replace(part(0, 7), age=age))))

    assert view.waited == said


def test_nothing_waits_where_all_is_read() -> None:
    """A group that is caught up needs no second 0."""
    read = replace(part(0, 0), age=Age(0.0, Method.CAUGHT_UP))

    assert the_group(watched(group(0, GROUP, read))).waited == ""


def test_what_was_lost_is_said_once() -> None:
    """The reason of the state counts it; where another state is worse, a note does."""
    gone = group(9, GROUP, replace(part(0, 9, lost=6), judged=State.LOST))
    judged = replace(gone, judged=State.LOST, since=NOON, reason="6 records deleted")

    notes = [the_group(watched(each)).notes for each in (judged, replace(gone, judged=None))]

    assert notes == [
        ("lost since 16:00:00 UTC: 6 records deleted",),
        ("6 messages deleted before being read",),
    ]


@given(st.text(st.characters(codec=None), min_size=1, max_size=300))
def test_hostile_names_are_printable_everywhere(name: str) -> None:
    """No name, host, topic or error that a stranger chose reaches the page as it came."""
    odd = replace(
        group(5, name, part(0, 5, topic=name, owner=Member("m", name, name))),
        state=name,
        detail=name,
    )
    oldest = replace(
        record(trace_id=None, trace_unknown=name), at=at(0, name), headers=((name, name),)
    )
    lag = replace(lags(odd), cluster=name)
    firing = replace(incident(name), key=IncidentKey("KafkaConsumerLag", name, name))
    good = cycle(lag, incidents=(firing,), records=((name, oldest),))
    report = advance(ClusterReport(name), good)
    report = advance(report, cycle(replace(lag, groups=(), error=name), incidents=(firing,)))

    assert not [text for text in texts(shown(report)) if not text.isprintable()]


def texts(view: object) -> list[str]:
    """List every text in *view*, however deep."""
    if isinstance(view, str):
        return [view]
    if isinstance(view, tuple):
        return [text for each in view for text in texts(each)]
    if is_dataclass(view):
        return [text for each in fields(view) for text in texts(getattr(view, each.name))]
    return []
