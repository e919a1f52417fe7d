"""What is shown to a receiver: passwords, tokens and certificates, read anew for each sending."""

from __future__ import annotations

import asyncio
import base64
import ssl
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from lagmon.notify import Access, Alertmanager, Outcome
from lagmon.notify.access import AccessError
from lagmon.report import Links
from tests.infra.certificates import Authority
from tests.infra.require import required
from tests.lagmon.builders import notice
from tests.lagmon.notify.standing_in import answering, response

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

OK = response("200 OK")
HEADERS = 20  # more lines than a request has


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Give an authority of the test's own."""
    with required():
        return Authority(tmp_path)


def served(authority: Authority, *, asks: bool) -> ssl.SSLContext:
    """Give what a receiver serves TLS with; it *asks* for a certificate of the same authority."""
    key, certificate = authority.sign("receiver")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.certificate)
    context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_REQUIRED if asks else ssl.CERT_NONE
    return context


def receiver(url: str, access: Access) -> Alertmanager:
    """Give the notifier for the receiver at *url*."""
    return Alertmanager(url, Links(), holds_seconds=240, access=access, timeout_seconds=60)


async def sent(url: str, access: Access) -> Outcome:
    """Send once."""
    to = receiver(url, access)
    try:
        return await to.send([notice()])
    finally:
        await to.close()


def shown(asked: Iterable[bytes]) -> list[str]:
    """Give who was said to ask, request by request."""
    lines = [line.decode().strip() for line in asked]
    return [line.partition(": ")[2] for line in lines if line.startswith("Authorization: ")]


def basic(user: str, password: str) -> str:
    """Write basic authentication."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def test_a_password_is_read_anew_for_each_sending(tmp_path: Path) -> None:
    """One that was replaced holds from the next sending on, without a restart."""
    file = tmp_path / "password"
    file.write_text("first pass:word\n")

    async def story() -> list[str]:
        async with answering(OK, lines=HEADERS) as (url, asked):
            to = receiver(url, Access(username="lagmon", password_file=file))
            await to.send([notice()])
            file.write_text("second")
            await to.send([notice()])
            await to.close()
            return shown(asked)

    assert asyncio.run(story()) == [basic("lagmon", "first pass:word"), basic("lagmon", "second")]


def test_a_token_is_sent_as_a_bearers(tmp_path: Path) -> None:
    """Without the line break at the end of its file."""
    file = tmp_path / "token"
    file.write_text("t0ken\n")

    async def story() -> list[str]:
        async with answering(OK, lines=HEADERS) as (url, asked):
            assert await sent(url, Access(bearer_token_file=file)) is Outcome.SENT
            return shown(asked)

    assert asyncio.run(story()) == ["Bearer t0ken"]


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"t\xff", b"t\x00"])
def test_a_file_that_holds_no_secret_is_named_and_not_shown(tmp_path: Path, content: bytes) -> None:
    """What it holds may be half a secret."""
    file = tmp_path / "token"
    file.write_bytes(content)

    with pytest.raises(AccessError, match=f"{file.name}: is not one line of ASCII$"):
        Access(bearer_token_file=file).read()


def test_what_was_read_is_in_no_repr(tmp_path: Path) -> None:
    """A traceback or a log line may have one."""
    file = tmp_path / "token"
    file.write_text("hunter2")
    access = Access(username="u", password="hunter3", bearer_token_file=file)

    assert "hunter" not in repr(access) + repr(access.read())


@pytest.mark.parametrize("repeated", ["hunter2", base64.b64encode(b"u:hunter2").decode()])
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("HTTP/1.1 403 Forbidden\r\n\r\n{}", id="as its answer"),
        pytest.param("HTTP/1.1 500 Oh\r\n\r\n" + "x" * 190 + "{}", id="where the log cuts it"),
        pytest.param("{} is no status\r\n\r\n", id="as what is no answer"),
    ],
)
def test_an_answer_that_repeats_what_it_was_shown_does_not_bring_it_into_the_log(
    tmp_path: Path, answer: str, repeated: str
) -> None:
    """Only its status is told; a proxy may show a refused request as it came."""
    file = tmp_path / "password"
    file.write_text("hunter2")
    access = Access(username="u", password_file=file)

    async def story() -> Outcome:
        async with answering(answer.format(repeated).encode(), lines=HEADERS) as (url, _):
            return await sent(url, access)

    with capture_logs() as lines:
        assert asyncio.run(story()) is not Outcome.SENT

    (line,) = lines
    assert line["error"].endswith(": an answer that repeats a secret")
    assert repeated[:5] not in str(lines)


def test_a_file_that_is_gone_is_a_failure_until_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried again like any failure: a secret is often replaced by deleting it first."""
    file = tmp_path / "token"

    async def story() -> list[Outcome]:
        async with answering(OK, lines=HEADERS) as (url, asked):
            to = receiver(url, Access(bearer_token_file=file))
            first = await to.send([notice()])
            assert asked == [], "nothing is sent without it"
            file.write_text("t0ken")
            second = await to.send([notice()])
            await to.close()
            return [first, second]

    with caplog.at_level("DEBUG"):
        outcomes = asyncio.run(story())

    assert outcomes == [Outcome.FAILED, Outcome.SENT]
    assert "t0ken" not in caplog.text


def test_a_receiver_that_asks_for_a_certificate_gets_ours(authority: Authority) -> None:
    """With it the alert is taken; without it there is no connection."""
    key, certificate = authority.sign("lagmon")
    ours = Access(ca_file=authority.certificate, cert_file=certificate, key_file=key)

    async def story() -> list[Outcome]:
        async with answering(OK, tls=served(authority, asks=True)) as (url, _):
            return [
                await sent(url, ours),
                await sent(url, Access(ca_file=authority.certificate)),
            ]

    assert asyncio.run(story()) == [Outcome.SENT, Outcome.FAILED]


def test_a_receiver_whose_authority_is_not_ours_gets_nothing(
    authority: Authority, tmp_path: Path
) -> None:
    """Neither the alert nor a password is told to somebody who only says who they are."""
    other = Authority(tmp_path, "other")
    file = tmp_path / "token"
    file.write_text("t0ken")

    async def story() -> None:
        async with answering(OK, lines=HEADERS, tls=served(authority, asks=False)) as (url, asked):
            for believed in (other.certificate, None):
                access = Access(bearer_token_file=file, ca_file=believed)
                assert await sent(url, access) is Outcome.FAILED
            assert asked == []

    asyncio.run(story())


def test_certificates_that_are_replaced_hold_for_the_next_sending(authority: Authority) -> None:
    """The connections made with the old ones are closed."""
    key, certificate = authority.sign("lagmon")
    good = certificate.read_bytes(), key.read_bytes()
    access = Access(ca_file=authority.certificate, cert_file=certificate, key_file=key)

    async def story() -> list[Outcome]:
        async with answering(OK, tls=served(authority, asks=True)) as (url, _):
            to = receiver(url, access)
            outcomes = []
            for cert, its_key in (good, (b"no certificate", good[1]), good):
                certificate.write_bytes(cert)
                key.write_bytes(its_key)
                outcomes.append(await to.send([notice()]))
            await to.close()
            return outcomes

    assert asyncio.run(story()) == [Outcome.SENT, Outcome.FAILED, Outcome.SENT]
