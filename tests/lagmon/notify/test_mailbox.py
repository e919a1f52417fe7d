"""A mailbox keeps the loop from waiting for anybody."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lagmon.model import Change
from lagmon.notify import Mailbox, Outcome
from lagmon.notify.mailbox import BATCH
from tests.infra.wait import PATIENCE_SECONDS
from tests.lagmon.builders import incident, notice

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from lagmon.report import Notice


class Receiver:
    """A notifier that keeps what it is sent, and does so only while its gate is open."""

    name = "receiver"

    def __init__(
        self, *, is_open: bool = True, breaks: int = 0, outcomes: Sequence[Outcome] = ()
    ) -> None:
        self.outcomes = list(outcomes)
        self.gate = asyncio.Event()
        if is_open:
            self.gate.set()
        self.breaks = breaks
        self.batches: list[list[Notice]] = []
        self.closed = False
        self._more = asyncio.Condition()

    async def has(self, count: int) -> None:
        """Wait until *count* batches have come."""
        async with self._more:
            await self._more.wait_for(lambda: len(self.batches) >= count)

    async def send(self, notices: Sequence[Notice]) -> Outcome:
        """Take a batch."""
        async with self._more:
            self.batches.append(list(notices))
            self._more.notify_all()
        await self.gate.wait()
        if self.breaks:
            self.breaks -= 1
            raise RuntimeError("broken")
        return self.outcomes.pop(0) if self.outcomes else Outcome.SENT

    async def close(self) -> None:
        """Remember it."""
        self.closed = True


def counts(mailbox: Mailbox) -> dict[str, int]:
    """Give the counts by outcome."""
    return {sent.outcome: sent.count for sent in mailbox.sent()}


def play(story: Coroutine[None, None, None]) -> None:
    """Run *story*."""
    asyncio.run(asyncio.wait_for(story, PATIENCE_SECONDS))


def test_what_is_put_is_sent_and_counted() -> None:
    """Notices of one cycle go out as one batch."""

    async def story() -> None:
        receiver = Receiver()
        mailbox = Mailbox(receiver)
        mailbox.start()

        mailbox.put([notice(about=incident("a")), notice(about=incident("b"))])
        await mailbox.stop(PATIENCE_SECONDS)

        assert [len(batch) for batch in receiver.batches] == [2]
        assert counts(mailbox) == {"sent": 2}
        assert receiver.closed

    play(story())


def test_putting_never_waits_for_a_receiver_that_hangs() -> None:
    """While one batch hangs others can be put, and stopping ends in its time."""

    async def story() -> None:
        receiver = Receiver(is_open=False)
        mailbox = Mailbox(receiver)
        mailbox.start()
        mailbox.put([notice(about=incident("a"))])
        await asyncio.sleep(0)

        mailbox.put([notice(about=incident("b"))])
        await mailbox.stop(0.05)

        assert len(receiver.batches) == 1
        assert receiver.closed

    play(story())


def test_only_the_newest_notice_of_an_incident_waits() -> None:
    """Who comes back after an outage is told how it stands, once."""

    async def story() -> None:
        receiver = Receiver(is_open=False)
        mailbox = Mailbox(receiver)
        mailbox.start()
        mailbox.put([notice(about=incident("first"))])
        await asyncio.sleep(0)

        mailbox.put([notice(about=incident("a"))])
        mailbox.put([notice(Change.RESOLVED, incident("a", resolved_at=1.0))])
        receiver.gate.set()
        await mailbox.stop(PATIENCE_SECONDS)

        assert [each.change.change for each in receiver.batches[1]] == [Change.RESOLVED]

    play(story())


def test_a_batch_is_bounded() -> None:
    """A thousand incidents at once are sent in batches that a receiver is known to take."""

    async def story() -> None:
        receiver = Receiver()
        mailbox = Mailbox(receiver)
        mailbox.start()

        mailbox.put(notice(about=incident(str(number))) for number in range(1000))
        await mailbox.stop(PATIENCE_SECONDS)

        assert [len(batch) for batch in receiver.batches] == [BATCH, BATCH, BATCH, 232]

    play(story())


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    """Memory is bounded however many incidents a broken receiver does not take."""

    async def story() -> None:
        mailbox = Mailbox(Receiver(), capacity=2)

        mailbox.put(notice(about=incident(name)) for name in ("a", "b", "c", "a"))

        assert counts(mailbox) == {"dropped": 1}

    play(story())


def test_a_notifier_that_breaks_gets_the_next_batch() -> None:
    """An exception costs one batch and is counted; it does not end the mailbox."""

    async def story() -> None:
        receiver = Receiver(breaks=1)
        mailbox = Mailbox(receiver)
        mailbox.start()
        mailbox.put([notice(about=incident("a"))])
        await asyncio.sleep(0.01)

        mailbox.put([notice(about=incident("b"))])
        await mailbox.stop(PATIENCE_SECONDS)

        assert counts(mailbox) == {"failed": 1, "sent": 1}

    play(story())


@pytest.mark.parametrize("failure", [Outcome.FAILED, Outcome.TIMEOUT])
def test_what_did_not_get_through_is_tried_again(failure: Outcome) -> None:
    """A receiver that was away for two tries gets the notice with the third."""

    async def story() -> None:
        receiver = Receiver(outcomes=[failure, failure])
        mailbox = Mailbox(receiver, pauses=(0, 0, 0))
        mailbox.start()

        mailbox.put([notice(about=incident("a"))])
        await receiver.has(3)
        await mailbox.stop(PATIENCE_SECONDS)

        assert counts(mailbox) == {failure.value: 2, "sent": 1}

    play(story())


def test_what_was_refused_is_not_tried_again() -> None:
    """The same answer would come again."""

    async def story() -> None:
        receiver = Receiver(outcomes=[Outcome.REJECTED])
        mailbox = Mailbox(receiver, pauses=(0, 0, 0))
        mailbox.start()

        mailbox.put([notice(about=incident("a"))])
        await mailbox.stop(PATIENCE_SECONDS)

        assert counts(mailbox) == {"rejected": 1}

    play(story())


def test_trying_again_has_an_end() -> None:
    """After the last pause the notice is let go; the next one begins anew."""

    async def story() -> None:
        receiver = Receiver(outcomes=[Outcome.FAILED] * 4)
        mailbox = Mailbox(receiver, pauses=(0, 0))
        mailbox.start()
        mailbox.put([notice(about=incident("a"))])
        await receiver.has(3)
        await asyncio.sleep(0)

        mailbox.put([notice(about=incident("b"))])
        await receiver.has(5)
        await mailbox.stop(PATIENCE_SECONDS)

        assert counts(mailbox) == {"failed": 4, "sent": 1}
        assert [each[0].change.incident.key.group for each in receiver.batches] == list("aaabb")

    play(story())


def test_a_further_try_tells_the_newest() -> None:
    """An incident that was resolved while its opening could not be told is told as resolved."""

    async def story() -> None:
        receiver = Receiver(is_open=False, outcomes=[Outcome.FAILED])
        mailbox = Mailbox(receiver, pauses=(0,))
        mailbox.start()
        mailbox.put([notice(about=incident("a")), notice(about=incident("b"))])
        await asyncio.sleep(0)

        mailbox.put([notice(Change.RESOLVED, incident("a", resolved_at=1.0))])
        receiver.gate.set()
        await receiver.has(2)
        await mailbox.stop(PATIENCE_SECONDS)

        said = {each.change.incident.key.group: each.change.change for each in receiver.batches[1]}
        assert said == {"a": Change.RESOLVED, "b": Change.OPENED}

    play(story())


def test_stopping_does_not_wait_out_a_pause() -> None:
    """What waits for its next try is tried once more at once, and then left."""

    async def story() -> None:
        receiver = Receiver(outcomes=[Outcome.FAILED] * 9)
        mailbox = Mailbox(receiver, pauses=(3600, 3600))
        mailbox.start()
        mailbox.put([notice(about=incident("a"))])
        await receiver.has(1)
        await asyncio.sleep(0)

        await mailbox.stop(3600)

        assert counts(mailbox) == {"failed": 2}

    play(story())


def test_what_maintenance_holds_back_is_told_to_the_log_alone() -> None:
    """Judged and written down, but nobody is woken."""

    async def story() -> None:
        pager, diary = Receiver(), Receiver()
        boxes = [Mailbox(pager), Mailbox(diary, everything=True)]
        for box in boxes:
            box.start()

        for box in boxes:
            box.put([notice(about=replace(incident("a"), held=True)), notice(about=incident("b"))])
            await box.stop(PATIENCE_SECONDS)

        assert [each.change.incident.key.group for each in pager.batches[0]] == ["b"]
        assert [each.change.incident.key.group for each in diary.batches[0]] == ["a", "b"]

    play(story())


def test_what_is_another_replicas_by_then_is_not_sent() -> None:
    """It waited while the receiver was away, and somebody else tells of it now."""

    async def story() -> None:
        receiver = Receiver()
        mine = incident("mine").key
        mailbox = Mailbox(receiver, covers=lambda key: key == mine)
        mailbox.put([notice(about=incident("theirs")), notice(about=incident("mine"))])

        mailbox.start()
        await mailbox.stop(PATIENCE_SECONDS)

        assert [[one.change.incident.key for one in b] for b in receiver.batches] == [[mine]]

    play(story())
