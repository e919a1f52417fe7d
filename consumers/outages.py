"""Say of an exception whether something was away: the network, a resource, the other end. Pure.

An outage is told by what was raised, and each library has classes of its own for that. They are
known by name: the class's own and the first part of its module's, looked for along the class's
``__mro__``, so that no library has to be installed, and none is imported. The first class that is
listed decides, which is how a part of a family is taken out again.

What is listed as away would meet every record alike. What may be about the one record, such as an
address that was made of it, is not.
"""

from __future__ import annotations

import errno
from operator import attrgetter
from typing import Final, NamedTuple


class Known(NamedTuple):
    """A class of errors: the library *root*, the class's *name*, whether it means *away*, and why.

    With *status*, a path of attributes, it is the HTTP status found there that decides, and *away*
    is for an error that has none.
    """

    root: str
    name: str
    away: bool
    why: str
    status: str = ""


# `OSError.errno`. Python's own ConnectionError and TimeoutError have theirs already.
ERRNOS: Final = frozenset(
    {
        # the network: no route, no interface, no name for this end
        errno.EADDRNOTAVAIL,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETRESET,
        errno.ENETUNREACH,
        errno.ENOTCONN,
        # resources of this machine: disk, descriptors, memory for buffers
        errno.EAGAIN,
        errno.EDQUOT,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.ENOSPC,
        errno.EROFS,
        errno.ESTALE,
    }
)

# RFC 9110 section 15.6 and RFC 6585 section 4. 500 is none of them: it may be about this record.
STATUSES: Final = frozenset({429, 502, 503, 504})

KNOWN: Final = (
    Known("socket", "gaierror", True, "a name server does not answer, or does not know the name"),
    Known("socket", "herror", True, "as above, by the older call"),
    Known("ssl", "SSLError", True, "no session: a certificate has expired, or the line was cut"),
    Known("asyncio", "IncompleteReadError", True, "the stream has ended before the answer did"),
    Known("http", "IncompleteRead", True, "the answer was cut"),
    Known("urllib", "HTTPError", False, "by its status", "code"),
    Known("httpx", "UnsupportedProtocol", False, "the address is wrong"),
    Known("httpx", "LocalProtocolError", False, "the request is wrong"),
    Known("httpx", "TransportError", True, "connecting, writing, reading, waiting for any of them"),
    Known("httpx", "HTTPStatusError", False, "by its status", "response.status_code"),
    Known("requests", "ConnectionError", True, "connecting, also through a proxy or by TLS"),
    Known("requests", "Timeout", True, "no connection or answer in time"),
    Known("requests", "ChunkedEncodingError", True, "the answer was cut"),
    Known("requests", "RetryError", True, "the adapter has tried often enough already"),
    Known("requests", "HTTPError", False, "by its status", "response.status_code"),
    Known("urllib3", "TimeoutError", True, "no connection or answer in time, no such host"),
    Known("urllib3", "MaxRetryError", True, "it has tried often enough already"),
    Known("urllib3", "ProtocolError", True, "the connection was lost"),
    Known("urllib3", "ProxyError", True, "the proxy does not answer"),
    Known("urllib3", "SSLError", True, "no session"),
    Known("aiohttp", "ClientConnectionError", True, "connecting, or the connection was lost"),
    Known("aiohttp", "ClientPayloadError", True, "the answer was cut"),
    Known("aiohttp", "ClientResponseError", False, "by its status", "status"),
    Known("redis", "ConnectionError", True, "no connection, none free, loading, or no password"),
    Known("redis", "TimeoutError", True, "no answer in time"),
    Known("redis", "ReadOnlyError", True, "a replica that is not promoted yet"),
    Known("redis", "ClusterDownError", True, "a part of the cluster is not served"),
    Known("redis", "MasterDownError", True, "a replica without its master"),
    Known("redis", "TryAgainError", True, "slots are on the move"),
    Known("redis", "OutOfMemoryError", True, "the server takes no more writes"),
    Known("redis", "NoPermissionError", True, "a right is missing, for every record alike"),
    Known("psycopg", "InterfaceError", True, "the connection was closed"),
    Known("psycopg2", "InterfaceError", True, "the connection was closed"),
    Known("asyncpg", "DataError", False, "a value of this record does not fit the query"),
    Known("asyncpg", "InterfaceError", True, "the connection or the pool was closed"),
    Known("sqlalchemy", "TimeoutError", True, "no connection of the pool came free in time"),
    Known("sqlalchemy", "DisconnectionError", True, "the connection was found to be dead"),
    Known("sqlalchemy", "InterfaceError", True, "the driver has lost its connection"),
)

# Errors that only pass on another one, and the attribute that holds it.
WRAPPED: Final = (("sqlalchemy", "DBAPIError", "orig"), ("urllib", "URLError", "reason"))

_KNOWN: Final = {(one.root, one.name): one for one in KNOWN}


def away(error: Exception) -> bool:
    """Say whether *error* means that something was away which every record needs."""
    if isinstance(error, OSError) and error.errno in ERRNOS:
        return True
    for name in _names(error):
        if (known := _KNOWN.get(name)) is not None:
            status = _status(error, known.status) if known.status else None
            return known.away if status is None else status in STATUSES
    return False


def wrapped(error: Exception) -> Exception | None:
    """Give the error that *error* passes on, where it is of a class that does so."""
    names = set(_names(error))
    for root, name, attribute in WRAPPED:
        inner = getattr(error, attribute, None) if (root, name) in names else None
        if isinstance(inner, Exception):
            return inner
    return None


def _names(error: Exception) -> list[tuple[str, str]]:
    return [(kind.__module__.partition(".")[0], kind.__name__) for kind in type(error).__mro__]


def _status(error: Exception, path: str) -> int | None:
    try:
        status = attrgetter(path)(error)
    except AttributeError:
        return None
    return status if isinstance(status, int) else None
