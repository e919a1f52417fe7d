"""The page on the oldest uncommitted record has the reasons, bounds and names of the code."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lagmon.collector import peek as looking
from lagmon.collector.carried import trace_of
from lagmon.judge.suspects import ASK_AGAIN_SECONDS, Answer, oldest, records
from lagmon.model import Change
from lagmon.notify.annotations import annotate
from lagmon.report import Links
from tests.docs.pages import table, text
from tests.lagmon.builders import GROUP, NOON, group, lags, notice, peek, record, unread

PAGE = "reference/lagmon-records.md"


def reasons() -> list[str]:
    """Give each reason that the code can give for a record, but for the broker's own words."""
    behind = group(7)
    failed = [
        oldest(behind, [Answer(unread(words), NOON)])
        for words in ("TOPIC_AUTHORIZATION_FAILED: no", "_AUTO_OFFSET_RESET: no", "_PARTITION_EOF:")
    ]
    seen = [
        oldest(behind, []),
        records(lags(behind), {GROUP}, (), {}, looking=False)[GROUP],
        oldest(behind, [Answer(peek(sampled=False), NOON)]),
        *failed,
    ]
    carried = [trace_of(held) for held in ([], [("traceparent", b"00-zz")], [("b3", b"0")])]
    return [str(one and one.trace_unknown) for one in seen] + [str(one.unknown) for one in carried]


def test_every_reason_is_on_the_page() -> None:
    """The table has each reason that can be given, word by word, and no other."""
    assert {row[0].strip("`") for row in table(PAGE, "Why there is no trace")[1:]} == set(reasons())


def test_every_annotation_is_on_the_page() -> None:
    """What an alert tells of a record is in the table under its name."""
    full = replace(record(), size=7, headers=(("tenant", "blue"),))
    links = Links(jaeger="http://jaeger")
    with_it = annotate(notice(Change.OPENED, behind=group(7), oldest=full), links)
    without = annotate(notice(Change.OPENED, behind=group(7)), links)

    named = {
        name.strip("` ")
        for row in table(PAGE, "What is told of it")[1:]
        for name in row[1].split(",")
    }

    assert set(with_it) - set(without) <= named
    assert named - set(with_it) == {"trace_unknown"}


@pytest.mark.parametrize(
    "bound",
    [
        f"{looking.CYCLE_SECONDS:g} s; {looking.LOOK_SECONDS:g} s for one question",
        f"{looking.CYCLE_BYTES // 1024**2} MiB of records",
        f"otherwise after {ASK_AGAIN_SECONDS:g} s",
        f"first {looking.KEY_HASH_DIGITS} digits",
    ],
)
def test_every_bound_is_on_the_page(bound: str) -> None:
    """The numbers are those that hold."""
    assert bound in text(PAGE)
