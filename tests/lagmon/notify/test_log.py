"""The log gets what is news about an incident."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from structlog.testing import capture_logs

from lagmon.model import Change
from lagmon.notify import Log, Outcome
from tests.lagmon.builders import NOON, TRACE, incident, notice, record


def test_opening_and_resolving_are_news_and_reminding_is_not() -> None:
    """One line when it opens, one when it is over, with rule, cluster, group, value and trace."""
    over = incident(value=3, resolved_at=NOON + 60)
    changes = [
        notice(oldest=record()),
        notice(Change.REMINDED, oldest=record()),
        notice(Change.RESOLVED, over),
        notice(Change.REMINDED, over),
    ]

    with capture_logs() as lines:
        outcome = asyncio.run(Log().send(changes))

    about = {"rule": "KafkaConsumerLag", "kafka_cluster": "local", "group": "settle"}
    assert outcome is Outcome.SENT
    assert lines == [
        {"event": "incident_opened", "log_level": "warning", "value": 1203, "trace_id": TRACE}
        | about,
        {"event": "incident_resolved", "log_level": "info", "value": 3, "trace_id": None} | about,
    ]


def test_what_maintenance_holds_back_says_so() -> None:
    """Whoever reads the log sees why nobody was woken."""
    with capture_logs() as lines:
        asyncio.run(Log().send([notice(about=replace(incident(), held=True))]))

    assert lines[0]["maintenance"] is True
