"""Postgres sees the trace, the trace sees Postgres, and a transaction is what it was before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import psycopg
import psycopg_pool
import pytest
from opentelemetry.trace import SpanKind

from propagation.integrations.postgres import instrument, transaction, uninstrument
from tests.infra.require import required
from tests.infra.wait import until
from tests.propagation.builders import TRACE_ID
from tests.propagation.integrations.database import NAMED, OWN, traced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan

    from tests.infra.postgres import Postgres

    Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture(params=[True, False], ids=["autocommit", "transactional"])
def connection(database: str, request: pytest.FixtureRequest) -> Iterator[Connection]:
    """Give a connection with a name of its own and an empty table, in both of psycopg's modes."""
    with psycopg.connect(database, autocommit=True, application_name=OWN) as opened:
        opened.execute("CREATE TABLE plays (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED)")
        opened.autocommit = request.param
        yield opened


def value(connection: Connection, query: str) -> Any:
    """Give the one value that *query* answers."""
    row = connection.execute(query.encode()).fetchone()
    assert row
    return row[0]


def name(connection: Connection) -> str:
    """Ask the server for the connection's name; leaves no transaction open outside of one."""
    idle = connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    found = str(value(connection, "SELECT current_setting('application_name')"))
    if idle:
        connection.rollback()
    return found


@pytest.mark.parametrize("flags", [0, 1], ids=["unsampled", "sampled"])
def test_a_transaction_is_named_after_service_and_trace(connection: Connection, flags: int) -> None:
    """Inside the block the server knows the trace, recorded or not; afterwards it is forgotten."""
    with traced(flags), transaction(connection, "game-consumer"):
        inside = name(connection)

    assert inside == NAMED
    assert name(connection) == OWN


def test_others_can_see_the_name(connection: Connection, database: str) -> None:
    """pg_stat_activity shows it to anyone while the transaction is open."""
    look = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"

    with psycopg.connect(database) as other, traced(), transaction(connection, "game-consumer"):
        found = other.execute(look, (NAMED,)).fetchone()

    assert found == (1,)


def test_the_servers_log_shows_the_name(connection: Connection, postgres: Postgres) -> None:
    """Every line of the transaction, the commit too, carries the trace in the server's log."""
    with traced(), transaction(connection, "log-test"):
        connection.execute("INSERT INTO plays VALUES (4711)")

    session = f" log-test/{TRACE_ID:032x}@{connection.info.dbname} LOG:"
    own = until(lambda: statements(postgres, session, last="COMMIT"), what="the commit's line")
    assert own == ["INSERT INTO plays VALUES (4711)", "COMMIT"]


def test_a_transaction_begins_once(connection: Connection, postgres: Postgres) -> None:
    """BEGIN is sent once: a second one would put a warning into the server's log."""
    with transaction(connection, "game-consumer"):
        pass

    session = f" {OWN}@{connection.info.dbname} LOG:"
    own = until(lambda: statements(postgres, session, last="SELECT set_con"), what="the begin")
    assert own[-2:] == ["BEGIN", "SELECT set_config('application_name', $1, true)"]
    assert own.count("BEGIN") == 1


def statements(postgres: Postgres, session: str, last: str) -> list[str]:
    """List what *session* executed by the server's log, once *last* is there."""
    with required():  # a server that runs elsewhere keeps its log to itself
        text = postgres.log_text()
    lines = [line.partition(session)[2] for line in text.splitlines()]
    found = [line.split(": ", 1)[1] for line in lines if ": " in line]
    return found if any(statement.startswith(last) for statement in found) else []


def test_a_name_is_63_bytes_at_most(connection: Connection) -> None:
    """A long service name is cut so that the whole trace id fits."""
    with traced(), transaction(connection, "s" * 80):
        inside = name(connection)

    assert inside == f"{'s' * 30}/{TRACE_ID:032x}"
    assert len(inside) == 63


def test_a_name_is_printable_ascii(connection: Connection) -> None:
    """What Postgres would escape, and so lengthen, is a question mark."""
    with traced(), transaction(connection, "jeu\n\u00e9\x00"):
        inside = name(connection)

    assert inside == f"jeu???/{TRACE_ID:032x}"


def test_without_a_trace_the_service_is_the_name(connection: Connection) -> None:
    """A transaction of no trace still says whose it is."""
    with transaction(connection, "game-consumer"):
        inside = name(connection)

    assert inside == "game-consumer"


def test_the_block_commits(connection: Connection, database: str) -> None:
    """What the block wrote is there for others once it is left."""
    with traced(), transaction(connection, "game-consumer"):
        connection.execute("INSERT INTO plays VALUES (1)")

    with psycopg.connect(database) as other:
        assert value(other, "SELECT count(*) FROM plays") == 1


def insert_and_fail(connection: Connection, service: str, error: Exception) -> None:
    """Write a row in a transaction, then raise *error*."""
    with traced(), transaction(connection, service):
        connection.execute("INSERT INTO plays VALUES (2)")
        raise error


def test_an_exception_rolls_back_and_passes(connection: Connection) -> None:
    """The body's exception comes out as it was raised, nothing is kept, the name is gone."""
    error = LookupError("mine")

    with pytest.raises(LookupError) as raised:
        insert_and_fail(connection, "game-consumer", error)

    assert raised.value is error
    assert (error.__cause__, error.__context__) == (None, None)
    assert name(connection) == OWN
    assert value(connection, "SELECT count(*) FROM plays") == 0


def test_a_failing_statement_rolls_back(connection: Connection) -> None:
    """A database error in the body is the error that the caller sees."""
    with pytest.raises(psycopg.errors.UndefinedTable), traced(), transaction(connection, "game"):
        connection.execute("SELECT * FROM nothing")

    assert name(connection) == OWN


def test_a_failing_commit_is_seen(connection: Connection) -> None:
    """An error that only the commit brings passes, and leaves the connection as it was."""
    before = connection.autocommit

    with pytest.raises(psycopg.errors.UniqueViolation), traced(), transaction(connection, "game"):
        connection.execute("INSERT INTO plays VALUES (1), (1)")

    assert (name(connection), connection.autocommit) == (OWN, before)


def test_a_rollback_on_purpose_is_swallowed(connection: Connection) -> None:
    """psycopg.Rollback leaves the block without an exception, as in psycopg itself."""
    with traced(), transaction(connection, "game-consumer"):
        connection.execute("INSERT INTO plays VALUES (1)")
        raise psycopg.Rollback

    assert value(connection, "SELECT count(*) FROM plays") == 0


def test_an_inner_transaction_can_fail_alone(connection: Connection) -> None:
    """Inside another transaction the block is a savepoint: what came before it is kept."""
    with traced(), transaction(connection, "outer"):
        connection.execute("INSERT INTO plays VALUES (1)")
        with pytest.raises(LookupError):
            insert_and_fail(connection, "inner", LookupError())

    assert value(connection, "SELECT array_agg(id) FROM plays") == [1]


def test_an_inner_transaction_keeps_the_name(connection: Connection) -> None:
    """The name is that of the outermost transaction."""
    with traced(), transaction(connection, "outer"):
        with transaction(connection, "inner"):
            inside = name(connection)
        after = name(connection)

    assert (inside, after) == (f"outer/{TRACE_ID:032x}",) * 2


def test_prepared_statements_survive(connection: Connection) -> None:
    """A statement that psycopg has prepared stays prepared over many transactions."""
    for number in range(8):
        with traced(), transaction(connection, "game-consumer"):
            connection.execute("INSERT INTO plays VALUES (%s)", (number,))

    prepared = "SELECT calls FROM (SELECT generic_plans + custom_plans AS calls, statement"
    calls = value(connection, f"{prepared} FROM pg_prepared_statements) p WHERE statement ~ '^INS'")
    assert calls >= 3


def test_the_block_is_not_in_a_pipeline(connection: Connection) -> None:
    """COPY, which no pipeline allows, works in the block."""
    with traced(), transaction(connection, "game-consumer"):
        with connection.cursor().copy("COPY plays FROM STDIN") as copy:
            copy.write_row((1,))
        copied = value(connection, "SELECT count(*) FROM plays")

    assert copied == 1


def test_the_mode_of_the_connection_is_kept(connection: Connection) -> None:
    """Whether psycopg commits by itself is the same before and after."""
    before = connection.autocommit
    with transaction(connection, "game-consumer"):
        pass

    assert connection.autocommit == before


def terminate(connection: Connection, database: str) -> None:
    """End the session of *connection* on the server."""
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))


def test_a_broken_connection_is_reported(connection: Connection, database: str) -> None:
    """When the server ends the session, the caller gets psycopg's error, at once and for good."""
    terminate(connection, database)

    with pytest.raises(psycopg.OperationalError), transaction(connection, "game-consumer"):
        pytest.fail("the block must not run")

    assert connection.broken


def test_a_session_that_ends_inside_reports_its_error(
    connection: Connection, database: str
) -> None:
    """A session lost in the block raises the statement's error, not one of cleaning up."""

    def lose_the_session() -> None:
        with transaction(connection, "game-consumer"):
            terminate(connection, database)
            connection.execute("SELECT 1")

    with pytest.raises(psycopg.errors.AdminShutdown):
        lose_the_session()


def test_a_pool_gets_its_connection_back_clean(database: str) -> None:
    """A pooled connection is named for the transaction alone."""
    with psycopg_pool.ConnectionPool(database, min_size=1, max_size=1, open=True) as pool:
        with traced(), pool.connection() as connection, transaction(connection, "game-consumer"):
            inside = name(connection)
        with pool.connection() as again:
            after = name(again)

    assert (inside, after) == (NAMED, "")


@pytest.fixture
def instrumented() -> Iterator[None]:
    """Have psycopg instrumented during the test."""
    instrument()
    yield
    uninstrument()


@pytest.mark.usefixtures("instrumented")
def test_a_statement_is_a_span_and_the_naming_is_not(
    database: str, spans: list[ReadableSpan]
) -> None:
    """Each of the user's statements has one client span; what the name costs shows no span."""
    with psycopg.connect(database) as connection, transaction(connection, "game-consumer"):
        connection.execute("SELECT 1")

    assert [(span.name, span.kind) for span in spans] == [("SELECT", SpanKind.CLIENT)]


def test_instrumenting_twice_is_once(database: str, spans: list[ReadableSpan]) -> None:
    """A second call neither warns nor makes a second span."""
    instrument()
    instrument()
    with psycopg.connect(database) as connection:
        connection.execute("SELECT 1")
    uninstrument()
    uninstrument()

    assert len(spans) == 1


@pytest.mark.usefixtures("instrumented")
def test_no_comment_is_added(database: str) -> None:
    """The server gets the statement as it was written."""
    with psycopg.connect(database) as connection:
        query = value(connection, "SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()")

    assert query == "SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()"


def test_uninstrumenting_ends_the_spans(database: str, spans: list[ReadableSpan]) -> None:
    """Connections opened afterwards make no spans."""
    instrument()
    uninstrument()
    with psycopg.connect(database) as connection:
        connection.execute("SELECT 1")

    assert spans == []


def run(script: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run *script* in a process of its own: conventions are chosen once in each."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": ".", **environ},
    )


SHOW_ATTRIBUTES = """
    import json, os, psycopg
    from propagation.integrations.postgres import instrument
    from propagation.testing import captured_spans
    instrument()
    with captured_spans() as spans, psycopg.connect(os.environ["URL"]) as connection:
        connection.execute("SELECT %s::int", (1,))
    print(json.dumps([dict(spans[0].attributes), os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"]]))
"""


def test_a_span_follows_the_stable_conventions(database: str) -> None:
    """Without any setting the attributes are those of the stable database conventions alone."""
    attributes, _ = json.loads(run(SHOW_ATTRIBUTES, URL=database).stdout)

    assert attributes.pop("db.query.text") == "SELECT %s::int"
    assert attributes.keys() == {"db.namespace", "db.system.name", "server.address", "server.port"}
    assert attributes["db.system.name"] == "postgresql"


def test_a_users_choice_of_conventions_is_kept(database: str) -> None:
    """What the user opted into stays in front, and both names where both were asked for."""
    given = "messaging, database/dup"
    attributes, variable = json.loads(
        run(SHOW_ATTRIBUTES, URL=database, OTEL_SEMCONV_STABILITY_OPT_IN=given).stdout
    )

    assert attributes.keys() >= {"db.statement", "db.query.text"}
    assert variable == "messaging,database/dup,http"


@pytest.mark.parametrize("module", ["psycopg", "opentelemetry.instrumentation.psycopg"])
def test_a_missing_extra_is_named(module: str) -> None:
    """Without its extra the import says what to install."""
    done = run(
        f"import sys; sys.modules['{module}'] = None; import propagation.integrations.postgres"
    )

    assert "ImportError: " in done.stderr
    assert "pip install 'lagmon[postgres]'" in done.stderr
