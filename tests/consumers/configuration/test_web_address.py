"""The address of a service that speaks HTTP, as a setting."""

from __future__ import annotations

import pytest

from consumers.configuration.fields import web_address


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("http://fintech:8082", "http://fintech:8082"),
        ("http://127.0.0.1:8082/", "http://127.0.0.1:8082"),
        ("https://pay.example.com/api/", "https://pay.example.com/api"),
        ("http://[::1]:8082", "http://[::1]:8082"),
    ],
)
def test_an_address_is_taken_without_its_last_slash(value: str, read: str) -> None:
    """Names, IPv4 and IPv6, with or without port and path."""
    assert web_address(value) == read


@pytest.mark.parametrize(
    "value",
    [
        "",
        "fintech:8082",
        "ftp://fintech",
        "http://",
        "http://:8082",
        "http://fintech:eighty",
        "http://ada:sesame@fintech",
        "http://fintech?key=sesame",
        "http://fintech#top",
        "http://fin tech",
        "http://fintech\n",
    ],
)
def test_what_is_no_plain_address_is_refused(value: str) -> None:
    """Also one with a password or a query: it would stand in spans. The value is not repeated."""
    with pytest.raises(ValueError, match=r"write http://") as raised:
        web_address(value)

    assert "sesame" not in str(raised.value)
