"""A transaction carries its trace in every style of psycopg: async, pooled, piped, streamed."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import psycopg_pool
import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from propagation.integrations.postgres import instrument, transaction, uninstrument
from tests.propagation.integrations.database import NAMED, OWN, PREPARED, Watcher, traced

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from opentelemetry.sdk.trace import ReadableSpan

    Connection = psycopg.Connection[tuple[Any, ...]]
    AsyncConnection = psycopg.AsyncConnection[tuple[Any, ...]]

INSERT = "INSERT INTO plays VALUES (%s)"
modes = pytest.mark.parametrize("autocommit", [True, False], ids=["autocommit", "transactional"])


@pytest.fixture
def plays(database: str) -> str:
    """Give a database with an empty table."""
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE plays (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED)")
    return database


@pytest.fixture
def watcher(plays: str) -> Iterator[Watcher]:
    """Give a second session on the same database."""
    with psycopg.connect(plays, autocommit=True) as connection:
        yield Watcher(connection)


@pytest.fixture
def instrumented(watcher: Watcher) -> Iterator[None]:  # noqa: ARG001 - connected before
    """Have psycopg instrumented during the test, except for the second session."""
    instrument()
    yield
    uninstrument()


@asynccontextmanager
async def connected(database: str, *, autocommit: bool) -> AsyncIterator[AsyncConnection]:
    """Open an async connection with a name of its own."""
    connection = await psycopg.AsyncConnection.connect(
        database, autocommit=autocommit, application_name=OWN
    )
    async with connection:
        yield connection


def in_a_transaction(database: str, body: Any, *, autocommit: bool = True) -> None:
    """Run *body* in a named transaction of an async connection, then check what is left of it."""

    async def run() -> None:
        async with connected(database, autocommit=autocommit) as connection:
            try:
                with traced():
                    async with transaction(connection, "game-consumer"):
                        await body(connection)
            finally:
                assert connection.autocommit == autocommit
                assert connection.info.pipeline_status == psycopg.pq.PipelineStatus.OFF
                if not connection.broken:
                    cursor = await connection.execute("SELECT current_setting('application_name')")
                    assert await cursor.fetchone() == (OWN,)

    asyncio.run(run())


@modes
def test_an_async_transaction_is_named_and_forgotten(
    plays: str, watcher: Watcher, *, autocommit: bool
) -> None:
    """Others see service and trace while the block runs; it commits, and the name is gone."""
    seen: list[str] = []

    async def body(connection: AsyncConnection) -> None:
        await connection.execute(INSERT, (1,))
        seen.append(watcher.name_of(connection.info.backend_pid))

    in_a_transaction(plays, body, autocommit=autocommit)

    assert seen == [NAMED]
    assert watcher.value("SELECT array_agg(id) FROM plays") == [1]


@modes
@pytest.mark.parametrize("error", [LookupError("mine"), asyncio.CancelledError(), SystemExit(3)])
def test_an_async_block_that_raises_rolls_back(
    plays: str, watcher: Watcher, error: BaseException, *, autocommit: bool
) -> None:
    """The exception comes out as it was raised, a cancellation too, and nothing is kept."""

    async def body(connection: AsyncConnection) -> None:
        await connection.execute(INSERT, (1,))
        raise error

    with pytest.raises(type(error)) as raised:
        in_a_transaction(plays, body, autocommit=autocommit)

    assert isinstance(error, asyncio.CancelledError) or raised.value is error
    assert watcher.value("SELECT count(*) FROM plays") == 0


@modes
def test_an_async_commit_that_fails_is_seen(plays: str, *, autocommit: bool) -> None:
    """An error that only the commit brings passes, and leaves the connection as it was."""

    async def body(connection: AsyncConnection) -> None:
        await connection.execute("INSERT INTO plays VALUES (1), (1)")

    with pytest.raises(psycopg.errors.UniqueViolation):
        in_a_transaction(plays, body, autocommit=autocommit)


def test_an_async_statement_that_is_cancelled_rolls_back(plays: str, watcher: Watcher) -> None:
    """A task that is cancelled while the server works leaves a usable connection behind."""

    async def body(connection: AsyncConnection) -> None:
        await connection.execute(INSERT, (1,))
        await asyncio.wait_for(connection.execute("SELECT pg_sleep(60)"), 0.1)

    with pytest.raises(TimeoutError):
        in_a_transaction(plays, body)

    assert watcher.value("SELECT count(*) FROM plays") == 0


@modes
def test_an_async_inner_transaction_can_fail_alone(
    plays: str, watcher: Watcher, *, autocommit: bool
) -> None:
    """Inside another transaction the block is a savepoint, under the outer one's name."""
    seen: list[str] = []

    async def insert_and_fail(connection: AsyncConnection) -> None:
        async with transaction(connection, "inner"):
            await connection.execute(INSERT, (2,))
            seen.append(watcher.name_of(connection.info.backend_pid))
            raise LookupError

    async def body(connection: AsyncConnection) -> None:
        await connection.execute(INSERT, (1,))
        with pytest.raises(LookupError):
            await insert_and_fail(connection)

    in_a_transaction(plays, body, autocommit=autocommit)

    assert seen == [NAMED]
    assert watcher.value("SELECT array_agg(id) FROM plays") == [1]


def test_an_async_session_that_ended_is_reported(plays: str, watcher: Watcher) -> None:
    """When the server has ended the session, psycopg's error comes out before the block runs."""

    async def run() -> None:
        async with connected(plays, autocommit=False) as connection:
            watcher.value("SELECT pg_terminate_backend(%s)", connection.info.backend_pid)
            with pytest.raises(psycopg.OperationalError):
                async with transaction(connection, "game-consumer"):
                    pytest.fail("the block must not run")
            assert connection.broken

    asyncio.run(run())


@modes
def test_async_prepared_statements_survive(plays: str, *, autocommit: bool) -> None:
    """The server goes on executing the prepared statement through many named transactions."""

    async def run() -> Any:
        async with connected(plays, autocommit=autocommit) as connection:
            for number in range(9):
                with traced():
                    async with transaction(connection, "game-consumer"):
                        await connection.execute(INSERT, (number,))
            return await (await connection.execute(PREPARED)).fetchall()

    [(calls,)] = asyncio.run(run())

    assert calls >= 3


@modes
def test_a_pipeline_of_the_callers_stays_one(
    plays: str, watcher: Watcher, *, autocommit: bool
) -> None:
    """In a pipeline the transaction is named, commits with its end, and leaves no mode behind."""
    with psycopg.connect(plays, autocommit=autocommit, application_name=OWN) as connection:
        with traced(), connection.pipeline():
            for number in range(3):
                with transaction(connection, "game-consumer"):
                    connection.execute(INSERT, (number,))
                    cursor = connection.execute("SELECT current_setting('application_name')")
                    assert connection.info.pipeline_status == psycopg.pq.PipelineStatus.ON
                assert cursor.fetchone() == (NAMED,)
                assert watcher.value("SELECT count(*) FROM plays") == number + 1
                assert connection.autocommit == autocommit
            pid = connection.info.backend_pid

        assert watcher.name_of(pid) == OWN


@modes
def test_an_async_pipeline_of_the_callers_stays_one(
    plays: str, watcher: Watcher, *, autocommit: bool
) -> None:
    """The same holds for an async connection."""

    async def run() -> None:
        async with connected(plays, autocommit=autocommit) as connection:
            async with connection.pipeline():
                for number in range(3):
                    with traced():
                        async with transaction(connection, "game-consumer"):
                            await connection.execute(INSERT, (number,))
                            seen = watcher.name_of(connection.info.backend_pid)
                            assert connection.info.pipeline_status == psycopg.pq.PipelineStatus.ON
                    assert seen == NAMED
                    assert watcher.value("SELECT count(*) FROM plays") == number + 1
                    assert connection.autocommit == autocommit
            assert watcher.name_of(connection.info.backend_pid) == OWN

    asyncio.run(run())


def test_what_waits_in_a_pipeline_is_not_part_of_the_transaction(
    plays: str, watcher: Watcher
) -> None:
    """In autocommit mode a statement before the block is done for itself; the block is named."""
    with (
        psycopg.connect(plays, autocommit=True) as connection,
        traced(),
        connection.pipeline(),
    ):
        connection.execute(INSERT, (1,))
        with transaction(connection, "game-consumer"):
            connection.execute(INSERT, (2,))
            seen = connection.execute("SELECT current_setting('application_name')").fetchone()
            raise psycopg.Rollback

    assert seen == (NAMED,)
    assert watcher.value("SELECT array_agg(id) FROM plays") == [1]


def insert_nowhere(connection: Connection) -> None:
    """Fail in a transaction of a pipeline, where the failure is not known at once."""
    with traced(), transaction(connection, "game-consumer"):
        connection.execute(INSERT, (1,))
        connection.execute("INSERT INTO nothing VALUES (1)")


@modes
def test_a_piped_statement_that_fails_rolls_back_its_transaction(
    plays: str, watcher: Watcher, *, autocommit: bool
) -> None:
    """An error that was still under way comes out of the block's end, before any commit."""
    with psycopg.connect(plays, autocommit=autocommit, application_name=OWN) as connection:
        with connection.pipeline():
            with pytest.raises(psycopg.errors.UndefinedTable):
                insert_nowhere(connection)
            assert connection.autocommit == autocommit
            with transaction(connection, "game-consumer"):
                connection.execute(INSERT, (2,))

        assert watcher.value("SELECT array_agg(id) FROM plays") == [2]
        assert watcher.name_of(connection.info.backend_pid) == OWN


async def insert_nowhere_async(connection: AsyncConnection) -> None:
    """Do as `insert_nowhere` does."""
    async with transaction(connection, "game-consumer"):
        await connection.execute(INSERT, (1,))
        await connection.execute("INSERT INTO nothing VALUES (1)")


@modes
def test_an_async_piped_statement_that_fails_rolls_back_its_transaction(
    plays: str, watcher: Watcher, *, autocommit: bool
) -> None:
    """The same holds for an async connection, what waited before is kept."""

    async def run() -> None:
        async with connected(plays, autocommit=autocommit) as connection, connection.pipeline():
            if autocommit:
                await connection.execute(INSERT, (3,))
            with traced(), pytest.raises(psycopg.errors.UndefinedTable):
                await insert_nowhere_async(connection)
            assert connection.autocommit == autocommit
            async with transaction(connection, "game-consumer"):
                await connection.execute(INSERT, (2,))

    asyncio.run(run())

    left = [2, 3] if autocommit else [2]
    assert watcher.value("SELECT array_agg(id ORDER BY id) FROM plays") == left


def test_an_async_block_is_named_behind_what_waits_in_a_pipeline(plays: str) -> None:
    """A statement that is still under way does not make the block a savepoint."""

    async def run() -> Any:
        async with connected(plays, autocommit=True) as connection, connection.pipeline():
            await connection.execute(INSERT, (1,))
            with traced():
                async with transaction(connection, "game-consumer") as begun:
                    name = await connection.execute("SELECT current_setting('application_name')")
                    assert not begun.savepoint_name
                    return await name.fetchone()

    assert asyncio.run(run()) == (NAMED,)


@modes
def test_piped_prepared_statements_survive(plays: str, *, autocommit: bool) -> None:
    """In a pipeline too the prepared statement is executed through many transactions."""
    with psycopg.connect(plays, autocommit=autocommit) as connection:
        with connection.pipeline():
            for number in range(9):
                with traced(), transaction(connection, "game-consumer"):
                    connection.execute(INSERT, (number,))

        [(calls,)] = connection.execute(PREPARED).fetchall()

    assert calls >= 3


def test_copy_and_streams_run_under_the_name(plays: str, watcher: Watcher) -> None:
    """COPY in and out, server-side cursors and stream() are seen with service and trace."""
    seen: list[str] = []

    with psycopg.connect(plays, application_name=OWN) as connection:

        def look() -> None:
            seen.append(watcher.name_of(connection.info.backend_pid))

        with traced(), transaction(connection, "game-consumer"):
            with connection.cursor().copy("COPY plays FROM STDIN") as copy:
                copy.write_row((1,))
                look()
            with connection.cursor().copy("COPY plays TO STDOUT") as copy:
                copy.read()
                look()
                copy.read()
            with connection.cursor("plays") as cursor:
                assert cursor.execute("SELECT id FROM plays").fetchone() == (1,)
                look()
            for _ in connection.cursor().stream("SELECT id FROM plays"):
                look()
        look()

    assert seen == [NAMED] * 4 + [OWN]


def test_async_copy_and_streams_run_under_the_name(plays: str, watcher: Watcher) -> None:
    """The same holds for an async connection."""
    seen: list[str] = []

    async def body(connection: AsyncConnection) -> None:
        async with connection.cursor().copy("COPY plays FROM STDIN") as copy:
            await copy.write_row((1,))
            seen.append(watcher.name_of(connection.info.backend_pid))
        async with connection.cursor("plays") as cursor:
            await cursor.execute("SELECT id FROM plays")
            assert await cursor.fetchone() == (1,)
            seen.append(watcher.name_of(connection.info.backend_pid))
        rows = [row async for row in connection.cursor().stream("SELECT id FROM plays")]
        seen.append(watcher.name_of(connection.info.backend_pid))
        assert rows == [(1,)]

    in_a_transaction(plays, body)

    assert seen == [NAMED] * 3


@pytest.mark.usefixtures("instrumented")
def test_a_pool_hands_out_traced_connections_and_clean_names(
    plays: str, watcher: Watcher, spans: list[ReadableSpan]
) -> None:
    """Each borrower's transaction has its own trace; after it, failed or not, no name is left."""
    tracer = trace.get_tracer("test")
    pool = psycopg_pool.ConnectionPool(
        plays, min_size=1, max_size=1, open=True, kwargs={"application_name": OWN}
    )
    pids: list[int] = []

    def request(error: Exception | None) -> None:
        with tracer.start_as_current_span("request") as span:
            expected = f"game-consumer/{span.get_span_context().trace_id:032x}"
            with pool.connection() as connection, transaction(connection, "game-consumer"):
                connection.execute("SELECT 1")
                pids.append(connection.info.backend_pid)
                assert watcher.name_of(pids[-1]) == expected
                if error:
                    raise error

    with pool:
        request(None)
        assert watcher.name_of(pids[-1]) == OWN
        with pytest.raises(LookupError):
            request(LookupError())
        assert watcher.name_of(pids[-1]) == OWN

    assert len(set(pids)) == 1
    statements = [span for span in spans if span.kind is SpanKind.CLIENT]
    assert [span.name for span in statements] == ["SELECT", "SELECT"]


@pytest.mark.usefixtures("instrumented")
def test_an_async_pool_hands_out_traced_connections_and_clean_names(
    plays: str, watcher: Watcher, spans: list[ReadableSpan]
) -> None:
    """The same holds for the async pool; each statement's span is in its task's trace."""
    tracer = trace.get_tracer("test")
    seen: dict[str, str] = {}

    async def request(pool: psycopg_pool.AsyncConnectionPool[AsyncConnection]) -> None:
        with tracer.start_as_current_span("request") as span:
            async with pool.connection() as connection, transaction(connection, "game-consumer"):
                await connection.execute("SELECT 1")
                name = watcher.name_of(connection.info.backend_pid)
            seen[f"game-consumer/{span.get_span_context().trace_id:032x}"] = name

    async def run() -> None:
        pool = psycopg_pool.AsyncConnectionPool(
            plays, min_size=2, max_size=2, open=False, kwargs={"application_name": OWN}
        )
        async with pool:
            await pool.wait()  # for both connections
            await asyncio.gather(*(request(pool) for _ in range(6)))
            named = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
            assert watcher.value(named, OWN) == 2

    asyncio.run(run())

    assert len(seen) == 6
    assert all(expected == found for expected, found in seen.items())
    roots = {span.context.span_id: span.context.trace_id for span in spans if not span.parent}
    statements = [span for span in spans if span.kind is SpanKind.CLIENT]
    assert [span.name for span in statements] == ["SELECT"] * 6
    for span in statements:
        assert span.parent
        assert roots[span.parent.span_id] == span.context.trace_id


@pytest.mark.usefixtures("instrumented")
def test_what_the_instrumentation_does_not_see_has_no_span(
    plays: str, spans: list[ReadableSpan]
) -> None:
    """COPY, server-side cursors and stream() have no span: the documentation says so."""
    with psycopg.connect(plays) as connection, transaction(connection, "game-consumer"):
        with connection.cursor().copy("COPY plays FROM STDIN"):
            pass
        with connection.cursor("plays") as cursor:
            cursor.execute("SELECT id FROM plays").fetchall()
        list(connection.cursor().stream("SELECT 1"))

    assert spans == []


@modes
def test_a_statement_outside_of_a_transaction_has_no_name(
    plays: str, watcher: Watcher, *, autocommit: bool
) -> None:
    """Without transaction() a session keeps the name it was opened with, in both modes."""
    with (
        psycopg.connect(plays, autocommit=autocommit, application_name=OWN) as connection,
        traced(),
    ):
        connection.execute(INSERT, (1,))

        assert watcher.name_of(connection.info.backend_pid) == OWN


def test_a_block_in_a_transaction_that_psycopg_began_keeps_the_name(
    plays: str, watcher: Watcher
) -> None:
    """Where a statement has begun a transaction already, the block is a savepoint without name."""
    with psycopg.connect(plays, application_name=OWN) as connection, traced():
        connection.execute(INSERT, (1,))
        with transaction(connection, "game-consumer"):
            assert watcher.name_of(connection.info.backend_pid) == OWN
        connection.rollback()

    assert watcher.value("SELECT count(*) FROM plays") == 0
