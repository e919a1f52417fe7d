"""Find out which rights lagmon lacks, so that what it is not told is not taken for not there.

Comes in: the topics that it sees. Goes out: each right to DESCRIBE that is missing, so that groups
or partitions may be hidden. Asked in the first cycle and then once in a while: a right that is
withdrawn hides at once only what lagmon has never seen; the rest it misses by name.

The cluster tells what may be done to it. Of topics nobody tells, so that a name is asked for that
nothing bears, and each name that a rule on the cluster is about. Who may not be told the rules can
only name the topics, or not know. A question that fails leaves the last answer standing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lagmon.collector import authority
from lagmon.collector.answers import DELETED, REFUSED, Failure
from lagmon.collector.grants import EVERY, THE_CLUSTER, UNTOLD, is_named, sample, samples
from lagmon.readings import MissingRight, Resource

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from lagmon.collector.calls import Calls, Deadline
    from lagmon.collector.grants import Sample
    from lagmon.collector.questions import Questions
    from lagmon.configuration.settings import Cluster

REFRESH_SECONDS = 10.0
ABSENT = (DELETED, "GROUP_ID_NOT_FOUND")  # told to whoever might see it
TOPICS_AT_MOST = 1000  # that rules are about and lagmon does not see; 0.03 s


class Rights:
    """The rights of lagmon on *cluster*, asked for by *calls* and *questions*."""

    def __init__(self, cluster: Cluster, calls: Calls, questions: Questions) -> None:
        self._cluster = cluster
        self._calls = calls
        self._questions = questions
        self._asked_at: float | None = None
        self._missing: tuple[MissingRight, ...] = ()
        self._told = authority.Told(None)

    def missing(
        self, topics: Collection[str], until: Deadline, now: float
    ) -> tuple[MissingRight, ...]:
        """Give what is missing as of the last answers; nothing where groups and topics are named.

        *topics* are those that lagmon sees. What is still open is asked again in the next cycle.
        """
        since = None if self._asked_at is None else now - self._asked_at
        named = bool(self._cluster.groups.static)
        if named or (since is not None and 0 <= since < REFRESH_SECONDS):
            return self._missing
        found = self._ask(topics, until)
        if found is not None:
            self._missing, self._asked_at = found, now
        return self._missing

    def _ask(self, topics: Collection[str], until: Deadline) -> tuple[MissingRight, ...] | None:
        """Ask all of it; None while an answer is to come. What nobody ever told is not missing."""
        told = authority.ask(self._calls, min(topics, default=None), until)
        if told.postponed:
            return None
        self._told = told = told.after(self._told)
        groups = self._groups(until) if told.describable is False else ()
        hidden = self._topics((told.topics or frozenset()) - set(topics), until)
        return None if groups is None or hidden is None else (*groups, *hidden)

    def _groups(self, until: Deadline) -> tuple[MissingRight, ...] | None:
        """Say what hides groups without the right on the cluster, with which all are listed.

        Where patterns say which are wanted, the rights on those are enough.
        """
        wanted = self._cluster.groups
        if not wanted.include:
            return (THE_CLUSTER,)
        asked = samples(Resource.GROUP, wanted)
        answers = self._questions.descriptions([one.name for one in asked], until)
        return _refused(asked, answers, self._missing)

    def _topics(self, unseen: Collection[str], until: Deadline) -> tuple[MissingRight, ...] | None:
        """Say which topics are hidden: of those *unseen* that rules are about, and of all."""
        wanted = self._cluster.topics
        named = sorted(name for name in unseen if wanted.accepts(name))[:TOPICS_AT_MOST]
        every = samples(Resource.TOPIC, wanted)
        asked = {one.name: one for one in (*(sample(Resource.TOPIC, n) for n in named), *every)}
        found = _refused(asked.values(), self._questions.refusals(asked, until), self._missing)
        if found is None:
            return None
        if all_of_them := tuple(one for one in found if one.name == EVERY):
            return all_of_them
        return found if is_named(wanted) or not self._told.refused else (*found, UNTOLD)


def _refused(
    asked: Collection[Sample], answers: Mapping[str, object], before: Collection[MissingRight]
) -> tuple[MissingRight, ...] | None:
    """Give the rights that the *answers* show to be missing; None while one is to come.

    Where there is no answer it counts what was missing *before*.
    """
    found = []
    for name, right in asked:
        answer = answers[name]
        if isinstance(answer, Failure):
            if answer.postponed:
                return None
            unsaid = right in before and not answer.words.startswith(ABSENT)
            if unsaid or answer.words.startswith(REFUSED):
                found.append(right)
    return tuple(found)
