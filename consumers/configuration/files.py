"""Read a settings file: YAML in, its keys and values out, and a sentence for what is wrong with it.

A key that is there twice is a problem: YAML takes the last one, whoever reads the file the first.
No sentence repeats a value: it may be a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def read(path: Path) -> tuple[dict[str, Any], list[str]]:
    """Give what the file at *path* holds, and what is wrong with it."""
    try:
        values, repeated = _parsed(path.read_text(encoding="utf-8"))
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
    problems = [
        f"{key}: is there twice in {path}, lines {first} and {second}: take one out"
        for key, first, second in repeated
    ]
    return {str(key): value for key, value in values.items()}, problems


def _parsed(text: str) -> tuple[Any, list[tuple[str, int, int]]]:
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None, []
        repeated = list(_repeated(root, "", set()))
        return loader.construct_document(root), repeated
    finally:
        loader.dispose()


def _repeated(node: yaml.Node, above: str, seen: set[int]) -> Iterator[tuple[str, int, int]]:
    """Give every key that a mapping below *node* has twice, with its lines; *seen* ends circles."""
    if not isinstance(node, yaml.MappingNode) or id(node) in seen:
        return
    seen.add(id(node))
    lines: dict[str, int] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        name, line = f"{above}{key.value}", key.start_mark.line + 1
        if name in lines:
            yield name, lines[name], line
        lines[name] = line
        yield from _repeated(value, f"{name}.", seen)
