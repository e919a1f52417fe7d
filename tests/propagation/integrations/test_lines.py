"""Any object becomes one line of JSON."""

from __future__ import annotations

import json
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propagation.integrations.lines import (
    STACK_CHARACTERS,
    closed,
    described,
    encode,
    member,
    rfc3339,
)


class Unprintable:
    """Fails whenever it is asked for its text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


class Broken(dict[str, int]):
    """A mapping that cannot be read."""

    def items(self) -> Any:
        """Fail."""
        raise RuntimeError("no items")


class Colour(Enum):
    """Any enumeration."""

    RED = 1


def written(value: object) -> Any:
    """Write *value* as a field and read it back as a strict parser does."""
    line = encode({"value": value})
    assert closed('{"a":1' + member("value", value)) == '{"a":1,' + line[1:]
    assert line.isascii()
    assert line.splitlines() == [line]
    return json.loads(line, parse_constant=pytest.fail)["value"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("two\nlines\r\x85\u2028", "two\nlines\r\x85\u2028"),
        ("\x1b[31m", "\x1b[31m"),
        ("grinning \U0001f600", "grinning \U0001f600"),
        ("half \ud83d of it", "half \ufffd of it"),
        ("literally \\ud83d", "literally \\ud83d"),
        (b"plain", "plain"),
        (b"\xff\n", "\\xff\n"),
        (bytearray(b"x"), "x"),
        (memoryview(b"x"), "x"),
        (float("nan"), None),
        (float("inf"), None),
        ({"deep": [float("-inf")]}, {"deep": [None]}),
        (10**30, 10**30),
        (10**5000, "<integer of 16610 bits>"),
        (True, True),
        ({(1, 2): "tuple key", b"k": 1, None: 2}, {"(1, 2)": "tuple key", "k": 1, "None": 2}),
        ({1}, [1]),
        ((1, "a"), [1, "a"]),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (Decimal("1.50"), "1.50"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Colour.RED, "Colour.RED"),
        (ValueError("bad"), "bad"),
        (Unprintable(), "<Unprintable without text>"),
        ([Unprintable(), float("nan")], ["<Unprintable without text>", None]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_odd_value_becomes_the_nearest_plain_one(value: object, expected: object) -> None:
    """Whatever JSON lacks is written as the nearest thing it has, on one line of ASCII."""
    assert written(value) == expected


def test_a_container_that_contains_itself_ends() -> None:
    """A circular value is cut at some depth instead of failing."""
    circular: dict[str, Any] = {}
    circular["self"] = circular

    assert written(circular)["self"]["self"]


def test_a_container_that_fails_is_written_as_text() -> None:
    """A mapping whose items cannot be read does not lose the line."""
    assert written([Broken(), float("nan")]) == ["{}", None]


def test_a_deep_value_is_written() -> None:
    """Nesting beyond Python's recursion limit does not fail."""
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]

    assert isinstance(written(deep), list)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.binary(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_like, max_size=3))
def test_any_fields_are_one_line_of_json(fields: dict[str, Any]) -> None:
    """No fields whatsoever break the line, and every key is kept."""
    line = encode(fields)

    assert line.splitlines() == [line]
    assert len(json.loads(line, parse_constant=pytest.fail)) == len(fields)


@given(st.text(), json_like)
def test_a_line_of_members_is_what_would_be_encoded_whole(key: str, value: Any) -> None:
    """Put together member by member, a line reads as the fields do that are written at once."""
    line = closed('{"":0' + member(key, value))

    assert line.isascii()
    assert json.loads(line) == json.loads(encode({"": 0})) | json.loads(encode({key: value}))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_without_surrogates_is_written_unchanged(text: str) -> None:
    """What is read back from a line is what was logged."""
    assert written(text) == text


def failure(cause: str = "inner") -> BaseException:
    """Give an exception that was really raised, with a cause."""
    with pytest.raises(json.JSONDecodeError) as raised:
        fail(cause)
    return raised.value


def fail(cause: str) -> None:
    """Raise an exception because of another."""
    words: dict[str, str] = {}
    try:
        words[cause]
    except KeyError as error:
        raise json.JSONDecodeError("outer", "doc", 0) from error


def test_an_exception_is_described_with_its_cause() -> None:
    """Type with its module, message, and a stack that includes the cause."""
    error = described(failure())

    assert error["type"] == "json.decoder.JSONDecodeError"
    assert error["message"] == "outer: line 1 column 1 (char 0)"
    assert "KeyError: 'inner'" in error["stack"]
    assert error["stack"].endswith(
        "json.decoder.JSONDecodeError: outer: line 1 column 1 (char 0)\n"
    )


def test_a_builtin_exception_has_a_bare_name() -> None:
    """The module builtins is left out of an exception's type."""
    assert described(ValueError("x"))["type"] == "ValueError"


def test_a_long_stack_keeps_its_end() -> None:
    """A stack is cut at the front, because its end names the error."""
    stack = described(failure("x" * 2 * STACK_CHARACTERS))["stack"]

    assert len(stack) < STACK_CHARACTERS + 100
    assert stack.startswith("[")
    assert "JSONDecodeError: outer" in stack


def test_an_exception_without_a_text_is_described() -> None:
    """An exception whose message fails still has a type."""

    class MuteError(Unprintable, Exception):
        pass

    assert described(MuteError())["message"] == "<MuteError without text>"


@pytest.mark.parametrize(
    ("at_ns", "expected"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_700_000_000_000_001_999, "2023-11-14T22:13:20.000001Z"),
        (1_700_000_000_999_999_999, "2023-11-14T22:13:20.999999Z"),
    ],
)
def test_a_time_is_rfc_3339_in_utc(at_ns: int, expected: str) -> None:
    """Microseconds are always written, cut and not rounded, and the zone is Z."""
    assert rfc3339(at_ns) == expected
