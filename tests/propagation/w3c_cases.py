"""What W3C's validation suite asks of a service, restated as a table: headers in, trace out.

Each of its 41 cases is here under its name, with every request it makes. ``keeps`` tells whether
the trace goes on, ``state`` is the tracestate that must come out. ``calls`` is how often the
service is asked to send something on during one request.
"""

from __future__ import annotations

from typing import Final, NamedTuple

TRACE: Final = "12345678901234567890123456789012"
PARENT: Final = "1234567890123456"
SAMPLED: Final = f"00-{TRACE}-{PARENT}-01"
UNSAMPLED: Final = f"00-{TRACE}-{PARENT}-00"
FIRST_OF_TWO: Final = f"00-12345678901234567890123456789011-{PARENT}-01"

_MANY: Final = [
    ",".join(f"bar{i:02d}={i:02d}" for i in range(first, first + 10)) for first in (1, 11, 21)
]
_KEY: Final = "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
_VALUE: Final = "".join(chr(i) for i in range(0x20, 0x7F) if chr(i) not in ",=")


class Case(NamedTuple):
    """One request of the suite."""

    name: str
    headers: list[tuple[str, str]]
    keeps: bool
    state: str = ""
    calls: int = 1


def parent(name: str, *values: str, keeps: bool, calls: int = 1) -> list[Case]:
    """Make one case for each traceparent in *values*."""
    return [Case(name, [("traceparent", value)], keeps, calls=calls) for value in values]


def state(name: str, *values: str, out: str = "", header: str = "tracestate") -> Case:
    """Make a case of a valid traceparent beside as many tracestates as *values*."""
    return Case(name, [("traceparent", UNSAMPLED), *((header, v) for v in values)], True, out)


def ids(trace: str = TRACE, span: str = PARENT, *, version: str = "00", flags: str = "01") -> str:
    """Write a traceparent, well-formed or not."""
    return f"{version}-{trace}-{span}-{flags}"


DUPLICATED: Final = Case(
    "traceparent_duplicated",
    [("traceparent", FIRST_OF_TWO), ("traceparent", SAMPLED)],
    keeps=False,  # over HTTP; on a message the last valid one counts
)
CASES: Final = [
    Case("both_traceparent_and_tracestate_missing", [], keeps=False),
    *parent("traceparent_included_tracestate_missing", SAMPLED, keeps=True),
    DUPLICATED,
    Case("traceparent_header_name", [("trace-parent", SAMPLED)], keeps=False),
    Case("traceparent_header_name", [("trace.parent", SAMPLED)], keeps=False),
    *(
        Case("traceparent_header_name_valid_casing", [(name, SAMPLED)], keeps=True)
        for name in ("TraceParent", "TrAcEpArEnT", "TRACEPARENT")
    ),
    *parent("traceparent_version_0x00", f"{SAMPLED}.", f"{SAMPLED}-and-more", keeps=False),
    *parent(
        "traceparent_version_0xcc",
        ids(version="cc"),
        ids(version="cc") + "-and-more",
        keeps=True,
    ),
    *parent("traceparent_version_0xcc", ids(version="cc") + ".and-more", keeps=False),
    *parent("traceparent_version_0xff", ids(version="ff"), keeps=False),
    *parent(
        "traceparent_version_illegal_characters", ids(version=".0"), ids(version="0."), keeps=False
    ),
    *parent("traceparent_version_too_long", ids(version="000"), ids(version="0000"), keeps=False),
    *parent("traceparent_version_too_short", ids(version="0"), keeps=False),
    *parent("traceparent_trace_id_all_zero", ids("0" * 32), keeps=False),
    *parent(
        "traceparent_trace_id_illegal_characters",
        ids("." + TRACE[1:]),
        ids(TRACE[:-1] + "."),
        keeps=False,
    ),
    *parent("traceparent_trace_id_too_long", ids(TRACE + "3"), keeps=False),
    *parent("traceparent_trace_id_too_short", ids(TRACE[:-1]), keeps=False),
    *parent("traceparent_parent_id_all_zero", ids(span="0" * 16), keeps=False),
    *parent(
        "traceparent_parent_id_illegal_characters",
        ids(span="." + PARENT[1:]),
        ids(span=PARENT[:-1] + "."),
        keeps=False,
    ),
    *parent("traceparent_parent_id_too_long", ids(span=PARENT + "7"), keeps=False),
    *parent("traceparent_parent_id_too_short", ids(span=PARENT[:-1]), keeps=False),
    *parent(
        "traceparent_trace_flags_illegal_characters", ids(flags=".0"), ids(flags="0."), keeps=False
    ),
    *parent("traceparent_trace_flags_too_long", ids(flags="001"), keeps=False),
    *parent("traceparent_trace_flags_too_short", ids(flags="1"), keeps=False),
    *parent(
        "traceparent_ows_handling",
        f" {SAMPLED}",
        f"\t{SAMPLED}",
        f"{SAMPLED} ",
        f"{SAMPLED}\t",
        f"\t {SAMPLED} \t",
        keeps=True,
    ),
    Case("tracestate_included_traceparent_missing", [("tracestate", "foo=1")], keeps=False),
    Case("tracestate_included_traceparent_missing", [("tracestate", "foo=1,bar=2")], keeps=False),
    state("tracestate_included_traceparent_included", "foo=1,bar=2", out="foo=1,bar=2"),
    state("tracestate_header_name", "foo=1", header="trace-state"),
    state("tracestate_header_name", "foo=1", header="trace.state"),
    *(
        state("tracestate_header_name_valid_casing", "foo=1", out="foo=1", header=name)
        for name in ("TraceState", "TrAcEsTaTe", "TRACESTATE")
    ),
    state("tracestate_empty_header", ""),
    state("tracestate_empty_header", "foo=1", "", out="foo=1"),
    state("tracestate_empty_header", "", "foo=1", out="foo=1"),
    state(
        "tracestate_multiple_headers_different_keys",
        "foo=1,bar=2",
        "rojo=1,congo=2",
        "baz=3",
        out="foo=1,bar=2,rojo=1,congo=2,baz=3",
    ),
    state("tracestate_duplicated_keys", "foo=1,foo=1", out="foo=1"),
    state("tracestate_duplicated_keys", "foo=1,foo=2", out="foo=1"),
    state("tracestate_duplicated_keys", "foo=1", "foo=1", out="foo=1"),
    state("tracestate_duplicated_keys", "foo=1", "foo=2", out="foo=1"),
    *(
        state("tracestate_all_allowed_characters", member, out=member)
        for member in (f"{_KEY}={_VALUE}", f"{_KEY}@a-z0-9_-*/={_VALUE}")
    ),
    state("tracestate_ows_handling", "foo=1 \t , \t bar=2, \t baz=3", out="foo=1,bar=2,baz=3"),
    state("tracestate_ows_handling", "foo=1\t \t,\t \tbar=2,\t \tbaz=3", out="foo=1,bar=2,baz=3"),
    *(
        state("tracestate_ows_handling", text, out="foo=1")
        for text in (" foo=1", "\tfoo=1", "foo=1 ", "foo=1\t", "\t foo=1 \t")
    ),
    *(
        state("tracestate_key_illegal_characters", text)
        for text in ("foo =1", "FOO=1", "foo.bar=1")
    ),
    state("tracestate_key_illegal_vendor_format", "foo@=1,bar=2", out="foo@=1,bar=2"),
    state("tracestate_key_illegal_vendor_format", "@foo=1,bar=2"),
    state("tracestate_key_illegal_vendor_format", "foo@@bar=1,bar=2", out="foo@@bar=1,bar=2"),
    state("tracestate_key_illegal_vendor_format", "foo@bar@baz=1,bar=2", out="foo@bar@baz=1,bar=2"),
    state(
        "tracestate_member_count_limit",
        *_MANY,
        "bar31=31,bar32=32",
        out=",".join([*_MANY, "bar31=31,bar32=32"]),
    ),
    state("tracestate_member_count_limit", *_MANY, "bar31=31,bar32=32,bar33=33"),
    *(
        state("tracestate_key_length_limit", "foo=1", f"{key}=1", out=f"foo=1,{key}=1")
        for key in ("z" * 256, "t" * 241 + "@" + "v" * 14, "t" * 242 + "@v", "t@" + "v" * 15)
    ),
    state("tracestate_key_length_limit", "foo=1", "z" * 257 + "=1"),
    state("tracestate_value_illegal_characters", "foo=bar=baz"),
    state("tracestate_value_illegal_characters", "foo=,bar=3"),
    *parent("multiple_requests_with_valid_traceparent", SAMPLED, keeps=True, calls=3),
    Case("multiple_requests_without_traceparent", [], keeps=False, calls=3),
    *parent("multiple_requests_with_illegal_traceparent", ids("0" * 32), keeps=False, calls=3),
    *parent("propagates_random_flag", ids(flags="02"), keeps=True),
]
