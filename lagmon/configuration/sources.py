"""Where the configuration comes from: YAML file, ``LAGMON_*`` environment, flags.

The environment wins over the file and a flag over both. ``LAGMON_WEB__PORT`` sets one key,
``LAGMON_CLUSTERS`` takes a whole part as JSON. Comes out: `Settings`, or every problem at once.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource

from lagmon.configuration import sharing
from lagmon.configuration.rule_settings import problems_of, rules_of
from lagmon.configuration.settings import NESTED, PREFIX, Settings
from lagmon.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic.fields import FieldInfo

    from lagmon.configuration.settings import Cluster

# All that PyYAML raises on a file: the last four come from values, such as the date 2024-13-45.
UNREADABLE = (
    yaml.YAMLError,
    RecursionError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
)

NOTHING_NAMED = "nothing to watch: name it with --bootstrap-servers HOST:PORT or --config FILE"


class _TwiceError(yaml.YAMLError):
    """A key stands twice in one part: the first would be lost without a word."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line


class _Loader(yaml.SafeLoader):
    """Loads plain values, and no key twice. What ``<<`` brings in may be overridden."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Compose a part and look at its own keys."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # a list is no key: that is said when it is to become one
            if key.value in seen:
                raise _TwiceError(key.start_mark.line + 1)
            seen.add(key.value)
        return node


def load(
    path: Path | None = None,
    *,
    bootstrap_servers: str | None = None,
    web_config_file: str | None = None,
    unnamed: Cluster | None = None,
) -> Settings:
    """Read the settings from *path*, the environment and the flags.

    *bootstrap_servers* alone is enough: one cluster named ``default``. Where no cluster is named at
    all there is the *unnamed* one, if it is given. Raises SettingsError with every problem.
    """
    problems = _unknown_variables()
    given = _merged(from_file(path) if path else {}, _Environment(Settings)())
    if bootstrap_servers is not None:
        given["clusters"] = [{"name": "default", "bootstrap_servers": bootstrap_servers}]
    if web_config_file is not None:
        given = _merged(given, {"web": {"config_file": web_config_file}})
    if unnamed is not None:
        given.setdefault("clusters", (unnamed,))
    problems += problems_of(given.get("rules"))
    try:
        settings = Settings(**given)
    except ValidationError as error:
        # `from None`: pydantic's own text would be printed below ours.
        told = problems_in(error)
        if path is None:
            told = [NOTHING_NAMED if one == "clusters: is missing" else one for one in told]
        raise SettingsError([*problems, *told]) from None
    if not problems:
        problems = sharing.problems(settings.sharding, rules_of(settings.rules))
    if problems:
        raise SettingsError(problems)
    return settings


class _Environment(EnvSettingsSource):
    """The variables of the environment; what is no JSON stays text, for validation to name it."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Decode *value*, or hand it on so that its problem is listed with the others."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except (ValueError, RecursionError):
            return value


def _unknown_variables() -> list[str]:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    ours = [name for name in os.environ if name.upper().startswith(PREFIX)]
    return [
        f"{name}: unknown variable; there are {', '.join(sorted(known))}"
        for name in sorted(ours)
        if name.upper().split(NESTED)[0] not in known
    ]


def from_file(path: Path) -> dict[str, Any]:
    """Read the YAML file at *path*; SettingsError, without a word of its content, if that fails."""
    try:
        given = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - it is a safe one
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UNREADABLE as error:
        # Never in its own words: they quote the line, which may hold a password.
        raise SettingsError([f"{path}: is no YAML: {_unreadable(error)}"]) from None
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise SettingsError([f"{path}: must hold keys and values, beginning with clusters:"])
    return {str(key): value for key, value in given.items()}


def _unreadable(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not written in UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, _TwiceError):
        return f"line {error.line} has a key that its part has already"
    if isinstance(error, yaml.YAMLError):
        mark = getattr(error, "problem_mark", None)
        return f"line {mark.line + 1} breaks its rules" if mark else "a character is not allowed"
    return "a value looks like a date or a number and is none; put it in quotes"


def _merged(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    both = {
        key: _merged(low[key], value)
        for key, value in high.items()
        if isinstance(value, dict) and isinstance(low.get(key), dict)
    }
    return {**low, **high, **both}


def problems_in(error: ValidationError) -> list[str]:
    """List what *error* found, each with its path and without the value, which may be a secret."""
    return [f"{_path(one['loc'])}{_words(one)}" for one in error.errors(include_input=False)]


def _path(loc: tuple[int | str, ...]) -> str:
    path = ""
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return f"{path}: " if path else ""


def _words(problem: Mapping[str, Any]) -> str:
    known = {"extra_forbidden": "unknown key", "missing": "is missing"}
    text = known.get(problem["type"]) or str(problem["msg"]).removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
