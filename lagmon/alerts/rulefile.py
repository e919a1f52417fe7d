"""Write lagmon's rules for Prometheus: the same conditions in PromQL over lagmon's own metrics.

In: the rules, and the groups that the configuration names. Out: the entries of a rule file, which
`text` writes as YAML, and Alertmanager's inhibition. Pure. What a gap in the series does in each of
the two is told in ``docs/reference/lagmon-rules.md``.

By ``copy_of`` and an empty ``source`` Alertmanager knows the copy of what lagmon sends. During
maintenance lagmon sends nothing that could hold the copy back; `lagmon_maintenance` does it then.
Without `instance` and `job` their labels are lagmon's own, and a lagmon that moved to another
address neither ends an alert nor starts its time anew.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import yaml

from lagmon.alerts.conditions import Measure
from lagmon.alerts.rules import Scope

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from lagmon.alerts.rules import Override, Rule

HEAD = "# Written by `lagmon rules`: change the configuration of lagmon and write it again.\n"
COPY = "copy_of"  # the label of each alert here; its value is the `source` of the original
ALIVE, VALUED = "lagmon:group_alive", "lagmon:group_valued"
MEMORY = "1h"  # how long a group may be out of sight and still be remembered
MEMORY_INTERVAL, INTERVAL = "30s", "5s"
# Its groups of rules, what remembers before what asks: promtool takes them in any order otherwise.
GROUPS = ("lagmon-memory", "lagmon")

_BY = {
    Scope.CLUSTER: "kafka_cluster",
    Scope.GROUP: "kafka_cluster, group",
    Scope.TOPIC: "kafka_cluster, group, topic",
    Scope.PARTITION: "kafka_cluster, group, topic, partition",
}
_PARTS = frozenset({Scope.TOPIC, Scope.PARTITION})
_GROUP = _BY[Scope.GROUP]
_SEEN = f"on ({_GROUP}) max by ({_GROUP}) (lagmon_group_state)"
_UP, _LISTED = "max by (kafka_cluster) (lagmon_up)", "max by (kafka_cluster) (lagmon_groups)"
_BLIND = f"({_UP} == 0 or ({_UP} unless {_LISTED}))"
_ABOUT = {
    Scope.CLUSTER: "Cluster {{ $labels.kafka_cluster }}",
    Scope.GROUP: "Consumer group {{ $labels.group }} on {{ $labels.kafka_cluster }}",
    Scope.TOPIC: "Consumer group {{ $labels.group }} on {{ $labels.kafka_cluster }}, "
    "{{ $labels.topic }},",
    Scope.PARTITION: "Consumer group {{ $labels.group }} on {{ $labels.kafka_cluster }}, "
    "{{ $labels.topic }}[{{ $labels.partition }}],",
}
_WORDS = {
    Measure.LAG: ("%.0f", "is {} messages behind"),
    Measure.SECONDS: ("%.0f", "is {} seconds behind"),
    Measure.RETENTION: ("%.2f", "is behind by {} of what is retained"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One alerting rule of the file: *rule* as it is for the groups of one pattern.

    *groups* is that pattern, *others* are those that come before it and take their groups away.
    """

    rule: Rule
    groups: str = ".*"
    others: tuple[str, ...] = ()
    exception: str | None = None


def entries(rules: Iterable[Rule]) -> Iterator[Entry]:
    """Part *rules* so that each entry has one limit and one time: an exception is one of its own.

    A rule on the states of topics or partitions has no entry: these states are no metrics.
    """
    for rule in rules:
        if rule.condition.measure is Measure.STATE and rule.scope in _PARTS:
            continue
        plain = replace(rule, exceptions=())
        if rule.scope is Scope.CLUSTER:
            yield Entry(plain, rule.groups)
            continue
        yield from _parted(plain, rule.exceptions)


def _parted(plain: Rule, exceptions: tuple[Override, ...]) -> Iterator[Entry]:
    before: tuple[str, ...] = ()
    for exception in exceptions:
        if exception.groups is None:
            continue
        changed = plain.changed(replace(exception, groups=None))
        if changed.enabled:
            yield Entry(changed, plain.groups, before, exception.groups)
        before = (*before, exception.groups)
    yield Entry(plain, plain.groups, before)


def unwritten(rules: Iterable[Rule]) -> list[str]:
    """Name the rules that Prometheus cannot be given."""
    rules = list(rules)
    written = {entry.rule.name for entry in entries(rules)}
    return [rule.name for rule in rules if rule.name not in written]


def unfed(rules: Iterable[Rule]) -> list[str]:
    """Name the rules that are written and ask for series of partitions alone."""
    narrow = [each.rule.name for each in entries(rules) if each.rule.scope in _PARTS]
    return list(dict.fromkeys(narrow))


def rule_file(rules: Iterable[Rule], named: Mapping[str, Collection[str]]) -> dict[str, Any]:
    """Give the content of the rule file; *named* has, by cluster, the groups always alive."""
    found = list(entries(rules))
    remembers, asks = GROUPS
    alerts = {"name": asks, "interval": INTERVAL, "rules": [_alert(each) for each in found]}
    recorded = list(_recorded(found, named))
    if not recorded:
        return {"groups": [alerts]}
    memory = {"name": remembers, "interval": MEMORY_INTERVAL, "rules": recorded}
    return {"groups": [memory, alerts]}


def inhibit_rules() -> list[dict[str, Any]]:
    """Give what keeps one thing from paging twice, for Alertmanager's ``inhibit_rules``."""
    return [
        {
            "source_matchers": ['source = "lagmon"'],
            "target_matchers": [f'{COPY} = "lagmon"', 'source = ""'],
            "equal": ["alertname", "kafka_cluster", "group", "topic", "partition"],
        },
        {
            "source_matchers": ['alertname = "KafkaConsumerLag"'],
            "target_matchers": ['alertname = "KafkaConsumerStuck"'],
            "equal": ["kafka_cluster", "group"],
        },
    ]


def text(content: object) -> str:
    """Write *content* as a YAML file."""
    return HEAD + yaml.safe_dump(content, sort_keys=False, width=10_000, allow_unicode=True)


def span(seconds: float) -> str:
    """Write a length of time as Prometheus reads it: ``15s``, ``500ms``."""
    whole = round(seconds * 1000)
    return f"{whole}ms" if whole % 1000 else f"{whole // 1000}s"


def annotations_of(entry: Entry) -> dict[str, str]:
    """Give the annotations of *entry*, in Prometheus's template language."""
    rule, about = entry.rule, _ABOUT[entry.rule.scope]
    given = {name: _literal(value) for name, value in rule.annotations}
    limit, lasting = "", f" for {span(rule.for_seconds)}" if rule.for_seconds else ""
    if rule.condition.compares:
        digits, words = _WORDS[rule.condition.measure]
        value = f'{{{{ printf "{digits}" $value }}}}'
        limit = f"{rule.condition.threshold:.15g}"
        given |= {"summary": f"{about} {words.format(value)}", "value": value, "threshold": limit}
    else:
        given |= {"summary": f"{about}: {_literal(rule.title)}"}
    more = f"The page of lagmon says more: {_more(rule)}."
    given["description"] = f"The rule: {rule.condition}{lasting}. {more}"
    if rule.runbook:
        given["runbook_url"] = _literal(rule.runbook)
    return given


def _more(rule: Rule) -> str:
    """Say what lagmon tells beside what Prometheus knows: of a cluster there is no one record."""
    if rule.condition.measure is Measure.LIST:
        return "what the brokers answered, if anything"
    if rule.condition.measure is Measure.VALUE:
        return "why it cannot be read, in the words of the broker"
    if rule.scope is Scope.CLUSTER:
        return "which of its groups, and why"
    where = "" if rule.scope is Scope.PARTITION else "on which partition, "
    return f"why, {where}the oldest uncommitted record and its trace id"


def labels_of(entry: Entry) -> dict[str, str]:
    """Give the labels of *entry*, in Prometheus's template language."""
    rule = entry.rule
    own = {"code": rule.code, "severity": rule.severity.value, "priority": rule.priority.value}
    if rule.owner:
        own["owner"] = _literal(rule.owner)
    if entry.exception is not None:
        own["for_groups"] = _literal(entry.exception)  # or two entries would be one to Prometheus
    own[COPY] = "lagmon"
    return {name: _literal(value) for name, value in rule.labels} | own


def _alert(entry: Entry) -> dict[str, Any]:
    rule = entry.rule
    alert: dict[str, Any] = {"alert": rule.name, "expr": f"{_expression(entry)}{_awake(rule)}"}
    if rule.for_seconds:
        alert["for"] = span(rule.for_seconds)
    if rule.keep_firing_for_seconds:
        alert["keep_firing_for"] = span(rule.keep_firing_for_seconds)
    return alert | {"labels": labels_of(entry), "annotations": annotations_of(entry)}


def _expression(entry: Entry) -> str:
    rule, condition = entry.rule, entry.rule.condition
    if condition.measure is Measure.LIST:
        return _BLIND
    chosen = _chosen(entry)
    if condition.measure is Measure.VALUE:
        partly = f"max by ({_GROUP}) (lagmon_group_unknown_partitions{_braces(chosen)}) > 0"
        unknown = _braces([*chosen, 'state="unknown"'])
        wholly = (
            f"max by ({_GROUP}) (lagmon_group_state{unknown})"
            f" unless on ({_GROUP}) lagmon_group_lag_messages"
        )
        return (
            f"({partly} or {wholly}) and on ({_GROUP}) {VALUED} unless on (kafka_cluster) {_BLIND}"
        )
    if condition.measure is Measure.STATE:
        chosen.append(f'state=~"{"|".join(condition.states)}"')
        found = f"max by ({_BY[rule.scope]}) (lagmon_group_state{_braces(chosen)}) == 1"
        return f"{found} and on ({_GROUP}) {ALIVE}" if rule.alive_only else found
    return f"{_compared(rule, _braces(chosen))} > {condition.threshold:.15g}"


def _awake(rule: Rule) -> str:
    """Leave out whom maintenance is for; that of a topic or partition is that of its group."""
    by = _BY[Scope.CLUSTER if rule.scope is Scope.CLUSTER else Scope.GROUP]
    return f' unless on ({by}) lagmon_maintenance{{rule="{_quoted(rule.name)}"}}'


def _compared(rule: Rule, chosen: str) -> str:
    by, measure = _BY[rule.scope], rule.condition.measure
    of_group = rule.scope in {Scope.CLUSTER, Scope.GROUP}
    if measure is Measure.LAG:
        each = Scope.GROUP if of_group else Scope.PARTITION
        single = f"max by ({_BY[each]}) (lagmon_{each}_lag_messages{chosen})"
        return single if each is rule.scope else f"sum by ({by}) ({single})"
    if measure is Measure.SECONDS:
        return f"max by ({by}) (lagmon_{'group' if of_group else 'partition'}_lag_seconds{chosen})"
    if of_group:
        return f"max by ({by}) (lagmon_group_retention_ratio{chosen})"
    where = "kafka_cluster, topic, partition"
    kept = (
        f"clamp_min(max by ({where}) (lagmon_topic_partition_end_offset)"
        f" - max by ({where}) (lagmon_topic_partition_start_offset), 1)"
    )
    unread = f"max by ({_BY[Scope.PARTITION]}) (lagmon_partition_lag_messages{chosen})"
    return f"max by ({by}) ({unread} / on ({where}) group_left () {kept})"


def _recorded(
    found: Iterable[Entry], named: Mapping[str, Collection[str]]
) -> Iterator[dict[str, str]]:
    rules = [entry.rule for entry in found]
    if any(rule.alive_only for rule in rules):
        moved = f"sum by ({_GROUP}) (changes(lagmon_partition_committed_offset[1m])) > 0"
        always = [
            f"max by ({_GROUP}) (lagmon_group_state"
            f'{{kafka_cluster="{_quoted(cluster)}", group=~"{_quoted(_any(groups))}"}})'
            for cluster, groups in named.items()
            if groups
        ]
        seen = [f"max by ({_GROUP}) (lagmon_group_members) > 0", moved, *always]
        yield {"record": ALIVE, "expr": " or ".join([*seen, _remembered(ALIVE)])}
    if any(rule.condition.measure is Measure.VALUE for rule in rules):
        value = f"max by ({_GROUP}) (lagmon_group_lag_messages)"
        yield {"record": VALUED, "expr": f"{value} or {_remembered(VALUED)}"}


def _remembered(name: str) -> str:
    return f"max by ({_GROUP}) (last_over_time({name}[{MEMORY}])) and {_SEEN}"


def _any(groups: Iterable[str]) -> str:
    return "|".join(re.escape(group) for group in sorted(groups))


def _chosen(entry: Entry) -> list[str]:
    wanted = [entry.groups] if entry.exception is None else [entry.groups, entry.exception]
    taken = [f'group!~"{_quoted(other)}"' for other in entry.others]
    return [f'group=~"{_quoted(each)}"' for each in wanted if each != ".*"] + taken


def _braces(chosen: list[str]) -> str:
    return f"{{{', '.join(chosen)}}}" if chosen else ""


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _literal(value: str) -> str:
    """Keep Prometheus from taking *value* for a template."""
    return value.replace("{{", '{{ "{{" }}')
