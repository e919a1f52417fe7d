"""Who is let in by a password, what that costs, and what the time does not tell."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lagmon.webconfig.passwords import MOST_WAITING, REMEMBERED, TooManyError, Users

if TYPE_CHECKING:
    from collections.abc import Iterator

COST = 4


def hashed(password: str) -> str:
    """Give the hash of *password*, as cheap as bcrypt makes one."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(COST)).decode()


def basic(name: str, password: str) -> str:
    """Write the header of *name* and *password*."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Give the hashes that bcrypt is asked about, as it is asked."""
    seen: list[bytes] = []
    real = bcrypt.checkpw

    def checkpw(password: bytes, one: bytes) -> bool:
        seen.append(one)
        return real(password, one)

    monkeypatch.setattr(bcrypt, "checkpw", checkpw)
    return seen


def admitted(users: Users, *headers: str | None) -> list[bool]:
    """Ask *users* about each of *headers*, one after the other."""

    async def story() -> list[bool]:
        return [await users.admit(header) for header in headers]

    return asyncio.run(story())


def test_without_users_nobody_is_asked() -> None:
    """Whatever somebody sends then, it is not looked at."""
    assert admitted(Users({}), None, "Basic !", basic("a", "b")) == [True, True, True]


def test_a_user_comes_in_by_the_right_password_alone() -> None:
    """Neither the name alone, nor the password of another, nor anything that is no header."""
    users = Users({"ann": hashed("one"), "bob": hashed("two")})

    assert admitted(users, basic("ann", "one"), basic("bob", "two")) == [True, True]
    assert not any(
        admitted(
            users,
            None,
            "",
            "Basic",
            "Basic ",
            "Basic !!!",
            "Bearer " + basic("ann", "one").split()[1],
            "Basic " + base64.b64encode(b"ann").decode(),
            basic("ann", "two"),
            basic("ann", ""),
            basic("ANN", "one"),
            basic("", "one"),
            basic("eve", "one"),
            basic("ann", "one\0"),
            basic("ann", "one" + "x" * 5000),
        )
    )


def test_the_scheme_may_be_written_in_any_case() -> None:
    """RFC 7235 says so."""
    header = basic("ann", "one").replace("Basic", "bAsIc")

    assert admitted(Users({"ann": hashed("one")}), header) == [True]


def test_what_was_right_once_costs_no_bcrypt(asked: list[bytes]) -> None:
    """The second scrape is let in by what is remembered of the first."""
    users = Users({"ann": hashed("one")})

    assert admitted(users, *[basic("ann", "one")] * 5) == [True] * 5
    assert len(asked) == 1


def test_what_was_wrong_is_not_remembered(asked: list[bytes]) -> None:
    """Each wrong password costs whoever sends it a wait, and pushes nobody out."""
    users = Users({"ann": hashed("one")})
    wrong = [basic("ann", f"wrong-{number}") for number in range(REMEMBERED + 5)]

    assert admitted(users, basic("ann", "one"), *wrong, basic("ann", "one")) == [
        True,
        *[False] * len(wrong),
        True,
    ]
    assert len(asked) == len(wrong) + 1


def test_a_name_that_nobody_has_costs_the_same(asked: list[bytes]) -> None:
    """It is held against a hash that somebody has, and always the same one for that name."""
    hashes = {name: hashed(name) for name in ("ann", "bob", "cid")}
    users = Users(hashes)

    for number in range(20):
        before = len(asked)
        assert admitted(users, *[basic(f"eve-{number}", "ann")] * 2) == [False, False]
        first, second = asked[before:]
        assert first == second
        assert first.decode() in hashes.values()


def test_the_password_of_the_hash_that_stands_in_lets_nobody_in() -> None:
    """A name that nobody has stays out, even with the password that belongs to the hash."""
    users = Users({"ann": hashed("one")})

    assert admitted(users, basic("eve", "one")) == [False]


def test_nothing_that_is_remembered_is_a_password() -> None:
    """What is kept cannot be turned back, and is another in each process."""
    users, again = Users({"ann": hashed("hunter2")}), Users({"ann": hashed("hunter2")})

    admitted(users, basic("ann", "hunter2"))
    admitted(again, basic("ann", "hunter2"))

    (kept,), (other,) = users._right, again._right
    assert kept != other
    assert b"hunter2" not in kept
    assert len(kept) == 32


def test_what_is_remembered_is_bounded() -> None:
    """A hash of 72 characters fits any longer password: each is remembered by itself, up to 100."""
    users = Users({"ann": hashed("x" * 72)})
    headers = [basic("ann", "x" * (72 + more)) for more in range(REMEMBERED + 10)]

    assert all(admitted(users, *headers))
    assert len(users._right) == REMEMBERED


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[asyncio.Event]:
    """Have bcrypt wait until the event is set."""
    event = asyncio.Event()

    async def wait(_: Users, name: bytes, password: bytes) -> bool:
        del name, password
        await event.wait()
        return True

    monkeypatch.setattr(Users, "_asked", wait)
    yield event
    event.set()


def test_only_so_many_passwords_wait(held: asyncio.Event) -> None:
    """Who comes when too many wait is told to come again, and who waits is looked at."""
    users = Users({"ann": hashed("one")})

    async def story() -> list[bool | BaseException]:
        waiting = [
            asyncio.create_task(users.admit(basic("ann", f"{number}")))
            for number in range(MOST_WAITING)
        ]
        await asyncio.sleep(0)
        with pytest.raises(TooManyError):
            await users.admit(basic("ann", "one"))
        held.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    assert asyncio.run(story()) == [True] * MOST_WAITING


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_no_header_is_too_odd(header: str) -> None:
    """Whatever a stranger sends is refused and breaks nothing."""
    assert admitted(Users({"ann": hashed("one")}), header, f"Basic {header}") == [False, False]
