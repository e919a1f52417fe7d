"""Which form of the metrics a client gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lagmon.exposition.text import Form, Format
from lagmon.web.accepting import LONGEST, form

TEXT, OPENMETRICS = Format.TEXT, Format.OPENMETRICS
OM = "application/openmetrics-text"

# What Prometheus 2.42 and 3 send.
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (None, TEXT),
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html,application/xhtml+xml,*/*;q=0.8", TEXT),
        (PROMETHEUS_2, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        (OM, OPENMETRICS),
        (f"{OM};version=1.0.0", OPENMETRICS),
        (f"{OM}; Version=1.0.0; charset=UTF-8", OPENMETRICS),
        (f'{OM}; version="1.0.0"', OPENMETRICS),
        (f"{OM};version=0.0.1", TEXT),
        (f"{OM};version=2.0.0, text/plain;q=0.1", TEXT),
        (f"{OM};version=2.0.0;q=0.9, {OM};q=0.1", OPENMETRICS),
        ("application/*", OPENMETRICS),
        ("application/*, text/*;q=0.9", OPENMETRICS),
        ("text/plain", TEXT),
        (f"{OM}, text/plain", TEXT),
        (f"{OM};q=0.5, text/plain;q=0.6", TEXT),
        (f"{OM};q=0.6, text/plain;q=0.5", OPENMETRICS),
        (f"*/*, {OM};q=0.5", TEXT),
        ("*/*;q=0.5, text/plain;q=0.1", OPENMETRICS),
        (f"{OM};version=1.0.0;q=0.1, {OM};q=0.9, text/plain;q=0.5", TEXT),
        (f"{OM};q=0, */*;q=0.1", TEXT),
        ("text/plain;q=0, */*", OPENMETRICS),
        ("text/plain;q=0", TEXT),
        ("image/png", TEXT),
        (f"{OM.upper()}", OPENMETRICS),
        (f"{OM};q=7, text/plain;q=0.1", TEXT),
        (f"{OM};q=-1", TEXT),
        (f"{OM};q=0.1234", TEXT),
        (f"{OM};q=", TEXT),
        (f'text/plain;x=",{OM},";q=0.1, {OM};q=0.01', OPENMETRICS),
        (f",,, ,{OM};q=1.000", OPENMETRICS),
        (f"{OM}{' ' * LONGEST}", TEXT),
    ],
)
def test_the_format_that_is_wanted_most_is_given(accept: str | None, wanted: Format) -> None:
    """The range that is most exact about a format decides; where both are as good it is text."""
    assert form(accept, None) == Form(wanted)


@pytest.mark.parametrize(
    ("accept_encoding", "wanted"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("gzip, deflate, br", True),
        ("deflate, br", False),
        ("*", True),
        ("*;q=0", False),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("gzip;q=0.0", False),
        ("gzip;q=0.001", True),
        ("identity", False),
        ("gzip;q=0.5, identity", False),
        ("gzip, identity;q=0.5", True),
        ("identity;q=0, gzip", True),
        ("identity;q=0", False),
        ("gzip;q=no", False),
        ("gzipped", False),
    ],
)
def test_gzip_is_given_to_who_wants_it(accept_encoding: str | None, *, wanted: bool) -> None:
    """At least as much as the plain page, which is what whoever accepts neither gets."""
    assert form(None, accept_encoding) == Form(gzip=wanted)


@given(st.text(max_size=80), st.text('gzip*/;q=0.1,"\\ ', max_size=60))
def test_no_header_is_too_strange(accept: str, accept_encoding: str) -> None:
    """There is a form for each, and never an error."""
    assert form(accept, accept_encoding) in {
        Form(how, gzip) for how in Format for gzip in (False, True)
    }
