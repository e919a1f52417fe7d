"""Who a service is: its name, version and environment, the same in its logs and on its spans.

In: what the code says, and the environment's mapping. Out: the resource attributes that hold, by
the specification's order: OTEL_SERVICE_NAME over OTEL_RESOURCE_ATTRIBUTES over the code. Pure; it
never raises, and names entries that are none for those who must refuse them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVICE: Final = "service.name"
VERSION: Final = "service.version"
ENVIRONMENT: Final = "deployment.environment.name"

RESOURCE_VARIABLE: Final = "OTEL_RESOURCE_ATTRIBUTES"
NAME_VARIABLE: Final = "OTEL_SERVICE_NAME"

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2


def identity(
    service: str, version: str, environment: str, environ: Mapping[str, str]
) -> dict[str, str]:
    """Give the attributes of the resource; what is empty in the code and not set is left out."""
    said = {SERVICE: service, VERSION: version, ENVIRONMENT: environment}
    return {key: value for key, value in said.items() if value} | overrides(environ)


def overrides(environ: Mapping[str, str]) -> dict[str, str]:
    """Give the attributes that *environ* sets."""
    attributes = dict(pairs(environ.get(RESOURCE_VARIABLE, ""))[0])
    if name := environ.get(NAME_VARIABLE, "").strip():
        attributes[SERVICE] = name
    return attributes


def pairs(text: str) -> tuple[list[tuple[str, str]], list[tuple[int, str]]]:
    """Read a list ``key=value,key=value`` with percent-encoded values.

    Gives the pairs, and beside them each entry that is none with its place, counted from 1.
    """
    found: list[tuple[str, str]] = []
    wrong: list[tuple[int, str]] = []
    for place, item in enumerate(filter(None, map(str.strip, text.split(","))), start=1):
        key, equals, value = item.partition("=")
        if equals and _TOKEN.fullmatch(key.strip()):
            found.append((key.strip(), unquote(value.strip())))
        else:
            wrong.append((place, item))
    return found, wrong
