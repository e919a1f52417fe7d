"""Find the classes of exceptions that settings name, ``package.module.Error``.

Importing a module runs it: it is done once, by whoever starts the worker, after logs and traces are
set up.
"""

from __future__ import annotations

import inspect
import pkgutil
from typing import TYPE_CHECKING

from consumers.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumers.errors import Kinds


def exceptions(setting: str, names: Iterable[str]) -> Kinds:
    """Import the exceptions called *names*, which *setting* holds.

    Raises `SettingsError` with a sentence for each that there is none of: an outage that nobody
    recognizes would be learned of from the dead letters.
    """
    found: list[type[Exception]] = []
    problems: list[str] = []
    for name in names:
        try:
            kind = pkgutil.resolve_name(name)
        except Exception as error:  # noqa: BLE001 - the module's own code may raise anything
            problems.append(f"{setting}: {name} cannot be found: {type(error).__name__}: {error}")
            continue
        if inspect.isclass(kind) and issubclass(kind, Exception):
            found.append(kind)
        else:
            problems.append(f"{setting}: {name} is no class of exceptions")
    if problems:
        raise SettingsError(tuple(problems))
    return tuple(found)
