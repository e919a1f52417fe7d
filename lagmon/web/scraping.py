"""Answer a scrape with the page that is there, in the form that the client wants most.

In: a `Page` and the headers of a request. Out: one bytes object, never chunks. A form that nobody
has asked for before is made in a thread; from then on each page comes with it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import Response

from lagmon.web import accepting

if TYPE_CHECKING:
    from starlette.datastructures import Headers

    from lagmon.exposition.text import Page


async def scraped(page: Page, headers: Headers) -> Response:
    """Give *page* as *headers* want it."""
    form = accepting.form(_all(headers, "accept"), _all(headers, "accept-encoding"))
    body = page.made(form)
    if body is None:
        body = await asyncio.to_thread(page.make, form)
    told = {"Content-Type": form.format.value, "Vary": "Accept, Accept-Encoding"}
    if form.gzip:
        told["Content-Encoding"] = "gzip"
    return Response(body, headers=told)


def _all(headers: Headers, name: str) -> str | None:
    """Give all headers of a *name* as the one that they stand for (RFC 9110, section 5.3)."""
    values = headers.getlist(name)
    return ", ".join(values) if values else None
