"""Commits are paced: one a second, one on its way, none after a failure."""

from __future__ import annotations

import pytest

from consumers.metrics import Metrics
from consumers.runtime.commits import Commits
from consumers.types import TopicPartition
from tests.builders import TOPIC
from tests.fakes import FakeClock, FakeSource

AT = TopicPartition(TOPIC, 0)


@pytest.fixture
def source() -> FakeSource:
    """Give a source that takes commits and never answers them by itself."""
    return FakeSource(FakeClock())


def finished(commits: Commits, offset: int) -> None:
    """Let the record at *offset* be delivered and finished."""
    commits.offsets.started(AT, offset)
    commits.offsets.finished(AT, offset)


def test_nothing_finished_is_no_commit(source: FakeSource) -> None:
    """Without progress no request is made."""
    Commits(source, Metrics()).when_due(0)

    assert source.commits == []


def test_a_commit_is_not_repeated_before_its_answer(source: FakeSource) -> None:
    """While one commit is on its way the next one waits, however long the broker takes."""
    commits = Commits(source, Metrics())
    finished(commits, 0)
    commits.when_due(0)
    finished(commits, 1)

    commits.when_due(60)
    assert [offsets for _, offsets in source.commits] == [{AT: 1}]

    commits.answered({AT: 1}, None)
    commits.when_due(120)
    assert [offsets for _, offsets in source.commits] == [{AT: 1}, {AT: 2}]


def test_a_commit_at_once_does_not_wait_its_turn(source: FakeSource) -> None:
    """What must be committed before a partition goes is sent although another is on its way."""
    commits = Commits(source, Metrics())
    finished(commits, 0)
    commits.when_due(0)
    finished(commits, 1)

    commits.at_once()

    assert [offsets for _, offsets in source.commits] == [{AT: 1}, {AT: 2}]


def test_after_stop_nothing_is_committed(source: FakeSource) -> None:
    """A worker that has failed commits nothing more, by any way."""
    commits = Commits(source, Metrics())
    finished(commits, 0)

    commits.stop()
    commits.when_due(0)
    commits.at_once()

    assert source.commits == []
