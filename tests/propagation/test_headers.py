"""The shapes of headers: which are taken, which are refused, and what becomes of them."""

from __future__ import annotations

import re
from collections import OrderedDict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propagation.headers import found, replaced

if TYPE_CHECKING:
    import confluent_kafka

    from tests.propagation.conftest import Records

NAMES = frozenset(("traceparent", "tracestate"))


class Pair(tuple[Any, ...]):
    """A tuple by inheritance."""

    __slots__ = ()


ACCEPTED: list[Any] = [
    None,
    [],
    {},
    [("a", b"1"), ("b", "text"), ("c", None), ("a", b"2")],
    {"a": b"1", "b": "text", "c": None},
    OrderedDict(a="1"),
    [Pair(("a", "1"))],
    [("ü", "ü")],
    [("", b"")],
    [(1, b"x"), (b"bytes", b"x")],
    {1: b"x"},
    [("cut\0off", b"x")],
]

REFUSED: list[Any] = [
    (),
    (("a", b"b"),),
    [["a", b"b"]],
    [("a",)],
    [("a", b"b", "c")],
    [None],
    [("a", 1)],
    [("a", True)],
    [("a", bytearray(b"x"))],
    [("a", memoryview(b"x"))],
    {"a": 1},
    5,
    0,
    False,
    "text",
    b"bytes",
    bytearray(b"x"),
    iter(()),
    MappingProxyType({}),
    [("traceparent", 1)],
    [("a", "\ud800")],
]


def named(headers: object) -> str:
    """Write *headers* the same in every process, without where they lie in memory."""
    return re.sub(r" at 0x[0-9a-f]+", "", ascii(headers))


@pytest.mark.parametrize("headers", ACCEPTED, ids=named)
def test_what_the_client_accepts_is_sent_as_the_client_would(
    headers: Any, broker: confluent_kafka.Producer, topic: str, records: Records
) -> None:
    """A copy made here arrives just as the caller's own headers do."""
    broker.produce(topic, b"", headers=headers, partition=0)
    broker.produce(topic, b"", headers=replaced(headers, NAMES), partition=0)  # type: ignore[arg-type]  # a list is invariant
    broker.flush(60)

    theirs, ours = records(topic, 2)

    assert ours.headers() == theirs.headers()


@pytest.mark.parametrize("headers", REFUSED, ids=named)
def test_what_the_client_refuses_is_refused_alike(
    headers: Any, broker: confluent_kafka.Producer
) -> None:
    """Type and text of the error are the client library's."""
    with pytest.raises((TypeError, UnicodeEncodeError)) as theirs:
        broker.produce("refused", b"", headers=headers)
    with pytest.raises((TypeError, UnicodeEncodeError)) as ours:
        replaced(headers, NAMES)

    assert ours.type is theirs.type
    assert str(ours.value) == str(theirs.value)


def test_a_name_that_would_crash_the_client_is_an_error() -> None:
    """A lone surrogate in a name ends the process inside the client; here it is refused."""
    with pytest.raises(UnicodeEncodeError):
        replaced([("\ud800", b"x")], NAMES)


def test_trace_headers_are_replaced_in_any_case_and_shape() -> None:
    """Others keep order and repeats; ours come last; nothing is there twice."""
    headers = [("a", b"1"), ("TraceParent", b"x"), ("b", "2"), ("a", None), ("traceparent\0x", "y")]

    copy = replaced(headers, NAMES, [("traceparent", b"new")])

    assert copy == [("a", b"1"), ("b", b"2"), ("a", None), ("traceparent", b"new")]


@pytest.mark.parametrize("headers", [[("traceparent", b"x")], {"traceparent": b"x"}])
def test_the_callers_headers_stay_as_they_are(headers: Any) -> None:
    """Replacing makes a copy."""
    before = headers.copy()

    replaced(headers, NAMES, [("traceparent", b"new")])

    assert headers == before


def test_found_headers_keep_their_order_and_repeats() -> None:
    """Names are given in lower case, values as text."""
    headers = [("TRACESTATE", b"b=1"), ("x", b""), ("traceparent", b"p"), ("tracestate", "a=1")]

    assert found(headers, NAMES) == [
        ("tracestate", "b=1"),
        ("traceparent", "p"),
        ("tracestate", "a=1"),
    ]


@given(st.recursive(st.none() | st.integers() | st.text() | st.binary(), lambda inner: (
    st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner)
)))  # fmt: skip
def test_no_object_makes_finding_raise(headers: object) -> None:
    """What is no header is read over."""
    assert found(headers, NAMES) == [pair for pair in found(headers, None) if pair[0] in NAMES]


def test_what_is_not_text_is_read_as_no_valid_text() -> None:
    """Bytes that are not UTF-8 become replacement characters, a missing value becomes empty."""
    headers = [("traceparent", b"\xff"), ("traceparent", None)]

    assert found(headers, NAMES) == [("traceparent", "\ufffd"), ("traceparent", "")]
