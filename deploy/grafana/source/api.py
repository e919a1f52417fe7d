"""The API's health: how much is asked, what goes wrong, how long it takes, who else is needed."""

from __future__ import annotations

from typing import Final

from deploy.grafana.source.frame import dashboard, job_and_instance
from deploy.grafana.source.parts import graph, number, query, states

OWN: Final = 'job=~"$job", instance=~"$instance"'
# What a person asks for: not the scrapes of Prometheus and the questions of health checks.
ASKED: Final = f'{OWN}, route!~"/metrics|/healthz|/readyz"'
REQUESTS: Final = "consumers_http_requests_total"
SECONDS: Final = "consumers_http_request_duration_seconds_bucket"
PARTNER: Final = 'peer=~".+"'
PARTNER_FAILED: Final = (
    'peer=~".+", status=~"3..|401|403|404|405|407|408|425|429|5..|timeout|error"'
)


def rate(metric: str, labels: str, *by: str) -> str:
    """Give how fast *metric* grew, summed, by the labels *by* if any are named."""
    grouped = f"sum by ({', '.join(by)})" if by else "sum"
    return f"{grouped} (rate({metric}{{{labels}}}[$__rate_interval]))"


def share(metric: str, part: str, whole: str, *by: str) -> str:
    """Give *part* of *whole*: 0 where there is none of it, nothing where nothing happened."""
    of = rate(metric, whole, *by)
    return f"({rate(metric, part, *by)} or 0 * {of}) / ({of} > 0)"


def quantile(which: float, buckets: str, labels: str, *by: str) -> str:
    """Give the *which* quantile of the histogram whose *buckets* are named."""
    return f"histogram_quantile({which}, {rate(buckets, labels, 'le', *by)})"


def quantiles(buckets: str, labels: str, *, exemplars: bool = False) -> list[dict[str, object]]:
    """Ask for p50, p95 and p99 of a histogram; *exemplars* lead to traces."""
    return [
        query(quantile(each / 100, buckets, labels), f"p{each}", exemplars=exemplars)
        for each in (50, 95, 99)
    ]


DASHBOARD: Final = dashboard(
    "lagmon-api",
    "API health",
    "Are players answered, how fast, and if not, whose fault is it?",
    variables=job_and_instance(REQUESTS, "game-api"),
    alerts=(
        "ApiErrorRate",
        "ApiLatencyP99",
        "ApiAbsent",
        "NoPlays",
        "FintechApiErrorRate",
        "CircuitBreakerOpen",
        "CertificateExpiry",
    ),
    rows=[
        (
            "At a glance",
            [
                number(
                    "Targets that answer",
                    "Share of the scraped targets of this job that are up.",
                    "percentunit",
                    query(f"avg(up{{{OWN}}})", "up"),
                    limits=(1,),
                    below=True,
                    alerts=("ApiAbsent",),
                ),
                number(
                    "Requests",
                    "Requests in a second, without scrapes and health checks.",
                    "reqps",
                    query(rate(REQUESTS, ASKED), "requests"),
                ),
                number(
                    "Server errors",
                    "Share of the requests that were answered 5xx. More than 5 % pages.",
                    "percentunit",
                    query(share(REQUESTS, f'{ASKED}, status=~"5.."', ASKED), "5xx"),
                    limits=(0.01, 0.05),
                    alerts=("ApiErrorRate",),
                ),
                number(
                    "Client errors",
                    "Share of the requests that were answered 4xx.",
                    "percentunit",
                    query(share(REQUESTS, f'{ASKED}, status=~"4.."', ASKED), "4xx"),
                    limits=(0.1, 0.5),
                ),
                number(
                    "Latency p99",
                    "99 of 100 requests took no longer. More than 2 s pages.",
                    "s",
                    query(quantile(0.99, SECONDS, ASKED), "p99"),
                    limits=(1, 2),
                    alerts=("ApiLatencyP99",),
                ),
                number(
                    "In flight",
                    "Requests that have arrived and are not answered yet; a scrape sees itself.",
                    "none",
                    query(f"sum(consumers_http_in_flight_requests{{{OWN}}})", "in flight"),
                ),
            ],
        ),
        (
            "Requests",
            [
                graph(
                    "Requests by route",
                    "Requests in a second, by method and route as it is declared.",
                    "reqps",
                    query(rate(REQUESTS, ASKED, "method", "route"), "{{method}} {{route}}"),
                ),
                graph(
                    "Server errors by route",
                    "Share of each route's requests that were answered 5xx.",
                    "percentunit",
                    query(share(REQUESTS, f'{ASKED}, status=~"5.."', ASKED, "route"), "{{route}}"),
                    limits=(0.05,),
                    alerts=("ApiErrorRate",),
                ),
                graph(
                    "Client errors by route",
                    "Share of each route's requests that were answered 4xx.",
                    "percentunit",
                    query(share(REQUESTS, f'{ASKED}, status=~"4.."', ASKED, "route"), "{{route}}"),
                ),
                graph(
                    "Latency",
                    "Half, 95 and 99 of 100 requests took no longer. A diamond is a trace.",
                    "s",
                    *quantiles(SECONDS, ASKED, exemplars=True),
                    limits=(2,),
                    alerts=("ApiLatencyP99",),
                ),
                graph(
                    "Latency p99 by route",
                    "Which route is slow.",
                    "s",
                    query(quantile(0.99, SECONDS, ASKED, "route"), "{{route}}"),
                    limits=(2,),
                ),
                graph(
                    "Requests by status",
                    "Requests in a second, by what was answered.",
                    "reqps",
                    query(rate(REQUESTS, ASKED, "status"), "{{status}}"),
                    stacked=True,
                ),
            ],
        ),
        (
            "Plays",
            [
                graph(
                    "Plays accepted",
                    "Plays in a second that the broker has acknowledged. None for an hour pages.",
                    "ops",
                    query(rate("consumers_plays_accepted_total", OWN), "accepted"),
                    alerts=("NoPlays",),
                ),
                graph(
                    "Plays refused",
                    "Plays in a second that were not accepted, by why.",
                    "ops",
                    query(rate("consumers_plays_refused_total", OWN, "reason"), "{{reason}}"),
                    stacked=True,
                ),
                graph(
                    "Connections to Postgres",
                    "In use and idle, below the most that there may be; and who waits for one.",
                    "none",
                    query(
                        f"sum by (state) (consumers_pool_connections{{{OWN}}})",
                        "{{state}}",
                    ),
                    query(f"sum(consumers_pool_max_connections{{{OWN}}})", "most"),
                    query(f"sum(consumers_pool_waiting_requests{{{OWN}}})", "waiting"),
                    alerts=("PostgresPoolExhausted",),
                ),
            ],
        ),
        (
            "The partner that settles money",
            [
                graph(
                    "Calls of the partner",
                    "Requests to the partner in a second, by how they ended.",
                    "reqps",
                    query(
                        rate("http_client_requests_total", PARTNER, "peer", "status"), "{{status}}"
                    ),
                    stacked=True,
                ),
                graph(
                    "Failed calls",
                    "Share of calls with no answer, 5xx, or 401 and its like. Over 10 % alerts.",
                    "percentunit",
                    query(
                        share("http_client_requests_total", PARTNER_FAILED, PARTNER, "peer"),
                        "{{peer}}",
                    ),
                    limits=(0.1,),
                    alerts=("FintechApiErrorRate",),
                ),
                graph(
                    "Latency of the partner",
                    "Half, 95 and 99 of 100 calls took no longer, unanswered ones too.",
                    "s",
                    *quantiles("http_client_request_duration_seconds_bucket", PARTNER),
                ),
            ],
        ),
        (
            "Around it",
            [
                states(
                    "Circuit breakers",
                    "The state that each breaker is in. While it is open nobody is called.",
                    query(
                        "max by (breaker, state) (consumers_breaker_state) == 1",
                        "{{breaker}}: {{state}}",
                    ),
                    alerts=("CircuitBreakerOpen",),
                ),
                graph(
                    "Certificates",
                    "Time until the next certificate in the chain of each probed page expires.",
                    "s",
                    query("probe_ssl_earliest_cert_expiry - time()", "{{instance}}"),
                    width=12,
                    alerts=("CertificateExpiry",),
                ),
            ],
        ),
    ],
)
