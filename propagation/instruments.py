"""The OpenTelemetry metrics of messaging: six instruments, and nothing while nobody listens.

`current` gives the instruments once the application has set a meter provider, and None before:
then nothing is measured. Names, units and buckets are those of the semantic conventions where they
have one (1.44.0, messaging metrics); queue time and end-to-end time are this package's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics

from propagation import conventions as names

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter

BUCKETS_SECONDS: Final = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip
# A queue may stand for days where an operation ends in seconds.
WAIT_BUCKETS_SECONDS: Final = (*BUCKETS_SECONDS, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0)


class Instruments:
    """What *meter* measures with. Attributes of a measurement come from `Plan.measured`."""

    __slots__ = (
        "consumed_messages", "end_to_end", "operation_duration", "process_duration",
        "queue_time", "sent_messages",
    )  # fmt: skip

    def __init__(self, meter: Meter) -> None:
        self.operation_duration = meter.create_histogram(
            names.OPERATION_DURATION,
            "s",
            "Time that sending, receiving or settling took.",
            explicit_bucket_boundaries_advisory=BUCKETS_SECONDS,
        )
        self.sent_messages = meter.create_counter(
            names.SENT_MESSAGES, "{message}", "Messages that were sent to the broker."
        )
        self.consumed_messages = meter.create_counter(
            names.CONSUMED_MESSAGES, "{message}", "Messages that were given to the application."
        )
        self.process_duration = meter.create_histogram(
            names.PROCESS_DURATION,
            "s",
            "Time that processing took.",
            explicit_bucket_boundaries_advisory=BUCKETS_SECONDS,
        )
        self.queue_time = meter.create_histogram(
            names.QUEUE_TIME,
            "s",
            "Time from the record's timestamp to the beginning of its processing.",
            explicit_bucket_boundaries_advisory=WAIT_BUCKETS_SECONDS,
        )
        self.end_to_end = meter.create_histogram(
            names.END_TO_END,
            "s",
            "Time from the first send to the end of processing.",
            explicit_bucket_boundaries_advisory=WAIT_BUCKETS_SECONDS,
        )


def current() -> Instruments | None:
    """Give the instruments of the application's meter provider; None while it has set none."""
    if _heard is not None:
        return _heard
    # The API's stand-in for an instrument does not tell whether it is heard; it holds the real
    # one, or None. Asking for the provider instead would read the environment per message.
    if _stand_in is not None and _stand_in._real_instrument is None:  # noqa: SLF001
        return None
    return _found()


def _found() -> Instruments | None:
    global _heard, _made, _stand_in  # noqa: PLW0603  # made once; twice does no harm
    if _made is None:
        _made = Instruments(metrics.get_meter("propagation", schema_url=names.SCHEMA_URL))
    probe: Any = _made.sent_messages
    if getattr(probe, "_real_instrument", probe) is None:
        _stand_in = probe
    else:
        _heard = _made  # for good: OpenTelemetry allows no second provider
    return _heard


_made: Instruments | None = None
_heard: Instruments | None = None
_stand_in: Any = None
