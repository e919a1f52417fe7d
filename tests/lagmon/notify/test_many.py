"""A thousand incidents at once are a few requests, and all of them arrive."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from lagmon.notify import Alertmanager, Mailbox
from lagmon.report import Links
from tests.lagmon.builders import group, incident, notice, record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lagmon.notify import Outcome
    from lagmon.report import Notice
    from tests.infra.alertmanager import Alertmanager as RealAlertmanager

MANY = 1000


class Counted(Alertmanager):
    """An Alertmanager of which the requests are counted."""

    requests = 0

    async def send(self, notices: Sequence[Notice]) -> Outcome:
        """Send, and count."""
        self.requests += 1
        return await super().send(notices)


def test_a_thousand_incidents_are_at_a_real_alertmanager_by_four_requests(
    alertmanager: RealAlertmanager,
) -> None:
    """One for each batch: nothing is sent twice, and nothing is lost."""
    names = [f"group-{number}" for number in range(MANY)]

    async def story() -> tuple[int, dict[str, int]]:
        notifier = Counted(alertmanager.url, Links(), holds_seconds=1e9, timeout_seconds=60)
        mailbox = Mailbox(notifier)
        mailbox.start()
        mailbox.put(
            notice(about=incident(name), behind=group(1203, name), oldest=record())
            for name in names
        )
        await mailbox.stop(60)
        return notifier.requests, {each.outcome: each.count for each in mailbox.sent()}

    requests, outcomes = asyncio.run(story())

    assert (requests, outcomes) == (4, {"sent": MANY})
    assert {alert["labels"]["group"] for alert in alertmanager.alerts()} == set(names)
