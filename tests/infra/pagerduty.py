"""Stand in for PagerDuty's Events API v2: takes what it takes, and refuses what it refuses.

The form and the limits are those of its documentation. It remembers what was triggered and resolved
by deduplication key, so that a test sees how often somebody was woken.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped]

from tests.infra.endpoint import Endpoint, Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

LARGEST = 512_000  # bytes
ROUTING_KEY = "0123456789abcdef0123456789abcdef"
TEXT = {"type": "string", "minLength": 1}
LINK = {
    "type": "object",
    "properties": {"href": {"type": "string", "pattern": "^https?://"}, "text": TEXT},
    "required": ["href"],
    "additionalProperties": False,
}
PAYLOAD = {
    "type": "object",
    "properties": {
        "summary": {"type": "string", "minLength": 1, "maxLength": 1024},
        "source": TEXT,
        "severity": {"enum": ["critical", "error", "warning", "info"]},
        "timestamp": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"},
        "component": TEXT,
        "group": TEXT,
        "class": TEXT,
        "custom_details": {"type": "object"},
    },
    "required": ["summary", "source", "severity"],
    "additionalProperties": False,
}
NAMED = {
    "routing_key": {"type": "string", "minLength": 32, "maxLength": 32},
    "dedup_key": {"type": "string", "minLength": 1, "maxLength": 255},
}
SCHEMA = {
    "oneOf": [
        {
            "properties": {
                **NAMED,
                "event_action": {"const": "trigger"},
                "payload": PAYLOAD,
                "client": TEXT,
                "client_url": TEXT,
                "links": {"type": "array", "items": LINK},
            },
            "required": ["routing_key", "event_action", "payload"],
            "additionalProperties": False,
        },
        {
            "properties": {**NAMED, "event_action": {"enum": ["acknowledge", "resolve"]}},
            "required": ["routing_key", "event_action", "dedup_key"],
            "additionalProperties": False,
        },
    ]
}


class PagerDuty:
    """Serve the API at `url`; a context manager. *before* is called with each event first.

    `answer` can be set to what is answered to everything instead.
    """

    def __init__(self, before: Callable[[dict[str, Any]], object] = lambda _: None) -> None:
        self._before = before
        self._lock = threading.Lock()
        self._events: list[dict[str, Any]] = []
        self._server = Endpoint(self._take)
        self.answer: Response | None = None
        self.url = ""

    def __enter__(self) -> Self:
        self._server.start()
        self.url = f"{self._server.address}/v2/enqueue"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def events(self) -> list[dict[str, Any]]:
        """List what was taken, oldest first."""
        with self._lock:
            return list(self._events)

    def actions(self) -> list[str]:
        """List what was asked for, oldest first."""
        return [event["event_action"] for event in self.events()]

    def open(self) -> set[str]:
        """Give the keys of what was triggered and not resolved."""
        keys: set[str] = set()
        for event in self.events():
            change = keys.add if event["event_action"] == "trigger" else keys.discard
            change(event["dedup_key"])
        return keys

    def _take(self, request: Request) -> Response:
        if self.answer is not None:
            return self.answer
        if len(request.body) > LARGEST:
            return _refused("the event is too large")
        try:
            event = json.loads(request.body)
            jsonschema.validate(event, SCHEMA)
        except (ValueError, jsonschema.ValidationError) as error:
            return _refused(str(error))
        self._before(event)
        with self._lock:
            self._events.append(event)
        return Response(202, json.dumps({"status": "success"}).encode())


def _refused(why: str) -> Response:
    return Response(400, json.dumps({"status": "invalid event", "errors": [why]}).encode())
