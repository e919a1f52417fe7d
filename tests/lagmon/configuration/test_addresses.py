"""Addresses that can never work are refused, in words that do not repeat them."""

from __future__ import annotations

import pytest

from lagmon.configuration.addresses import endpoint, link, servers, template

NEVER = [
    "alerts:9093",
    "ftp://h",
    "http://",
    "http://:9093",
    "http://h:",
    "http://h:abc",
    "http://h:0",
    "http://h:99999",
    "http://[::1",
    "http://h h",
    "http://h,i:1",
    "http://h/a b",
]
GOOD = ["http://h", "https://h.example:9093/prefix", "http://[::1]:9093", "http://10.0.0.7:1"]


@pytest.mark.parametrize("text", NEVER)
def test_what_can_never_be_reached_is_refused(text: str) -> None:
    """For links and endpoints alike, with how to write one."""
    for check in (endpoint, link):
        with pytest.raises(ValueError, match="write it as http://HOST:PORT"):
            check(text)


@pytest.mark.parametrize("text", GOOD)
def test_what_can_be_reached_is_taken(text: str) -> None:
    """A slash at the end is left out, because paths are put behind it."""
    assert (endpoint(f"{text}/"), link(text)) == (text, text)


@pytest.mark.parametrize("text", ["http://u:hunter/2@h", "http://u:1/2@h", "http://u:1#2@h"])
def test_a_password_that_cuts_the_address_short_is_refused(text: str) -> None:
    """What is behind the slash would otherwise be published as a path."""
    with pytest.raises(ValueError, match="in a password they are %2F") as caught:
        endpoint(text)

    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize("text", ["http://h?a=b", "http://h/#top"])
def test_an_endpoint_ends_with_its_path(text: str) -> None:
    """What is asked for is put behind it."""
    with pytest.raises(ValueError, match="must end with its path"):
        endpoint(text)


def test_an_endpoint_may_hold_credentials_and_a_link_may_not() -> None:
    """The one is for lagmon alone, the other is on every page."""
    assert endpoint("http://u:p%2Fw@h:9093") == "http://u:p%2Fw@h:9093"
    with pytest.raises(ValueError, match="must hold no credentials"):
        link("http://u:p@h")


def test_a_link_may_lead_anywhere_on_a_page() -> None:
    """Runbooks live in wikis."""
    assert link("https://wiki/@team/lag?a=b#now") == "https://wiki/@team/lag?a=b#now"


def test_a_link_for_each_rule_has_its_name_in_it() -> None:
    """A misspelt placeholder would be found at night, on a page that is not there."""
    assert template("https://wiki/{rule}/") == "https://wiki/{rule}"
    for text in ("https://wiki/{Rule}", "https://wiki/{rule}/{group}", "https://wiki/{rule"):
        with pytest.raises(ValueError, match=r"knows {rule} alone"):
            template(text)
    with pytest.raises(ValueError, match="must hold no credentials"):
        template("http://u:p@h/{rule}")


@pytest.mark.parametrize("text", ["h", "h:", "h:99999", "h:0", "a:1,,b:2", "u:secret@h:9092"])
def test_servers_that_can_never_be_reached_are_refused(text: str) -> None:
    """By their place in the list."""
    with pytest.raises(ValueError, match=r"server [12] ") as caught:
        servers(text)

    assert "secret" not in str(caught.value)


def test_servers_are_taken() -> None:
    """Names and both kinds of addresses, with or without a space behind the comma."""
    assert servers("kafka-1:9092, [::1]:9093") == "kafka-1:9092, [::1]:9093"
