"""The id of a trace, as logs, tables and dead letters write it: 32 hexadecimal digits, or nothing.

Comes in: a context, the current one by default. Never raises because of what a message carries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import trace

from propagation import context_of

if TYPE_CHECKING:
    from confluent_kafka import Message
    from opentelemetry.context import Context


def current_trace_id(context: Context | None = None) -> str | None:
    """Give the id of the trace that *context* is in, ``None`` if it is in none."""
    found = trace.get_current_span(context).get_span_context()
    return trace.format_trace_id(found.trace_id) if found.is_valid else None


def trace_id_of(message: Message) -> str | None:
    """Give the id of the trace that *message* carries, ``None`` if it carries none."""
    return current_trace_id(context_of(message))
