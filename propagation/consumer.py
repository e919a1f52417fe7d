"""Consumer: confluent-kafka's, which knows its group and options for the spans of its messages.

``poll`` and ``consume`` are the real methods and give the untouched messages: nothing is started
or made current by receiving. The trace belongs to `propagation.processing`.
"""

from __future__ import annotations

from typing import Any

import confluent_kafka

from propagation.options import DEFAULT, Options
from propagation.spans import ProcessSpans


class Consumer(confluent_kafka.Consumer):
    """Consume messages; a drop-in for `confluent_kafka.Consumer`.

    Takes what the real class takes, and *options*. Hand it to ``processing(message, consumer=…)``
    so that the span names the group and the client.
    """

    def __init__(
        self,
        config: dict[str, Any] | None = None,
        /,
        *,
        options: Options | None = None,
        **more: Any,
    ) -> None:
        if config is None and not more:
            super().__init__()  # raises: empty keyword arguments would count as a configuration
        elif config is None:
            super().__init__(**more)
        else:
            super().__init__(config, **more)
        settings = {**(config or {}), **more}
        self.process_spans = ProcessSpans(
            group=str(settings.get("group.id", "")),
            client_id=str(settings.get("client.id", "")),
            options=options or DEFAULT,
        )
