"""Tell the outside about incidents: where, in what form, and without ever holding up the loop."""

from lagmon.notify.access import Access
from lagmon.notify.alertmanager import Alertmanager, holding_seconds
from lagmon.notify.fallback import Fallback, Policy
from lagmon.notify.log import Log
from lagmon.notify.mailbox import Box, Mailbox, Notifier, Outcome
from lagmon.notify.pagerduty import PagerDuty
from lagmon.notify.standby import Standby
from lagmon.notify.webhook import Webhook

__all__ = [
    "Access",
    "Alertmanager",
    "Box",
    "Fallback",
    "Log",
    "Mailbox",
    "Notifier",
    "Outcome",
    "PagerDuty",
    "Policy",
    "Standby",
    "Webhook",
    "holding_seconds",
]
