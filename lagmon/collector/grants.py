"""Which rights lagmon has to have, by what name to ask whether it has them, and how to grant them.

Comes in: what is to be watched. Goes out: names to ask Kafka about, and words. Pure.

Kafka leaves out of its lists what may not be seen, and says nothing. Asked by a name that nothing
bears it does tell: "there is none" to whoever might see it, a refusal to whoever might not. Such a
name stands for all that a pattern takes: it is made of the pattern's fixed beginning.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

from lagmon.readings import TOPIC_REFUSED, TOPICS_UNTOLD, MissingRight, Resource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lagmon.configuration.settings import Cluster, Selection

EVERY = "*"
STRANGER = "lagmon-asks"  # a name that nothing bears; if something does, that is fine too
REPEATED = "*?{"  # what may leave out the character before it
PLAIN = frozenset("-_")  # beside letters and digits: they mean themselves
HIDES = {
    Resource.CLUSTER: "groups may be hidden",
    Resource.GROUP: "groups may be hidden",
    Resource.TOPIC: "partitions may be hidden",
}
THE_CLUSTER = MissingRight(Resource.CLUSTER)
UNTOLD = MissingRight(Resource.TOPIC)  # on some topic, perhaps: nobody tells which have rules
UNKNOWABLE = "lagmon may not DESCRIBE the cluster, and topics.include does not name each topic"


class Sample(NamedTuple):
    """A *name* to ask about, and the *right* that is missing if it is refused."""

    name: str
    right: MissingRight


def samples(resource: Resource, wanted: Selection) -> tuple[Sample, ...]:
    """Give a name to ask about for each pattern of *wanted*, the same for every name.

    What is excluded need not be seen.
    """
    starts = [beginning(one.pattern) for one in wanted.include] or [("", False)]
    made = (
        sample(resource, text) if whole else _stranger(resource, text) for text, whole in starts
    )
    return tuple(dict.fromkeys(one for one in made if not wanted.excludes(one.name)))


def is_named(wanted: Selection) -> bool:
    """Tell whether *wanted* gives every name itself, so that each can be asked for."""
    return bool(wanted.include) and all(beginning(one.pattern)[1] for one in wanted.include)


def sample(resource: Resource, name: str) -> Sample:
    """Give *name* as one to ask about that stands for itself."""
    return Sample(name, MissingRight(resource, name))


def _stranger(resource: Resource, text: str) -> Sample:
    right = MissingRight(resource, text or EVERY, prefixed=bool(text))
    return Sample(text + STRANGER, right)


def beginning(pattern: str) -> tuple[str, bool]:
    """Give the text that all names begin with which match *pattern*, and whether it is all of it.

    Where that takes more than reading from left to right it is empty.
    """
    if "|" in pattern:
        return "", False
    text = ""
    for char, rest in _characters(pattern):
        if char is None:
            return text, False
        if rest[:1] and rest[0] in REPEATED:
            return text, False
        text += char
        if rest[:1] == "+":
            return text, False
    return text, bool(text)


def _characters(pattern: str) -> Iterator[tuple[str | None, str]]:
    """Give each character that *pattern* wants with what follows it; None where it is not one."""
    place = 0
    while place < len(pattern):
        char, place = pattern[place], place + 1
        if char == "\\" and place < len(pattern) and not pattern[place].isalnum():
            char, place = pattern[place], place + 1
            yield char, pattern[place:]
        else:
            plain = char.isalnum() or char in PLAIN
            yield (char if plain else None), pattern[place:]


def words(right: MissingRight, cluster: Cluster) -> str:
    """Say that *right* is missing, what that hides, and the command that grants it."""
    return f"{lack(right)}: {consequence(right)}; {grant(right, cluster)}"


def lack(right: MissingRight) -> str:
    """Say that *right* is missing."""
    if right == UNTOLD:
        return TOPICS_UNTOLD
    lacks = {
        Resource.CLUSTER: "lagmon may not DESCRIBE the cluster",
        Resource.GROUP: f"lagmon may not DESCRIBE group {right.name}",
        Resource.TOPIC: f"{TOPIC_REFUSED} {right.name}",
    }[right.resource]
    return f"{lacks} and what begins like it" if right.prefixed else lacks


def consequence(right: MissingRight) -> str:
    """Say what is hidden while *right* is missing; of what nobody tells, why nobody does."""
    return UNKNOWABLE if right == UNTOLD else HIDES[right.resource]


def grant(right: MissingRight, cluster: Cluster, operation: str = "Describe") -> str:
    """Give the command that grants *right*, or another *operation* on the same."""
    right = THE_CLUSTER if right == UNTOLD else right
    named = "" if right.resource is Resource.CLUSTER else f" {shlex.quote(right.name)}"
    pattern = " --resource-pattern-type prefixed" if right.prefixed else ""
    server = cluster.bootstrap_servers.partition(",")[0].strip()
    user = shlex.quote(f"User:{cluster.client.get('sasl.username', 'LAGMON')}")
    return (
        f"kafka-acls --bootstrap-server {server} --add --allow-principal {user}"
        f" --operation {operation} --{right.resource}{named}{pattern}"
    )
