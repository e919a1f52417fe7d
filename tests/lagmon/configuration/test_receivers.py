"""Receivers that could not be told anything are refused with the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from lagmon.commands.wiring import access
from lagmon.configuration.receivers import Alertmanager, PagerDuty
from lagmon.notify import Access

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Give the path of a file that can be read."""
    path = tmp_path / "secret"
    path.write_text("hunter2")
    return str(path)


def made(url: str = "https://am:9093", **keys: Any) -> Alertmanager:
    """Read one from the configuration."""
    return Alertmanager.model_validate({"url": url, **keys})


def test_what_is_configured_is_what_is_shown(file: str, tmp_path: Path) -> None:
    """Each key leads to the place in which it is used."""
    path = tmp_path / "secret"
    tls = {"ca_file": file, "cert_file": file, "key_file": file}

    assert access(made(username="lagmon", password_file=file, tls=tls)) == Access(
        username="lagmon", password_file=path, ca_file=path, cert_file=path, key_file=path
    )
    assert access(made(bearer_token_file=file)) == Access(bearer_token_file=path)
    assert access(made()) == Access()


@pytest.mark.parametrize(
    ("url", "given", "said"),
    [
        ("https://am", {"username": "u"}, "username and password_file go together"),
        ("https://am", {"password_file": ...}, "username and password_file go together"),
        ("https://u:p@am", {"bearer_token_file": ...}, "more than one of"),
        (
            "https://am",
            {"username": "u", "password_file": ..., "bearer_token_file": ...},
            "more than one of",
        ),
        ("https://am", {"tls": {"key_file": ...}}, "key_file needs its cert_file"),
        ("http://am", {"tls": {"ca_file": ...}}, "tls is for an address with https://"),
        ("https://am", {"password": "p"}, "Extra inputs are not permitted"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    file: str, url: str, given: dict[str, Any], said: str
) -> None:
    """In words that name the keys, and hold no secret."""
    keys = {
        name: dict.fromkeys(value, file) if isinstance(value, dict) else value
        for name, value in given.items()
    }
    keys = {name: file if value is ... else value for name, value in keys.items()}

    with pytest.raises(ValidationError, match=said) as caught:
        made(url, **keys)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", ["password_file", "bearer_token_file"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, key: str) -> None:
    """With its path and the reason: at the start, not at night."""
    missing = str(tmp_path / "missing")

    with pytest.raises(ValidationError, match="missing cannot be read: No such file"):
        made(username="u", **{key: missing})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "routing_key_file\n  Field required"),
        ({"routing_key_file": "/nowhere"}, "/nowhere cannot be read"),
        ({"url": "https://u:p@pagerduty"}, "must hold no credentials"),
        ({"priorities": []}, "at least 1 item"),
        ({"priorities": ["P4"]}, "Input should be 'P1', 'P2' or 'P3'"),
        ({"fallback_after": "0s"}, "must be more than nothing"),
    ],
)
def test_a_pagerduty_that_could_not_be_told_is_refused(
    file: str, given: dict[str, Any], said: str
) -> None:
    """No message repeats a secret."""
    keys = {"routing_key_file": file, **given} if given else {}

    with pytest.raises(ValidationError) as error:
        PagerDuty.model_validate(keys)

    assert said in str(error.value)
    assert "u:p" not in str(error.value)
