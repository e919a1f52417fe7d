"""Every error that the API answers with: code, class, status, and what to do about it. Pure.

One list for code, reference page and tests: an answer can only be made from an `Entry`, so a code
that is not listed cannot be sent. The messages say what is wrong in words of the request; what
failed behind the API stays in its log, under the trace id of the answer.

A code is for programs and never changes its meaning. The class says whose move it is:

- retryable: the same request may succeed later, and nothing has to be done for that;
- non-retryable: it never will, the client has to send another one;
- critical: it will when we have mended something, and readiness or an alert tells us so.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """Whose move it is."""

    RETRYABLE = "retryable"
    NON_RETRYABLE = "non-retryable"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Entry:
    """One error. *client* and *ours* are the reactions, a sentence each, for the reference page.

    *message* is what a human reads unless the place that refuses knows better.
    *retry_after_seconds* is how long a client should wait before it sends the same request again.
    """

    code: str
    kind: Kind
    status: int
    message: str
    client: str
    ours: str
    retry_after_seconds: int = 1

    @property
    def retryable(self) -> bool:
        """Say whether the same request, sent again, may succeed."""
        return self.kind is not Kind.NON_RETRYABLE


MEND = "send what the message asks for"
COUNT = "counted as `invalid`"
SAME_KEY = "send it again under the same `Idempotency-Key`"


def _invalid(code: str, message: str, client: str = MEND) -> Entry:
    return Entry(code, Kind.NON_RETRYABLE, 400, message, client, COUNT)


INVALID_JSON = _invalid("invalid_json", "the body must be a JSON object in UTF-8")
UNKNOWN_FIELD = _invalid("unknown_field", "a field is unknown")
MISSING_FIELD = _invalid("missing_field", "a field is missing")
REPEATED_FIELD = _invalid("repeated_field", "a field may be given once")
WRONG_TYPE = _invalid("wrong_type", "a field has the wrong type")
INVALID_PLAYER_ID = _invalid("invalid_player_id", "player_id is not valid")
INVALID_GAME = _invalid("invalid_game", "game is not valid")
INVALID_BET = _invalid("invalid_bet", "bet is not valid", "show the bounds to the player")
INVALID_KEY = _invalid("invalid_idempotency_key", "Idempotency-Key is not valid", "send a UUID")
REFUSED = Entry(
    "refused",
    Kind.NON_RETRYABLE,
    400,
    "the request was refused",
    "change the request",
    "nothing",
)
NOT_FOUND = Entry(
    "not_found", Kind.NON_RETRYABLE, 404, "there is no such path", "mend the path", "nothing"
)
PLAY_NOT_FOUND = Entry(
    "play_not_found",
    Kind.NON_RETRYABLE,
    404,
    "no such play is settled; one that was accepted may still be queued",
    "after a 202 ask again later; otherwise forget the id",
    "nothing",
)
METHOD_NOT_ALLOWED = Entry(
    "method_not_allowed",
    Kind.NON_RETRYABLE,
    405,
    "the path does not take this method",
    "use a method of the header `allow`",
    "nothing",
)
BODY_TIMEOUT = Entry(
    "body_timeout",
    Kind.RETRYABLE,
    408,
    "the body did not arrive in time",
    "send the whole body at once",
    COUNT,
)
BODY_TOO_LARGE = Entry(
    "body_too_large",
    Kind.NON_RETRYABLE,
    413,
    "the body is too large",
    "send the fields of a play alone",
    f"{COUNT}; the rest of the body is not read",
)
UNSUPPORTED_MEDIA_TYPE = Entry(
    "unsupported_media_type",
    Kind.NON_RETRYABLE,
    415,
    "send application/json, not compressed",
    "send `content-type: application/json`",
    COUNT,
)
RATE_LIMITED = Entry(
    "rate_limited",
    Kind.RETRYABLE,
    429,
    "this player plays too fast",
    "wait as long as `retry_after` says",
    "counted as `limited`; nothing was published",
)
INTERNAL = Entry(
    "internal",
    Kind.RETRYABLE,
    500,
    "the service failed; its log has the reason under this trace id",
    f"{SAME_KEY}, once; then report the trace id",
    "a defect: `request_failed` in the log has the exception",
)
KAFKA_UNAVAILABLE = Entry(
    "kafka_unavailable",
    Kind.CRITICAL,
    503,
    "the play was not acknowledged in time and may still be settled;"
    " send it again under the Idempotency-Key of the details",
    f"{SAME_KEY}, with backoff",
    "`play_not_accepted` in the log has the reason; `/readyz` fails while the broker is away",
)
DATABASE_UNAVAILABLE = Entry(
    "database_unavailable",
    Kind.CRITICAL,
    503,
    "plays cannot be read now",
    "ask again, with backoff",
    "`play_not_read` in the log has the reason; `/readyz` fails while the database is away;"
    " plays are accepted all the same",
)
TIMED_OUT = Entry(
    "timed_out",
    Kind.RETRYABLE,
    503,
    "the request took too long; a play may still be settled",
    SAME_KEY,
    "`request_refused` in the log; find out what was slow by the trace",
)
OVERLOADED = Entry(
    "overloaded",
    Kind.RETRYABLE,
    503,
    "too many requests are in work",
    "send it again, with backoff",
    "add replicas when it lasts; nothing was published",
)

CATALOGUE: tuple[Entry, ...] = (
    INVALID_JSON,
    UNKNOWN_FIELD,
    MISSING_FIELD,
    REPEATED_FIELD,
    WRONG_TYPE,
    INVALID_PLAYER_ID,
    INVALID_GAME,
    INVALID_BET,
    INVALID_KEY,
    REFUSED,
    NOT_FOUND,
    PLAY_NOT_FOUND,
    METHOD_NOT_ALLOWED,
    BODY_TIMEOUT,
    BODY_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    RATE_LIMITED,
    INTERNAL,
    KAFKA_UNAVAILABLE,
    DATABASE_UNAVAILABLE,
    TIMED_OUT,
    OVERLOADED,
)
BY_CODE = {entry.code: entry for entry in CATALOGUE}
