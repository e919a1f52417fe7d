"""Tell the outside about incidents: where, in what form, and without ever holding up the loop."""

from lagmon.notify.alertmanager import Alertmanager, holding_seconds
from lagmon.notify.log import Log
from lagmon.notify.mailbox import Mailbox, Notifier, Outcome

__all__ = ["Alertmanager", "Log", "Mailbox", "Notifier", "Outcome", "holding_seconds"]
