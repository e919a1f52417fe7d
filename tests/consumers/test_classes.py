"""Exceptions are found by the names that settings give them, and a name for nothing is told."""

from __future__ import annotations

import http.client

import pytest

from consumers.classes import exceptions
from consumers.errors import SettingsError


def test_classes_are_found_by_the_names_that_people_use() -> None:
    """A class is what the name leads to, wherever it was defined."""
    found = exceptions("unavailable", ["http.client.HTTPException", "psycopg.InterfaceError"])

    assert [kind.__name__ for kind in found] == ["HTTPException", "InterfaceError"]
    assert found[0] is http.client.HTTPException


def test_every_name_for_nothing_is_told() -> None:
    """No module, no such thing in it, no exception, one that ends processes."""
    names = [
        "nowhere.Error",
        "http.client.Eror",
        "http.client.HTTPConnection",
        "builtins.SystemExit",
    ]

    with pytest.raises(SettingsError) as caught:
        exceptions("unavailable", [*names, "http.client.HTTPException"])

    first, second, *others = caught.value.problems
    assert first == (
        "unavailable: nowhere.Error cannot be found: ModuleNotFoundError: No module named 'nowhere'"
    )
    assert second.startswith("unavailable: http.client.Eror cannot be found: AttributeError: ")
    assert others == [
        "unavailable: http.client.HTTPConnection is no class of exceptions",
        "unavailable: builtins.SystemExit is no class of exceptions",
    ]
