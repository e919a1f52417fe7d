"""Decide when PagerDuty is told, and of what, where Alertmanagers take nothing. Pure.

In: notices, what became of each sending to an Alertmanager, what became of each event, and the
time, in seconds of any clock that is never set. Out: the next event to send, if it is time for one;
and what a restart must not forget.

There is one page for all incidents of a consumer group, and one for those of a cluster itself. It
is PagerDuty's when no Alertmanager has taken anything for as long as the policy says, all of them
have been tried since the page was first wanted, and none of them took it before. Its end is told to
PagerDuty whoever takes alerts by then. A page that no notice speaks of any more is over as well,
after the time for which an alert would hold at an Alertmanager.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from lagmon.alerts.rules import Priority
from lagmon.fields import PARTITIONS, Fields
from lagmon.model import IncidentKey
from lagmon.notify.mailbox import CAPACITY, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lagmon.report import Notice

# PagerDuty takes about 120 a minute for a routing key, which others may use as well.
PER_MINUTE = 60
MINUTE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 60.0  # between tries, which begin a second apart and take twice that each
_HASH_DIGITS = 32


class Action(StrEnum):
    """What an event asks of PagerDuty, in its words."""

    TRIGGER = "trigger"
    RESOLVE = "resolve"


class Told(StrEnum):
    """Whether PagerDuty knows of a page; it may where nothing came back."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


@dataclass(frozen=True, slots=True)
class About:
    """What a page is about: a *group*, or without one the *cluster* itself."""

    cluster: str
    group: str | None = None

    @property
    def dedup_key(self) -> str:
        """Name the page at PagerDuty: the same before and after a restart, and for a replica."""
        named = json.dumps([self.cluster, self.group]).encode()
        return f"lagmon-{hashlib.sha256(named).hexdigest()[:_HASH_DIGITS]}"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing to tell; *notices* are those of a trigger, the most urgent first."""

    action: Action
    about: About
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """Whom PagerDuty stands in for: *alertmanagers* by name, silent for *after_seconds*.

    Without any it is told at once. Only incidents of *priorities* are pages; one of which nothing
    is heard for *holds_seconds* is over.
    """

    alertmanagers: frozenset[str]
    after_seconds: float
    holds_seconds: float
    priorities: frozenset[Priority] = frozenset({Priority.P1})


@dataclass(slots=True)
class _Page:
    about: About
    wanted_at: float
    seen_at: float
    told: Told = Told.NO
    is_taken: bool = False  # by an Alertmanager
    # What is open of it; None is from before a restart, until it is spoken of again.
    firing: dict[IncidentKey, Notice | None] = field(default_factory=dict)
    tried_at: float = float("-inf")


class Fallback:
    """Decides by *policy*; `restore` what was kept before the first notice."""

    def __init__(self, policy: Policy, *, capacity: int = CAPACITY) -> None:
        self._policy = policy
        self._capacity = capacity
        self._pages: dict[About, _Page] = {}
        self._failing_since: dict[str, float] = {}
        self._failed_at: dict[str, float] = {}
        self._sent_at: deque[float] = deque()
        self._failures = 0
        self._not_before = float("-inf")
        self.dropped = 0  # notices for which there was no room

    @property
    def is_waiting(self) -> bool:
        """Whether there is a page that PagerDuty may have to be told of, or of its end."""
        return any(
            page.told is not Told.NO if not page.firing else self._is_untold(page)
            for page in self._pages.values()
        )

    def take(self, notices: Iterable[Notice], now: float) -> None:
        """Take over how things stand by *notices*."""
        for notice in notices:
            incident = notice.change.incident
            about = About(incident.key.cluster, incident.key.group)
            if incident.resolved_at is not None:
                if about in self._pages:
                    self._pages[about].firing.pop(incident.key, None)
            elif not incident.held and notice.rule.priority in self._policy.priorities:
                self._fire(about, notice, now)

    def heard(self, name: str, notices: Sequence[Notice], outcome: Outcome, now: float) -> None:
        """Take note of what became of *notices* at the notifier *name*."""
        if name not in self._policy.alertmanagers:
            return
        if outcome is not Outcome.SENT:
            self._failing_since.setdefault(name, now)
            self._failed_at[name] = now
            return
        self._failing_since.pop(name, None)
        for key in (notice.change.incident.key for notice in notices):
            page = self._pages.get(About(key.cluster, key.group))
            if page is not None and key in page.firing:
                page.is_taken = True

    def keep_only(self, covers: Callable[[IncidentKey], bool]) -> None:
        """Drop each page that is another replica's by now; *covers* tells by key."""
        for about in list(self._pages):
            if not covers(IncidentKey("", about.cluster, about.group)):
                del self._pages[about]

    def due(self, now: float) -> Event | None:
        """Give the event to send at *now*; `settled` has to be called with it before the next."""
        self._forget(now)
        ready = [page for page in self._pages.values() if self._action(page, now)]
        if not ready or now < self._not_before or not self._is_room(now):
            return None
        page = min(ready, key=lambda page: (page.tried_at, bool(page.firing), page.wanted_at))
        page.tried_at = now
        self._sent_at.append(now)
        if not page.firing:
            return Event(Action.RESOLVE, page.about)
        page.told = Told.MAYBE
        known = [notice for notice in page.firing.values() if notice is not None]
        return Event(Action.TRIGGER, page.about, tuple(sorted(known, key=_urgency)))

    def settled(self, event: Event, outcome: Outcome, now: float) -> None:
        """Take note of what became of *event*; after a failure the next one waits a while."""
        if outcome is not Outcome.SENT:
            pause = min(2.0**self._failures, LONGEST_PAUSE_SECONDS)
            self._failures, self._not_before = self._failures + 1, now + pause
            return
        self._failures = 0
        page = self._pages[event.about]
        page.tried_at = float("-inf")  # the next is another event
        if event.action is Action.TRIGGER:
            page.told = Told.YES
        else:  # whatever came meanwhile is a new page
            page.told, page.wanted_at, page.is_taken = Told.NO, now, False

    def saved(self) -> list[dict[str, Any]]:
        """Give what a restart must not forget, as JSON can hold it."""
        return [
            {
                "cluster": about.cluster,
                "group": about.group,
                "told": page.told.value,
                "taken": page.is_taken,
                "incidents": [_key_out(key) for key in page.firing],
            }
            for about, page in self._pages.items()
            if page.told is not Told.NO or page.is_taken
        ]

    def restore(self, saved: Any, now: float) -> None:
        """Begin with what was *saved*; RecordingError if it makes no sense, and nothing is taken.

        ``None`` is that nothing was saved.
        """
        pages = [_page_in(each, now) for each in Fields({"paged": saved or []}).each("paged")]
        self._pages = {page.about: page for page in pages}

    def _fire(self, about: About, notice: Notice, now: float) -> None:
        page = self._pages.get(about)
        if page is None:
            if len(self._pages) >= self._capacity:
                self.dropped += 1
                return
            page = self._pages[about] = _Page(about, now, now)
        page.firing[notice.change.incident.key] = notice
        page.seen_at = now

    def _action(self, page: _Page, now: float) -> Action | None:
        if not page.firing:
            return Action.RESOLVE
        is_called_for = self._is_untold(page) and self._is_silent(page.wanted_at, now)
        return Action.TRIGGER if is_called_for and any(page.firing.values()) else None

    def _is_untold(self, page: _Page) -> bool:
        return page.told is not Told.YES and not page.is_taken

    def _is_silent(self, wanted_at: float, now: float) -> bool:
        """Tell whether all have failed since *wanted_at*, and for long enough."""
        names = self._policy.alertmanagers
        if not names:
            return True
        if any(self._failed_at.get(name, float("-inf")) < wanted_at for name in names):
            return False  # a failure of hours ago says nothing of now
        since = [self._failing_since.get(name, now) for name in names]
        return now - max(since) >= self._policy.after_seconds

    def _is_room(self, now: float) -> bool:
        while self._sent_at and now - self._sent_at[0] >= MINUTE_SECONDS:
            self._sent_at.popleft()
        return len(self._sent_at) < PER_MINUTE

    def _forget(self, now: float) -> None:
        for about, page in list(self._pages.items()):
            if now - page.seen_at >= self._policy.holds_seconds:
                page.firing.clear()
            if not page.firing and page.told is Told.NO:
                del self._pages[about]


def _urgency(notice: Notice) -> tuple[str, float]:
    return notice.rule.priority.value, notice.change.incident.opened_at


def _key_out(key: IncidentKey) -> dict[str, Any]:
    return {"rule": key.rule, "topic": key.topic, "partition": key.partition}


def _page_in(fields: Fields, now: float) -> _Page:
    about = About(fields.text("cluster"), fields.maybe_text("group"))
    keys = [
        IncidentKey(
            each.text("rule"),
            about.cluster,
            about.group,
            each.maybe_text("topic"),
            each.maybe_whole("partition", PARTITIONS),
        )
        for each in fields.each("incidents")
    ]
    told, taken = fields.choice("told", Told), fields.maybe_truth("taken") or False
    return _Page(about, now, now, told, taken, dict.fromkeys(keys))
