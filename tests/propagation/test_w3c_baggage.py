"""W3C baggage: what is read, what is written, what is left out."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage
from opentelemetry.context import Context

from propagation.w3c_baggage import BaggageValue, format_baggage, parse_baggage


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("a=1", {"a": "1"}),
        (" a = 1 , b=2\t", {"a": "1", "b": "2"}),
        ("a=1;secure;ttl=5,b=2", {"a": "1", "b": "2"}),
        ("a=%20%C3%BC%25", {"a": " ü%"}),
        ("a=%FF", {"a": "\ufffd"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=", {"a": ""}),
        ("a", {}),
        ("a b=1,c=2", {"c": "2"}),
        ('a="1",c=2', {"c": "2"}),
        ("a=ü,c=2", {"c": "2"}),
        ("a=1,a=2", {"a": "2"}),
        (",".join(f"k{i}=1" for i in range(65)), {f"k{i}": "1" for i in range(64)}),
        ("a=1,b=" + "x" * 8190 + ",c=1", {"a": "1"}),
    ],
)
def test_baggage_is_read_member_by_member(text: str, members: dict[str, str]) -> None:
    """A malformed member costs only itself; what exceeds the limits is left out."""
    assert parse_baggage([text]) == members


TOKENS = st.from_regex(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,8}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.dictionaries(TOKENS, TEXTS, max_size=8))
def test_baggage_is_read_as_it_was_written(members: dict[str, str]) -> None:
    """Any text survives as a value."""
    assert parse_baggage([format_baggage(members)]) == members


def test_baggage_that_may_not_be_written_is_left_out() -> None:
    """Keys must be tokens; 64 members and 8192 bytes are the limit."""
    many: dict[str, object] = {"not a token": "1", **{f"k{i:02d}": i for i in range(70)}}

    assert format_baggage(many) == ",".join(f"k{i:02d}={i}" for i in range(64))
    assert format_baggage({"a": "x" * 9000, "b": "1"}) == "b=1"


PROPERTIES = st.lists(st.tuples(TOKENS, st.none() | TEXTS), max_size=4)


@given(TOKENS, TEXTS, PROPERTIES)
def test_properties_travel_with_their_value(
    key: str, text: str, properties: list[tuple[str, str | None]]
) -> None:
    """Whatever they hold, in their order, the same name more than once too."""
    written = format_baggage({key: BaggageValue(text, properties)})

    [(read_key, value)] = parse_baggage([written]).items()

    assert (read_key, value) == (key, text)
    assert getattr(value, "properties", ()) == tuple(properties)


@pytest.mark.parametrize(
    ("text", "properties"),
    [
        ("a=1;secure;ttl=5", [("secure", None), ("ttl", "5")]),
        ("a \t = \t 1 \t ; \t p \t ; \t q \t = \t x=y", [("p", None), ("q", "x=y")]),
        ("a=1;p;p=1;p=2", [("p", None), ("p", "1"), ("p", "2")]),
        ("a=1;p=%20%C3%BC%FF", [("p", " ü\ufffd")]),
        ("a=1;p%20%3D%20q", [("p%20%3D%20q", None)]),
        ("a=1;p=", [("p", "")]),
    ],
)
def test_properties_are_read(text: str, properties: list[tuple[str, str | None]]) -> None:
    """Blanks around them go, their values are decoded, their keys are not."""
    [value] = parse_baggage([text]).values()

    assert value == "1"
    assert isinstance(value, BaggageValue)
    assert value.properties == tuple(properties)


@pytest.mark.parametrize("member", ["a=1;p q", "a=1;=x", 'a=1;p="x"', ";a=1", "a;p=1", "a=1;ü"])
def test_a_member_is_passed_on_whole_or_not_at_all(member: str) -> None:
    """A malformed property takes its member with it: without it, it would be another one."""
    assert parse_baggage([member, "b=2"]) == {"b": "2"}


def test_an_empty_property_is_nothing() -> None:
    """A semicolon too many loses nobody's information."""
    assert parse_baggage(["a=1; ;p;"])["a"].properties == (("p", None),)  # type: ignore[attr-defined]  # has properties


def test_a_new_value_has_no_properties() -> None:
    """Properties belong to the value they came with."""
    context = Context()
    for key, value in parse_baggage(["a=1;p,b=2;q"]).items():
        context = baggage.set_baggage(key, value, context)

    changed = baggage.set_baggage("a", "3", context)

    assert format_baggage(baggage.get_all(changed)) == "a=3,b=2;q"


def test_a_property_that_may_not_be_written_is_left_out() -> None:
    """The application made it up: its key must be a token."""
    assert format_baggage({"a": BaggageValue("1", [("no token", "x"), ("p", None)])}) == "a=1;p"


def test_what_exceeds_the_limits_takes_its_properties_along() -> None:
    """No half of a member is written to make it fit."""
    assert format_baggage({"a": BaggageValue("1", [("p", "x" * 8190)]), "b": "2"}) == "b=2"


def test_exactly_the_limits_pass() -> None:
    """64 members in 8192 bytes are read and written, over however many headers they came."""
    most = [f"k{i:02d}=1" for i in range(63)]
    full = ",".join([*most, "z=" + "x" * (8192 - len(",".join(most)) - 3)])
    assert len(full) == 8192

    assert format_baggage(parse_baggage([full])) == full
    assert format_baggage(parse_baggage([full[:5], full[6:]])) == full


def test_a_plus_sign_is_written_so_that_all_readers_agree() -> None:
    """Some take a bare one for a blank; both forms mean the same here."""
    assert format_baggage({"a": "1+1 = 2"}) == "a=1%2B1%20=%202"
    assert parse_baggage(["a=1+1,b=1%2B1"]) == {"a": "1+1", "b": "1+1"}


def test_a_value_with_properties_is_a_text() -> None:
    """It compares, is copied and pickled as one, properties included."""
    value = BaggageValue("1", [("p", None)])

    assert value == "1"
    assert [v.properties for v in (copy.copy(value), pickle.loads(pickle.dumps(value)))] == [  # noqa: S301  # our own
        (("p", None),),
        (("p", None),),
    ]
