"""The rules that are shipped, and what the settings may change in them."""

from __future__ import annotations

import pytest

from lagmon.alerts.rules import KAFKA_CONSUMER_LAG, SHIPPED, Override, configured


def test_the_shipped_rule_is_the_required_page() -> None:
    """KafkaConsumerLag is a critical P1 on a group's lag above 1000 for 15 seconds."""
    rule = KAFKA_CONSUMER_LAG

    assert (rule.name, rule.code) == ("KafkaConsumerLag", "KAFKA_CONSUMER_LAG")
    assert (rule.severity, rule.priority, rule.scope) == ("critical", "P1", "group")
    assert (rule.condition.threshold, rule.for_seconds) == (1000, 15)


@pytest.mark.parametrize(("lag", "holds"), [(0, False), (1000, False), (1001, True)])
def test_the_threshold_itself_is_fine(lag: int, holds: bool) -> None:  # noqa: FBT001 (a column)
    """The condition holds above the threshold and not at it."""
    assert KAFKA_CONSUMER_LAG.condition.holds(lag) is holds


def test_without_overrides_the_shipped_rules_stand() -> None:
    """No override gives the shipped rules unchanged."""
    assert configured({}) == SHIPPED


def test_an_override_changes_what_it_names_alone() -> None:
    """An override of the threshold leaves `for` as shipped, and the other way round."""
    (threshold, *_) = configured({"KafkaConsumerLag": Override(threshold=50)})
    (held, *_) = configured({"KafkaConsumerLag": Override(for_seconds=2)})

    assert (threshold.condition.threshold, threshold.for_seconds) == (50, 15)
    assert (held.condition.threshold, held.for_seconds) == (1000, 2)


def test_a_threshold_of_zero_is_a_threshold() -> None:
    """Zero is a value like any other, and not the same as nothing."""
    (rule, *_) = configured({"KafkaConsumerLag": Override(threshold=0, for_seconds=0)})

    assert (rule.condition.threshold, rule.for_seconds) == (0, 0)


def test_an_override_of_no_rule_is_refused_with_those_that_exist() -> None:
    """A misspelt rule name is an error that lists the right ones."""
    with pytest.raises(ValueError, match=r"KafkaConsumerLagg: .* there is: KafkaConsumerLag"):
        configured({"KafkaConsumerLagg": Override(threshold=1)})
