"""The same series through Prometheus and through lagmon: when each fires and when it resolves.

Where every reading is whole the two agree at every tick. Where there are gaps they differ as
``docs/reference/lagmon-rules.md`` says, and in nothing else: what lagmon makes of the series with
its gaps translated as written there is what Prometheus makes of the series as it is.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import defaultdict
from dataclasses import replace
from functools import cache
from random import Random
from typing import TYPE_CHECKING

import pytest
import yaml

from lagmon.alerts.conditions import Measure, above
from lagmon.alerts.incidents import State, step
from lagmon.alerts.rulefile import GROUPS, rule_file, text
from lagmon.alerts.rules import KAFKA_CONSUMER_LAG, SHIPPED, Override, Scope
from lagmon.alerts.verdicts import Seen
from tests.infra.require import need
from tests.lagmon.series import (
    TICK_SECONDS,
    TICKS,
    Family,
    Series,
    alternating,
    generate,
    page,
    readings,
    translated,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lagmon.model import ClusterLag

    # For each series, at which ticks its rule's alert fires.
    Firing = dict[str, set[int]]

SEED = 20_251_124
EACH = {
    Family.LAG: 400,
    Family.SECONDS: 150,
    Family.TOPIC: 150,
    Family.STUCK: 300,
    Family.UNKNOWN: 150,
    Family.BLIND: 100,
}
BY_TURNS = (Family.LAG, Family.SECONDS, Family.STUCK, Family.UNKNOWN)
LATE = replace(
    KAFKA_CONSUMER_LAG, name="Late", condition=above(300, Measure.SECONDS), for_seconds=20
)
TOPIC = replace(
    KAFKA_CONSUMER_LAG, name="Topic", scope=Scope.TOPIC, keep_firing_for_seconds=10, for_seconds=0
)
LAG = KAFKA_CONSUMER_LAG.changed(
    Override(
        exceptions=(
            Override(groups="LAG-[0-2].*", threshold=50, keep_firing_for_seconds=20),
            Override(groups="LAG-3.*", for_seconds=0),
            Override(groups="LAG-40.*", enabled=False),
        )
    )
)
RULES = (LAG, *SHIPPED[1:], LATE, TOPIC)
RULE = {
    Family.LAG: "KafkaConsumerLag",
    Family.SECONDS: "Late",
    Family.TOPIC: "Topic",
    Family.STUCK: "KafkaConsumerStuck",
    Family.UNKNOWN: "KafkaLagUnknown",
    Family.BLIND: "KafkaClusterBlind",
}
ASKED = 'count by (alertname, kafka_cluster, group) (ALERTS{alertstate="firing"})'
TIME = re.compile(r"time: (?:(\d+)m)?(?:(\d+)s)?,")
ALERT = re.compile(r"\{alertname=\"(\w+)\", (?:group=\"([^\"]+)\", )?kafka_cluster=\"([^\"]+)\"\}")


@cache
def made_up() -> list[Series]:
    """Make the series, in every other of which there are gaps."""
    random = Random(SEED)  # noqa: S311 - the same ones every time
    return [
        generate(random, family, f"{family.name}-{number}", gaps=number % 2 == 1)
        for family, count in EACH.items()
        for number in range(count)
    ] + [alternating(family, f"{family.name}-by-turns") for family in BY_TURNS]


def in_lagmon(
    found: Iterable[tuple[int, ClusterLag]], series: Series, *, forgets: bool
) -> set[int]:
    """Give the ticks at which lagmon has an incident of the series' rule open.

    Where nothing is read, nothing changes.
    """
    at = dict(found)
    rules = [each for each in RULES if each.name == RULE[series.family]]
    state, valued, firing = State(), frozenset[str](), set[int]()
    for tick in range(TICKS):
        if lag := at.get(tick):
            names = {group.group for group in lag.groups}
            valued |= {group.group for group in lag.groups if group.lag is not None}
            valued &= names if forgets else valued
            seen = Seen(alive={series.name}, valued=valued)
            state, _ = step(state, rules, lag, lag.at, seen=seen)
        if state.opened:
            firing.add(tick)
    return firing


def in_prometheus(folder: Path, series: Iterable[Series]) -> Firing:
    """Give the ticks at which Prometheus's alert of each series' rule fires.

    Promtool is asked at each tick for all that fires, and told that nothing should: what it finds
    wrong with that is the answer.
    """
    rules = {each.name: RULE[each.family] for each in series}
    (folder / "rules.yml").write_text(text(rule_file(RULES, {})))
    shown = [
        {"series": name, "values": " ".join(samples)}
        for each in series
        for name, samples in page(each).items()
    ]
    asked = [
        {"expr": ASKED, "eval_time": f"{tick * TICK_SECONDS}s", "exp_samples": []}
        for tick in range(TICKS)
    ]
    tick = f"{TICK_SECONDS}s"
    tests = [{"interval": tick, "input_series": shown, "promql_expr_test": asked}]
    content = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": tick,
        "group_eval_order": list(GROUPS),
        "tests": tests,
    }
    (folder / "tests.yml").write_text(yaml.dump(content, Dumper=yaml.CSafeDumper))
    program = need("promtool", "apt-get install prometheus")
    done = subprocess.run(
        [program, "test", "rules", folder / "tests.yml"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GOGC": "400"},  # a quarter of its time went into looking for garbage
    )
    return parsed(done.stdout + done.stderr, rules)


def parsed(said: str, rules: dict[str, str]) -> Firing:
    """Read at which ticks each series' own rule fires out of what promtool *said*."""
    firing: Firing = defaultdict(set)
    assert "time:" in said, said[:2000]
    for part in said.split("expr: ")[1:]:
        found = TIME.search(part)
        assert found, part[:200]
        tick = (int(found[1] or 0) * 60 + int(found[2] or 0)) // TICK_SECONDS
        for alert, group, cluster in ALERT.findall(part.partition("got:")[2]):
            if rules[group or cluster] == alert:
                firing[group or cluster].add(tick)
    return firing


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Firing:
    """Let Prometheus judge all series once."""
    return in_prometheus(tmp_path_factory.mktemp("rules"), made_up())


each_family = pytest.mark.parametrize("family", Family, ids=lambda family: str(family.name))


def of(family: Family, *, gaps: bool) -> list[Series]:
    """Give the series of *family*, those with gaps or those without."""
    return [each for each in made_up() if each.family is family and each.has_gaps is gaps]


def test_there_are_a_thousand_series_and_more() -> None:
    """And the same ones every time, or a failure could not be looked at again."""
    assert len(made_up()) == sum(EACH.values()) + len(BY_TURNS) >= 1000
    assert made_up.__wrapped__() == made_up()


@each_family
def test_without_gaps_both_agree_at_every_tick(family: Family, prometheus: Firing) -> None:
    """The same alert fires and resolves at the same moment."""
    differing = {
        each.name: in_lagmon(readings(each), each, forgets=True) ^ prometheus[each.name]
        for each in of(family, gaps=False)
        if in_lagmon(readings(each), each, forgets=True) != prometheus[each.name]
    }

    assert not differing


@each_family
def test_with_gaps_they_differ_as_documented_and_in_nothing_else(
    family: Family, prometheus: Firing
) -> None:
    """Every gap translated as the page says, lagmon fires and resolves as Prometheus does."""
    differing = {
        each.name: in_lagmon(translated(each), each, forgets=False) ^ prometheus[each.name]
        for each in of(family, gaps=True)
        if in_lagmon(translated(each), each, forgets=False) != prometheus[each.name]
    }

    assert not differing


@each_family
def test_before_the_first_gap_they_do_not_differ(family: Family, prometheus: Firing) -> None:
    """What is documented is no excuse for anything else."""
    early = {}
    for each in of(family, gaps=True):
        before = set(range(each.first_gap))
        apart = in_lagmon(readings(each), each, forgets=True) ^ prometheus[each.name]
        if apart & before:
            early[each.name] = apart & before

    assert not early


@pytest.mark.parametrize("family", BY_TURNS, ids=lambda family: str(family.name))
def test_what_holds_in_every_second_reading_opens_in_lagmon_alone(
    family: Family, prometheus: Firing
) -> None:
    """It takes twice as long; to Prometheus each missing sample is the end of the alert.

    That a lag is unknown holds in the missing readings, and those between give it: no page of it.
    """
    (series,) = [each for each in made_up() if each.name == f"{family.name}-by-turns"]
    rule = next(each for each in RULES if each.name == RULE[family])
    opens = int(2 * rule.for_seconds / TICK_SECONDS)

    expected = set() if family is Family.UNKNOWN else set(range(opens, TICKS))
    assert in_lagmon(readings(series), series, forgets=True) == expected
    assert prometheus[series.name] == set()


@each_family
def test_the_series_are_worth_comparing(family: Family, prometheus: Firing) -> None:
    """Alerts fire and resolve in many of them, and gaps make a difference in some."""
    firing = [each for each in made_up() if each.family is family and prometheus[each.name]]
    resolving = [each for each in firing if len(prometheus[each.name]) < TICKS - 1]
    gapped = of(family, gaps=True)
    apart = [
        each
        for each in gapped
        if in_lagmon(readings(each), each, forgets=True) != prometheus[each.name]
    ]

    assert len(resolving) >= EACH[family] / 10
    assert [each for each in firing if not each.has_gaps]
    assert apart
