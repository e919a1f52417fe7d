"""What a deployment may decide, read once at the start from a YAML file and the environment.

``load(ApiSettings, path)`` gives one frozen object or raises one `SettingsError` that lists every
problem: what is set, where, and what would be right. ``CONSUMERS_<NAME>`` in the environment wins
over the key ``<name>`` of the file. A key or variable that nobody knows is a problem, so that a
typo cannot silently leave a default in place. One file serves every service of the package.

Secrets are never printed: not by ``repr``, not in a problem, not in a log.
"""

from __future__ import annotations

import difflib
import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from consumers.errors import SettingsError
from consumers.fields import TOPIC, Client, DatabaseUrl, Duration, Group, Host, Port, Servers, Topic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails
    from pydantic_settings import PydanticBaseSettingsSource

PREFIX = "CONSUMERS_"

AnySettings = TypeVar("AnySettings", bound="Settings")


class Settings(BaseSettings):
    """Everything that a service of this package can be told. Made by `load`.

    The database is named by *database_url*, or by *database_url_file* whose content is the URL.
    *client* holds librdkafka properties as they are written in its documentation; they reach both
    the producer and the consumer, each takes its own. After a failure a record is tried again
    *retries* times, *backoff_initial*, twice that, four times that ... later, never more than
    *backoff_max*. An HTTP request that takes longer than *slow_request* is warned of in the log.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", hide_input_in_errors=True
    )

    bootstrap_servers: Servers
    database_url: DatabaseUrl
    database_url_file: Path | None = None
    host: Host = "127.0.0.1"
    port: Port = 0
    environment: str = "development"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    topic: Topic = "game.slots.plays"
    dlq_topic: Topic = ""
    group: Group = "game-consumer"
    client: Client = Field(default={}, repr=False)
    produce_timeout: Duration = timedelta(seconds=5)
    shutdown_timeout: Duration = timedelta(seconds=8)
    slow_request: Duration = timedelta(seconds=1)
    retries: Annotated[int, Field(ge=0, le=100)] = 3
    backoff_initial: Duration = timedelta(seconds=1)
    backoff_max: Duration = timedelta(seconds=30)

    @model_validator(mode="before")
    @classmethod
    def _name_the_dead_letters(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Derive the dead-letter topic from the topic, unless it is named."""
        topic = values.get("topic", cls.model_fields["topic"].default)
        # A bad topic is told once, as itself.
        fit = isinstance(topic, str) and TOPIC.fullmatch(topic)
        return {"dlq_topic": f"{topic if fit else 'topic'}.dlq"} | values

    @field_validator("dlq_topic")
    @classmethod
    def _kept_apart(cls, value: str, info: ValidationInfo) -> str:
        if value == info.data.get("topic"):
            raise ValueError("must differ from topic, or dead letters would be handled again")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings calls by name
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over what `load` read from the file."""
        return env_settings, init_settings


class ApiSettings(Settings):
    """What the API can be told."""

    port: Port = 8080


class WorkerSettings(Settings):
    """What the worker can be told."""

    port: Port = 8081


class MigrateSettings(Settings):
    """What the migration can be told: it needs no Kafka."""

    bootstrap_servers: str = ""


def load(kind: type[AnySettings], path: Path | None = None) -> AnySettings:
    """Read settings of *kind* from the YAML file at *path*, if any, and the environment.

    Raises `SettingsError` with every problem found in both.
    """
    values, problems = _read(path)
    problems += _unknown(kind, values, os.environ)
    problems += _read_secret("database_url", values, os.environ)
    known = {key: value for key, value in values.items() if key in kind.model_fields}
    try:
        settings = kind(**known)
    except ValidationError as error:
        problems += [_sentence(detail, os.environ) for detail in error.errors(include_input=False)]
    if problems:
        raise SettingsError(tuple(problems))
    return settings


def _read(path: Path | None) -> tuple[dict[str, Any], list[str]]:
    if path is None:
        return {}, []
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return {}, [f"{path}: cannot be read: {error}"]
    except yaml.YAMLError as error:
        # Its own words quote the line, which may hold a password.
        mark = getattr(error, "problem_mark", None)
        return {}, [f"{path}: is not YAML" + (f", line {mark.line + 1}" if mark else "")]
    except RecursionError:
        return {}, [f"{path}: is nested too deeply"]
    values = {} if values is None else values
    if not isinstance(values, dict):
        return {}, [f"{path}: must hold keys and values, such as topic: game.slots.plays"]
    return {str(key): value for key, value in values.items()}, []


def _read_secret(name: str, values: dict[str, Any], environ: Mapping[str, str]) -> list[str]:
    """Put the content of the file that ``<name>_file`` names into *values* as *name*."""
    variable = _variable(name)
    path = environ.get(f"{variable}_FILE") or values.get(f"{name}_file")
    if path is None:
        return []
    if variable in environ or name in values:
        return [f"{name}_file: give this or {name}, not both"]
    try:
        values[name] = Path(str(path)).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        # A stand-in that passes, or else the same fault would be told twice.
        values[name] = "postgresql://"
        return [f"{name}_file: cannot be read: {error}"]
    return []


def _unknown(
    kind: type[Settings], values: Mapping[str, Any], environ: Mapping[str, str]
) -> list[str]:
    known = sorted(kind.model_fields)
    keys = [
        f"{key}: is not a setting; {_meant(key, known, '')}"
        for key in sorted(values)
        if key not in known
    ]
    variables = sorted(name for name in environ if name.upper().startswith(PREFIX))
    return keys + [
        f"{name}: is not a setting; {_meant(name[len(PREFIX) :].lower(), known, PREFIX)}"
        for name in variables
        if name not in {_variable(key) for key in known}
    ]


def _meant(name: str, known: list[str], prefix: str) -> str:
    """Say what *name* may have been meant to be, as it would be written under *prefix*."""
    close = difflib.get_close_matches(name, known, n=1) or known
    written = ", ".join(_variable(key) if prefix else key for key in close)
    return f"did you mean {written}?" if len(close) == 1 else f"known are {written}"


def _variable(key: str) -> str:
    return f"{PREFIX}{key.upper()}"


def _sentence(detail: ErrorDetails, environ: Mapping[str, str]) -> str:
    """Say one problem that pydantic found: where it was set, and what would be right."""
    key, *inner = (str(part) for part in detail["loc"])
    if detail["type"] == "missing":
        return f"{key}: is required; set {_variable(key)} or the key {key}"
    variable = _variable(key)
    path = ".".join([variable if variable in environ else key, *inner])
    return f"{path}: {detail['msg'].removeprefix('Value error, ')}"
