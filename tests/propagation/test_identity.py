"""A service has one name, whoever asks for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propagation.identity import identity, overrides, pairs

SAID = {
    "service.name": "api",
    "service.version": "1.2",
    "deployment.environment.name": "test",
}


@pytest.mark.parametrize(
    ("environ", "changed"),
    [
        ({}, {}),
        ({"OTEL_SERVICE_NAME": "renamed"}, {"service.name": "renamed"}),
        ({"OTEL_SERVICE_NAME": " "}, {}),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=x"}, {"service.name": "x"}),
        (
            {"OTEL_RESOURCE_ATTRIBUTES": "service.name=x", "OTEL_SERVICE_NAME": "y"},
            {"service.name": "y"},
        ),
        (
            {"OTEL_RESOURCE_ATTRIBUTES": "service.version=2,team=a%2Cb, none"},
            {"service.version": "2", "team": "a,b"},
        ),
    ],
)
def test_the_environment_wins(environ: dict[str, str], changed: dict[str, str]) -> None:
    """A variable replaces what the code says, and OTEL_SERVICE_NAME replaces both."""
    assert identity("api", "1.2", "test", environ) == SAID | changed


def test_what_nobody_says_is_absent() -> None:
    """An empty version or environment is no attribute."""
    assert identity("api", "", "", {}) == {"service.name": "api"}


def test_an_entry_that_is_none_is_named_by_its_place() -> None:
    """Beside the pairs stand the entries that are none."""
    assert pairs("a=1,,b, =2 ,c=x%20y") == ([("a", "1"), ("c", "x y")], [(2, "b"), (3, "=2")])


@given(st.text())
def test_no_text_is_a_crash(text: str) -> None:
    """Whatever the variables hold, there is an answer."""
    assert overrides({"OTEL_RESOURCE_ATTRIBUTES": text, "OTEL_SERVICE_NAME": "x"})
