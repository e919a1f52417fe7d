"""Read an ASGI scope: the route's template, the method's name, headers that can be decoded.

In: the scope of an HTTP request as the server made it. Out: values. Nothing is changed or sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.util.http import sanitize_method
from starlette.routing import Match

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from starlette.routing import BaseRoute
    from starlette.types import Scope

_ORIGINAL: Final = "propagation.scope"
_LAYERS: Final = 32  # of middleware that are looked through


def template(routes: Iterable[BaseRoute], scope: Scope) -> str | None:
    """Find the path template in *routes* that serves *scope*; a wrong method counts as found."""
    partial: str | None = None
    for route in routes:
        match, child = route.matches(scope)
        if match is Match.NONE:
            continue
        path: str | None = getattr(route, "path", None)
        inner = getattr(route, "routes", None)
        if inner:
            below = template(inner, {**scope, **child})
            found = None if below is None else (path or "") + below
        else:
            found = path
        if match is Match.FULL:
            return found
        partial = partial or found
    return partial


def routes_of(app: object) -> Sequence[BaseRoute]:
    """Find the routes of *app*, also where middleware of the usual kind is wrapped around it."""
    for _ in range(_LAYERS):
        if routes := getattr(app, "routes", None):
            found: Sequence[BaseRoute] = routes
            return found
        app = getattr(app, "app", None)
    return ()


def method(scope: Scope) -> str:
    """Give the method for a span's name, where HTTP stands for any that is not a known one."""
    known = sanitize_method(scope.get("method", ""))
    return "HTTP" if known == "_OTHER" else known


def decodable(scope: Scope) -> Scope:
    """Give *scope* with nothing in it that the instrumentation fails to decode.

    It reads header values and the query as UTF-8, falls back to Python's escapes, and raises when
    those are malformed too: a client could then make every request fail.
    """
    headers, query = scope.get("headers") or (), scope.get("query_string") or b""
    if query.isascii() and all(k.isascii() and v.isascii() for k, v in headers):
        return scope
    return {
        **scope,
        "headers": [(_utf8(name), _utf8(value)) for name, value in headers],
        "query_string": _utf8(query),
        _ORIGINAL: scope,
    }


def original(scope: Scope) -> Scope:
    """Give the scope that `decodable` was handed."""
    given: Scope = scope.get(_ORIGINAL, scope)
    return given


def _utf8(raw: bytes) -> bytes:
    return raw.decode("latin-1").encode()
