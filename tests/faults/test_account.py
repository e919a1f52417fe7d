"""The account of a row goes red by each single thing that can be wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.faults.account import Books, Letter, Place, Settled, Total, wrong

ADA = Settled("play-1", "ada", 100, 400, "s-1")
BOB = Settled("play-2", "bob", 250, 0, "s-2")
POISON = Place(1, 0)
GOOD = Books(
    acknowledged=frozenset({"play-1", "play-2"}),
    plays=(ADA, BOB),
    totals=(Total("ada", 1, 100, 400), Total("bob", 1, 250, 0)),
    ledger=(ADA, BOB),
    records={Place(0, 0): "play-1", Place(0, 1): "play-2", POISON: None},
    committed={0: 2, 1: 1},
    letters=(Letter("a", POISON), Letter("a", POISON)),
    poison=frozenset({POISON}),
)
SPARE = Settled("play-3", "ada", 1, 0, "s-3")


def test_books_that_balance_are_not_complained_about() -> None:
    """A play each, paid once, and a dead letter that was written twice under one id, are right."""
    assert wrong(GOOD) == []
    assert GOOD.repeated_letters == 1


@pytest.mark.parametrize(
    ("books", "said"),
    [
        (replace(GOOD, acknowledged=GOOD.acknowledged | {"play-3"}), "lost: play-3"),
        (replace(GOOD, ledger=(ADA, BOB, BOB)), "paid twice: play-2"),
        (replace(GOOD, ledger=(ADA,)), "written and not paid: play-2"),
        (replace(GOOD, ledger=(ADA, BOB, SPARE)), "paid and not written: play-3"),
        (replace(GOOD, ledger=(ADA, BOB._replace(payout=9))), "paid otherwise than written"),
        (replace(GOOD, plays=(ADA, BOB, BOB)), "written twice: play-2"),
        (replace(GOOD, plays=(ADA, BOB, SPARE)), "nobody asked for it: play-3"),
        (replace(GOOD, letters=()), "poison without a dead letter"),
        (replace(GOOD, poison=frozenset()), "a dead letter of a good record"),
        (replace(GOOD, poison=frozenset({Place(0, 0), POISON})), "settled though given up"),
        (replace(GOOD, letters=(*GOOD.letters, Letter("b", POISON))), "several dedup ids"),
        (replace(GOOD, passed=(Place(0, 1),)), "passed by a commit before it was finished"),
        (replace(GOOD, committed={0: 1, 1: 1}), "partition 0 at 1 of 2"),
        (replace(GOOD, committed={0: 2}), "partition 1 at None of 1"),
        (replace(GOOD, totals=GOOD.totals[:1]), "totals that are not the sum"),
    ],
)
def test_each_thing_that_is_wrong_is_said(books: Books, said: str) -> None:
    """One thing wrong in books that balance is named with an example."""
    assert any(said in one for one in wrong(books)), wrong(books)


def test_a_play_that_nobody_was_told_of_may_be_there() -> None:
    """A request without an answer may have left a play or not; more than asked is a fault."""
    extra = replace(
        GOOD,
        plays=(ADA, BOB, SPARE),
        ledger=(ADA, BOB, SPARE),
        totals=(Total("ada", 2, 101, 400), GOOD.totals[1]),
    )

    assert wrong(replace(extra, unanswered=1)) == []
    assert wrong(extra) == ["written, and nobody asked for it: play-3"]
