"""The shipped Prometheus scrapes the real services: targets, rules, dashboards, a real fault."""

from __future__ import annotations

import math
import re
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.conftest import running
from tests.deploy.dashboards import (
    chosen,
    dashboards,
    every_query,
    panels,
    queries,
    substituted,
    variables,
)
from tests.deploy.files import RUNBOOKS, alerting_rules, every_rule, read
from tests.deploy.live import Live
from tests.deploy.moved import ELSEWHERE, PROMETHEUS
from tests.deploy.promql import metrics_of
from tests.deploy.runbooks import PAGES
from tests.deploy.runbooks import queries as told
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from tests.deploy.dashboards import Query

pytestmark = pytest.mark.timeout(600)
DATA_SECONDS = 120  # some scrapes and evaluations, on a machine that does much else
LABEL = re.compile(r"\$\{__field\.labels\.(\w+)\}")
LABEL_VALUES = re.compile(r"label_values\((.+), (\w+)\)")

# Panels that show nothing while all is well, and why.
QUIET = {
    "Firing alerts": "nothing fires",
    "Which incidents are open": "lagmon has none",
    "Time to drain": "no lag shrinks",
    "Longest transaction": "Debian's exporter is older than the one that ships",
    "Longest transaction over time": "Debian's exporter is older than the one that ships",
    "Alerts that lagmon has sent": "lagmon had nothing to send",
    "Readings with something unknown": "lagmon could read everything",
}
# What a query of a runbook has that looks for trouble, or for what was before this test.
LOOKS_FOR_TROUBLE = re.compile(r" (?:[<>]|[=!]=) |offset 1d|lost_messages|unless")
# Metrics that nobody here can have, and why.
ABSENT = {
    "lagmon_group_errors_total": "lagmon could read everything",
    "lagmon_incident_open": "lagmon has no incident",
    "lagmon_maintenance": "there is no maintenance",
    "lagmon_notifications_total": "lagmon had nothing to send",
    "pg_long_running_transactions_oldest_timestamp_seconds": "Debian's exporter is older",
}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Give the whole stack, scraped, after a play, a refused one and a dead letter."""
    for live in running(Live(tmp_path_factory.mktemp("live"))):
        live.settled_later()
        assert live.play(bet=-1).status_code == 400
        live.send(b"no play")
        live.wait_until_up()
        yield live


def test_every_job_is_scraped_and_up(live: Live) -> None:
    """Each job of the shipped configuration has targets, and each of them answers.

    Left out is only what cannot run here.
    """
    jobs = {job["job_name"] for job in read(PROMETHEUS)["scrape_configs"]}

    found = live.wait_until_up()

    assert {target.split()[0] for target in found} == jobs - ELSEWHERE.keys()


def still(missing: Callable[[], Collection[object]]) -> Collection[object]:
    """Wait until *missing* gives nothing; give what it still gives after a long time."""
    with suppress(TimeoutError):
        until(lambda: not missing(), timeout=DATA_SECONDS, every=2, what="what is missing")
    return missing()


def evaluated(live: Live) -> list[dict[str, Any]]:
    """Wait until Prometheus has evaluated every rule; give what it says about each."""

    def found() -> list[dict[str, Any]] | None:
        rules = [rule for each in live.prometheus.data("rules")["groups"] for rule in each["rules"]]
        return None if any(rule["health"] == "unknown" for rule in rules) else rules

    return until(found, timeout=DATA_SECONDS, every=1, what="every rule to be evaluated")


def test_every_rule_evaluates(live: Live) -> None:
    """Prometheus evaluates each shipped rule on real series without an error."""
    rules = evaluated(live)

    wrong = {rule["name"]: rule["lastError"] for rule in rules if rule["health"] != "ok"}
    assert len(rules) == len(every_rule())
    assert not wrong


def test_what_is_asked_for_has_series(live: Live) -> None:
    """While people play, every metric that a rule or a dashboard asks for is in Prometheus."""
    asked = {name for rule in every_rule() for name in metrics_of(rule["expr"])}
    for query in every_query():
        asked |= metrics_of(substituted(query.expression, chosen(dashboards()[query.dashboard])))
    wanted = asked - ABSENT.keys() - {"ALERTS"}

    def missing() -> set[str]:
        live.play()
        return wanted - set(live.prometheus.data("label/__name__/values"))

    assert not still(missing)
    assert asked >= ABSENT.keys()


def answers(live: Live, query: Query) -> bool:
    """Ask *query* as Grafana does; tell whether a number came back. Raise if it is refused."""
    values = chosen(dashboards()[query.dashboard])
    found = live.prometheus.query(substituted(query.expression, values))
    return any(not math.isnan(float(series["value"][1])) for series in found)


@pytest.mark.parametrize("name", dashboards())
def test_every_query_of_a_dashboard_is_answered(name: str, live: Live) -> None:
    """While people play, each query of each panel gives numbers, but for panels that warn."""
    asked = [query for query in queries(dashboards()[name]) if query.source == "prometheus"]

    def silent() -> list[Query]:
        live.play()
        live.play(bet=-1)
        return [query for query in asked if query.panel not in QUIET and not answers(live, query)]

    assert not still(silent)
    for query in asked:
        answers(live, query)


def test_every_query_of_a_runbook_is_answered(live: Live) -> None:
    """While people play, each query of each runbook gives numbers, but for those about trouble."""
    asked = {query for path in PAGES for query in told(path)}
    quiet = {query for query in asked if LOOKS_FOR_TROUBLE.search(query)}
    left = asked - quiet

    def silent() -> set[str]:
        live.play()
        httpx.get(f"{live.api}/game/plays/nobody's", timeout=30)
        left.difference_update([query for query in left if live.prometheus.query(query)])
        return left

    assert not still(silent)
    for query in quiet:
        live.prometheus.query(query)


def test_what_a_runbook_calls_good_is_what_is_answered(live: Live) -> None:
    """The answers that a runbook tells to look for are those of services that are well."""
    page = (RUNBOOKS / "ApiErrorRate.md").read_text()

    def said(path: str) -> str:
        return httpx.get(f"{live.api}{path}", timeout=60).text

    # What stands still for a second is not ready then.
    until(lambda: f"Good: `{said('/readyz')}`" in page, timeout=DATA_SECONDS, what="readiness")
    until(lambda: '"state": "closed"' in said("/status"), timeout=DATA_SECONDS, what="the state")
    assert 'Good: `"state": "closed"`' in page
    assert '"status":"accepted"' in live.play().text


def test_every_variable_has_something_to_choose(live: Live) -> None:
    """Each variable of each dashboard that asks Prometheus for its values gets some."""

    def empty() -> list[tuple[str, str]]:
        found = []
        for dashboard in dashboards().values():
            for variable in variables(dashboard).values():
                if variable["type"] != "query":
                    continue
                asked = substituted(variable["query"]["query"], chosen(dashboard))
                series, label = LABEL_VALUES.fullmatch(asked).groups()  # type: ignore[union-attr]
                if not live.prometheus.data(f"label/{label}/values", **{"match[]": series}):
                    found.append((dashboard["uid"], variable["name"]))
        return found

    assert not still(empty)


def test_a_line_leads_to_the_page_of_its_group(live: Live) -> None:
    """What a line of a group leads to is lagmon's page about that group."""
    leading = {
        link["url"]
        for panel in panels(dashboards()["lagmon-consumers"])
        for link in panel.get("fieldConfig", {}).get("defaults", {}).get("links", [])
    }
    found = until(lambda: live.prometheus.query("lagmon_group_lag_messages"), what="a line")

    (address,) = {LABEL.sub(lambda name: found[0]["metric"][name[1]], each) for each in leading}
    page = httpx.get(f"{live.lagmon}/{address.rpartition('/')[2]}", timeout=30)

    assert page.status_code == 200
    assert found[0]["metric"]["group"] in page.text


def test_a_slow_bucket_leads_to_a_trace(live: Live) -> None:
    """The end-to-end histogram in Prometheus has the trace id of a play as an exemplar."""
    trace_id = live.settled_later()

    def exemplars() -> set[str]:
        now = time.time()
        metric = "consumers_end_to_end_seconds_bucket"
        found = live.prometheus.data("query_exemplars", query=metric, start=now - 600, end=now)
        return {one["labels"]["trace_id"] for each in found for one in each["exemplars"]}

    until(lambda: trace_id in exemplars(), timeout=DATA_SECONDS, every=1, what=f"trace {trace_id}")
    assert until(lambda: any(one.trace_id == trace_id for one in live.spans.spans()), what="spans")


def lag_pages(live: Live) -> list[dict[str, Any]]:
    """Give what PagerDuty was told about the lag."""
    events = live.paging.pagerduty.taken
    return [each for each in events if each["payload"].get("class") == "KAFKA_CONSUMER_LAG"]


def lag_alerts(live: Live) -> dict[str, str]:
    """Give the state of the alerts on the lag in Alertmanager by source; the copy has none."""
    held = [each for each in live.paging.alerts() if each["labels"]["alertname"] == LAG]
    return {each["labels"].get("source", ""): each["status"]["state"] for each in held}


LAG = "KafkaConsumerLag"


def test_a_worker_that_stops_is_paged_once(live: Live) -> None:
    """The lag is noticed by lagmon and by Prometheus, and PagerDuty opens one incident, not two.

    The last test of this module: it leaves the worker stopped.
    """
    assert LAG in {rule["alert"] for rule in alerting_rules()}

    live.fall_behind()
    began = time.monotonic()
    until(lambda: lag_pages(live), timeout=DATA_SECONDS, what="a page about the lag")
    took = time.monotonic() - began
    sys.stdout.write(f"{took:.1f} s from the 1001st unread message to the page\n")

    both = {"lagmon": "active", "": "suppressed"}
    until(lambda: lag_alerts(live) == both, timeout=DATA_SECONDS, every=0.5, what="both alerts")
    assert len({each["dedup_key"] for each in lag_pages(live)}) == 1
