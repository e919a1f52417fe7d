"""The methods that `propagation.instrument` gives to confluent-kafka's share consumers (KIP-932).

There is no class of this package to import for them: what they poll works with ``processing``.
These let a share consumer lend its names and options to those spans, and its callbacks run where
no trace is current.
"""

from __future__ import annotations

from typing import Any

from propagation.callbacks import outside, outside_all
from propagation.consumer import spans_of


class ShareConsumerMethods:
    """Stand before the client's class. They have no layout of their own (no instance dict)."""

    __slots__ = ()

    def __init__(self, config: Any = None, /, **more: Any) -> None:
        if config is None and not more:
            super().__init__()  # raises: empty keyword arguments would count as a configuration
        elif not isinstance(config, dict | None):
            super().__init__(config, **more)  # type: ignore[call-arg]  # raises
        settings = {**(config or {}), **more}
        super().__init__(outside_all(settings))  # type: ignore[call-arg]  # the client's
        self.process_spans = spans_of(settings, None)  # type: ignore[misc]  # in the heir's dict

    def set_acknowledgement_commit_callback(self, callback: Any) -> None:
        """Set what is told of acknowledgements; as the real method."""
        told = outside(callback) if callable(callback) else callback  # the real method refuses it
        super().set_acknowledgement_commit_callback(told)  # type: ignore[misc]  # the client's
