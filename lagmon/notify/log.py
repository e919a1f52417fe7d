"""Write the opening and the end of every incident to the log; what is sent again is not news."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from lagmon.labels import safe
from lagmon.model import Change
from lagmon.notify.mailbox import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lagmon.report import Notice

_log = structlog.get_logger(__name__)


class Log:
    """The notifier that is always there."""

    name = "log"

    async def send(self, notices: Sequence[Notice]) -> Outcome:
        """Write one line for each incident that opened or was resolved."""
        for notice in notices:
            incident = notice.change.incident
            about = {
                "rule": incident.key.rule,
                "kafka_cluster": incident.key.cluster,
                "group": safe(incident.key.group or ""),
                "value": incident.value,
                "trace_id": notice.record.trace_id if notice.record else None,
            }
            if incident.held:
                about["maintenance"] = True  # nobody is woken
            if notice.change.change is Change.OPENED:
                _log.warning("incident_opened", **about)
            elif notice.change.change is Change.RESOLVED:
                _log.info("incident_resolved", **about)
        return Outcome.SENT

    async def close(self) -> None:
        """Nothing is held open."""
