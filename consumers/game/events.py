"""The play: what the API publishes and the worker settles, as one versioned JSON object.

In: the body of a request, the value of a record. Out: a `Play`, or the first fault with a code and
the field it lies in. Both ends are equally strict: an unknown field, a repeated one or a value of
another type is refused, never guessed at. No I/O here, and no message ever repeats what was sent:
it may be anything, and it ends up in logs.

A record's value::

    {"v": 1, "play_id": "3f0c…", "player_id": "ada", "game": "sevens", "bet": 250,
     "seed": "9c41…", "accepted_at": 1764000000000}
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from consumers.errors import ConsumersError, Poison

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

VERSION = 1

MIN_BET = 1  # cents
MAX_BET = 100_000  # cents: 1,000.00, the most that one spin may cost
MAX_PLAYER_ID = 64  # characters
MAX_GAME = 32  # characters
MAX_PLAY_ID = 128  # characters
MAX_KEY = 128  # characters of an Idempotency-Key
SEED_BYTES = 16
MAX_VALUE = 4096  # bytes of a record's value; the largest good one has about 400

# Ids stand in URLs, logs and keys, so they are made of what needs no escaping in any of them.
# They begin with a letter or digit: "." and ".." mean something else in a path. A player id may
# also look like an address, and like an id with a prefix.
PLAY_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._~-]{{0,{MAX_PLAY_ID - 1}}}")
KEY = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._~-]{{0,{MAX_KEY - 1}}}")
PLAYER_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._~:@+-]{{0,{MAX_PLAYER_ID - 1}}}")
GAME = re.compile(rf"[a-z0-9][a-z0-9-]{{0,{MAX_GAME - 1}}}")
SEED = re.compile(rf"[0-9a-f]{{{2 * SEED_BYTES}}}")
MAX_TIME = 2**53  # ms since the epoch: beyond this a JSON number is no longer exact


class InvalidPlayError(ConsumersError):
    """What was sent is not a play. *field* is ``None`` when it is not even an object."""

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field


@dataclass(frozen=True, slots=True)
class Bet:
    """What a player asks for: *bet* cents on one spin of *game*."""

    player_id: str
    game: str
    bet: int


@dataclass(frozen=True, slots=True)
class Play:
    """A bet that was accepted.

    *play_id* names it for ever: what carries the same one is the same play. *seed* is what the
    spin is drawn from (32 hex digits, chosen by the API). *accepted_at* is in milliseconds since
    the epoch, by the API's clock.
    """

    play_id: str
    player_id: str
    game: str
    bet: int
    seed: str
    accepted_at: int


def parse_bet(body: bytes) -> Bet:
    """Read the *body* of a request; its size is bounded already. Raises `InvalidPlayError`."""
    return Bet(**_fields(_object(body), _BET))


def parse_play_id(text: str) -> str:
    """Check a play id that somebody else chose. Raises `InvalidPlayError`."""
    return _play_id(text, "play_id")


def parse_key(text: str, field: str) -> str:
    """Check the key in *field* under which a client bets once. Raises `InvalidPlayError`."""
    return _key(text, field)


def play_id_under(player_id: str, key: str) -> str:
    """Name the play that *player_id* makes under *key*: always the same, and no other player's.

    A UUID of version 8 (RFC 9562, section 5.8) from a hash, so that neither player nor key can be
    read from what stands in URLs and logs. Neither of them may hold a slash: no two pairs are one.
    """
    digest = int.from_bytes(hashlib.sha256(f"{player_id}/{key}".encode()).digest()[:16])
    versioned = digest & ~(0xF << 76) | 0x8 << 76
    return str(uuid.UUID(int=versioned & ~(0x3 << 62) | 0x2 << 62))


def encode(play: Play) -> bytes:
    """Write *play* as the value of a record, in UTF-8."""
    return json.dumps({"v": VERSION, **asdict(play)}, separators=(",", ":")).encode()


def decode(value: bytes | None) -> Play:
    """Read the *value* of a record. Raises `Poison`: what is no play now never becomes one."""
    if value is None:
        raise Poison("no play: the record has no value")
    if len(value) > MAX_VALUE:
        raise Poison(f"no play: too_large: at most {MAX_VALUE} bytes are taken")
    try:
        found = _object(value)
        # The version first: under another one the fields may rightly be others.
        _fields({"v": found.pop("v", None)}, {"v": _version})
        return Play(**_fields(found, _PLAY))
    except InvalidPlayError as error:
        raise Poison(f"no play: {error.code}: {error.message}") from error


def _object(text: bytes) -> dict[str, Any]:
    try:
        # Decoded here, because json.loads would guess UTF-16 and UTF-32 as well.
        found = json.loads(
            text.decode(), object_pairs_hook=_unrepeated, parse_constant=_refuse_constant
        )
    except InvalidPlayError:
        raise
    except (ValueError, RecursionError):
        # Not chained: the decoder's error holds the whole document.
        raise InvalidPlayError("invalid_json", "must be a JSON object in UTF-8") from None
    if not isinstance(found, dict):
        raise InvalidPlayError("invalid_json", "must be a JSON object")
    return found


def _unrepeated(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            # RFC 8259, section 4: readers differ on which one counts, so none does here.
            raise InvalidPlayError("repeated_field", "a field may be given once", _named(name))
        found[name] = value
    return found


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError  # NaN and Infinity are no JSON


def _fields(found: Mapping[str, Any], known: Mapping[str, Check]) -> dict[str, Any]:
    for name in found:
        if name not in known:
            raise InvalidPlayError("unknown_field", f"known are {', '.join(known)}", _named(name))
    for name in known:
        if name not in found:
            raise InvalidPlayError("missing_field", f"{name} is required", name)
    return {name: check(found[name], name) for name, check in known.items()}


def _named(name: str) -> str:
    """Give a name that a client chose, safe to repeat: it is short and holds nothing odd."""
    return re.sub(r"[^A-Za-z0-9_.-]", "?", name[:MAX_PLAYER_ID])


def _text(pattern: re.Pattern[str], code: str, rule: str) -> Callable[[Any, str], str]:
    def check(value: Any, name: str) -> str:
        if not isinstance(value, str):
            raise InvalidPlayError("wrong_type", f"{name} must be a string", name)
        if pattern.fullmatch(value) is None:
            raise InvalidPlayError(code, f"{name} must be {rule}", name)
        return value

    return check


def _number(low: int, high: int, code: str, unit: str) -> Callable[[Any, str], int]:
    def check(value: Any, name: str) -> int:
        # By exact type: True is an int in Python, and 250.0 is not a number of cents.
        if type(value) is not int:
            raise InvalidPlayError("wrong_type", f"{name} must be a whole number of {unit}", name)
        if not low <= value <= high:
            raise InvalidPlayError(code, f"{name} must be {low} to {high} {unit}", name)
        return value

    return check


def _version(value: Any, _: str) -> int:
    if type(value) is not int or value != VERSION:
        raise InvalidPlayError("unknown_version", f"v must be {VERSION}", "v")
    return value


Check = Callable[[Any, str], Any]

_play_id = _text(
    PLAY_ID,
    "invalid_play_id",
    f"1 to {MAX_PLAY_ID} of A-Z a-z 0-9 . _ ~ -, the first a letter or digit",
)
_key = _text(
    KEY,
    "invalid_idempotency_key",
    f"1 to {MAX_KEY} of A-Z a-z 0-9 . _ ~ -, the first a letter or digit",
)
_BET: dict[str, Check] = {
    "player_id": _text(
        PLAYER_ID,
        "invalid_player_id",
        f"1 to {MAX_PLAYER_ID} of A-Z a-z 0-9 . _ ~ : @ + -, the first a letter or digit",
    ),
    "game": _text(
        GAME, "invalid_game", f"1 to {MAX_GAME} of a-z 0-9 -, the first a letter or digit"
    ),
    "bet": _number(MIN_BET, MAX_BET, "invalid_bet", "cents"),
}
_PLAY: dict[str, Check] = {
    "play_id": _play_id,
    **_BET,
    "seed": _text(SEED, "invalid_seed", f"{2 * SEED_BYTES} lower-case hex digits"),
    "accepted_at": _number(0, MAX_TIME, "invalid_time", "ms"),
}
