"""Where others are found: bootstrap servers, links, Alertmanagers, checked as text. Pure.

In: an address from the configuration. Out: the same, tidied, or a ValueError that says what would
be right and never repeats the address, because it may hold credentials. Nothing is resolved here.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from lagmon.report import RULE

SERVER = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>\d{1,5})")
HOST = re.compile(r"[\w.-]+|[0-9A-Fa-f:.]+(?:%[\w.-]+)?")
LARGEST_PORT = 65535


def servers(text: str) -> str:
    """Check the bootstrap servers *text*, such as ``kafka-1:9092,kafka-2:9092``."""
    for number, part in enumerate(text.split(","), 1):
        match = SERVER.fullmatch(part.strip())
        if not match:
            raise ValueError(f"server {number} is no address; write it as HOST:PORT[,HOST:PORT]")
        if not 1 <= int(match["port"]) <= LARGEST_PORT:
            raise ValueError(f"server {number} has no port from 1 to {LARGEST_PORT}")
    return text


def link(text: str) -> str:
    """Check the address *text* that people are sent to: it is published, so no credentials."""
    if "@" in _split(text).netloc:
        raise ValueError("must hold no credentials: it is shown to everybody")
    return text.rstrip("/")


def template(text: str) -> str:
    """Check the address *text* of a page for each rule, in which ``{rule}`` may stand."""
    if re.search("[{}]", text.replace(RULE, "")):
        raise ValueError(f"knows {RULE} alone: the name of the rule")
    return link(text)


def endpoint(text: str) -> str:
    """Check the address *text* of a server, below which paths are asked for.

    Credentials for basic authentication may stand before the host: ``http://USER:PASSWORD@HOST``.
    """
    where = text.partition("://")[2]
    if re.search("[/?#].*@", where):
        raise ValueError("holds / ? or # before its @; in a password they are %2F, %3F and %23")
    parts = _split(text)
    if parts.query or parts.fragment:
        raise ValueError("must end with its path, without ? and #")
    return text.rstrip("/")


def place(text: str) -> str:
    """Give of the address *text* where it is: no scheme, and no credentials."""
    return text.partition("://")[2].rpartition("@")[2]


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(_WANTED) from None
    known = parts.scheme in {"http", "https"} and HOST.fullmatch(parts.hostname or "")
    if not known or port == 0 or parts.netloc.endswith(":") or re.search(r"\s", text):
        raise ValueError(_WANTED)
    return parts


_WANTED = f"is no address; write it as http://HOST:PORT, the port from 1 to {LARGEST_PORT}"
