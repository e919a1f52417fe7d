"""Write tests of the rule file for promtool: each alert fires in its time, and not before.

In: the rules as `rulefile` takes them. Out: the content of a file for ``promtool test
rules``, which lies beside the rule file. Pure.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from lagmon.alerts.conditions import Measure
from lagmon.alerts.rulefile import GROUPS, annotations_of, entries, labels_of
from lagmon.alerts.rules import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lagmon.alerts.rulefile import Entry
    from lagmon.alerts.rules import Rule

TICK_SECONDS = 5
CLUSTER, TOPIC = "a-cluster", "a-topic"
# Names to try on a pattern: one that matches is needed for a test of its rule.
_NAMES = ("a-group", "a", "group-1", "1")
# What to write for a part of a pattern: one character of a class, one or none for a dot.
_PARTS = re.compile(
    r"\\(?P<one>.)|\[(?P<first>[^]^\\]).*?\]|(?P<some>\.\+|\.(?![*?]))|\.[*?]|[()^$*+?]"
)


def rule_tests(rules: Iterable[Rule], rule_file: str) -> dict[str, Any]:
    """Give tests of the file named *rule_file* that holds *rules*.

    An exception for groups of which no name could be made up has none.
    """
    tests = [test for entry in entries(rules) for test in _tests(entry)]
    tick = f"{TICK_SECONDS}s"
    return {
        "rule_files": [rule_file],
        "evaluation_interval": tick,
        "group_eval_order": list(GROUPS),
        "tests": tests,
    }


def _tests(entry: Entry) -> list[dict[str, Any]]:
    group = "" if entry.rule.scope is Scope.CLUSTER else _name(entry)
    if group is None:
        return []
    held = math.ceil(entry.rule.for_seconds / TICK_SECONDS)
    about = f"{entry.rule.name}{f' for {entry.exception}' if entry.exception else ''}"
    fires: list[dict[str, Any]] = [_asked(entry, 1 + held, [_page(entry, group)])]
    if held:
        fires.insert(0, _asked(entry, held, []))
    return [
        _test(
            f"{about} fires when it has held for its time", _series(entry, group, held + 2), fires
        ),
        _test(
            f"{about} stays silent while all is well",
            _series(entry, group, 0, quiet=held + 2),
            [_asked(entry, held + 1, [])],
        ),
        _test(
            f"{about} stays silent in maintenance",
            _series(entry, group, held + 2) | _maintenance(entry, group, held + 3),
            [_asked(entry, held + 2, [])],
        ),
    ]


def _test(name: str, series: dict[str, str], asked: list[dict[str, Any]]) -> dict[str, Any]:
    shown = [{"series": name, "values": values} for name, values in series.items()]
    return {
        "name": name,
        "interval": f"{TICK_SECONDS}s",
        "input_series": shown,
        "alert_rule_test": asked,
    }


def _asked(entry: Entry, tick: int, alerts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "eval_time": f"{tick * TICK_SECONDS}s",
        "alertname": entry.rule.name,
        "exp_alerts": alerts,
    }


def _page(entry: Entry, group: str) -> dict[str, Any]:
    where = _where(entry, group)
    value = _bad(entry)
    written = annotations_of(entry)
    return {
        "exp_labels": where | {n: _rendered(t, where, value) for n, t in labels_of(entry).items()},
        "exp_annotations": {n: _rendered(t, where, value) for n, t in written.items()},
    }


def _rendered(template: str, where: dict[str, str], value: float) -> str:
    for name, text in where.items():
        template = template.replace(f"{{{{ $labels.{name} }}}}", text)
    template = template.replace('{{ printf "%.0f" $value }}', f"{value:.0f}")
    return template.replace('{{ printf "%.2f" $value }}', f"{value:.2f}").replace(
        '{{ "{{" }}', "{{"
    )


def _where(entry: Entry, group: str) -> dict[str, str]:
    names = {"kafka_cluster": CLUSTER, "group": group, "topic": TOPIC, "partition": "0"}
    depth = list(Scope).index(entry.rule.scope) + 1
    return dict(list(names.items())[:depth])


def _bad(entry: Entry) -> float:
    """Give a value at which the rule holds: a whole one, which every metric can have."""
    return math.floor(entry.rule.condition.threshold) + 1 if entry.rule.condition.compares else 1


def _series(entry: Entry, group: str, bad: int, *, quiet: int = 1) -> dict[str, str]:
    """Give the samples: fine for *quiet* ticks, then not for *bad*."""
    by_group = {"kafka_cluster": CLUSTER, "group": group}
    fine_then_bad = _values(("0", quiet), (f"{_bad(entry):.0f}", bad))
    measure = entry.rule.condition.measure
    if measure is Measure.LIST:
        up = _labelled("lagmon_up", {"kafka_cluster": CLUSTER})
        listed = _labelled("lagmon_groups", {"kafka_cluster": CLUSTER})
        return {up: _values(("1", quiet), ("0", bad)), listed: _values(("1", quiet), ("1", bad))}
    if measure is Measure.VALUE:
        return {
            _labelled("lagmon_group_lag_messages", by_group): _values(("0", quiet), ("stale", bad)),
            _labelled("lagmon_group_state", by_group | {"state": "unknown"}): _values(
                ("stale", quiet), ("1", bad)
            ),
        }
    if measure is Measure.STATE:
        state = entry.rule.condition.states[0]
        return {
            _labelled("lagmon_group_members", by_group): _values(("1", quiet), ("1", bad)),
            _labelled("lagmon_group_state", by_group | {"state": state}): _values(
                ("stale", quiet), ("1", bad)
            ),
        }
    return _compared(entry, by_group, fine_then_bad, quiet + bad)


def _maintenance(entry: Entry, group: str, ticks: int) -> dict[str, str]:
    labels = {"rule": entry.rule.name, "kafka_cluster": CLUSTER, "group": group}
    return {_labelled("lagmon_maintenance", labels): _values(("1", ticks))}


def _compared(entry: Entry, by_group: dict[str, str], values: str, ticks: int) -> dict[str, str]:
    measure, scope = entry.rule.condition.measure, entry.rule.scope
    of_group = scope in {Scope.CLUSTER, Scope.GROUP}
    at = {"topic": TOPIC, "partition": "0"}
    labels = by_group if of_group else by_group | at
    name = "group" if of_group else "partition"
    if measure is Measure.LAG:
        return {_labelled(f"lagmon_{name}_lag_messages", labels): values}
    if measure is Measure.SECONDS:
        return {_labelled(f"lagmon_{name}_lag_seconds", labels): values}
    if of_group:
        return {_labelled("lagmon_group_retention_ratio", labels): values}
    where = {"kafka_cluster": CLUSTER} | at
    return {
        _labelled("lagmon_partition_lag_messages", labels): values,
        _labelled("lagmon_topic_partition_start_offset", where): _values(("0", ticks)),
        _labelled("lagmon_topic_partition_end_offset", where): _values(("1", ticks)),
    }


def _labelled(name: str, labels: dict[str, str]) -> str:
    return f"{name}{{{', '.join(f'{key}={_text(value)}' for key, value in labels.items())}}}"


def _text(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _values(*runs: tuple[str, int]) -> str:
    return " ".join(value for value, count in runs for _ in range(count))


def _name(entry: Entry) -> str | None:
    """Make up a group that *entry* is for."""
    wanted = [entry.groups, entry.exception or ".*"]
    made = [_made(part) for each in wanted for part in each.split("|")]
    fits = [each for each in (*_NAMES, *made) if _fits(each, wanted, entry.others)]
    return fits[0] if fits else None


def _made(pattern: str) -> str:
    return _PARTS.sub(
        lambda part: part["one"] or part["first"] or (part["some"] and "x") or "", pattern
    )


def _fits(name: str, wanted: Sequence[str], others: Sequence[str]) -> bool:
    return all(re.fullmatch(each, name, re.DOTALL) for each in wanted) and not any(
        re.fullmatch(each, name, re.DOTALL) for each in others
    )
