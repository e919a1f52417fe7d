"""The W3C formats, case by case; the names of the cases follow W3C's own test suite."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter

from propagation import w3c, w3c_baggage
from tests.propagation.builders import (
    SPAN_ID,
    TRACE_ID,
    TRACEPARENT,
    context,
    span_context,
    span_in,
)

IDS = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        (f"00-{IDS}-00", 0),
        (f"00-{IDS}-01", 1),
        (f"00-{IDS}-02", 2),
        (f"00-{IDS}-03", 3),
        (f"00-{IDS}-ff", 3),
        (f"00-{IDS}-fc", 0),
        (f"cc-{IDS}-01", 1),
        (f"cc-{IDS}-01-what-the-future-will-be-like", 1),
        (f"cc-{IDS}-01-", 1),
        (f" \t00-{IDS}-01\t ", 1),
    ],
)
def test_a_valid_traceparent_is_read(text: str, flags: int) -> None:
    """Any version but ff is read by its first four fields; unknown flags are dropped."""
    parsed = w3c.parse_traceparent(text)

    assert parsed is not None
    assert (parsed.trace_id, parsed.span_id, parsed.trace_flags) == (TRACE_ID, SPAN_ID, flags)
    assert parsed.is_remote


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        f"ff-{IDS}-01",
        f"00-{IDS}-01-what-the-future-will-be-like",
        f"00-{IDS}-01-",
        f"00-{IDS}-01.",
        f"cc-{IDS}-01.what-the-future-will-be-like",
        f"cc-{IDS}-01-" + "x" * 600,
        f"cc-{IDS}-0",
        f"cc-{IDS}-",
        f"cc-.{IDS[1:]}-01",
        f"cc-{IDS[:-1]}.-01",
        f"cc-{IDS.replace('-', '.')}-01",
        f"cc-{IDS}.01",
        f".0-{IDS}-01",
        f"0.-{IDS}-01",
        f"000-{IDS}-01",
        f"0-{IDS}-01",
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        "00-.af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c0-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-.7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033310-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-01",
        f"00-{IDS}-.0",
        f"00-{IDS}-001",
        f"00-{IDS}-1",
        f"00-{IDS.upper()}-01",
        f"00-{IDS}-0_",
        f"00-{IDS}-01\n",
        f"\uff10\uff10-{IDS}-01",
        f"00_{IDS}_01",
    ],
)
def test_an_invalid_traceparent_is_no_traceparent(text: str) -> None:
    """Whatever breaks the grammar restarts the trace."""
    assert w3c.parse_traceparent(text) is None


@given(st.text(max_size=80))
def test_no_text_makes_the_parsers_raise(text: str) -> None:
    """Any text at all is read as a value or as nothing."""
    parent = w3c.parse_traceparent(text)
    w3c.parse_tracestate([text, text])
    members = w3c_baggage.parse_baggage([text, text])

    assert parent is None or parent.is_valid
    assert len(members) <= w3c_baggage.BAGGAGE_MAX_MEMBERS


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.integers(0, 3))
def test_a_traceparent_is_read_as_it_was_written(trace_id: int, span_id: int, flags: int) -> None:
    """Ids and both known flags survive the text, the random flag of level 2 included."""
    written = span_context(trace_id, span_id, flags)

    assert w3c.parse_traceparent(w3c.format_traceparent(written)) == written


def test_unknown_flags_are_not_written() -> None:
    """A flag that the specification does not define is sent as zero."""
    assert w3c.format_traceparent(span_context(flags=0xFF)).endswith("-03")


KEY = "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
VALUE = "".join(map(chr, range(0x20, 0x7F))).replace(",", "").replace("=", "")


@pytest.mark.parametrize(
    ("texts", "header"),
    [
        (["foo=1"], "foo=1"),
        (["foo=1,bar=2"], "foo=1,bar=2"),
        (["foo=1,bar=2", "rojo=1,congo=2", "baz=3"], "foo=1,bar=2,rojo=1,congo=2,baz=3"),
        (["foo=1", ""], "foo=1"),
        (["", "foo=1"], "foo=1"),
        (["foo=1,,bar=2"], "foo=1,bar=2"),
        (["foo=1,foo=1"], "foo=1"),
        (["foo=1", "foo=2"], "foo=1"),
        (["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3"),
        (["\t foo=1 \t"], "foo=1"),
        (["foo=  1 ,bar= 2"], "foo=  1,bar= 2"),
        ([f"{KEY}={VALUE}"], f"{KEY}={VALUE}"),
        ([f"{KEY}@a-z0-9_-*/=1"], f"{KEY}@a-z0-9_-*/=1"),
        (["foo@=1,bar=2"], "foo@=1,bar=2"),
        (["foo@@bar=1,bar=2"], "foo@@bar=1,bar=2"),
        (["foo@bar@baz=1,bar=2"], "foo@bar@baz=1,bar=2"),
        (["1a=1"], "1a=1"),
        (["foo=1", "z" * 256 + "=1"], "foo=1," + "z" * 256 + "=1"),
        (["t" * 242 + "@v=1"], "t" * 242 + "@v=1"),
        (["foo=" + "v" * 256], "foo=" + "v" * 256),
        ([",".join(f"k{i}=1" for i in range(32))], ",".join(f"k{i}=1" for i in range(32))),
    ],
)
def test_a_valid_tracestate_is_passed_on(texts: list[str], header: str) -> None:
    """Members keep their order over several headers; blanks, empty members, repeats go."""
    assert w3c.parse_tracestate(texts).to_header() == header


@pytest.mark.parametrize(
    "text",
    [
        "",
        " , ",
        "foo",
        "foo=",
        "=1",
        "foo =1",
        "FOO=1",
        "foo.bar=1",
        "@foo=1,bar=2",
        "foo=bar=baz",
        "foo=,bar=3",
        "foo=\x7f",
        "foo=ü",
        "z" * 257 + "=1",
        "foo=" + "v" * 257,
        ",".join(f"k{i}=1" for i in range(33)),
        "," * 100_000,
        "more=1" + "," * 100_000,
    ],
)
def test_an_invalid_tracestate_is_dropped_whole(text: str) -> None:
    """One malformed member, or a 33rd, voids the list."""
    assert not w3c.parse_tracestate(["ok=1", text] if text.strip(" ,") else [text])


@pytest.mark.parametrize("length", [512, 8192])
def test_a_long_tracestate_is_passed_on_whole(length: int) -> None:
    """The specification asks for 512 characters; the members above 128 stay as well."""
    text = ",".join(f"k{i:02d}={'v' * 251}" for i in range(length // 256)) + "v"

    assert len(text) == length
    assert w3c.format_tracestate(w3c.parse_tracestate([text])) == text


def test_an_overlong_tracestate_loses_whole_members() -> None:
    """Above 8192 characters long members go, the last first; the short ones and the order stay."""
    long = [f"long{i:02d}={'v' * 250}" for i in range(31)] + [f"x={'v' * 256}"]
    entries = [(key, value) for key, _, value in (m.partition("=") for m in ["a=1", *long[:31]])]
    wide = [(f"{key}{'k' * 100}" if key != "a" else key, value) for key, value in entries]

    text = w3c.format_tracestate(w3c.WideTraceState(wide))

    assert len(text) <= w3c.TRACESTATE_MAX_CHARACTERS
    assert text == ",".join(f"{k}={v}" for k, v in wide[: text.count(",") + 1])


def test_a_changed_member_moves_to_the_front() -> None:
    """The rest of the state keeps its order, and keys that only level 2 allows stay."""
    state = w3c.parse_tracestate(["1a=1,b@=2,c=3"])

    assert state.update("c", "4").to_header() == "c=4,1a=1,b@=2"
    assert state.add("d", "5").to_header() == "d=5,1a=1,b@=2,c=3"
    assert state.delete("b@").to_header() == "1a=1,c=3"
    assert state.to_header() == "1a=1,b@=2,c=3"


def test_a_33rd_member_takes_the_place_of_the_last() -> None:
    """What is added here counts for more than what is oldest; a stranger cannot fill the state."""
    full = w3c.parse_tracestate([",".join(f"k{i}=1" for i in range(32))])
    kept = [f"k{i}=1" for i in range(31)]

    assert full.add("new", "1").to_header().split(",") == ["new=1", *kept]
    assert full.update("new", "1").to_header().split(",") == ["new=1", *kept]
    assert len(full.update("k31", "2")) == 32


def test_an_impossible_change_leaves_the_state() -> None:
    """An invalid member or a taken key: the same state comes back."""
    full = w3c.parse_tracestate([",".join(f"k{i}=1" for i in range(32))])

    assert full.update("k0", "bad,value") is full
    assert full.add("k0", "2") is full


class Several(Getter[dict[str, list[str]]]):
    """Reads a carrier in which a field has several values, as HTTP headers may."""

    def get(self, carrier: dict[str, list[str]], key: str) -> list[str] | None:
        """Give all values."""
        return carrier.get(key)

    def keys(self, carrier: dict[str, list[str]]) -> list[str]:
        """Give all names."""
        return list(carrier)


def test_the_propagator_restarts_on_two_traceparents() -> None:
    """Over HTTP a second traceparent voids both; the baggage stands on its own."""
    carrier = {"traceparent": [TRACEPARENT, TRACEPARENT], "baggage": ["a=1"]}

    read = w3c.W3CPropagator().extract(carrier, Context(), Several())

    assert not span_in(read).is_valid
    assert baggage.get_all(read) == {"a": "1"}


def test_the_propagator_writes_what_it_reads() -> None:
    """Trace, state and baggage pass through a carrier unchanged."""
    propagator = w3c.W3CPropagator()
    sent = baggage.set_baggage("a", "ü", context(span_context(flags=3, state="x=1,y=2")))
    carrier: dict[str, str] = {}

    propagator.inject(carrier, sent)
    read = propagator.extract(carrier)

    assert set(carrier) == propagator.fields
    assert span_in(read) == span_in(sent)
    assert span_in(read).trace_state.to_header() == "x=1,y=2"
    assert baggage.get_all(read) == {"a": "ü"}


def test_the_propagator_writes_no_more_than_there_is() -> None:
    """Without a span there is no traceparent, without a state or baggage no such field."""
    nothing: dict[str, str] = {}
    a_span: dict[str, str] = {}

    w3c.W3CPropagator().inject(nothing, Context())
    w3c.W3CPropagator().inject(a_span, context())

    assert nothing == {}
    assert a_span == {"traceparent": TRACEPARENT}


def test_a_bad_tracestate_does_not_affect_the_traceparent() -> None:
    """The trace goes on without the state."""
    carrier = {"traceparent": TRACEPARENT, "tracestate": "not valid"}

    read = span_in(w3c.W3CPropagator().extract(carrier))

    assert read == span_context()
    assert not read.trace_state
