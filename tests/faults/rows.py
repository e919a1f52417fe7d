"""What a row of the matrix is, and how it is played: plays under way, a fault, then the account."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tests.faults.account import wrong
from tests.faults.settings import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.faults.load import Load
    from tests.faults.stack import Stack

    Inject = Callable[[Stack, Load], str]


@dataclass(frozen=True, slots=True)
class Row:
    """One fault. *inject* does it to a stack under load, undoes it, and says what happened.

    *series* names the rows that are played on one stack, *kind* is that of the workers it meets.
    """

    name: str
    series: str
    inject: Inject
    kind: Kind = Kind.GAME


@dataclass(frozen=True, slots=True)
class Report:
    """What a row came to. *happened* is the evidence that the fault was real.

    *missing* is what this machine lacks for it; then nothing was played.
    """

    row: str
    happened: str
    wrong: tuple[str, ...]
    seconds: float
    acknowledged: int = 0
    unanswered: int = 0
    settled: int = 0
    paid: int = 0
    letters: int = 0
    commits: int = 0
    missing: str = ""

    def fields(self) -> Mapping[str, object]:
        """Give everything by name."""
        return asdict(self)

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Report:
        """Make a report of its `fields`, as they come from JSON."""
        return cls(**{**fields, "wrong": tuple(fields["wrong"])})


def play(row: Row, stack: Stack, plays: int) -> Report:
    """Play *row* on *stack* under *plays* plays at least, and count."""
    began, moved, letters = time.monotonic(), stack.watch.moved, len(stack.watch.letters)
    load = stack.load(plays)
    stack.ready(row.kind)
    with load:
        load.reach(plays // 10)
        happened = row.inject(stack, load)
        stack.ready(row.kind)
    stack.note(load)
    stack.drain()
    books = stack.books()
    dead = [worker.tail() for worker in stack.workers if not worker.running]
    return Report(
        row=row.name,
        happened=happened,
        wrong=(*wrong(books), *(f"a worker ended by itself\n{tail}" for tail in dead)),
        seconds=round(time.monotonic() - began, 1),
        acknowledged=len(load.acknowledged),
        unanswered=load.unsettled,
        settled=sum(one.play_id in load.acknowledged for one in books.plays),
        paid=sum(one.play_id in load.acknowledged for one in books.ledger),
        letters=len(books.letters) - letters,
        commits=stack.watch.moved - moved,
    )
