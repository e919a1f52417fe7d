"""Who is told, as the configuration has it: where they are, and what they want to see of us.

In: what the file says of each receiver. Out: frozen values, every file in them readable when the
configuration is. What a file holds is not kept: lagmon reads it again for each sending.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, model_validator

from lagmon.alerts.rules import Priority
from lagmon.configuration import addresses
from lagmon.configuration.parts import Duration, Link, Part

if TYPE_CHECKING:
    from typing import Self

PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"


def _readable(path: Path) -> Path:
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None


ReadableFile = Annotated[Path, AfterValidator(_readable)]


class Tls(Part):
    """Whom we believe, and who we are: certificates as PEM."""

    ca_file: ReadableFile | None = None
    cert_file: ReadableFile | None = None
    key_file: ReadableFile | None = None

    @model_validator(mode="after")
    def _is_a_pair(self) -> Self:
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("key_file needs its cert_file")
        return self


class Receiver(Part):
    """Somebody who is told over HTTP. The *url* may hold credentials."""

    url: Annotated[str, AfterValidator(addresses.endpoint), Field(repr=False)]
    username: Annotated[str, Field(min_length=1)] | None = None
    password_file: ReadableFile | None = None
    bearer_token_file: ReadableFile | None = None
    tls: Tls = Tls()

    @model_validator(mode="after")
    def _is_one_way(self) -> Self:
        if (self.username is None) is not (self.password_file is None):
            raise ValueError("username and password_file go together")
        in_url = "@" in self.url
        if sum((in_url, self.username is not None, self.bearer_token_file is not None)) > 1:
            raise ValueError(
                "has more than one of: credentials in url, username, bearer_token_file"
            )
        if self.tls != Tls() and not self.url.startswith("https://"):
            raise ValueError("tls is for an address with https://")
        return self


class Alertmanager(Receiver):
    """One Alertmanager that is to get every alert."""


class Webhook(Receiver):
    """Any address that is to get every alert, signed by what *secret_file* holds."""

    secret_file: ReadableFile


def differ(receivers: tuple[Receiver, ...]) -> tuple[Receiver, ...]:
    """Take *receivers* if each is somewhere else: metrics tell them apart by where they are."""
    first: dict[str, int] = {}
    for number, one in enumerate(receivers):
        known = first.setdefault(addresses.place(one.url), number)
        if known != number:
            raise ValueError(f"[{known}] and [{number}] are at the same address; name it once")
    return receivers


class PagerDuty(Part):
    """A service of PagerDuty, told where no Alertmanager has taken anything for *fallback_after*.

    It is told of incidents of *priorities* alone, by the key that *routing_key_file* holds.
    """

    routing_key_file: ReadableFile
    fallback_after: Duration = 120.0
    priorities: Annotated[tuple[Priority, ...], Field(min_length=1)] = (Priority.P1,)
    url: Link = PAGERDUTY
