"""Make what a replica holds of each cluster out of the settings: leases, and who is asked of it.

Comes in: `Settings`. Goes out: a `Tenancy` for each cluster, none where there is one lagmon.
Starts nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from lagmon.commands import wiring
from lagmon.notify.open_alerts import open_alerts
from lagmon.readings import Share
from lagmon.sharding.lease import Lease
from lagmon.sharding.takeover import Takeover
from lagmon.sharding.tenancy import Tenancy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lagmon.configuration.settings import Settings
    from lagmon.configuration.sharing import Replica
    from lagmon.model import IncidentKey


@dataclass(frozen=True, slots=True)
class Replicas:
    """What one replica holds of each cluster: *leases*, and the *tenancies* that they are of."""

    leases: Mapping[str, Lease] = field(default_factory=dict)
    tenancies: Mapping[str, Tenancy] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings, elapsed: Callable[[], float]) -> Replicas:
        """Make them; *elapsed* is the clock that the collectors have too."""
        told = {each.name: settings.replica(each) for each in settings.clusters}
        shared = {name: replica for name, replica in told.items() if replica is not None}
        leases = {name: _lease(replica, elapsed) for name, replica in shared.items()}
        tenancies = {
            name: Tenancy(leases[name], _takeover(settings, name) if replica.group else None)
            for name, replica in shared.items()
        }
        return cls(leases, tenancies)

    @property
    def covers(self) -> Callable[[IncidentKey], bool] | None:
        """What tells whether an incident is no other replica's; None where nothing is shared."""
        return self._covers if self.leases else None

    def _covers(self, key: IncidentKey) -> bool:
        lease = self.leases.get(key.cluster)
        return lease is None or lease.covers(key)


def _lease(replica: Replica, elapsed: Callable[[], float]) -> Lease:
    return Lease(elapsed, None if replica.group else Share((replica.index,), replica.of))


def _takeover(settings: Settings, cluster: str) -> Takeover | None:
    """Give who asks the Alertmanagers, if there are any."""
    receivers = [(each.url, wiring.access(each)) for each in settings.alertmanagers]
    if not receivers:
        return None
    return Takeover(cluster, partial(open_alerts, receivers), wiring.holds_seconds(settings))
