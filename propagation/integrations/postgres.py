"""Show the trace to Postgres, and Postgres to the trace.

`instrument()` gives each statement of psycopg 3 a span by OpenTelemetry's instrumentation, with the
stable database conventions. `transaction(connection, service)` names the transaction
`<service>/<trace id>`: `pg_stat_activity` and the server's log (`%a` in log_line_prefix) then show
which trace holds a lock or runs long. No comment is added to any SQL, so that prepared statements
and `pg_stat_statements` work as before.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, overload

from opentelemetry import trace

from propagation.integrations.conventions import prefer_stable

try:
    import psycopg
    from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
except ImportError as error:
    raise ImportError(
        "propagation.integrations.postgres needs: pip install 'lagmon[postgres]'"
    ) from error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

SERVICE_BYTES: Final = 30
"""Postgres cuts names at 63 bytes (NAMEDATALEN - 1); a slash and a trace id take 33 of them."""

_NAME: Final = "SELECT set_config('application_name', %s, true)"


def instrument() -> None:
    """Give the statements of every psycopg connection that is opened from now on a span.

    Connections that are open already, COPY, server-side cursors and `stream()` get none. Twice is
    once. `uninstrument()` undoes it for connections opened later.
    """
    prefer_stable()
    instrumentor = PsycopgInstrumentor()
    if not instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.instrument(enable_commenter=False)


def uninstrument() -> None:
    """Open psycopg connections without spans again."""
    instrumentor = PsycopgInstrumentor()
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


@overload
def transaction(
    connection: psycopg.Connection[Any], service: str
) -> AbstractContextManager[psycopg.Transaction]: ...


@overload
def transaction(
    connection: psycopg.AsyncConnection[Any], service: str
) -> AbstractAsyncContextManager[psycopg.AsyncTransaction]: ...


def transaction(
    connection: psycopg.Connection[Any] | psycopg.AsyncConnection[Any], service: str
) -> (
    AbstractContextManager[psycopg.Transaction]
    | AbstractAsyncContextManager[psycopg.AsyncTransaction]
):
    """Run the block in a transaction that carries *service* and the current trace id as its name.

    For ``with``, or for ``async with`` where *connection* is an `AsyncConnection`. It is psycopg's
    `connection.transaction()`: commits at the end, rolls back on an exception, which passes
    unchanged. The name costs no round trip: it travels with BEGIN, in a pipeline that is left
    before the block, and is gone after commit and rollback. *service* counts to its 30th byte; what
    is not printable ASCII becomes a question mark. Without a current trace the name is *service*
    alone. In an open transaction the block is a savepoint and the name stays what it is. In a
    pipeline of the caller's the block stays in it: it is sent by its end at the latest.
    """
    if isinstance(connection, psycopg.AsyncConnection):
        return _async_transaction(connection, service)
    return _transaction(connection, service)


@contextmanager
def _transaction(
    connection: psycopg.Connection[Any], service: str
) -> Iterator[psycopg.Transaction]:
    piped = _is_piped(connection)
    if piped:
        with connection.pipeline():  # send what waits: only then the state is known
            pass
    if not _is_idle(connection):
        with connection.transaction() as savepoint:
            yield savepoint
        return
    with _autocommit(connection), ExitStack() as stack:
        if piped:
            stack.enter_context(connection.pipeline())  # waits for COMMIT
        with connection.pipeline():
            # Not connection.transaction(), which would keep the pipeline open around the block.
            begun = stack.enter_context(psycopg.Transaction(connection))
            # Not through the connection's cursor factory, which would make it a span.
            psycopg.Cursor(connection).execute(_NAME, (_named(service),))
        if piped:
            stack.enter_context(connection.pipeline())  # brings the block's errors before COMMIT
        yield begun


@asynccontextmanager
async def _async_transaction(
    connection: psycopg.AsyncConnection[Any], service: str
) -> AsyncIterator[psycopg.AsyncTransaction]:
    """Do, and for the same reasons, what `_transaction` does."""
    piped = _is_piped(connection)
    if piped:
        async with connection.pipeline():
            pass
    if not _is_idle(connection):
        async with connection.transaction() as savepoint:
            yield savepoint
        return
    async with _async_autocommit(connection), AsyncExitStack() as stack:
        if piped:
            await stack.enter_async_context(connection.pipeline())
        async with connection.pipeline():
            begun = await stack.enter_async_context(psycopg.AsyncTransaction(connection))
            await psycopg.AsyncCursor(connection).execute(_NAME, (_named(service),))
        if piped:
            await stack.enter_async_context(connection.pipeline())
        yield begun


@contextmanager
def _autocommit(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Hold *connection* in autocommit mode, which inside a transaction means nothing.

    In the other mode psycopg cannot see in a pipeline that BEGIN is on its way, and sends a second
    one, of which the server warns in its log.
    """
    own = connection.autocommit
    if not own:
        connection.autocommit = True
    try:
        yield
    finally:
        if not own and _is_idle(connection):
            connection.autocommit = False


@asynccontextmanager
async def _async_autocommit(connection: psycopg.AsyncConnection[Any]) -> AsyncIterator[None]:
    """Do what `_autocommit` does."""
    own = connection.autocommit
    if not own:
        await connection.set_autocommit(True)
    try:
        yield
    finally:
        if not own and _is_idle(connection):
            await connection.set_autocommit(False)


def _is_piped(connection: psycopg.BaseConnection[Any]) -> bool:
    return connection.info.pipeline_status != psycopg.pq.PipelineStatus.OFF


def _is_idle(connection: psycopg.BaseConnection[Any]) -> bool:
    return connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def _named(service: str) -> str:
    own = "".join(c if " " <= c <= "~" else "?" for c in service)[:SERVICE_BYTES]
    context = trace.get_current_span().get_span_context()
    return f"{own}/{context.trace_id:032x}" if context.is_valid else own
