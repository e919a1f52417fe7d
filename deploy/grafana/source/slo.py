"""The objectives: how much of each error budget is left, and how fast it is spent."""

from __future__ import annotations

from typing import Final

from deploy.grafana.source.frame import chosen, dashboard
from deploy.grafana.source.parts import bars, graph, number, query, text

CHOSEN: Final = 'slo=~"$slo"'
BUDGET: Final = f"on (slo) group_left () (1 - slo:objective{{{CHOSEN}}})"

MEANING: Final = """\
| objective | a good event |
|---|---|
| `api-availability` | a request that was not answered 5xx |
| `api-latency` | a request that was answered in time |
| `end-to-end` | a play that was committed within 3 s of its request |

A **burn rate** of 1 spends the budget of 30 days in 30 days. 14.4 spends 2 % of it in an hour.
"""


def burn(window: str) -> str:
    """Give how many times faster than allowed the budget was spent over *window*."""
    return f"max by (slo) (slo:error_ratio:rate{window}{{{CHOSEN}}}) / {BUDGET}"


DASHBOARD: Final = dashboard(
    "lagmon-slo",
    "Service level objectives",
    "Do we keep what we have promised, and for how long will we?",
    variables=[chosen("slo", "Objective", "label_values(slo:objective, slo)")],
    alerts=("ErrorBudgetBurnFast", "ErrorBudgetBurnSlow"),
    rows=[
        (
            "At a glance",
            [
                bars(
                    "Budget left",
                    "Share of the errors of 30 days that may still happen; below 0 it is broken.",
                    "percentunit",
                    query(
                        f"min by (slo) (slo:error_budget_remaining:ratio{{{CHOSEN}}})", "{{slo}}"
                    ),
                    limits=(0.25,),
                    below=True,
                ),
                bars(
                    "Promised",
                    "Share of the events that are to be good.",
                    "percentunit",
                    query(f"max by (slo) (slo:objective{{{CHOSEN}}})", "{{slo}}"),
                ),
                text("What is promised", "What counts as a good event.", MEANING),
            ],
        ),
        (
            "How fast the budget is spent",
            [
                graph(
                    "Burn rate over an hour",
                    "1 spends the budget just in time. Over 14.4, here and over 5 minutes, pages.",
                    "none",
                    query(burn("1h"), "{{slo}}"),
                    limits=(14.4,),
                    alerts=("ErrorBudgetBurnFast",),
                ),
                graph(
                    "Burn rate over six hours",
                    "Over 6, here and over 30 minutes, pages too.",
                    "none",
                    query(burn("6h"), "{{slo}}"),
                    limits=(6,),
                    alerts=("ErrorBudgetBurnFast",),
                ),
                graph(
                    "Burn rate over three days",
                    "Over 1 the budget will not last.",
                    "none",
                    query(burn("3d"), "{{slo}}"),
                    limits=(1,),
                    alerts=("ErrorBudgetBurnSlow",),
                ),
                graph(
                    "Burn rate over five minutes",
                    "What happens now. Where it falls, the alert on the hour ends soon.",
                    "none",
                    query(burn("5m"), "{{slo}}"),
                ),
                graph(
                    "Bad events over an hour",
                    "Share of the events of the last hour that were not good.",
                    "percentunit",
                    query(f"max by (slo) (slo:error_ratio:rate1h{{{CHOSEN}}})", "{{slo}}"),
                ),
                number(
                    "Worst budget",
                    "What is left of the budget of which least is left.",
                    "percentunit",
                    query(f"min(slo:error_budget_remaining:ratio{{{CHOSEN}}})", "left"),
                    limits=(0.25,),
                    below=True,
                    width=8,
                ),
            ],
        ),
    ],
)
