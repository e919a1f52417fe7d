"""Take secrets and personal data out of what is logged or reported.

In: fields, texts, or nested containers of them. Out: the same with `[masked]` in the place of what
must not be read. Two ways: a value is masked whole where its *key* names a secret, and in any text
the *patterns* mask what looks like one (a password in a URL, a bearer token, an e-mail address, a
card number that passes Luhn's check). It errs to the safe side. No I/O here; nothing raises.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from propagation.integrations.lines import text

MASK: Final = "[masked]"

KEYS: Final = (
    "password", "passwords", "passwd", "pwd", "passphrase",
    "secret", "secrets", "token", "authorization", "cookie", "cookies",
    "api key", "private key", "access key", "credential", "credentials",
    "otp", "jwt", "card number", "cvv", "cvc", "iban",
    "email", "emails", "e mail", "phone", "phones", "phone number", "mobile number",
    "ssn", "social security number", "tax id", "national id", "passport",
    "date of birth", "birth date", "birthday", "dob",
)  # fmt: skip
"""Names of what is masked whole, in lower case, words apart. They hold for `user_password`,
`X-Api-Key` and `apiKey` alike."""

DEPTH: Final = 8
"""Deeper containers are masked as one text."""

_DIGEST_CHARACTERS: Final = 12
_MAX_KEYS: Final = 4096  # names remembered; made-up ones must not fill the memory
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_A-Za-z]+")

Replacing = Callable[[str], str]
"""What stands in for a text that is masked."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A way to find secrets in a text.

    *expression* matches them; its group ``secret`` is what is masked, the whole match where there
    is none. *signs* are the texts without which it cannot match (any of them is enough); none
    means that it has to be tried. *check* may refuse a match.
    """

    expression: re.Pattern[str]
    signs: tuple[str, ...] = ()
    check: Callable[[str], bool] | None = None

    def masked(self, text: str, replace: Replacing) -> str:
        """Give *text* with each secret in it replaced."""
        if self.signs and not any(sign in text for sign in self.signs):
            return text
        return self.expression.sub(lambda match: self._replaced(match, replace), text)

    def _replaced(self, match: re.Match[str], replace: Replacing) -> str:
        group = "secret" if "secret" in self.expression.groupindex else 0
        secret, whole = match[group], match[0]
        if not secret or (self.check is not None and not self.check(secret)):
            return whole
        if secret.startswith("[masked"):  # by an earlier pattern
            return whole
        begin, end = match.start(group) - match.start(), match.end(group) - match.start()
        return f"{whole[:begin]}{replace(secret)}{whole[end:]}"


def luhn(text: str) -> bool:
    """Tell whether the digits of *text* pass Luhn's check (ISO/IEC 7812-1, annex B)."""
    digits = [int(character) for character in text if character.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


_NAMES: Final = (
    r"pass(?:word|wd|phrase)|pwd|secret|token|api[ _-]?key|access[ _-]?key|private[ _-]?key"
    r"|credentials?"
)
PATTERNS: Final = (
    # A private key, to its end if that was not cut off.
    Pattern(
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?P<secret>[\s\S]+?)(?:-----END|\Z)"),
        ("PRIVATE KEY",),
    ),
    # Credentials in a URL: all before the last @ of its authority.
    Pattern(re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]{0,40}://(?P<secret>[^\s/?#\"']+)@"), ("://",)),
    # Headers, whole: their values have spaces.
    Pattern(
        re.compile(
            r"\b(?:proxy-)?authorization[\"']?\s*[=:]\s*[\"']?(?P<secret>(?:[a-z]+ +)?[^\s\"',;]+)",
            re.IGNORECASE,
        ),
        ("=", ":"),
    ),
    Pattern(
        re.compile(
            r"\b(?:set-)?cookie[\"']?\s*[=:]\s*[\"']?(?P<secret>[^\r\n\"']+)", re.IGNORECASE
        ),
        ("=", ":"),
    ),
    # password=x, "token": "two words", api_key: x; also inside JSON that is itself in a text.
    Pattern(
        re.compile(
            rf"(?:{_NAMES})\\?[\"']?\s*[=:]\s*(?P<quote>\\?[\"'])?"
            r"(?P<secret>(?(quote)(?:(?!(?P=quote)).)+|[^\s,;&\"'})\]\\]+))",
            re.IGNORECASE,
        ),
        ("=", ":"),
    ),
    Pattern(
        re.compile(r"\bbearer +(?P<secret>(?=[^\s\"']*[0-9._-])[\w.~+/=-]{8,})", re.IGNORECASE),
        ("earer ", "EARER "),
    ),
    # A JSON Web Token: its header is an object, {" in base64url.
    Pattern(re.compile(r"\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]*"), ("eyJ",)),
    # Keys that tell by their beginning whose they are: of AWS, GitHub, GitLab, Slack.
    Pattern(
        re.compile(
            r"\b(?:A[KS]IA[0-9A-Z]{16}|gh[oprsu]_\w{20,}|glpat-[\w-]{20,}|xox[abeprs]-[\w-]{10,})"
        ),
        ("KIA", "SIA", "gh", "glpat-", "xox"),
    ),
    # An address; an apostrophe belongs to it inside a name (o'brien), and is a quote before it.
    Pattern(
        re.compile(r"(?<![\w.%+-])[\w.%+-]++(?:'[\w.%+-]++){0,2}+@(?:[\w-]++\.)+[^\W\d_]{2,}"),
        ("@",),
    ),
    # 13 to 19 digits, together or in the groups of a card; no part of a longer word or number.
    Pattern(
        re.compile(
            r"(?<![\w.-])(?:[2-6][0-9]{12,18}"
            r"|[2-6][0-9]{3}(?P<gap>[ -])[0-9]{4}(?P=gap)[0-9]{4}(?P=gap)[0-9]{1,7}"
            r"|3[0-9]{3}(?P<space>[ -])[0-9]{6}(?P=space)[0-9]{4,5})(?![\w]|[.-][0-9])"
        ),
        check=luhn,
    ),
)
"""What is masked in any text, in this order."""

# Holds wherever one of PATTERNS can match; one pass that begins at a few characters is far cheaper
# than they are.
_suspicious: Final = re.compile(
    r"[=:@bBVJA_2-6-](?:(?<=[=:@])|(?<=[bB])(?:earer|EARER) |(?<=PRIV)|(?<=eyJ)"
    r"|(?<=A[KS]IA)|(?<=gh[oprsu]_)|(?<=glpat-)|(?<=xox[abeprs]-)"
    r"|(?<=[2-6])[0-9]{3}(?:[0-9]{9}|[ -][0-9]{4,6}[ -][0-9]))"
).search
_PLAIN: Final = frozenset({bool, float, type(None)})
_CONTAINERS: Final = (Mapping, list, tuple, set, frozenset)
_PAIR: Final = 2
_LOWEST_CARD: Final = 2 * 10**12
_CARD_NUMBERS: Final = range(_LOWEST_CARD, 7 * 10**18)


@dataclass(frozen=True, slots=True)
class Masks:
    """What is masked, and by what.

    *keys* are names as in `KEYS`; *patterns* are tried on every text. With a *hash_key* a secret
    becomes `[masked:` and the beginning of its HMAC-SHA256 under that key: equal secrets can be
    told to be equal, and nobody without the key can try guesses. `Masks(keys=(*KEYS, "nickname"))`
    adds a name, `Masks(patterns=(*PATTERNS, Pattern(...)))` a pattern.
    """

    keys: tuple[str, ...] = KEYS
    patterns: tuple[Pattern, ...] = PATTERNS
    hash_key: bytes = b""
    _known: dict[str, bool] = field(default_factory=dict, init=False, repr=False, compare=False)

    def field(self, key: str, value: Any, depth: int = DEPTH) -> Any:
        """Give *value* as it may be read under *key*. Never raises, and never changes *value*."""
        secret = self._known.get(key)
        if secret is None:
            secret = self._learn(key)
        if not secret:
            # The usual field, without another call.
            kind = type(value)
            if kind is str:
                if self.patterns is PATTERNS and _suspicious(value) is None:
                    return value
                return self.text(value)
            if kind is int and value < _LOWEST_CARD:
                return value
            return self.value(value, depth)
        if value is None or isinstance(value, bool) or (type(value) is str and not value):
            return value
        return self._replacement(text(value))

    def value(self, value: Any, depth: int = DEPTH) -> Any:
        """Give *value* with the secrets in its texts masked; what JSON lacks comes as text.

        Containers below *depth* come as text too: one that contains itself has no end.
        """
        kind = type(value)
        if kind is str:
            return self.text(value)
        if kind in _PLAIN or (kind is int and value not in _CARD_NUMBERS):
            return value
        if isinstance(value, _CONTAINERS):
            try:
                return self._contents(value, depth) if depth else self.text(text(value))
            except Exception:  # noqa: BLE001 - somebody else's container
                return self.text(text(value))
        masked = self.text(words := text(value))
        # A number that is no secret stays a number, whatever its type.
        return value if isinstance(value, int | float) and masked == words else masked

    def _contents(self, value: Any, depth: int) -> Any:
        if isinstance(value, Mapping):
            return {(k := text(key)): self.field(k, v, depth - 1) for key, v in value.items()}
        if isinstance(value, tuple | list) and len(value) == _PAIR:
            key, second = value
            if isinstance(key, str | bytes):
                # Headers come as pairs, of a message as of a request.
                return [self.text(k := text(key)), self.field(k, second, depth - 1)]
        return [self.value(item, depth - 1) for item in value]

    def text(self, words: str) -> str:
        """Give *words* with the secrets in it masked."""
        if self.patterns is PATTERNS and _suspicious(words) is None:
            return words
        for pattern in self.patterns:
            words = pattern.masked(words, self._replacement)
        return words

    def _learn(self, key: str) -> bool:
        if len(self._known) >= _MAX_KEYS:
            self._known.clear()
        secret = self._known[key] = _names_a_secret(key, self.keys)
        return secret

    def _replacement(self, secret: str) -> str:
        if not self.hash_key:
            return MASK
        raw = secret.encode(errors="replace")
        digest = hmac.new(self.hash_key, raw, hashlib.sha256).hexdigest()
        return f"[masked:{digest[:_DIGEST_CHARACTERS]}]"


def _names_a_secret(key: str, names: Iterable[str]) -> bool:
    """Tell whether the words of *key* have a name among them, or end with one written together."""
    words = [word.lower() for word in _WORDS.findall(key)]
    spaced, joined = f" {' '.join(words)} ", "".join(words)
    return any(f" {name} " in spaced or joined.endswith(name.replace(" ", "")) for name in names)
