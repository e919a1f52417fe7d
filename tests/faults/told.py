"""What a service has logged so far, each line read once however often it is asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.faults.patience import PATIENCE_SECONDS, awaited

if TYPE_CHECKING:
    from tests.infra.process import Service


class Told:
    """The log of *service* from its start, or from `here` on."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._read = 0
        self._events: list[dict[str, Any]] = []

    def events(self, event: str, **fields: object) -> list[dict[str, Any]]:
        """List the lines whose *event* and *fields* are these."""
        lines = self._service.lines()
        self._events += [json.loads(line) for line in lines[self._read :] if line[:1] == "{"]
        self._read = len(lines)
        wanted = {"event": event, **fields}
        return [line for line in self._events if line.items() >= wanted.items()]

    def here(self) -> Told:
        """Forget what was said until now."""
        self._read, self._events = len(self._service.lines()), []
        return self

    def polled(self) -> bool:
        """Say whether it has never let its poll interval pass, as the client would have told."""
        return not self.events("kafka_error", error_name="_MAX_POLL_EXCEEDED")

    def wait(
        self, event: str, timeout: float = PATIENCE_SECONDS, **fields: object
    ) -> dict[str, Any]:
        """Wait until it says *event*, and give the line."""
        found = awaited(
            lambda: self.events(event, **fields),
            timeout=timeout,
            what=f"{event} {fields} of {self._service.name}",
        )
        return found[0]
