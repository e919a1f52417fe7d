"""What an application may decide about its traces: whom to follow, whom to believe. Values only.

`Options` is handed to a `Producer`, a `Consumer`, or `processing` and never changes afterwards.
Every field has an effect; what each means for the trace is told in its own words below. Whoever is
handed none takes those that are `in_force`, which `propagation.instrument` alone sets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

Relation: TypeAlias = Literal["parent", "link", "none"]
Trust: TypeAlias = Literal["continue", "link", "ignore"]
CommitSpans: TypeAlias = Literal["traced", "always", "never"]


@dataclass(frozen=True, slots=True)
class TopicPolicy:
    """Say how the messages of some topics relate to the spans that process them.

    *topics* is a regular expression that matches the whole topic name.

    *relation*: ``parent`` makes the process span a child of the message's span, and links it too,
    so that both are one trace; ``link`` starts a trace of its own that links to the message's;
    ``none`` starts a trace of its own and says nothing of the message's.

    *trust*: ``continue`` believes the message's headers; ``link`` never takes the trace id or the
    sampling decision from them but keeps a link; ``ignore`` reads none of them.
    """

    topics: str = ".*"
    relation: Relation = "parent"
    trust: Trust = "continue"

    def __post_init__(self) -> None:
        _check("relation", self.relation, get_args(Relation))
        _check("trust", self.trust, get_args(Trust))
        try:
            re.compile(self.topics)
        except re.error as error:
            message = f"topics={self.topics!r} is not a regular expression: {error}"
            raise ValueError(message) from error

    @property
    def follows(self) -> Relation:
        """What is left of the relation once trust has had its say."""
        if self.trust == "ignore":
            return "none"
        if self.trust == "link" and self.relation == "parent":
            return "link"
        return self.relation


@dataclass(frozen=True, slots=True)
class Options:
    """Say how traces pass through Kafka here.

    *policies*: the first one whose *topics* match decides; without a match the message's trace is
    continued.

    *baggage_keys*: the only baggage that travels, out of a producer and into a processing scope.
    Baggage is copied into every message and may come from outside, so the default is none.

    *poll_spans*: a span ``poll TOPIC`` for every call of ``poll`` and ``consume`` that gave
    records, with links to them. The process spans tell as much, so the default is no.

    *commit_spans*: a span ``commit TOPIC`` for a call of ``commit``; ``traced``: inside a recorded
    trace; ``always``: outside of one too, where each commit is a trace of its own; ``never``. A
    worker that commits every second would fill a backend with such traces, so the default is
    ``traced``. Commits are measured in any case.
    """

    policies: tuple[TopicPolicy, ...] = ()
    baggage_keys: frozenset[str] = frozenset()
    poll_spans: bool = False
    commit_spans: CommitSpans = "traced"

    def __post_init__(self) -> None:
        if isinstance(self.baggage_keys, str):
            raise TypeError("baggage_keys must be a set of keys, not one text")
        if not isinstance(self.poll_spans, bool):
            raise TypeError(f"poll_spans={self.poll_spans!r} must be True or False")
        _check("commit_spans", self.commit_spans, get_args(CommitSpans))
        object.__setattr__(self, "policies", tuple(self.policies))
        object.__setattr__(self, "baggage_keys", frozenset(self.baggage_keys))
        for policy in self.policies:  # here, and not with the first message
            if not isinstance(policy, TopicPolicy):
                raise TypeError(f"policies must be of TopicPolicy, not {policy!r}")
        for key in self.baggage_keys:
            if not isinstance(key, str):
                raise TypeError(f"baggage_keys must be texts, not {key!r}")

    def policy(self, topic: str) -> TopicPolicy:
        """Give the policy for *topic*."""
        for policy in self.policies:
            if re.fullmatch(policy.topics, topic):
                return policy
        return _CONTINUE


def _check(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name}={value!r} must be one of {', '.join(allowed)}")


class InForce:
    """The *options* of every client and scope that is handed none."""

    __slots__ = ("options",)

    def __init__(self) -> None:
        self.options = DEFAULT


DEFAULT: Final = Options()
in_force: Final = InForce()
_CONTINUE: Final = TopicPolicy()
