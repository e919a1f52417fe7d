"""Tell the outside about incidents: where, in what form, and without ever holding up the loop."""

from lagmon.notify.access import Access
from lagmon.notify.alertmanager import Alertmanager, holding_seconds
from lagmon.notify.log import Log
from lagmon.notify.mailbox import Mailbox, Notifier, Outcome
from lagmon.notify.webhook import Webhook

__all__ = [
    "Access",
    "Alertmanager",
    "Log",
    "Mailbox",
    "Notifier",
    "Outcome",
    "Webhook",
    "holding_seconds",
]
