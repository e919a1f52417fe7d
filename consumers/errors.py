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

Any other exception is judged by `reaction_to`, which knows the SQLSTATE classes of PostgreSQL,
Python's own connection errors, and those of common clients (`consumers.outages`). The rule: a
record is given up only for what is said about the record. An error about the server, the session,
the schema or a grant would meet every record alike, and trying four times would empty a topic into
the dead-letter queue while somebody repairs a disk; so the record waits until it is mended, however
long.

This module is pure, and it looks at attributes and names alone, so that no database driver has to
be installed to use the runtime.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import TypeAlias

from consumers import outages


class ConsumersError(Exception):
    """The root of everything that this package raises on purpose."""


class HandlerError(ConsumersError):
    """The root of what a handler raises about its record."""


class Retryable(HandlerError):  # noqa: N818 - named by the reaction, which is what a reader looks for
    """Ask for another try after a backoff. When the tries are spent the record is a dead letter."""


class Poison(HandlerError):  # noqa: N818 - as above
    """Say that this record can never succeed: it goes to the dead-letter queue at once."""


class Unavailable(HandlerError):  # noqa: N818 - as above
    """Say that a dependency is away. The record waits for it and spends no try, however long.

    *retry_after_seconds* is how long, where that is known: it takes the place of the backoff, see
    `consumers.runtime.backoff.RetryPolicy.wait_seconds`.
    """

    retry_after_seconds: float | None = None  # also where a subclass forgets to call this one

    def __init__(self, *args: object, retry_after_seconds: float | None = None) -> None:
        super().__init__(*args)
        self.retry_after_seconds = retry_after_seconds


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
# 40001 and 40P01 (serialization failure, deadlock) are retried like everything that is not listed,
# 57014 (a statement that took too long) too: it may be the record that takes too long.
BY_SQLSTATE: tuple[tuple[str, Reaction], ...] = (
    ("22", Reaction.DEAD_LETTER),  # data exception: this value will never fit
    ("23", Reaction.DEAD_LETTER),  # integrity constraint violation
    ("08", Reaction.WAIT),  # connection exception
    ("25006", Reaction.WAIT),  # read-only transaction: a standby that is not promoted yet
    ("25P03", Reaction.WAIT),  # idle in transaction for too long: this process was slow
    ("25P04", Reaction.WAIT),  # transaction timeout: as above, or the server was
    ("28", Reaction.WAIT),  # invalid authorization: a password that is being changed
    ("3D", Reaction.WAIT),  # invalid catalog name: no such database
    ("3F", Reaction.WAIT),  # invalid schema name
    ("42", Reaction.WAIT),  # syntax or access rule: a table or grant is missing, or our SQL is bad
    ("53", Reaction.WAIT),  # insufficient resources: disk full, too many connections
    ("55", Reaction.WAIT),  # object not in prerequisite state: somebody holds the lock
    ("57P", Reaction.WAIT),  # operator intervention: shutdown, crash, starting up
    ("58", Reaction.WAIT),  # system error: a file that is missing or cannot be read
    ("XX", Reaction.WAIT),  # internal error, corrupted data or index
)


# Classes of one's own whose exceptions are waited for, and what decides about an exception.
Kinds: TypeAlias = tuple[type[BaseException], ...]
Reacting: TypeAlias = Callable[[BaseException], Reaction]

# Of several failures at once the first of these decides. A dead letter is the last: a record is
# given up only if all that is said is about the record.
_GRAVEST = (Reaction.STOP, Reaction.WAIT, Reaction.RETRY, Reaction.DEAD_LETTER)


def reaction_to(error: BaseException, unavailable: Kinds = ()) -> Reaction:
    """Decide what to do about *error*, the exception that a handler ended with.

    Its type comes first, where it is one of ours, of *unavailable*, which are waited for, or of
    Python's; then its ``sqlstate`` (five characters, as psycopg gives them); then what
    `consumers.outages` knows. Of a group the gravest of its exceptions decides. What is not an
    `Exception` at all, such as `SystemExit`, stops the worker. What nobody knows is tried again:
    the tries are limited, and the dead-letter queue keeps what does not recover.
    """
    if not isinstance(error, Exception):
        return Reaction.STOP
    for kind, reaction in _BY_TYPE:
        if isinstance(error, kind):
            return reaction
    if isinstance(error, unavailable):
        return Reaction.WAIT
    if isinstance(error, ExceptionGroup):
        found = {reaction_to(one, unavailable) for one in error.exceptions}
        return next(reaction for reaction in _GRAVEST if reaction in found)
    if (inner := outages.wrapped(error)) is not None:
        return reaction_to(inner, unavailable)
    return _reaction_to_client(error)


def reactions(unavailable: Kinds) -> Reacting:
    """Make a `reaction_to` that waits for exceptions of the classes *unavailable* too."""
    return partial(reaction_to, unavailable=unavailable)


def retry_after_seconds(error: BaseException | None) -> float | None:
    """Give the seconds after which *error* says to ask again; of a group the longest."""
    if isinstance(error, BaseExceptionGroup):
        said = [retry_after_seconds(one) for one in error.exceptions]
        return max((one for one in said if one is not None), default=None)
    return error.retry_after_seconds if isinstance(error, Unavailable) else None


def _reaction_to_client(error: Exception) -> Reaction:
    sqlstate = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)  # psycopg, 2
    if isinstance(sqlstate, str):
        found = (reaction for prefix, reaction in BY_SQLSTATE if sqlstate.startswith(prefix))
        return next(found, Reaction.RETRY)
    # PEP 249 calls a lost or refused connection OperationalError; without a SQLSTATE no server has
    # spoken. psycopg_pool's PoolTimeout derives from it too.
    if any(kind.__name__ == "OperationalError" for kind in type(error).__mro__):
        return Reaction.WAIT
    return Reaction.WAIT if outages.away(error) else Reaction.RETRY
