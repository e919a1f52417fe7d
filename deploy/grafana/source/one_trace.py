"""One request's life, by its trace id: its spans, its log lines, its row, where to find an id."""

from __future__ import annotations

from typing import Final

from deploy.grafana.source.api import OWN, quantiles
from deploy.grafana.source.frame import dashboard, job_and_instance, typed
from deploy.grafana.source.parts import graph, logs, text, trace

WHERE_FROM: Final = """\
Type 32 hexadecimal digits above. Where they stand:

- the header `x-trace-id` of each answer of the API, and `trace_id` in its body;
- `trace_id` in each log line, and in lagmon's page about a group that lags;
- a diamond in the graph at the bottom: the trace of a play that was slow.

lagmon's own page: [every group](http://localhost:10308).
"""
IN_POSTGRES: Final = """\
The row that the trace has written, typed by hand:

```sql
SELECT * FROM plays WHERE trace_id = '${trace_id}';
```

A transaction that is open now, by `application_name`, which is *service/trace id*:

```sql
SELECT * FROM pg_stat_activity WHERE application_name LIKE '%/${trace_id}';
```
"""
IN_KAFKA: Final = """\
The record that carries the trace has the header `traceparent: 00-${trace_id}-…`.

lagmon's page names the oldest uncommitted record of a group, its trace, and the command that shows
it. A record that was set aside is found by its trace:

```text
consumers dlq list
```
"""

DASHBOARD: Final = dashboard(
    "lagmon-trace",
    "One trace's life",
    "What became of this one request, from the API to the row in Postgres?",
    variables=[
        typed("trace_id", "Trace id"),
        *job_and_instance("consumers_end_to_end_seconds_count", "game-consumer"),
    ],
    alerts=("EndToEndTime",),
    rows=[
        (
            "Where to look",
            [
                text("Where a trace id comes from", "How to find one.", WHERE_FROM),
                text("In Postgres", "How to see what the trace has written.", IN_POSTGRES),
                text("In Kafka", "How to see the record of the trace.", IN_KAFKA),
            ],
        ),
        (
            "The trace",
            [
                trace(
                    "Spans",
                    "Every step, who took it, and how long: API, Kafka, worker, partner, Postgres.",
                    "${trace_id}",
                ),
                logs(
                    "Log lines",
                    "What every service wrote about it, oldest first.",
                    '{service=~".+"} | trace_id=`${trace_id}`',
                ),
            ],
        ),
        (
            "Slow ones",
            [
                graph(
                    "From request to committed write",
                    "Half, 95 and 99 of 100 plays took no longer. A diamond is a trace.",
                    "s",
                    *quantiles("consumers_end_to_end_seconds_bucket", OWN, exemplars=True),
                    limits=(3,),
                    width=12,
                    alerts=("EndToEndTime",),
                ),
                graph(
                    "Requests of players",
                    "Half, 95 and 99 of 100 requests took no longer. A diamond is a trace.",
                    "s",
                    *quantiles(
                        "consumers_http_request_duration_seconds_bucket",
                        'route="/game/slots/play"',
                        exemplars=True,
                    ),
                    width=12,
                ),
            ],
        ),
    ],
)
