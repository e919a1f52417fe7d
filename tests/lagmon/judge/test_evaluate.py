"""The proof of the states: each numbered row is a history, its answer, and why that is right.

The rows stand in the order in which the states are tried. `during(0, 120, Side(...))` is a snapshot
every ten seconds, the first at 0 and the last at 120. Nothing is allowed to be unread, and the
times are those that are shipped: `stall_after` 2 min, `stall_after_unseen` 10 min,
`transaction_timeout` 15 min, three samples, a window of 30 min.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lagmon.judge import evaluate
from lagmon.judge.evaluate import BADNESS
from lagmon.judge.lag import measure
from lagmon.judge.progress import Progress
from lagmon.judge.state_table import Around, answer
from lagmon.judge.states import Judging
from lagmon.model import State
from lagmon.readings import Snapshot, TopicId
from tests.lagmon.builders import GROUP, NOON, at
from tests.lagmon.histories import REFUSED, Side, during, last, peeked, states_of, told

GONE = "UNKNOWN_TOPIC_OR_PART: Broker: Unknown topic or partition"
NO_READ = "TOPIC_AUTHORIZATION_FAILED: Broker: Topic authorization failed"
STUCK = {State.STALLED, State.BLOCKED, State.STOPPED, State.LOST, State.HANGING_TRANSACTION}

CAUGHT_UP = Side()
BEHIND = Side(end=150)  # 50 records wait, and the commit stands
GROWING = Side(committed=None, end=lambda second: 100 + second)
GROWS = Side(end=lambda second: 100 + second)  # nothing is committed, one record a second comes


def beat(pause: int, *, stop: int = 10**9, behind: int = 0) -> Side:
    """One record a second, and every *pause* seconds a commit of them all but *behind*."""
    return Side(
        committed=lambda second: 100 + min(second, stop) // pause * pause - behind,
        end=lambda second: 100 + second,
    )


MOVES = Side(committed=lambda second: 95 + second, end=lambda second: 100 + second)
LATE = beat(100, behind=10)  # it commits as ever, and is never quite caught up


@dataclass(frozen=True, slots=True)
class Row:
    """One case: a history, the state after its last snapshot, and why that is right."""

    number: int
    state: State
    because: str
    history: tuple[Snapshot, ...]
    settings: Judging = Judging()  # noqa: RUF009 - it is frozen


TABLE = (
    # --- unknown: a value is missing for another reason than "never committed", for 3 cycles
    Row(
        1,
        State.OK,
        "one refusal says nothing of the group: the last state stands",
        during(0, 200, CAUGHT_UP) + during(210, 210, Side(error=REFUSED)),
    ),
    Row(
        2,
        State.OK,
        "nor do two",
        during(0, 200, CAUGHT_UP) + during(210, 220, Side(error=REFUSED)),
    ),
    Row(
        3,
        State.UNKNOWN,
        "after three cycles the last state is old news",
        during(0, 200, CAUGHT_UP) + during(210, 230, Side(error=REFUSED)),
    ),
    Row(
        4,
        State.UNKNOWN,
        "without the end of the partition the lag is unknown as well",
        during(0, 200, CAUGHT_UP) + during(210, 230, Side(end=None)),
    ),
    Row(
        5,
        State.STALLED,
        "a stall does not end because its group cannot be read for two cycles",
        during(0, 700, BEHIND) + during(710, 720, BEHIND, error=REFUSED),
    ),
    Row(
        6,
        State.UNKNOWN,
        "a group that cannot be read for three cycles is unknown, whatever it was",
        during(0, 700, BEHIND) + during(710, 730, BEHIND, error=REFUSED),
    ),
    Row(
        7,
        State.UNKNOWN,
        "cycles without the group and cycles without the value are the same lack",
        during(0, 200, CAUGHT_UP)
        + during(210, 220, CAUGHT_UP, error=REFUSED)
        + during(230, 230, Side(end=None)),
    ),
    Row(
        8,
        State.PENDING,
        "the very first answer is missing: there is no last state, and no reason to say unknown",
        during(0, 10, Side(error=REFUSED)),
    ),
    Row(
        9,
        State.PENDING,
        "nor of a group of which the very first answer is missing",
        during(0, 10, CAUGHT_UP, error=REFUSED),
    ),
    Row(
        10,
        State.OK,
        "a value that is back is judged at once",
        during(0, 200, CAUGHT_UP)
        + during(210, 400, Side(error=REFUSED))
        + during(410, 410, Side()),
    ),
    Row(
        11,
        State.OK,
        "cycles in which the whole cluster was silent are not the group's",
        during(0, 200, CAUGHT_UP) + during(210, 900, silent="down") + during(910, 910, Side()),
    ),
    Row(
        12,
        State.PENDING,
        "never committed is an answer, not the lack of one, however long it lasts",
        during(0, 200, Side(committed=None)),
    ),
    # --- uncommitted: owned, never committed, records came for stall_after_unseen
    Row(
        13,
        State.UNCOMMITTED,
        "for ten minutes records came to somebody who committed none of them",
        during(0, 600, Side(committed=None, end=lambda second: 100 + second)),
    ),
    Row(
        14,
        State.PENDING,
        "ten seconds less may be a first long batch",
        during(0, 590, Side(committed=None, end=lambda second: 100 + second)),
    ),
    Row(
        15,
        State.PENDING,
        "nobody owns the partition, so nobody fails to commit on it",
        during(0, 700, Side(committed=None, end=lambda second: 100 + second, owner=None)),
    ),
    Row(
        16,
        State.PENDING,
        "nothing came: a consumer that begins at the end has nothing to commit",
        during(0, 700, Side(committed=None)),
    ),
    Row(
        17,
        State.OK,
        "the partition is empty: nothing can be unread",
        during(0, 700, Side(committed=None, end=0)),
    ),
    Row(
        18,
        State.OK,
        "a partition that was never used does not spoil the state of those that are",
        during(0, 700, CAUGHT_UP, Side(committed=None)),
    ),
    Row(
        19,
        State.UNCOMMITTED,
        "but one whose records are never committed does",
        during(0, 700, CAUGHT_UP, Side(committed=None, end=lambda second: 100 + second)),
    ),
    # --- lost: committed < start
    Row(
        20,
        State.LOST,
        "records were deleted before they were read: that is so from the first look on",
        during(0, 0, Side(committed=100, start=101, end=150)),
    ),
    Row(
        21,
        State.PENDING,
        "the oldest record that is left is the next to be read: nothing is lost",
        during(0, 0, Side(committed=100, start=100, end=150)),
    ),
    Row(
        22,
        State.LOST,
        "what is lost stays lost while the start of the log cannot be asked for",
        during(0, 10, Side(start=120, end=150)) + during(20, 20, Side(start=None, end=150)),
    ),
    Row(
        23,
        State.LOST,
        "worse than that nobody reads on",
        during(0, 900, Side(start=120, end=150), members=0),
    ),
    # --- beyond_end: committed > high, in two snapshots
    Row(
        24,
        State.PENDING,
        "seen once it may be two answers that crossed, or a topic made anew: nobody knows yet",
        during(0, 0, Side(committed=130)),
    ),
    Row(
        25,
        State.BEYOND_END,
        "seen twice the topic was made anew or cut: the group will read nothing, or everything",
        during(0, 10, Side(committed=130)),
    ),
    Row(
        26,
        State.OK,
        "one of the two ends lies past the commit: it is no commit past the end",
        during(0, 50, Side(committed=105, end=100, stable=105)),
    ),
    Row(
        27,
        State.BEYOND_END,
        "two looks with a refusal between them are two looks",
        during(0, 0, Side(committed=130))
        + during(10, 10, Side(error=REFUSED))
        + during(20, 20, Side(committed=130)),
    ),
    # --- ok: nothing is unread but what is allowed, or nothing but control records
    Row(28, State.OK, "nothing is unread: one look is enough", during(0, 0, CAUGHT_UP)),
    Row(
        29,
        State.OK,
        "five may be unread, five are",
        during(0, 900, Side(end=105)),
        Judging(allowed_lag=5),
    ),
    Row(
        30,
        State.STALLED,
        "five may be unread, six are",
        during(0, 900, Side(end=106)),
        Judging(allowed_lag=5),
    ),
    Row(
        31,
        State.OK,
        "whoever reads what is committed finds the end here: only control records are left",
        during(0, 890, Side(end=101)) + during(900, 900, Side(end=101), peeks=peeked()),
    ),
    Row(
        32,
        State.OK,
        "it is so until the commit or the end moves",
        during(0, 10, Side(end=101), peeks=peeked()) + during(20, 5000, Side(end=101)),
    ),
    Row(
        33,
        State.OK,
        "what comes after such a tail waits since it came, not since the commit",
        during(0, 10, Side(end=101), peeks=peeked())
        + during(20, 5000, Side(end=101))
        + during(5010, 5060, Side(end=105)),
    ),
    Row(
        34,
        State.STALLED,
        "what came after that look is unread, for as long as anything else may be",
        during(0, 10, Side(end=101), peeks=peeked())
        + during(20, 640, Side(end=105), peeks=peeked(found=104)),
    ),
    Row(
        35,
        State.STALLED,
        "a peek that finds a record proves that one is unread",
        during(0, 900, Side(end=101), peeks=peeked(found=100)),
    ),
    Row(
        36,
        State.STALLED,
        "a peek somewhere else says nothing of this commit",
        during(0, 900, Side(end=103), peeks=peeked(99)),
    ),
    Row(
        37,
        State.STALLED,
        "the end that a peek finds while a transaction is open is not the end of the partition",
        during(0, 700, Side(end=150, stable=120), peeks=peeked()),
    ),
    # --- open_transaction, hanging_transaction: committed >= stable, high > stable
    Row(
        38,
        State.OPEN_TRANSACTION,
        "all that is stable is read: the rest is not the group's to read yet",
        during(0, 900, Side(end=150, stable=100)),
    ),
    Row(
        39,
        State.HANGING_TRANSACTION,
        "no transaction is meant to last more than 15 minutes; every reader waits for it",
        during(0, 910, Side(end=150, stable=100)),
    ),
    Row(
        40,
        State.STALLED,
        "records before the transaction are unread: it excuses nobody",
        during(0, 700, Side(end=150, stable=120)),
    ),
    Row(
        41,
        State.OPEN_TRANSACTION,
        "the stable offset moves, so transactions end, one after the other",
        during(
            0,
            3600,
            Side(
                committed=lambda second: second // 600,
                stable=lambda second: second // 600,
                end=lambda second: second // 600 + 9,
            ),
        ),
    ),
    Row(
        42,
        State.OPEN_TRANSACTION,
        "the topic was idle for an hour, the transaction is as old as its first record",
        during(0, 3600, CAUGHT_UP) + during(3610, 3620, Side(end=150, stable=100)),
    ),
    Row(
        43,
        State.STEADY,
        "the transaction ended a minute ago: the group could not have moved before",
        during(0, 800, Side(end=150, stable=100)) + during(810, 860, BEHIND),
    ),
    Row(
        44,
        State.STALLED,
        "the transaction ended more than ten minutes ago: now it could have",
        during(0, 800, Side(end=150, stable=100)) + during(810, 1420, BEHIND),
    ),
    Row(
        45,
        State.OPEN_TRANSACTION,
        "time in which nobody could look is not the transaction's",
        during(0, 300, Side(end=150, stable=100))
        + during(310, 1200, silent="down")
        + during(1210, 1210, Side(end=150, stable=100)),
    ),
    # --- no progress: the commit unmoved and the lag above allowed_lag, both throughout
    Row(
        46,
        State.OK,
        "it commits every ten seconds; two minutes without are not yet longer than stall_after",
        during(0, 720, beat(10, stop=600)),
    ),
    Row(
        47,
        State.STALLED,
        "now they are",
        during(0, 740, beat(10, stop=600)),
    ),
    Row(
        48,
        State.STOPPED,
        "the same, and nobody is there to commit",
        during(0, 600, beat(10, stop=600)) + during(610, 740, beat(10, stop=600), members=0),
    ),
    Row(
        49,
        State.STALLED,
        "whether somebody is there could not be asked: nobody is said to be gone",
        during(0, 600, beat(10, stop=600)) + during(610, 740, beat(10, stop=600), members=None),
    ),
    Row(
        50,
        State.BLOCKED,
        "its owner commits on another partition of the topic: one record holds this one",
        during(0, 740, beat(10, stop=600), MOVES),
    ),
    Row(
        51,
        State.STALLED,
        "somebody else's partition moves: the owner of this one may have died",
        during(0, 740, beat(10, stop=600), Side(MOVES.committed, MOVES.end, owner="m2")),
    ),
    Row(
        52,
        State.BLOCKED,
        "who owns what is not told, and the group moves elsewhere in the topic",
        during(
            0,
            740,
            Side(beat(10, stop=600).committed, beat(10).end, owner=None),
            Side(MOVES.committed, MOVES.end, owner=None),
        ),
    ),
    Row(
        53,
        State.STALLED,
        "its owner moved as well, but longer ago than it ever pauses: it moves no more",
        during(0, 900, beat(10, stop=600), beat(10, stop=610)),
    ),
    Row(
        54,
        State.STEADY,
        "records wait for 90 s at a time: three times that is not exceeded",
        during(0, 1280, beat(100, stop=1000)),
    ),
    Row(
        55,
        State.STALLED,
        "three times its pauses are exceeded",
        during(0, 1290, beat(100, stop=1000)),
    ),
    Row(
        56,
        State.STALLED,
        "its pauses are of 390 s, but nobody waits for more than 15 minutes",
        during(0, 4920, beat(400, stop=4000)),
    ),
    Row(
        57,
        State.OK,
        "15 minutes are waited for",
        during(0, 4910, beat(400, stop=4000)),
    ),
    Row(
        58,
        State.FALLING_BEHIND,
        "members are there and were never seen to commit: ten minutes are not yet too long",
        during(0, 600, GROWS, every=10),
    ),
    Row(
        59,
        State.STALLED,
        "now they are; the lag stood above 0 from the second look on",
        during(0, 620, GROWS),
    ),
    Row(
        60,
        State.STALLED,
        "never seen to commit, and one of its members left: two minutes are enough",
        during(0, 10, BEHIND, members=2) + during(20, 130, BEHIND),
    ),
    Row(
        61,
        State.STOPPED,
        "never seen to commit, and nobody is there: two minutes are enough",
        during(0, 130, BEHIND, members=0),
    ),
    Row(
        62,
        State.PENDING,
        "two minutes are not more than two minutes, and too short to be judged by a trend",
        during(0, 110, BEHIND, members=0),
    ),
    Row(
        63,
        State.STALLED,
        "of its own it has no pause, so those of the group's other partitions count",
        during(0, 130, BEHIND, Side(MOVES.committed, MOVES.end, owner="m2")),
    ),
    Row(
        64,
        State.STALLED,
        "nobody owns it, and commits of another that nobody owns are not its owner's",
        during(
            0,
            740,
            Side(beat(10, stop=600).committed, beat(10).end, owner=None),
            Side(MOVES.committed, MOVES.end, owner=None),
            MOVES,
        ),
    ),
    Row(
        65,
        State.STEADY,
        "how long the first standing was nobody saw: it is no pause, so ten minutes hold, not two",
        during(0, 300, BEHIND) + during(310, 700, Side(committed=120, end=170)),
    ),
    Row(
        66,
        State.OK,
        "it was caught up in between: what stands is not what stood before",
        during(0, 600, BEHIND)
        + during(610, 610, Side(150, 150))
        + during(620, 700, Side(150, 200)),
    ),
    Row(
        67,
        State.OK,
        "a cluster that is away takes no commits: its time does not count",
        during(0, 650, beat(10, stop=600))
        + during(660, 1200, silent="down")
        + during(1210, 1270, beat(10, stop=600)),
    ),
    Row(
        68,
        State.OK,
        "nor does that in which the group could not be read",
        during(0, 650, beat(10, stop=600))
        + during(660, 1200, CAUGHT_UP, error=REFUSED)
        + during(1210, 1270, beat(10, stop=600)),
    ),
    Row(
        69,
        State.STALLED,
        "what was stood before and after it counts together",
        during(0, 650, beat(10, stop=600))
        + during(660, 1200, silent="down")
        + during(1210, 1300, beat(10, stop=600)),
    ),
    Row(
        70,
        State.PENDING,
        "one record or one control record: without READ nobody can tell, so nobody is woken",
        during(0, 10, Side(end=101, stable=100))
        + during(20, 900, Side(end=101), peeks=peeked(error=NO_READ)),
    ),
    Row(
        71,
        State.STALLED,
        "three are more than a tail: records are among them",
        during(0, 10, Side(end=101, stable=100))
        + during(20, 900, Side(end=103), peeks=peeked(error=NO_READ)),
    ),
    Row(
        72,
        State.PENDING,
        "that a record was found at an earlier commit says nothing of this one",
        during(0, 10, Side(end=101, stable=100))
        + during(20, 30, Side(end=101), peeks=peeked(found=100))
        + during(40, 900, Side(150, 151), peeks=peeked(150, error=NO_READ)),
    ),
    Row(
        73,
        State.STALLED,
        "no transaction was ever seen here: one unread record is one unread record",
        during(0, 900, Side(end=101), peeks=peeked(error=NO_READ)),
    ),
    # --- rewound: committed below the highest commit in the window
    Row(
        74,
        State.REWOUND,
        "the group reads again what it had committed",
        during(0, 300, MOVES) + during(310, 310, Side(committed=50, end=410)),
    ),
    Row(
        75,
        State.OK,
        "it is back where it was",
        during(0, 300, beat(10))
        + during(310, 320, Side(committed=50, end=410))
        + during(330, 330, Side(committed=410, end=410)),
    ),
    Row(
        76,
        State.OK,
        "a commit that was set back to the end has nothing to read again",
        during(0, 300, Side(committed=200, end=200)) + during(310, 310, Side(100, 100)),
    ),
    Row(
        77,
        State.STALLED,
        "it was set back and has not moved since: that is worse",
        during(0, 300, MOVES) + during(310, 450, Side(committed=50, end=410)),
    ),
    Row(
        78,
        State.STEADY,
        "half an hour after its highest commit was last seen, that it was set back is history",
        during(0, 300, Side(lambda second: 9000 + second, lambda second: 10000 + second))
        + during(310, 2110, Side(lambda second: second, lambda second: 10000 + second)),
    ),
    Row(
        79,
        State.REWOUND,
        "half an hour is not over",
        during(0, 300, Side(lambda second: 9000 + second, lambda second: 10000 + second))
        + during(310, 2100, Side(lambda second: second, lambda second: 10000 + second)),
    ),
    # --- pending: fewer than min_samples, or watched for less than stall_after
    Row(
        80,
        State.PENDING,
        "two samples are no history, however long it took",
        during(0, 300, MOVES, every=300),
    ),
    Row(81, State.PENDING, "watched for less than two minutes", during(0, 110, MOVES)),
    Row(82, State.STEADY, "watched for two minutes: now it is judged", during(0, 120, MOVES)),
    # --- ok: the lag touched allowed_lag within the last max(stall_after, 3 x p95 pause)
    Row(
        83,
        State.OK,
        "behind for two minutes, reading all the time: it keeps up with a burst",
        during(0, 300, CAUGHT_UP)
        + during(310, 420, Side(lambda second: 100 + second, lambda second: 110 + 2 * second)),
    ),
    Row(
        84,
        State.FALLING_BEHIND,
        "behind for longer, and ever more",
        during(0, 60, CAUGHT_UP)
        + during(70, 300, Side(lambda second: 100 + second, lambda second: 110 + 2 * second)),
    ),
    Row(
        85,
        State.OK,
        "records wait for 90 s at a time: caught up 200 s ago is no longer than three times that",
        during(0, 1090, beat(100)) + during(1100, 1200, LATE),
    ),
    Row(
        86,
        State.OK,
        "its longest pause is of 100 s: three times that is not exceeded",
        during(0, 1090, beat(100)) + during(1100, 1300, LATE),
    ),
    Row(
        87,
        State.STEADY,
        "its longest pause is of 100 s, and 310 s ago is longer: it is judged by the trend",
        during(0, 1090, beat(100)) + during(1100, 1310, LATE),
    ),
    # --- falling_behind, catching_up, steady: the newest third of the window against the oldest
    Row(
        88,
        State.FALLING_BEHIND,
        "the lowest lag of the newest third is above the highest of the oldest",
        during(0, 300, Side(lambda second: second, lambda second: 10 + 2 * second)),
    ),
    Row(
        89,
        State.CATCHING_UP,
        "the mirror of that",
        during(0, 300, Side(lambda second: 2 * second, lambda second: 1000 + second)),
    ),
    Row(
        90,
        State.STEADY,
        "as high as the oldest is not above it",
        during(0, 300, Side(lambda second: second, lambda second: 10 + second)),
    ),
    Row(
        91,
        State.STEADY,
        "two samples have no thirds to be compared",
        during(0, 300, Side(lambda second: second, lambda second: 10 + 2 * second), every=300),
        Judging(min_samples=2),
    ),
    Row(
        92,
        State.STEADY,
        "a saw without rest at 0 neither rises nor falls",
        during(0, 1800, beat(60, behind=5)),
    ),
    # --- the history of a partition that is not the same any more
    Row(
        93,
        State.PENDING,
        "a clock that was set back restarts the watch: nothing of it can be compared",
        during(0, 1740, beat(10, stop=1600)) + during(900, 1000, Side(1700, 1840)),
    ),
    Row(
        94,
        State.OK,
        "the topic was made anew: its first commits are no rewinding",
        during(0, 300, Side(900, 900), ids=(TopicId("plays", "a"),))
        + during(310, 310, Side(5, 5), ids=(TopicId("plays", "b"),)),
    ),
    Row(
        95,
        State.PENDING,
        "made anew and read from the beginning: it is watched anew, and not rewound",
        during(0, 300, Side(900, 900), ids=(TopicId("plays", "a"),))
        + during(310, 330, Side(lambda second: second - 300, 950), ids=(TopicId("plays", "b"),)),
    ),
    Row(
        96,
        State.BEYOND_END,
        "made anew under a consumer that went on: its commit lies past the new end",
        during(0, 300, Side(900, 900)) + during(310, 320, Side(900, 5)),
    ),
    Row(
        97,
        State.OK,
        "its topic is deleted: what is left of the group is judged alone",
        during(0, 300, CAUGHT_UP, Side(50, error=GONE)),
    ),
    Row(
        98,
        State.PENDING,
        "all its topics are deleted: nothing is left of which it could be said that it is well",
        during(0, 900, BEHIND) + during(910, 1000, Side(50, error=GONE)),
    ),
    Row(
        99,
        State.PENDING,
        "its commits are gone as well: it reads nothing that is known",
        during(0, 900, BEHIND) + during(910, 920, Side(50, error=GONE)) + during(930, 1000),
    ),
    Row(
        100,
        State.PENDING,
        "caught up until now, and past the end in this one look: it is not known to be well",
        during(0, 300, CAUGHT_UP) + during(310, 310, Side(130)),
    ),
    Row(
        101,
        State.OK,
        "it was two answers that crossed: the next look says so",
        during(0, 300, CAUGHT_UP) + during(310, 310, Side(130)) + during(320, 320, Side(130, 130)),
    ),
    Row(
        102,
        State.STALLED,
        "its other partition last moved before the clock was set back: that is not lately",
        during(9000, 9300, BEHIND, MOVES) + during(0, 700, BEHIND, Side(9395, 9500)),
    ),
    Row(
        103,
        State.STEADY,
        "who left did so by a clock that was set back since: ten minutes are waited for, not two",
        during(9000, 9010, BEHIND, members=2) + during(9020, 9030, BEHIND) + during(0, 130, BEHIND),
    ),
    Row(
        104,
        State.HANGING_TRANSACTION,
        "of the time before the clock was set back nothing counts, of that since then all",
        during(9000, 9500, Side(end=150, stable=100)) + during(0, 910, Side(end=150, stable=100)),
    ),
    Row(
        105,
        State.PENDING,
        "ten minutes in which records came, less one in which nobody could look, are nine",
        during(0, 300, GROWING) + during(310, 360, silent="down") + during(370, 650, GROWING),
    ),
    Row(
        106,
        State.UNCOMMITTED,
        "and ten are ten",
        during(0, 300, GROWING) + during(310, 360, silent="down") + during(370, 660, GROWING),
    ),
    # --- time in which nobody looked: this process stood still, or the machine slept
    Row(
        107,
        State.STEADY,
        "it stood for five minutes; whether it did in the hour in which nobody looked is not known",
        during(0, 300, BEHIND) + during(3900, 3900, BEHIND),
    ),
    Row(
        108,
        State.STALLED,
        "five minutes before that hour and more than five after it are more than ten",
        during(0, 300, BEHIND) + during(3900, 4210, BEHIND),
    ),
    Row(
        109,
        State.STALLED,
        "it was stalled before that hour, and has not moved since",
        during(0, 700, BEHIND) + during(4300, 4300, BEHIND),
    ),
    Row(
        110,
        State.STALLED,
        "less than five minutes are a cycle that came late",
        during(0, 320, BEHIND) + during(610, 610, BEHIND),
    ),
    Row(
        111,
        State.STALLED,
        "whoever looks every ten minutes does look",
        during(0, 1200, BEHIND, every=600),
    ),
    Row(
        112,
        State.OPEN_TRANSACTION,
        "for how long the transaction was open in that hour is not known either",
        during(0, 300, Side(end=150, stable=100)) + during(3900, 3900, Side(end=150, stable=100)),
    ),
    Row(
        113,
        State.PENDING,
        "nor since when records come to somebody who never committed",
        during(0, 300, GROWING) + during(3900, 3900, GROWING),
    ),
    Row(
        114,
        State.STALLED,
        "a value that was missing when the hour began is no reason to take that out twice",
        during(0, 300, BEHIND) + during(310, 310, Side(error=REFUSED)) + during(3910, 4220, BEHIND),
    ),
    Row(
        115,
        State.STALLED,
        "nor is a group that could not be read",
        during(0, 300, BEHIND)
        + during(310, 310, BEHIND, error=REFUSED)
        + during(3910, 4220, BEHIND),
    ),
    Row(
        116,
        State.STEADY,
        "nor does the hour count where the cluster gives no answer right after it",
        during(0, 300, BEHIND) + during(3900, 3910, silent="down") + during(3920, 3920, BEHIND),
    ),
    Row(
        117,
        State.STEADY,
        "nor right before it: of all that time nothing is known",
        during(0, 300, BEHIND) + during(310, 620, silent="down") + during(4220, 4220, BEHIND),
    ),
    Row(
        118,
        State.STEADY,
        "one look between two such hours is no pace: nothing is known of the second either",
        during(0, 300, BEHIND) + during(3900, 7500, BEHIND, every=3600),
    ),
    Row(
        119,
        State.STALLED,
        "twice ten minutes are a pace: of the third it is known that it stood",
        during(0, 130, BEHIND) + during(730, 1930, BEHIND, every=600),
    ),
    Row(
        120,
        State.STEADY,
        "and until then it is not",
        during(0, 130, BEHIND) + during(730, 1330, BEHIND, every=600),
    ),
    # --- a member that left, and then time in which nothing could be known
    Row(
        121,
        State.STALLED,
        "a member left after it had begun to stand, whatever was not known since: two minutes",
        during(0, 20, BEHIND, members=2)
        + during(30, 40, BEHIND)
        + during(50, 200, silent="down")
        + during(210, 310, BEHIND),
    ),
    Row(
        122,
        State.STALLED,
        "the same where only the group could not be read",
        during(0, 20, BEHIND, members=2)
        + during(30, 40, BEHIND)
        + during(50, 200, BEHIND, error=REFUSED)
        + during(210, 310, BEHIND),
    ),
    Row(
        123,
        State.STEADY,
        "a member that had left before it began to stand is no reason",
        during(0, 20, Side(), members=2)
        + during(30, 40, Side())
        + during(50, 60, BEHIND)
        + during(70, 200, silent="down")
        + during(210, 400, BEHIND),
    ),
)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.number}-{row.state}")
def test_the_state_is_the_first_that_matches(row: Row) -> None:
    """Each row of the table has the state that it names, for the reason that it gives."""
    verdict = last(row.history, row.settings)

    assert verdict.judged.state is row.state, f"{row.because}; but: {verdict.judged}"


def test_the_table_counts_its_rows_and_has_every_state() -> None:
    """A row can be cited by its number, and no state is left without a proof."""
    assert [row.number for row in TABLE] == list(range(1, len(TABLE) + 1))
    assert {row.state for row in TABLE} == set(State)


STORIES = {
    "a slow committer": during(0, 7200, beat(60)),
    "a slower one": during(0, 7200, beat(240)),
    "the slowest that is waited for": during(0, 14400, beat(590)),
    "one that is never quite caught up": during(0, 7200, beat(240, behind=7)),
    "a deploy": during(0, 600, beat(10, stop=600))
    + during(610, 650, beat(10, stop=600), members=0)
    + during(660, 690, beat(10, stop=600), members=None)
    + during(700, 1200, beat(10)),
    "a rolling deploy": during(0, 600, MOVES, MOVES, members=2)
    + during(610, 690, beat(10, stop=600), MOVES, members=1)
    + during(700, 1200, MOVES, MOVES, members=2),
    "a job that runs every hour and leaves": during(0, 60, MOVES)
    + during(70, 3600, Side(155, 155), members=0)
    + during(3610, 3660, Side(lambda second: second - 3450, 300)),
    "short transactions": during(
        0, 3600, Side(lambda second: second, lambda second: second + 5, stable=lambda s: s + 1)
    ),
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_what_is_well_is_never_called_stuck(story: tuple[Snapshot, ...]) -> None:
    """Slow committers, deploys, jobs and transactions page nobody, from the first look on."""
    assert not STUCK & set(states_of(story))


@pytest.mark.parametrize("pause", [30, 60, 120, 240])
def test_a_slow_committer_does_not_flap(pause: int) -> None:
    """Once its pace is known it is ok in every cycle, at the end of a pause as at its beginning."""
    found = states_of(during(0, 20 * pause, beat(pause)))

    assert set(found[5 * pause // 10 :]) == {State.OK}


def test_a_poison_record_names_the_owner() -> None:
    """Who is woken reads which client on which host holds the partition, and since when."""
    history = during(0, 740, beat(10, stop=600), MOVES)

    verdict = last(history)

    assert verdict.judged.reason == (
        "plays[0]: client-m1 at m1 moves on with other partitions of plays, not with this one; "
        "last commit at 2025-11-24T16:10:00.000Z"
    )
    assert verdict.worst == at(0)


def test_what_was_lost_is_counted() -> None:
    """Whoever is woken reads how many records are gone."""
    verdict = last(during(0, 0, Side(committed=100, start=106, end=150)))

    assert verdict.judged.reason == "6 records deleted before being read"


def test_a_new_owner_of_a_blocked_partition_is_named() -> None:
    """A poison record goes from one member to the next: the page follows it, the time stays."""
    blocked = beat(10, stop=600)
    second = Side(blocked.committed, blocked.end, owner="m2")
    moves = Side(MOVES.committed, MOVES.end, owner="m2")

    verdicts = told(during(0, 740, blocked, MOVES) + during(750, 760, second, moves))

    before, after = verdicts[74], verdicts[-1]
    assert before is not None
    assert after is not None
    assert before.judged.since == after.judged.since == NOON + 740
    assert "client-m2 at m2" in (after.judged.reason or "")


def test_a_state_keeps_its_beginning() -> None:
    """*since* is when the state began, not when it was looked at."""
    verdict = last(during(0, 900, beat(10, stop=600)))

    assert (verdict.judged.state, verdict.judged.since) == (State.STALLED, NOON + 740)


@pytest.mark.parametrize("good", [CAUGHT_UP, MOVES])
@pytest.mark.parametrize("bad", [BEHIND, Side(start=120, end=150), Side(130)])
def test_a_group_is_as_bad_as_its_worst_partition(good: Side, bad: Side) -> None:
    """Its state is the one with the highest number, whichever place that partition has."""
    for sides in ((good, bad), (bad, good)):
        verdict = last(during(0, 900, *sides))

        states_found = [one.state for one in verdict.partitions if one is not None]
        assert verdict.judged.state is max(states_found, key=BADNESS.__getitem__)


def test_the_numbers_of_badness_are_those_of_the_design() -> None:
    """Ok is 0 and lost is the worst: group states are compared by these numbers alone."""
    assert [state.value for state in sorted(State, key=BADNESS.__getitem__)] == [
        "ok", "catching_up", "steady", "pending", "open_transaction", "falling_behind",
        "uncommitted", "unknown", "rewound", "beyond_end", "stalled", "blocked",
        "hanging_transaction", "stopped", "lost",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("history", "reason"),
    [
        (during(0, 900), "no commit of it is there"),
        (during(0, 900, Side(5, error=GONE)), "its topics are deleted"),
        (during(0, 10, BEHIND) + during(20, 900), "has no commits any more"),
    ],
)
def test_a_group_without_anything_to_judge_is_not_said_to_be_well(
    history: tuple[Snapshot, ...], reason: str
) -> None:
    """Nothing can be said of it, and why is true: who had commits is not said to have had none."""
    judged = last(history).judged

    assert (judged.state, judged.reason) == (State.PENDING, reason)


HISTORIES = st.lists(
    st.builds(
        lambda committed, end, start, stable, error, members, gap: (
            Side(committed, end, start, stable, error=error), members, gap
        ),
        st.none() | st.integers(0, 60),
        st.none() | st.integers(0, 60),
        st.none() | st.integers(0, 60),
        st.none() | st.integers(0, 60),
        st.sampled_from((None, None, None, REFUSED, GONE)),
        st.none() | st.integers(0, 3),
        st.sampled_from((0, 5, 5, 5, 60, 700)),
    ),
    min_size=1,
    max_size=40,
)  # fmt: skip


def played(drawn: list[tuple[Side, int | None, int]]) -> list[Snapshot]:
    """Make snapshots of *drawn* sides, each a gap after the one before."""
    second = 0
    found: list[Snapshot] = []
    for side, members, gap in drawn:
        second += gap
        found += during(second, second, side, members=members)
    return found


@given(drawn=HISTORIES)
def test_every_history_has_exactly_one_state(drawn: list[tuple[Side, int | None, int]]) -> None:
    """Whatever was answered, no cycle is left without a state, and none of them raises."""
    verdicts = told(played(drawn))

    assert len(verdicts) == len(drawn)
    assert all(verdict is not None and verdict.judged.state in State for verdict in verdicts)


@given(drawn=HISTORIES)
def test_the_same_snapshot_twice_says_the_same(drawn: list[tuple[Side, int | None, int]]) -> None:
    """To judge again what was judged changes nothing: not the states, not since when they are."""
    history = played(drawn)
    once = told(history)
    progress, twice = Progress(), []
    for snapshot in history:
        told([snapshot], progress=progress)
        twice += told([snapshot], progress=progress)

    assert twice == once


@given(
    commits=st.lists(st.integers(0, 100), min_size=1, max_size=40),
    gaps=st.sampled_from((5, 60, 1000)),
)
def test_a_group_that_reads_everything_is_never_bad(commits: list[int], gaps: int) -> None:
    """With nothing unread a group is ok, however much comes and however seldom somebody looks."""
    ends = [sum(commits[: place + 1]) for place in range(len(commits))]
    history = [
        snapshot
        for place, end in enumerate(ends)
        for snapshot in during(place * gaps, place * gaps, Side(end, end))
    ]

    assert set(states_of(history)) == {State.OK}


@given(drawn=HISTORIES)
def test_the_short_way_says_what_the_table_says(drawn: list[tuple[Side, int | None, int]]) -> None:
    """Most partitions are plainly ok and are not sent through the table; it would say the same."""
    progress, settings = Progress(), Judging()
    for snapshot in played(drawn):
        told([snapshot], settings, progress)
        (group,), memory = measure(snapshot).groups, progress.group(GROUP)
        assert memory is not None
        around = Around(group, memory, progress, settings, snapshot.at)
        for row, one in zip(group.partitions, memory.partitions, strict=True):
            if evaluate._is_plainly_ok(row, one, settings.allowed_lag):
                assert answer(around, row, one) == (State.OK, None)
