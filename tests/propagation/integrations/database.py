"""Look at a transaction's name from the outside, as an operator does."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan

from tests.propagation.builders import TRACE_ID, span_context

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

NAMED = f"game-consumer/{TRACE_ID:032x}"
OWN = "set by the user"
PREPARED = (
    "SELECT generic_plans + custom_plans FROM pg_prepared_statements WHERE statement ~ '^INSERT'"
)


@contextmanager
def traced(flags: int = 1) -> Iterator[None]:
    """Make the known trace current, as a consumer's span does."""
    with trace.use_span(NonRecordingSpan(span_context(flags=flags))):
        yield


class Watcher:
    """A second session, which sees in pg_stat_activity what others call themselves."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._connection = connection

    def name_of(self, pid: int) -> str:
        """Give the name of the session of the server's process *pid*."""
        return str(self.value("SELECT application_name FROM pg_stat_activity WHERE pid = %s", pid))

    def value(self, query: str, *values: object) -> Any:
        """Give the one value that *query* answers."""
        row = self._connection.execute(query.encode(), values).fetchone()
        assert row
        return row[0]
