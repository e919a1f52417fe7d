"""Judge for a replica that has a share of a cluster only. Pure.

In: a snapshot with its share, and what may be judged. Out: whether it is this replica's to judge.
What is another's is dropped without a word: whoever has it now tells how it ends. What comes from
another one is handed in by `with_taken_over`.

The rule on the list of groups is the owner's of partition 0, as long as there is a list. Who gets
none cannot know whose it is: it is everybody's then, and at Alertmanager one page.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lagmon.sharding.ownership import owns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lagmon.alerts.incidents import State
    from lagmon.model import Incident, IncidentKey
    from lagmon.readings import Snapshot


def is_silent(snapshot: Snapshot) -> bool:
    """Tell whether nothing of *snapshot* is this replica's to judge."""
    return snapshot.error is None and snapshot.owned is not None and not snapshot.owned.owned


def speaks_of(snapshot: Snapshot, key: IncidentKey) -> bool:
    """Tell whether this replica judges what *key* is about."""
    if key.group is None and snapshot.error is not None:
        return True
    return owns(snapshot.owned, key.group)


def with_taken_over(state: State, incidents: Iterable[Incident]) -> State:
    """Give *state* with *incidents* that another replica opened; what is known of one stands."""
    known = {one.key for one in (*state.opened, *state.resolved)}
    taken = {one.key: one for one in incidents if one.key not in known}
    if not taken:
        return state
    return replace(
        state,
        pending=tuple(one for one in state.pending if one.key not in taken),
        opened=(*state.opened, *taken.values()),
    )
