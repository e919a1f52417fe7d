"""What was away is told from the exceptions of common clients, without importing any of them."""

from __future__ import annotations

import asyncio
import errno
import http.client
import re
import socket
import sqlite3
import ssl
import urllib.error
from email.message import Message
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import psycopg
import pytest
import requests
import sqlalchemy.exc
import urllib3.exceptions

from consumers import outages
from consumers.errors import Poison, Reaction, reaction_to

RETRY, DEAD_LETTER, WAIT = Reaction.RETRY, Reaction.DEAD_LETTER, Reaction.WAIT

PAGE = (Path(__file__).parents[2] / "docs/reference/consumers-outages.md").read_text()
REQUEST = httpx.Request("GET", "https://stock")


def made(module: str, *names: str, **attributes: Any) -> Exception:
    """Make an exception of a library that is not installed; *names* from its root to its class."""
    kind: type[Exception] = Exception
    for name in names:
        kind = type(name, (kind,), {"__module__": module})
    error = kind("as the library would say")
    vars(error).update(attributes)
    return error


def by_httpx(status: int) -> httpx.HTTPStatusError:
    """Give what ``raise_for_status`` raises."""
    return httpx.HTTPStatusError("no", request=REQUEST, response=httpx.Response(status))


def by_requests(status: int) -> requests.HTTPError:
    """Give what ``raise_for_status`` raises."""
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError("no", response=response)


def by_urllib(status: int) -> urllib.error.HTTPError:
    """Give what ``urlopen`` raises."""
    return urllib.error.HTTPError("https://stock", status, "no", Message(), None)


def by_sqlalchemy(error: Exception) -> sqlalchemy.exc.DBAPIError:
    """Give what SQLAlchemy makes of an exception of the driver."""
    made = sqlalchemy.exc.DBAPIError.instance("SELECT", {}, error, Exception)
    assert isinstance(made, sqlalchemy.exc.DBAPIError)
    return made


@pytest.mark.parametrize(
    "number",
    [
        *("EADDRNOTAVAIL", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH"),
        *("EAGAIN", "EDQUOT", "EIO", "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "ENOSPC", "EROFS"),
    ],
)
def test_a_network_or_a_machine_at_its_end_is_waited_for(number: str) -> None:
    """No route, a full disk, no descriptors: every record would meet it."""
    assert reaction_to(OSError(getattr(errno, number), "as the system would say")) is WAIT


@pytest.mark.parametrize(
    "error", [FileNotFoundError(2, "no"), PermissionError(13, "no"), OSError("no number")], ids=repr
)
def test_a_file_that_is_not_there_is_none_of_them(error: OSError) -> None:
    """Its name may have come from the record."""
    assert reaction_to(error) is RETRY


@pytest.mark.parametrize(
    "error",
    [
        socket.gaierror(-3, "Temporary failure in name resolution"),
        socket.gaierror(-2, "Name or service not known"),
        ssl.SSLError("the peer speaks another version"),
        ssl.SSLCertVerificationError("certificate has expired"),
        asyncio.IncompleteReadError(b"", 1),
        http.client.IncompleteRead(b""),
        urllib.error.URLError(ConnectionRefusedError()),
        urllib.error.URLError(socket.gaierror(-3, "no")),
        by_urllib(503),
        httpx.ConnectError("refused"),
        httpx.ConnectTimeout("too slow"),
        httpx.ReadTimeout("too slow"),
        httpx.PoolTimeout("none free"),
        httpx.RemoteProtocolError("the server has gone"),
        httpx.ProxyError("no"),
        *[by_httpx(status) for status in (429, 502, 503, 504)],
        requests.ConnectionError("refused"),
        requests.exceptions.SSLError("expired"),
        requests.exceptions.ProxyError("no"),
        requests.ReadTimeout("too slow"),
        requests.exceptions.ChunkedEncodingError("cut"),
        by_requests(503),
        urllib3.exceptions.ProtocolError("gone"),
        urllib3.exceptions.ConnectTimeoutError("too slow"),
        made("aiohttp.client_exceptions", "ClientError", "ClientConnectionError", "ClientOSError"),
        made("aiohttp.client_exceptions", "ClientError", "ClientPayloadError"),
        made("aiohttp.client_exceptions", "ClientError", "ClientResponseError", status=503),
        made("redis.exceptions", "RedisError", "ConnectionError", "BusyLoadingError"),
        made("redis.exceptions", "RedisError", "TimeoutError"),
        made("redis.exceptions", "RedisError", "ResponseError", "ReadOnlyError"),
        psycopg.InterfaceError("the connection is closed"),
        made("psycopg2", "Error", "InterfaceError", pgcode=None),
        made("psycopg2.errors", "Error", "AdminShutdown", pgcode="57P01"),
        made("asyncpg.exceptions._base", "InterfaceError"),
        made("asyncpg.exceptions", "PostgresError", "X", sqlstate="08003"),
        sqlalchemy.exc.TimeoutError("QueuePool limit"),
        by_sqlalchemy(psycopg.OperationalError("refused")),
        by_sqlalchemy(psycopg.InterfaceError("the connection is closed")),
        by_sqlalchemy(psycopg.errors.AdminShutdown("restarting")),
        made("sqlalchemy.dialects.postgresql.asyncpg", "Error", "InterfaceError"),
    ],
    ids=lambda error: f"{type(error).__module__}.{type(error).__name__}",
)
def test_an_outage_is_waited_for(error: Exception) -> None:
    """Whichever client tells of it."""
    assert reaction_to(error) is WAIT


@pytest.mark.parametrize(
    ("error", "reaction"),
    [
        (urllib.error.URLError("unknown url type: ftq"), RETRY),
        (by_urllib(404), RETRY),
        (httpx.UnsupportedProtocol("ftq"), RETRY),
        (httpx.LocalProtocolError("an illegal header"), RETRY),
        (httpx.DecodingError("no gzip"), RETRY),
        (httpx.TooManyRedirects("20"), RETRY),
        (by_httpx(404), RETRY),
        (by_httpx(500), RETRY),
        (requests.exceptions.InvalidURL("no"), RETRY),
        (requests.JSONDecodeError("no", "", 0), RETRY),
        (requests.HTTPError("without an answer"), RETRY),
        (by_requests(422), RETRY),
        (urllib3.exceptions.LocationParseError("no"), RETRY),
        (
            made("aiohttp.client_exceptions", "ClientError", "ClientResponseError", status=400),
            RETRY,
        ),
        (made("aiohttp.client_exceptions", "ClientError", "InvalidURL"), RETRY),
        (made("redis.exceptions", "RedisError", "ResponseError"), RETRY),
        (made("redis.exceptions", "RedisError", "DataError"), RETRY),
        (made("asyncpg.exceptions._base", "InterfaceError", "DataError"), RETRY),
        (by_sqlalchemy(psycopg.errors.UniqueViolation("there already")), DEAD_LETTER),
        (by_sqlalchemy(psycopg.errors.QueryCanceled("statement timeout")), RETRY),
        (by_sqlalchemy(sqlite3.InterfaceError("Error binding parameter 1")), RETRY),
        (made("psycopg2.errors", "Error", "UniqueViolation", pgcode="23505"), DEAD_LETTER),
        (made("mine", "ConnectionError"), RETRY),
        (EOFError("Ran out of input"), RETRY),
        (MemoryError(), RETRY),
    ],
    ids=lambda given: f"{type(given).__module__}.{type(given).__name__}",
)
def test_what_may_be_about_the_record_is_not(error: Exception, reaction: Reaction) -> None:
    """An address, a status, a value: it is tried a few times, and then this record is given up."""
    assert reaction_to(error) is reaction


def test_a_class_of_ones_own_below_one_that_is_listed_is_its_kind() -> None:
    """Deriving from a library's error changes nothing; deriving from ours as well does."""

    class StockIsAway(httpx.ConnectError):
        """An error of somebody's own client."""

    class StockSaysNo(httpx.ConnectError, Poison):
        """One that says what is to be done."""

    assert reaction_to(StockIsAway("refused")) is WAIT
    assert reaction_to(StockSaysNo("refused")) is DEAD_LETTER


def test_a_status_that_is_none_leaves_the_error_to_be_tried_again() -> None:
    """Attributes of other people's classes may hold anything."""
    odd = made("aiohttp", "ClientResponseError", status=SimpleNamespace())

    assert reaction_to(odd) is RETRY


def test_the_page_lists_what_is_known() -> None:
    """Every class that is waited for or judged by its status, each exception from that, each no."""
    table = PAGE.split("\n| library |")[1].split("\n\n")[0]
    listed: set[tuple[str, str, str]] = set()
    for line in table.splitlines()[2:]:
        (root,), *kinds = (re.findall(r"`(\w+)`", cell) for cell in line.split("|")[1:5])
        for column, names in zip(("away", "status", "no"), kinds, strict=True):
            listed |= {(root, name, column) for name in names}
    numbers = re.findall(r"\bE[A-Z]{2,}\b", PAGE)

    assert listed == {
        (one.root, one.name, "status" if one.status else "away" if one.away else "no")
        for one in outages.KNOWN
    }
    assert {getattr(errno, one) for one in numbers} == outages.ERRNOS
    assert all(str(status) in PAGE for status in outages.STATUSES)
