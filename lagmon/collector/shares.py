"""Know which groups of the cluster are this replica's: all, those told by hand, or a member's.

Comes in: what the settings say. Goes out: a `Share` for the beginning of a cycle, and one that
holds for certain at its end; None where there is one lagmon. A cycle asks in this order: `begin`,
`take_part` now and then, `confirmed`; and `leave` at the end of all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lagmon.collector.member import Member
from lagmon.readings import Share

if TYPE_CHECKING:
    from lagmon.collector.calls import Deadline
    from lagmon.collector.client import Client
    from lagmon.configuration.settings import CollectorSettings


class Sharing(Protocol):
    """What a cycle wants to know of other replicas."""

    group: str

    def begin(self, partitions: int) -> Share | None:
        """Give the share to read, where the commits of groups are in so many *partitions*."""

    def take_part(self) -> None:
        """Be seen to go on."""

    def confirmed(self, until: Deadline) -> Share | None:
        """Give what of the share that was begun with is this replica's for certain."""

    def leave(self) -> None:
        """Let others have it."""


class Fixed:
    """The same *share* for ever; None is everything."""

    group = ""

    def __init__(self, share: Share | None = None) -> None:
        self._share = share

    def begin(self, _: int) -> Share | None:
        """Give it."""
        return self._share

    def take_part(self) -> None:
        """Nobody looks."""

    def confirmed(self, _: Deadline) -> Share | None:
        """Give it: nobody else takes it."""
        return self._share

    def leave(self) -> None:
        """Nobody takes over."""


def sharing(settings: CollectorSettings, client: Client) -> Sharing:
    """Give what *settings* make of this replica, whose *client* asks the cluster."""
    replica = settings.replica
    if replica is None:
        return Fixed()
    if not replica.group:
        # Groups are dealt out by the same number as to members, so that no right is needed to
        # learn how many partitions there are, and replicas cannot differ in it.
        return Fixed(Share((replica.index,), replica.of))
    return Member(replica, client)
