"""Read settings from a YAML file and the environment, and say every problem at once.

``load(ApiSettings, path)`` gives one frozen object or raises one `SettingsError` that lists every
problem: what is set, where, and what would be right. A key or variable that nobody knows is one, so
that a typo cannot silently leave a default in place. No problem repeats a value: it may be secret.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from consumers.configuration import files
from consumers.configuration.common import PREFIX, Settings
from consumers.configuration.settings import SERVICES
from consumers.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

# What would be right, by pydantic's name for what is wrong, where its own words do not say it.
RIGHT = {
    "bool_parsing": "write true or false",
    "bool_type": "write true or false",
    "path_type": "write the path of a file",
    "string_type": "must be text: put quotes round it",
}

AnySettings = TypeVar("AnySettings", bound=Settings)


def load(kind: type[AnySettings], path: Path | None = None) -> AnySettings:
    """Read settings of *kind* from the YAML file at *path*, if any, and the environment.

    Raises `SettingsError` with every problem found in both.
    """
    values, problems = _read(path)
    problems += _unknown(values, os.environ)
    if "database_url" in kind.model_fields:
        problems += _read_secret("database_url", values, os.environ)
    known = {key: value for key, value in values.items() if key in kind.model_fields}
    try:
        settings = kind(**known)
    except ValidationError as error:
        problems += [_sentence(detail, os.environ) for detail in error.errors(include_input=False)]
    if problems:
        raise SettingsError(tuple(problems))
    return settings


def origins(path: Path | None) -> dict[str, str]:
    """Say where each setting is set that is: by a variable, by its name, or in the file at *path*.

    What the file that ``<name>_file`` names holds is set there.
    """
    values, _ = _read(path)
    found = dict.fromkeys(values, str(path))
    known = {name for kind in SERVICES.values() for name in kind.model_fields}
    found |= {name: _variable(name) for name in known if _variable(name) in os.environ}
    return {name.removesuffix("_file"): where for name, where in found.items()} | found


def named(problem: str, environ: Mapping[str, str]) -> str:
    """Put the variable in the place of the setting that *problem* begins with, if it is set so."""
    key, colon, words = problem.partition(":")
    return f"{_written(key, environ)}{colon}{words}"


def _read(path: Path | None) -> tuple[dict[str, Any], list[str]]:
    return ({}, []) if path is None else files.read(path)


def _read_secret(name: str, values: dict[str, Any], environ: Mapping[str, str]) -> list[str]:
    """Put the content of the file that ``<name>_file`` names into *values* as *name*."""
    variable = _variable(name)
    path = environ.get(f"{variable}_FILE") or values.get(f"{name}_file")
    if path is None:
        return []
    if variable in environ or name in values:
        return [f"{_written(f'{name}_file', environ)}: give this or {name}, not both"]
    try:
        values[name] = Path(str(path)).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        # A stand-in that passes, or else the same fault would be told twice.
        values[name] = "postgresql://"
        return [f"{_written(f'{name}_file', environ)}: cannot be read: {error}"]
    return []


def _unknown(values: Mapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    known = sorted({name for kind in SERVICES.values() for name in kind.model_fields})
    keys = [
        f"{key}: is not a setting; {_meant(_bare(key), known, '')}"
        for key in sorted(values)
        if key not in known
    ]
    variables = sorted(name for name in environ if name.upper().startswith(PREFIX))
    return keys + [
        f"{name}: is not a setting; {_meant(_bare(name), known, PREFIX)}"
        for name in variables
        if name not in {_variable(key) for key in known}
    ]


def _meant(name: str, known: list[str], prefix: str) -> str:
    """Say what *name* may have been meant to be, as it would be written under *prefix*."""
    close = difflib.get_close_matches(name, known, n=1) or known
    written = ", ".join(_variable(key) if prefix else key for key in close)
    return f"did you mean {written}?" if len(close) == 1 else f"known are {written}"


def _bare(name: str) -> str:
    """Give *name* as a key is written, also where it is written as a variable is."""
    upper = name.upper()
    return upper.removeprefix(PREFIX).lower() if upper.startswith(PREFIX) else name


def _variable(key: str) -> str:
    return f"{PREFIX}{key.upper()}"


def _written(key: str, environ: Mapping[str, str]) -> str:
    """Name the setting *key* as it was set: by its variable, or by its key."""
    variable = _variable(key)
    return variable if variable in environ else key


def _sentence(detail: ErrorDetails, environ: Mapping[str, str]) -> str:
    """Say one problem that pydantic found: where it was set, and what would be right."""
    key, *inner = (str(part) for part in detail["loc"])
    if detail["type"] == "missing":
        return f"{key}: is required; set {_variable(key)} or the key {key}"
    path = ".".join([_written(key, environ), *inner])
    right = RIGHT.get(detail["type"]) or detail["msg"].removeprefix("Value error, ")
    return f"{path}: {right}"
