"""Names that strangers chose cannot break, fake or flood what is published."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lagmon.labels import LONGEST, safe

HOSTILE = st.text(st.characters(codec=None), max_size=400)


@pytest.mark.parametrize(
    "name", ["game-consumer", "a b", "größe", "注文", "مستهلك", '<script>"\\', "x" * LONGEST, ""]
)
def test_what_is_harmless_is_untouched(name: str) -> None:
    """Printable names of any script stay as they are; quoting is up to the format."""
    assert safe(name) == name


@pytest.mark.parametrize(
    "name",
    ["a\nb", "a\x00", "\x1b[31m", "abc\u202edef", "\ud800", "zero\u200bwidth", "a\u2028b", "x\x85"],
    ids=ascii,
)
def test_what_is_not_printable_is_replaced_and_hashed(name: str) -> None:
    """Controls, bidirectional marks, surrogates and separators become U+FFFD before a hash."""
    assert re.fullmatch(r"[^~]*\N{REPLACEMENT CHARACTER}[^~]*~[0-9a-f]{32}", safe(name))


def test_a_long_name_is_cut_and_hashed() -> None:
    """A name of 64 kB becomes one of the bounded length, and its end still counts."""
    first, second = "x" * 65_535 + "1", "x" * 65_535 + "2"

    assert len(safe(first)) == LONGEST
    assert safe(first) != safe(second)


def test_a_stand_in_cannot_be_taken_by_another() -> None:
    """A harmless name that equals a hostile one's stand-in gets one of its own."""
    taken = safe("a\x00")

    assert safe(taken) != taken


@given(HOSTILE)
def test_every_name_becomes_publishable(name: str) -> None:
    """Whatever comes in, it is printable, encodable and bounded."""
    shown = safe(name)

    assert shown.isprintable()
    assert len(shown) <= LONGEST
    assert shown.encode().decode() == shown


@given(st.lists(HOSTILE, unique=True, max_size=30))
def test_names_that_differ_still_differ(names: list[str]) -> None:
    """No two series can fall together."""
    assert len({safe(name) for name in names}) == len(names)
