"""Read the groups of a cluster: which there are, who is in them, and what they have committed.

Comes in: the topics that there are. Goes out: one `GroupReading` for each group, read now or kept
from before. What one group's coordinator does not answer is that group's error.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lagmon.collector import assemble
from lagmon.collector.answers import Failure
from lagmon.collector.caches import EMPTY, Descriptions
from lagmon.collector.memory import Memory
from lagmon.sharding.ownership import owns

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from lagmon.collector.assemble import Missing, Topics
    from lagmon.collector.calls import Deadline
    from lagmon.collector.questions import Questions
    from lagmon.configuration.settings import CollectorSettings
    from lagmon.readings import Committed, GroupReading, KnownGroup, Share

    Heads = dict[str, GroupReading]
    Commits = dict[str, tuple[Committed, ...] | Failure]

KEPT_TIMEOUTS = 2  # times request_timeout: how long a coordinator may owe an answer unnoticed


class Groups:
    """The groups of one cluster that *settings* name, asked for by *questions*.

    Each cycle first `heads`, then `read`. Of several replicas each reads its `share`.
    """

    def __init__(self, settings: CollectorSettings, questions: Questions) -> None:
        self._cluster = settings.cluster
        self._questions = questions
        self.share: Share | None = None
        self._sharing = settings.replica.group if settings.replica else ""
        self._descriptions = Descriptions()
        self._memory = Memory(
            idle_refresh=settings.idle_refresh,
            kept_seconds=KEPT_TIMEOUTS * settings.request_timeout,
        )

    def recall(self, known: Iterable[KnownGroup]) -> None:
        """Look for the *known* groups too that Kafka may leave out, and for their partitions."""
        wanted = self._cluster.groups
        self._memory.recall(one for one in known if wanted.accepts(one.group))

    def heads(self, until: Deadline, now: float) -> tuple[Heads, tuple[str, ...]]:
        """Give each group without its commits, and why there may be more than these."""
        groups = self._cluster.groups
        if groups.static:
            named = [name for name in groups.static if self._is_ours(name)]
            due = self._descriptions.due(named, None, now)
            described = self._described(due, named, {}, until, now)
            return assemble.static_heads(named, described), ()
        everything, errors = self._questions.groups(until)
        ours = [one for one in everything if self._is_ours(one.group)]
        listed = assemble.by_name(ours, groups)
        names = {*listed, *filter(self._is_ours, self._memory.groups)}
        due = self._descriptions.due(names, listed, now)
        return assemble.heads(
            listed, self._described(due, names, listed, until, now), errors
        ), errors

    def read(
        self, heads: Heads, topics: Topics, changed: Collection[str], until: Deadline, now: float
    ) -> tuple[tuple[GroupReading, ...], Missing]:
        """Complete *heads* by the commits; say as well why some of their topics are missing.

        *changed* are topics that are not what they were in the last cycle.
        """
        commits = self._commits(self._memory.due(heads, changed, now), heads, topics, until)
        readings = tuple(self._reading(heads[name], commits, now) for name in sorted(heads))
        self._memory.learn(readings, now)
        # Asked for by name: the metadata leaves out what was deleted and what may not be seen.
        orphans = assemble.orphans((one.committed for one in readings), topics)
        return readings, self._questions.missing(orphans, until)

    def _is_ours(self, name: str) -> bool:
        """Tell whether it is for this replica to watch the group *name*."""
        return name != self._sharing and owns(self.share, name)

    def _described(
        self,
        due: Collection[str],
        names: Collection[str],
        listed: Mapping[str, GroupReading],
        until: Deadline,
        now: float,
    ) -> dict[str, GroupReading | Failure]:
        answers = self._questions.descriptions(due, until)
        return self._descriptions.learn(answers, names, listed, now)

    def _commits(
        self, due: Collection[str], heads: Heads, topics: Topics, until: Deadline
    ) -> Commits:
        static = self._cluster.groups.static
        asked = {
            name: assemble.named(static[name], topics) if name in static else None for name in due
        }
        commits = self._questions.committed(asked, until)
        return commits | self._asked_again(heads, commits, topics, until)

    def _asked_again(
        self, heads: Heads, commits: Commits, topics: Topics, until: Deadline
    ) -> Commits:
        """Complete each answer by what it should have had and has not."""
        static = self._cluster.groups.static
        whole = {name: one for name, one in commits.items() if not isinstance(one, Failure)}
        missing = {
            name: assemble.unanswered(heads[name], one, self._memory.partitions(name), topics)
            for name, one in whole.items()
            if name not in static
        }
        asked = {name: named for name, named in missing.items() if named}
        answers = self._questions.committed(asked, until)
        found: Commits = {
            name: assemble.joined(whole[name], asked[name], answers[name], topics) for name in asked
        }
        for name in static.keys() & whole.keys():
            found[name] = assemble.told(whole[name], topics)
        return found

    def _reading(self, head: GroupReading, commits: Commits, now: float) -> GroupReading:
        if head.error is not None:
            return head
        answer = commits.get(head.group)
        if answer is None or (isinstance(answer, Failure) and answer.postponed):
            return self._memory.kept(head, answer, now)
        if isinstance(answer, Failure) and head.state == EMPTY:
            head = replace(head, members=None)  # so the list said; the coordinator says nothing
        return assemble.reading(head, answer, self._cluster.topics)
