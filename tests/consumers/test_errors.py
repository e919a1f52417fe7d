"""The exception's type decides what becomes of a record."""

from __future__ import annotations

import psycopg
import psycopg_pool
import pytest

from consumers.errors import (
    Fatal,
    Poison,
    Reaction,
    Retryable,
    Unavailable,
    reaction_to,
    reactions,
    retry_after_seconds,
)

RETRY, DEAD_LETTER, WAIT, STOP = (
    Reaction.RETRY,
    Reaction.DEAD_LETTER,
    Reaction.WAIT,
    Reaction.STOP,
)


@pytest.mark.parametrize(
    ("error", "reaction"),
    [
        (Retryable("not yet"), RETRY),
        (Poison("never"), DEAD_LETTER),
        (Unavailable("later"), WAIT),
        (Fatal("no more"), STOP),
        (ConnectionRefusedError(), WAIT),
        (BrokenPipeError(), WAIT),
        (TimeoutError(), WAIT),
        (KeyError("a bug"), RETRY),
        (SystemExit(1), STOP),
        (KeyboardInterrupt(), STOP),
    ],
    ids=repr,
)
def test_the_type_decides(error: BaseException, reaction: Reaction) -> None:
    """Our own types mean what they say; connections and timeouts wait; the unknown is retried."""
    assert reaction_to(error) is reaction


@pytest.mark.parametrize(
    ("sqlstate", "reaction"),
    [
        ("08006", WAIT),  # connection failure
        ("53100", WAIT),  # disk full
        ("53300", WAIT),  # too many connections
        ("57P01", WAIT),  # admin shutdown
        ("57P03", WAIT),  # cannot connect now: starting up
        ("57014", RETRY),  # query canceled, by statement_timeout: the server is there
        ("40001", RETRY),  # serialization failure
        ("40P01", RETRY),  # deadlock detected
        ("22003", DEAD_LETTER),  # numeric value out of range
        ("22P02", DEAD_LETTER),  # invalid text representation
        ("23505", DEAD_LETTER),  # unique violation
        ("21000", RETRY),  # cardinality violation: nobody knows whose fault
        ("25P02", RETRY),  # in failed transaction: a bug of the handler's
        ("P0001", RETRY),  # raised by a trigger: it may be about the record
    ],
)
def test_an_error_of_postgres_is_judged_by_its_sqlstate(sqlstate: str, reaction: Reaction) -> None:
    """The driver's own exception for a SQLSTATE leads to the reaction of its class."""
    error = psycopg.errors.lookup(sqlstate)("as the server would say")

    assert error.sqlstate == sqlstate
    assert reaction_to(error) is reaction


@pytest.mark.parametrize(
    "sqlstate",
    [
        "25006",  # read-only transaction: a standby
        "25P03",  # idle in transaction session timeout
        "25P04",  # transaction timeout
        "28P01",  # invalid password
        "3D000",  # invalid catalog name
        "3F000",  # invalid schema name
        "42501",  # insufficient privilege
        "42601",  # syntax error
        "42P01",  # undefined table
        "55000",  # object not in prerequisite state
        "55P03",  # lock not available
        "58030",  # io error
        "58P01",  # undefined file
        "XX000",  # internal error
        "XX001",  # data corrupted
        "XX002",  # index corrupted
    ],
)
def test_a_fault_of_the_database_is_waited_for(sqlstate: str) -> None:
    """What says nothing about the record never gives the record up."""
    assert reaction_to(psycopg.errors.lookup(sqlstate)("as the server would say")) is WAIT


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("connection refused"),
        psycopg.errors.ConnectionTimeout("connecting took too long"),
        psycopg_pool.PoolTimeout("no connection in time"),
    ],
    ids=repr,
)
def test_a_connection_that_was_never_made_is_waited_for(error: psycopg.Error) -> None:
    """An OperationalError without a SQLSTATE means that no server has answered."""
    assert reaction_to(error) is WAIT


def test_another_driver_error_is_tried_again() -> None:
    """An error of the driver that is no OperationalError is a bug as likely as not."""
    assert reaction_to(psycopg.ProgrammingError("the query has 1 placeholder")) is RETRY


@pytest.mark.parametrize(
    ("errors", "reaction"),
    [
        ([ConnectionError()], WAIT),
        ([Poison("never"), ConnectionError(), KeyError("a bug")], WAIT),
        ([Poison("never"), KeyError("a bug")], RETRY),
        ([Poison("never"), Poison("nor this")], DEAD_LETTER),
        ([ConnectionError(), Fatal("no more"), Poison("never")], STOP),
        ([Poison("never"), ExceptionGroup("deeper", [TimeoutError()])], WAIT),
        ([psycopg.errors.lookup("23505")("there already")], DEAD_LETTER),
    ],
    ids=repr,
)
def test_of_a_group_the_gravest_decides(errors: list[Exception], reaction: Reaction) -> None:
    """What task groups raise condemns a record only if all of it does."""
    assert reaction_to(ExceptionGroup("several tasks", errors)) is reaction


def test_a_group_with_what_is_no_exception_stops_the_worker() -> None:
    """Ctrl-C in a task is Ctrl-C."""
    group = BaseExceptionGroup("several tasks", [KeyboardInterrupt(), ConnectionError()])

    assert reaction_to(group) is STOP


def test_a_group_asks_for_the_longest_wait_of_its_own() -> None:
    """To ask again sooner would be too early for one of them."""
    busy, away = Unavailable(retry_after_seconds=2), Unavailable(retry_after_seconds=7)
    group = ExceptionGroup("all", [busy, ExceptionGroup("deeper", [away]), TimeoutError()])

    assert retry_after_seconds(group) == 7
    assert retry_after_seconds(ExceptionGroup("all", [TimeoutError(), Unavailable()])) is None
    assert retry_after_seconds(None) is None


class ShopIsClosedError(Exception):
    """An error of somebody's own client."""


class ShopHasMovedError(ShopIsClosedError, Poison):
    """One that says what is to be done."""


@pytest.mark.parametrize(
    ("error", "reaction"),
    [
        (ShopIsClosedError(), WAIT),
        (ExceptionGroup("all", [ShopIsClosedError(), Poison("never")]), WAIT),
        (ShopHasMovedError(), DEAD_LETTER),
        (KeyError("a bug"), RETRY),
    ],
    ids=repr,
)
def test_classes_of_ones_own_can_mean_an_outage(error: Exception, reaction: Reaction) -> None:
    """They are waited for, also in groups, unless one says itself what is to be done."""
    assert reactions((ShopIsClosedError,))(error) is reaction
