"""Exceptions by reaction: what a handler raises decides what becomes of its record.

::

    ConsumersError
     ├── HandlerError
     │    ├── Retryable      try again after a backoff; when the tries are spent, dead letter
     │    ├── Poison         dead letter at once: this record can never succeed
     │    └── Unavailable    the record is fine, a dependency is not: wait as long as it takes
     ├── Fatal               stop the worker; commit nothing more
     ├── DeadLetterFailed    the dead-letter queue did not take the record: it stays unfinished
     ├── BindError           the address to serve on is not free
     └── SettingsError       the settings are wrong; holds every problem found

Any other exception is judged by `reaction_to`, which knows the SQLSTATE classes of PostgreSQL and
Python's own connection errors. It is pure, and it looks at attributes and names alone, so that no
database driver has to be installed to use the runtime.
"""

from __future__ import annotations

from enum import Enum


class ConsumersError(Exception):
    """The root of everything that this package raises on purpose."""


class HandlerError(ConsumersError):
    """The root of what a handler raises about its record."""


class Retryable(HandlerError):  # noqa: N818 - named by the reaction, which is what a reader looks for
    """Ask for another try after a backoff. When the tries are spent the record is a dead letter."""


class Poison(HandlerError):  # noqa: N818 - as above
    """Say that this record can never succeed: it goes to the dead-letter queue at once."""


class Unavailable(HandlerError):  # noqa: N818 - as above
    """Say that a dependency is away. The record waits for it and spends no try, however long."""


class Fatal(ConsumersError):  # noqa: N818 - as above
    """Stop the worker. Nothing more is committed, so that nothing is lost."""


class DeadLetterFailed(ConsumersError):  # noqa: N818 - as above
    """The dead-letter queue has not acknowledged a record in time, or has refused it."""


class BindError(ConsumersError):
    """The address to serve on cannot be bound."""


class SettingsError(ConsumersError):
    """The settings are wrong. *problems* holds one sentence each, every one that was found."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Reaction(Enum):
    """What the runtime does about a failure."""

    RETRY = "retry"
    DEAD_LETTER = "dead_letter"
    WAIT = "wait"
    STOP = "stop"


_BY_TYPE: tuple[tuple[type[Exception], Reaction], ...] = (
    (Fatal, Reaction.STOP),
    (Poison, Reaction.DEAD_LETTER),
    (Unavailable, Reaction.WAIT),
    (Retryable, Reaction.RETRY),
    (ConnectionError, Reaction.WAIT),
    (TimeoutError, Reaction.WAIT),
)

# PostgreSQL documentation, appendix A, "PostgreSQL Error Codes". The first prefix that fits counts.
# 40001 and 40P01 (serialization failure, deadlock) are retried like everything that is not listed.
_BY_SQLSTATE: tuple[tuple[str, Reaction], ...] = (
    ("08", Reaction.WAIT),  # connection exception
    ("53", Reaction.WAIT),  # insufficient resources: disk full, too many connections
    ("57P", Reaction.WAIT),  # operator intervention: shutdown, crash, starting up
    ("22", Reaction.DEAD_LETTER),  # data exception: this value will never fit
    ("23", Reaction.DEAD_LETTER),  # integrity constraint violation
)


def reaction_to(error: BaseException) -> Reaction:
    """Decide what to do about *error*, the exception that a handler ended with.

    Its type comes first, then its ``sqlstate`` (five characters, as psycopg gives them). What is
    not an `Exception` at all, such as `SystemExit`, stops the worker. What nobody knows is tried
    again: the tries are limited, and the dead-letter queue keeps what does not recover.
    """
    if not isinstance(error, Exception):
        return Reaction.STOP
    for kind, reaction in _BY_TYPE:
        if isinstance(error, kind):
            return reaction
    return _reaction_to_database(error)


def _reaction_to_database(error: Exception) -> Reaction:
    sqlstate = getattr(error, "sqlstate", None)
    if isinstance(sqlstate, str):
        found = (reaction for prefix, reaction in _BY_SQLSTATE if sqlstate.startswith(prefix))
        return next(found, Reaction.RETRY)
    # PEP 249 calls a lost or refused connection OperationalError; without a SQLSTATE no server has
    # spoken. psycopg_pool's PoolTimeout derives from it too.
    if any(kind.__name__ == "OperationalError" for kind in type(error).__mro__):
        return Reaction.WAIT
    return Reaction.RETRY
