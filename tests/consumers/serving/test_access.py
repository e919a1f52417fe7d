"""Who may see metrics and status: by token or password, replaced while the service runs."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

import pytest

from consumers.serving.access import Access

if TYPE_CHECKING:
    from pathlib import Path

    from structlog.typing import EventDict


def basic(credentials: str) -> str:
    """Write the header for ``NAME:PASSWORD``."""
    return f"Basic {base64.b64encode(credentials.encode()).decode()}"


@pytest.fixture
def token(tmp_path: Path) -> Path:
    """Give a file with the token ``s3cret``, as an editor leaves it."""
    path = tmp_path / "token"
    path.write_text("s3cret\n")
    return path


@pytest.fixture
def users(tmp_path: Path) -> Path:
    """Give a file with two users; one password has a colon."""
    path = tmp_path / "users"
    path.write_text("# who may scrape\n\nada:sesame\nprometheus:open:sésame\n")
    return path


def test_without_a_file_everybody_may() -> None:
    """Nothing is asked for, and nothing that is given matters."""
    access = Access()

    assert access.allows(None)
    assert access.allows("Bearer whatever")
    assert access.challenges == []


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        ("Bearer s3cret", True),
        ("bearer s3cret", True),
        ("Bearer  s3cret ", True),
        (None, False),
        ("", False),
        ("Bearer", False),
        ("Bearer ", False),
        ("Bearer s3cre", False),
        ("Bearer s3cret2", False),
        ("Bearer S3CRET", False),
        ("s3cret", False),
        ("Token s3cret", False),
        ("Bearer s3cret, Bearer s3cret", False),
        ("Bearer \xe9", False),
        (basic("s3cret"), False),
        (basic(":s3cret"), False),
        ("Bearer " + "x" * 100_000, False),
    ],
)
def test_a_token_is_the_whole_token(token: Path, header: str | None, *, allowed: bool) -> None:
    """Only the very token opens, under its scheme, in any case of the scheme's letters."""
    assert Access(token).allows(header) is allowed


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        (basic("ada:sesame"), True),
        (basic("ada:sesame").replace("Basic", "BASIC"), True),
        (basic("prometheus:open:sésame"), True),
        (None, False),
        (basic("ada:"), False),
        (basic("ada"), False),
        (basic("ada:sesam"), False),
        (basic("ada:open:sésame"), False),
        (basic("bob:sesame"), False),
        (basic("# who may scrape"), False),
        (basic(""), False),
        ("Basic ada:sesame", False),
        ("Basic %%%", False),
        ("Basic \xe9", False),
        ("Bearer ada:sesame", False),
    ],
)
def test_a_user_has_a_password(users: Path, header: str | None, *, allowed: bool) -> None:
    """Name and password fit together, or nothing opens; a comment is no user."""
    assert Access(None, users).allows(header) is allowed


def test_either_will_do(token: Path, users: Path) -> None:
    """With both files a token or a password opens, and both are offered."""
    access = Access(token, users)

    assert access.allows("Bearer s3cret")
    assert access.allows(basic("ada:sesame"))
    assert not access.allows(basic("ada:s3cret"))
    assert [challenge.split()[0] for challenge in access.challenges] == ["Bearer", "Basic"]


def test_a_secret_is_replaced_without_a_restart(token: Path) -> None:
    """A changed file counts from the next request on, and the old token no longer opens."""
    access = Access(token)
    assert access.allows("Bearer s3cret")

    new = token.with_name("new")
    new.write_text("fresh")
    new.replace(token)

    assert not access.allows("Bearer s3cret")
    assert access.allows("Bearer fresh")


def test_a_file_of_the_same_size_is_read_again_too(token: Path) -> None:
    """Written over in place, a token of the same length is noticed by its time."""
    access = Access(token)
    assert access.allows("Bearer s3cret")

    token.write_text("S3CRET\n")
    os.utime(token, (1, 1))

    assert access.allows("Bearer S3CRET")


@pytest.mark.parametrize("broken", ["gone", "empty"])
def test_a_file_that_breaks_leaves_the_last_secret(
    token: Path, logged: list[EventDict], broken: str
) -> None:
    """A slip in a deployment neither opens the door nor locks everybody out; it is told once."""
    access = Access(token)
    assert access.problems() == ()

    if broken == "gone":
        token.unlink()
    else:
        token.write_text("")

    assert [access.allows("Bearer s3cret") for _ in range(3)] == [True] * 3
    assert not access.allows("Bearer ")
    assert not access.allows(None)
    assert [event["event"] for event in logged] == ["credentials_not_read"]


def test_a_file_that_was_never_good_opens_nothing(tmp_path: Path, logged: list[EventDict]) -> None:
    """Without a secret nobody has it."""
    access = Access(tmp_path / "none")

    assert not any(access.allows(header) for header in (None, "", "Bearer ", "Bearer None"))
    assert len(logged) == 1


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "write one token"),
        (b" \n", "write one token"),
        (b"two tokens", "write one token"),
        (b"two\ntokens", "write one token"),
        ("sésame".encode(), "write one token"),
        (b"\xff\xfe", "is not UTF-8"),
    ],
)
def test_a_token_that_is_no_good_is_told(tmp_path: Path, content: bytes, problem: str) -> None:
    """The sentence names the setting and what would be right, never the secret."""
    path = tmp_path / "token"
    path.write_bytes(content)

    (told,) = Access(path).problems()

    assert told.startswith("metrics_token_file: ")
    assert problem in told
    assert "tokens" not in told


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "write NAME:PASSWORD"),
        ("# nobody\n", "write NAME:PASSWORD"),
        ("ada\n", "write NAME:PASSWORD"),
        ("ada:\n", "write NAME:PASSWORD"),
        (":sesame\n", "write NAME:PASSWORD"),
        ("ada:sesame\nada:sesame2\n", "a user is there twice"),
    ],
)
def test_users_that_are_no_good_are_told(tmp_path: Path, content: str, problem: str) -> None:
    """As with the token."""
    path = tmp_path / "users"
    path.write_text(content)

    (told,) = Access(None, path).problems()

    assert told == f"metrics_users_file: {problem}" or told.startswith(
        f"metrics_users_file: {problem}, "
    )
    assert "sesame" not in told


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    """Two missing files are two sentences."""
    told = Access(tmp_path / "token", tmp_path / "users").problems()

    assert [one.split(":")[0] for one in told] == ["metrics_token_file", "metrics_users_file"]
