"""The shape of a web configuration file, as Prometheus's exporter-toolkit has it.

In: what the YAML held. Out: frozen values with defaults, file names made relative to the file's
folder. What lagmon cannot do as it is written there is refused with the reason: a key that were
read and had no effect would look like protection. No I/O here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from lagmon.configuration.parts import Part

if TYPE_CHECKING:
    from typing import Self

# The modular crypt format: version, cost, 22 characters of salt, of which the last has two bits
# alone (bcrypt refuses others when a password comes), and 31 of hash.
BCRYPT = re.compile(
    r"\$2[aby]\$(?P<cost>\d{2})\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}", re.ASCII
)
COSTS = range(4, 16)  # one more doubles the time: 15 is more than two seconds for one password
VERIFYING = ("VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
NOT_VERIFYING = ("RequestClientCert", "RequireAnyClientCert")
# What exporter-toolkit lets a file say of each header; None: any text.
HEADERS: dict[str, tuple[str, ...] | None] = {
    "Content-Security-Policy": None,
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-Content-Type-Options": ("nosniff",),
    "X-XSS-Protection": None,
    "Strict-Transport-Security": None,
}


def _hash(value: object) -> object:
    match = BCRYPT.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise ValueError("is no bcrypt hash; make one with `htpasswd -nBC 10 NAME`")
    if int(match["cost"]) not in COSTS:
        raise ValueError(f"has a cost that is not from {COSTS[0]} to {COSTS[-1]}; 10 is usual")
    return value


def _client_auth(value: object) -> object:
    if value in NOT_VERIFYING:
        raise ValueError(
            f"must not be {value}, which believes any certificate; "
            f"there are NoClientCert, {', '.join(VERIFYING)}"
        )
    return value or "NoClientCert"


def _version(value: object) -> object:
    if value in {"TLS10", "TLS11"}:
        raise ValueError(f"must not be {value}, which RFC 8996 ended; there are TLS12 and TLS13")
    return value


def _no_limit(value: object) -> object:
    if value is not None:
        raise ValueError("is not offered; an answer costs little, as pages are made once a cycle")
    return None


def _file(path: Path | None) -> Path | None:
    if path is not None and not str(path).isprintable():
        raise ValueError("is no name of a file")
    return path


File = Annotated[Path | None, AfterValidator(_file)]
Hash = Annotated[str, BeforeValidator(_hash)]
Version = Annotated[Literal["TLS12", "TLS13"], BeforeValidator(_version)]


class TlsServer(Part):
    """How pages travel, and whose certificate is asked for."""

    cert: str | None = None
    key: str | None = Field(default=None, repr=False)
    client_ca: str | None = None
    cert_file: File = None
    key_file: File = None
    client_ca_file: File = None
    client_auth_type: Annotated[
        Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"],
        BeforeValidator(_client_auth),
    ] = "NoClientCert"
    client_allowed_sans: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    min_version: Version = "TLS12"
    max_version: Version = "TLS13"
    cipher_suites: tuple[str, ...] = ()
    prefer_server_cipher_suites: bool = True
    curve_preferences: tuple[str, ...] = ()

    @field_validator("cert", "key", "client_ca", mode="before")
    @classmethod
    def _is_in_a_file(cls, value: object) -> object:
        if value:
            raise ValueError("is not read from here; put it into a file and name that")
        return None

    @field_validator("curve_preferences")
    @classmethod
    def _is_left_to_openssl(cls, curves: tuple[str, ...]) -> tuple[str, ...]:
        if curves:
            raise ValueError("cannot be chosen here; OpenSSL's own order holds")
        return curves

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.cert_file is None or self.key_file is None:
            raise ValueError("needs cert_file and key_file")
        if self.min_version > self.max_version:
            raise ValueError("min_version is above max_version")
        if (self.client_ca_file is None) is (self.client_auth_type in VERIFYING):
            raise ValueError(f"client_ca_file goes with client_auth_type {' or '.join(VERIFYING)}")
        if self.client_allowed_sans and self.client_auth_type != VERIFYING[-1]:
            raise ValueError(f"client_allowed_sans needs client_auth_type {VERIFYING[-1]}")
        return self


class HttpServer(Part):
    """What is said with each answer. HTTP/2 is never offered; HTTP/1.1 is always allowed."""

    http2: bool = True
    headers: dict[str, str] = Field(default={})

    @field_validator("headers")
    @classmethod
    def _are_known(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if name not in HEADERS:
                raise ValueError(f"cannot hold {name!r}; there are {', '.join(HEADERS)}")
            choice = HEADERS[name]
            if value and choice and value not in choice:
                raise ValueError(f"has a {name} that is not {' or '.join(choice)}")
            if not (value.isascii() and value.isprintable()):
                raise ValueError(f"has a {name} that is not one line of visible ASCII")
        return {name: value for name, value in headers.items() if value}


class Document(Part):
    """The whole file. Without users nobody is asked for a password."""

    tls_server_config: TlsServer | None = None
    http_server_config: HttpServer = HttpServer()
    basic_auth_users: dict[str, Hash] = Field(default={}, repr=False)
    rate_limit: Annotated[None, BeforeValidator(_no_limit)] = None

    @field_validator("basic_auth_users")
    @classmethod
    def _can_be_sent(cls, users: dict[str, str]) -> dict[str, str]:
        if any(not name or ":" in name for name in users):
            raise ValueError("a name is empty or has a colon, which ends it (RFC 7617)")
        if not all(map(str.isprintable, users)):
            raise ValueError("a name has a character that cannot be printed")
        return users
