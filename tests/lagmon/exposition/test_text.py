"""What lagmon writes is, byte for byte, what prometheus_client writes of the same values."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.utils import floatToGoString

from lagmon.exposition.text import Family, Form, Format, Page, labelled, number
from lagmon.metrics import Kind, Metric

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric as TheirMetric

    Sample = tuple[tuple[str, ...], float]

# A counter is called so without its ending, and prometheus_client takes off a second one.
NAMES = st.from_regex(r"[a-z][a-z0-9]*(_[a-z0-9]+){0,2}", fullmatch=True).filter(
    lambda name: not name.endswith("_total")
)
LABELS = st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True)
ANY_TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
HOSTILE_TEXT = ANY_TEXT | st.text('\\\n"{}, =#', max_size=12)
VALUES = (
    st.floats(allow_nan=False)
    | st.integers(-(2**70), 2**70)
    | st.integers(0, 20).map(lambda power: 10**power)
    | st.integers(0, 20).map(lambda power: 10**power - 1)
)


class Written(NamedTuple):
    """One family with its samples: the values of its labels, in their order, and a number."""

    metric: Metric
    samples: list[Sample]


@st.composite
def families(draw: st.DrawFn) -> list[Written]:
    """Make families with some samples each; no name twice."""
    made = []
    for name in draw(st.lists(NAMES, unique=True, max_size=4)):
        kind = draw(st.sampled_from(Kind))
        labels = tuple(draw(st.lists(LABELS, unique=True, max_size=3)))
        whole = f"{name}_total" if kind is Kind.COUNTER else name
        metric = Metric(whole, kind, draw(HOSTILE_TEXT), labels)
        sample = st.tuples(st.tuples(*[HOSTILE_TEXT for _ in labels]), VALUES)
        made.append(Written(metric, draw(st.lists(sample, min_size=1, max_size=4))))
    return made


class Theirs:
    """The same families as prometheus_client has them."""

    def __init__(self, written: list[Written]) -> None:
        self._written = written

    def collect(self) -> Iterator[TheirMetric]:
        """Give each family."""
        for metric, samples in self._written:
            made = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
            family = made(metric.name.removesuffix("_total"), metric.help, labels=metric.labels)
            if made is GaugeMetricFamily:
                family = made(metric.name, metric.help, labels=metric.labels)
            for values, value in samples:
                family.add_metric(values, value)
            yield family


def page(written: list[Written]) -> Page:
    """Write the same families as lagmon does."""
    return Page(
        Family(
            metric,
            "".join(
                f"{metric.name}{labelled(dict(zip(metric.labels, values, strict=True)))}"
                f" {number(value)}\n"
                for values, value in samples
            ),
        )
        for metric, samples in written
    )


HOSTILE = Written(
    Metric("lag", Kind.GAUGE, 'a "help"\nof \\ two lines', ("topic", "group")),
    [(('\\n"', "\n"), float("inf")), (("", "a,b={}"), -1e300), (("ü", "\x00"), 2**63)],
)
COUNTED = Written(Metric("a_total", Kind.COUNTER, 'Of "x".', ()), [((), 123456789)])


@given(families())
@example([HOSTILE, COUNTED])
def test_text_is_what_prometheus_client_writes(written: list[Written]) -> None:
    """Whatever the names, helps, labels and numbers are."""
    assert page(written).make(Form()) == generate_latest(Theirs(written))


@given(families())
@example([HOSTILE, COUNTED])
def test_openmetrics_is_what_prometheus_client_writes(written: list[Written]) -> None:
    """With the names of counters, the escaping of helps and the end that this format has."""
    ours = page(written).make(Form(Format.OPENMETRICS))

    assert ours == generate_openmetrics(Theirs(written))  # type: ignore[no-untyped-call]


@given(st.floats() | st.integers(-(2**70), 2**70) | st.integers(999_990, 1_000_010))
@example(10**15)
@example(2**53)
@example(2**53 + 1)
@example(-0.0)
def test_a_number_is_written_as_go_writes_it(value: float) -> None:
    """Also one that is none, and whole ones beyond what a float can tell apart."""
    assert number(value) == floatToGoString(value)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("how", Format)
def test_gzip_is_the_same_page(how: Format) -> None:
    """What is unpacked is what is served plain, and the same page is the same bytes."""
    packed = page([HOSTILE, COUNTED]).make(Form(how, gzip=True))

    assert gzip.decompress(packed) == page([HOSTILE, COUNTED]).make(Form(how))
    assert packed == page([HOSTILE, COUNTED]).make(Form(how, gzip=True))


def test_a_form_is_made_once() -> None:
    """Only those that somebody asked for are made, and each of them is kept."""
    one, form = page([HOSTILE]), Form(Format.OPENMETRICS, gzip=True)
    before = (one.forms, one.made(form))

    first = one.make(form)

    assert before == ((), None)
    assert one.forms == (form,)
    assert one.make(form) is first
    assert one.made(form) is first


def test_a_page_counts_its_series() -> None:
    """A line each, whatever its family."""
    assert page([HOSTILE, COUNTED]).series == 4
