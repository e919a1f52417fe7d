"""Secrets and personal data are masked by the name of their field and by what they look like."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from propagation.integrations.lines import STACK_CHARACTERS
from propagation.integrations.masking import KEYS, MASK, PATTERNS, Masks, Pattern, luhn

MASKS = Masks()
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1r"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAK\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    "key",
    [
        "password", "Password", "user_password", "userPassword", "USER-PASSWORD", "dbpassword",
        "password_hash", "passwd", "passphrase", "secret", "client.secret", "clientSecret",
        "token", "access_token", "accessToken", "csrftoken", "X-Auth-Token", "authorization",
        "Proxy-Authorization", "cookie", "Set-Cookie", "cookies", "api_key", "apiKey", "apikey",
        "X-API-Key", "private_key", "aws_access_key", "credentials", "card_number", "cvv",
        "email", "eMail", "user-email", "phone", "phoneNumber", "home_phone", "Mobile-Number",
        "ssn", "socialSecurityNumber", "tax_id", "passport", "passport_number", "iban",
        "customerIban", "date_of_birth", "birthDate", "birthdate", "dob", "otp", "jwt",
    ],
)  # fmt: skip
def test_a_key_that_names_a_secret_masks_its_value(key: str) -> None:
    """However a name is written, what stands under it is masked whole."""
    assert MASKS.field(key, "anything") == MASK
    assert MASKS.field(key, ["a", {"b": 1}]) == MASK
    assert MASKS.field(key, 1234) == MASK


@pytest.mark.parametrize(
    "key",
    ["key", "key_hash", "message_key", "tokens", "total_tokens", "secretary", "passenger",
     "cookiecutter", "topic", "partition", "player_id", "author", "mail_sent", "monkey", "",
     "phonetic", "date", "birth", "birth_rate", "national", "tax", "idle", "spin"],
)  # fmt: skip
def test_a_key_that_only_looks_like_one_does_not(key: str) -> None:
    """Words that merely contain a name are left alone."""
    assert MASKS.field(key, "anything") == "anything"


@pytest.mark.parametrize("value", [None, True, False, ""])
def test_what_says_that_there_is_none_is_kept(value: Any) -> None:
    """Nothing, an empty text and a truth value give no secret away."""
    assert MASKS.field("password", value) == value


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql://api:hunter2@db:5432/game", f"postgresql://{MASK}@db:5432/game"),
        ("to https://u:p@ss@h/x and back", f"to https://{MASK}@h/x and back"),
        ("amqp://guest@host", f"amqp://{MASK}@host"),
        ("Authorization: Bearer abc.def-123", f"Authorization: {MASK}"),
        ("authorization=Basic dXNlcjpwYXNz next", f"authorization={MASK} next"),
        ("sent Bearer 0123456789abcdef again", f"sent Bearer {MASK} again"),
        ("BEARER 0123456789abcdef", f"BEARER {MASK}"),
        ("Cookie: a=1; b=2", f"Cookie: {MASK}"),
        ("set-cookie: sid=9\nnext: 1", f"set-cookie: {MASK}\nnext: 1"),
        ("GET /x?api_key=k1&page=2", f"GET /x?api_key={MASK}&page=2"),
        ("password=x host=y", f"password={MASK} host=y"),
        ("PASSWORD : x", f"PASSWORD : {MASK}"),
        ("{'token': 'two words', 'a': 1}", f"{{'token': '{MASK}', 'a': 1}}"),
        ('{"client_secret":"s p","a":1}', f'{{"client_secret":"{MASK}","a":1}}'),
        (r"{\"password\":\"s p\",\"a\":1}", rf"{{\"password\":\"{MASK}\",\"a\":1}}"),
        (f"jwt {JWT} end", f"jwt {MASK} end"),
        (f"key {'AKIA'}{'7' * 8}QWERTYUI used", f"key {MASK} used"),
        (f"push by {'ghp_'}{'a1' * 18}", f"push by {MASK}"),
        (f"job {'glpat-'}{'b2' * 10}!", f"job {MASK}!"),
        (f"hook {'xoxb-'}1234567890-abc", f"hook {MASK}"),
        ("mail to joe.bloggs+x@mail.example.com now", f"mail to {MASK} now"),
        ("jörg@bücher.example", MASK),
        ("to joe.o'brien@mail.example.com", f"to {MASK}"),
        ("{'to': 'joe@example.com'}", f"{{'to': '{MASK}'}}"),
        ("card 4111111111111111.", f"card {MASK}."),
        ("card 4111 1111 1111 1111", f"card {MASK}"),
        ("card 4111-1111-1111-1111", f"card {MASK}"),
        ("amex 3782 822463 10005", f"amex {MASK}"),
        ("mastercard 2223003122003222", f"mastercard {MASK}"),
        (PEM, f"-----BEGIN RSA PRIVATE KEY-----{MASK}-----END RSA PRIVATE KEY-----"),
        (PEM[:50], f"-----BEGIN RSA PRIVATE KEY-----{MASK}"),
        ("a@b.de c@d.de", f"{MASK} {MASK}"),
    ],
)
def test_a_text_that_looks_like_a_secret_is_masked(text: str, masked: str) -> None:
    """In any text the secret is masked, and what surrounds it can still be read."""
    assert MASKS.text(text) == masked
    assert MASKS.value({"note": [text]}) == {"note": [masked]}


@pytest.mark.parametrize(
    "text",
    [
        "play_settled", "", "4111111111111112", "1764000000000000000", "1764000000.123456",
        "0af7651916cd43dd8448eb211c80319c", "40040000000000000000000000000004",
        "550e8400-e29b-41d4-a716-446655440000", "2026-11-21T05:03:16.123456Z",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "https://host:8080/path?q=1",
        "at 10:30 key=value", "bearer of bad news", "the token was refused", "x @ y", "user@host",
        "Started server process [1]", "version 4.111.111.1111111111", "Passwords do not match",
    ],
)  # fmt: skip
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    """Ids, times, addresses and sentences stay as they are."""
    assert MASKS.text(text) == text


@pytest.mark.parametrize(
    ("number", "passes"),
    [("4111111111111111", True), ("4111111111111112", False), ("79927398713", True), ("0", True)],
)
def test_luhn(number: str, passes: bool) -> None:  # noqa: FBT001 - a column of the table
    """The check digit is that of ISO/IEC 7812-1."""
    assert luhn(number) is passes


def test_a_number_can_be_a_card() -> None:
    """A card number is masked as an integer too; other numbers stay numbers."""
    assert MASKS.value(4111111111111111) == MASK
    assert MASKS.value([4111111111111112, 1764000000000000000, 7, 1.5, True, None]) == [
        4111111111111112, 1764000000000000000, 7, 1.5, True, None,
    ]  # fmt: skip


def test_containers_are_masked_all_the_way_down() -> None:
    """Keys and patterns hold in nested mappings and sequences, and what was given is unchanged."""
    given = {"user": {"name": "joe", "Password": "x", "tags": ("a@b.de", {"token": "t"})}}
    masked = MASKS.field("request", given)

    assert masked == {"user": {"name": "joe", "Password": MASK, "tags": [MASK, {"token": MASK}]}}
    assert given["user"]["Password"] == "x"


def test_headers_are_masked_by_their_names() -> None:
    """A pair is a name and its value, as messages and requests have their headers."""
    headers = [
        ("traceparent", b"00-"),
        (b"Authorization", b"secret"),
        ("X-Api-Key", "k"),
        ("a", 1, 2),
    ]

    assert MASKS.field("headers", headers) == [
        ["traceparent", "00-"], ["Authorization", MASK], ["X-Api-Key", MASK], ["a", 1, 2],
    ]  # fmt: skip


def test_depth_has_an_end() -> None:
    """What lies deeper than containers are followed is masked as text, also when it is circular."""
    circular: list[Any] = ["password=x"]
    circular += [circular, circular]
    deep: Any = "password=x"
    for _ in range(50):
        deep = {"deeper": deep}

    assert "password=x" not in str(MASKS.value(circular))
    assert "password=x" not in str(MASKS.value(deep))


class Odd:
    """Its text holds a secret."""

    def __str__(self) -> str:
        return "Odd(password=x)"


class Broken(dict[str, int]):
    """A mapping that cannot be read."""

    def items(self) -> Any:
        """Fail."""
        raise RuntimeError("no items")


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        (Odd(), f"Odd(password={MASK})"),
        (b"token=abc \xff", f"token={MASK} \\xff"),
        (ValueError("password=x"), f"password={MASK}"),
        (Broken(), "{}"),
    ],
)
def test_any_object_is_masked_as_its_text(value: Any, masked: str) -> None:
    """Bytes, exceptions and unknown objects are masked as what would be written of them."""
    assert MASKS.value(value) == masked


def test_secrets_can_be_hashed() -> None:
    """With a key equal secrets have equal marks, others do not, nor does another key give them."""
    one, other = Masks(hash_key=b"k1"), Masks(hash_key=b"k2")
    mark = one.field("password", "x")

    assert re.fullmatch(r"\[masked:[0-9a-f]{12}\]", mark)
    assert one.text("password=x") == f"password={mark}"
    assert one.field("password", "y") != mark
    assert other.field("password", "x") != mark


def test_names_and_patterns_can_be_added() -> None:
    """A set of masks of one's own extends those there are, or replaces them."""
    iban = Pattern(re.compile(r"\b[A-Z]{2}[0-9]{20}\b"))
    masks = Masks(keys=(*KEYS, "nickname"), patterns=(*PATTERNS, iban))

    assert MASKS.field("customer_nickname", "x") == "x"
    assert masks.field("customer_nickname", "x") == MASK
    assert masks.text("from DE12345678901234567890") == f"from {MASK}"
    assert Masks(patterns=(Pattern(re.compile("b+")),)).field("note", "abba") == f"a{MASK}a"
    assert masks.text("password=x") == f"password={MASK}"
    assert Masks(keys=(), patterns=()).field("password", "a@b.de") == "a@b.de"


def test_a_pattern_is_left_out_without_its_signs() -> None:
    """A pattern is tried only where one of its signs stands."""
    pattern = Pattern(re.compile("b+"), signs=("ab",))

    assert Masks(patterns=(pattern,)).text("bb ab") == f"{MASK} a{MASK}"
    assert Masks(patterns=(pattern,)).text("bb") == "bb"


fragments = st.sampled_from(
    [
        "password", "=", ": ", "x", "@", "a.de", "://", "Bearer ", "bEARER ", "BEARER ", "bearer ",
        "0123456789", "4111", "1111", " ", "-", "3782", "822463", "10005", "eyJabcdef.abcdef.",
        "-----BEGIN PRIVATE KEY-----", "cookie", "authorization", '"', "\\", "'", "\n",
        "AKIA", "ASIA", "ghp_", "gho_", "glpat-", "xoxb-", "ABCD0123EFGH4567", "0a" * 12,
    ]
)  # fmt: skip


@given(st.lists(fragments | st.text(max_size=3), max_size=12).map("".join))
@example("bEaReR 0123456789")
def test_the_shortcut_overlooks_nothing(text: str) -> None:
    """Whatever the patterns would mask is masked: the cheap test before them never skips it."""
    expected = text
    for pattern in PATTERNS:
        expected = pattern.masked(expected, lambda _: MASK)
    assert MASKS.text(text) == expected


@settings(deadline=None)  # on a busy machine
@given(
    st.recursive(
        st.text() | st.binary() | st.integers(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    )
)
def test_masking_never_raises_and_is_stable(value: Any) -> None:
    """Anything can be masked, and what is masked already stays as it is."""
    once = MASKS.value(value)

    assert MASKS.value(once) == once


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "a.",
        "a@",
        "a'",
        "4",
        "4-",
        "4444 ",
        "=",
        "password=",
        "://a",
        "\\",
        "cookie:",
        "eyJ",
        "x: '",
    ],
)
def test_no_text_takes_long(piece: str) -> None:
    """A text made to be slow for an expression is masked in time that grows with its length."""
    text = piece * (STACK_CHARACTERS // len(piece))
    began = time.thread_time()  # what others do on this machine does not count
    MASKS.text(f"=@{text}")

    assert time.thread_time() - began < 0.5  # ten to a hundred times what it takes
