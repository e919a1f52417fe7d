"""What options accept, and which policy a topic gets."""

from __future__ import annotations

import re
from typing import Any

import pytest

from propagation import Options, TopicPolicy


def test_the_first_matching_policy_decides() -> None:
    """The expression matches the whole name; order is precedence."""
    audit, all_else = TopicPolicy("audit\\..*", relation="link"), TopicPolicy(trust="ignore")
    options = Options(policies=(audit, all_else))

    assert options.policy("audit.plays") is audit
    assert options.policy("my.audit.plays") is all_else
    assert Options(policies=(TopicPolicy("audit"),)).policy("audit.plays").topics != "audit"


def test_without_a_policy_the_trace_is_continued() -> None:
    """The default makes the message's span the parent and believes it."""
    policy = Options(policies=(TopicPolicy("other", relation="none"),)).policy("plays")

    assert (policy.relation, policy.trust, policy.follows) == ("parent", "continue", "parent")


@pytest.mark.parametrize(
    ("relation", "trust", "follows"),
    [
        ("parent", "continue", "parent"),
        ("link", "continue", "link"),
        ("none", "continue", "none"),
        ("parent", "link", "link"),
        ("link", "link", "link"),
        ("none", "link", "none"),
        ("parent", "ignore", "none"),
        ("link", "ignore", "none"),
        ("none", "ignore", "none"),
    ],
)
def test_trust_limits_the_relation(relation: Any, trust: Any, follows: str) -> None:
    """What is not trusted is at most linked, what is ignored not even that."""
    assert TopicPolicy(relation=relation, trust=trust).follows == follows


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"relation": "child"}, "relation='child' must be one of parent, link, none"),
        ({"trust": "yes"}, "trust='yes' must be one of continue, link, ignore"),
        ({"topics": "("}, "topics='(' is not a regular expression"),
    ],
)
def test_a_wrong_policy_is_refused_with_its_field(wrong: dict[str, Any], said: str) -> None:
    """The error names the field, the value, and what would be right."""
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        TopicPolicy(**wrong)


def test_a_wrong_wish_for_commit_spans_is_refused() -> None:
    """As every choice: by field, value, and what would be right."""
    with pytest.raises(ValueError, match="commit_spans=True must be one of traced, always, never"):
        Options(commit_spans=True)  # type: ignore[arg-type]  # the mistake itself


def test_a_wish_for_poll_spans_is_yes_or_no() -> None:
    """A text that says no would count as yes."""
    with pytest.raises(TypeError, match="poll_spans='no' must be True or False"):
        Options(poll_spans="no")  # type: ignore[arg-type]


def test_options_are_values() -> None:
    """Equal options are one key, whatever collections they were made from."""
    made_of_lists: Any = Options(policies=[TopicPolicy()], baggage_keys=["a"])  # type: ignore[arg-type]  # what callers do

    assert made_of_lists == Options((TopicPolicy(),), frozenset({"a"}))
    assert len({made_of_lists, Options((TopicPolicy(),), frozenset({"a"}))}) == 1


def test_one_text_is_no_set_of_keys() -> None:
    """A forgotten pair of brackets does not become one key a letter."""
    with pytest.raises(TypeError, match="must be a set of keys"):
        Options(baggage_keys="tenant")  # type: ignore[arg-type]  # the mistake itself


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"policies": ["plays"]}, "policies must be of TopicPolicy, not 'plays'"),
        ({"policies": [{"topics": "plays"}]}, "policies must be of TopicPolicy, not {'topics'"),
        ({"baggage_keys": [1]}, "baggage_keys must be texts, not 1"),
    ],
)
def test_what_is_no_policy_and_no_key_is_refused(wrong: dict[str, Any], message: str) -> None:
    """When options are made, and not when the first message is sent or processed."""
    with pytest.raises(TypeError, match=re.escape(message)):
        Options(**wrong)
