"""Read ``docker compose`` lines. No Docker is asked: what it takes is written down here.

The table is that of Compose v2: its verbs as the pages use them, with the options that take a value
and those that take none.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.docs.commands import PLACEHOLDER

AHEAD = {"--profile", "--file", "--env-file"}
INSIDE = {"exec", "run"}  # what follows the service is a command in its container


class Verb(NamedTuple):
    """The options of one verb, and how many services it must name at least."""

    plain: frozenset[str] = frozenset()
    valued: frozenset[str] = frozenset()
    services: int = 0


def _verb(plain: str = "", valued: str = "", services: int = 0) -> Verb:
    return Verb(frozenset(plain.split()), frozenset(valued.split()), services)


VERBS = {
    "build": _verb("--pull --no-cache"),
    "config": _verb("--quiet --services"),
    "cp": _verb(),
    "down": _verb("--volumes --remove-orphans"),
    "exec": _verb("--no-TTY -T", "--env --user --workdir --index", services=1),
    "images": _verb(),
    "kill": _verb(valued="--signal", services=1),
    "logs": _verb("--follow --no-log-prefix --timestamps", "--since --tail --until"),
    "pause": _verb(services=1),
    "ps": _verb("--all --quiet", "--format"),
    "pull": _verb(),
    "restart": _verb("--no-deps", "--timeout", services=1),
    "run": _verb("--rm --no-deps --no-TTY -T", "--env --entrypoint --user --volume", services=1),
    "start": _verb(services=1),
    "stats": _verb("--no-stream"),
    "stop": _verb(valued="--timeout", services=1),
    "top": _verb(),
    "unpause": _verb(services=1),
    "up": _verb("--build --detach --wait --no-deps --force-recreate", "--scale"),
}


class Line(NamedTuple):
    """A line as it was understood: *inner* is the command in the container of the one service."""

    problems: list[str]
    inner: tuple[str, ...] = ()


def read(words: tuple[str, ...], services: set[str]) -> Line:
    """Understand *words*, what stands behind ``docker compose``, where there are *services*."""
    rest = list(words)
    while rest and rest[0].partition("=")[0] in AHEAD:
        del rest[: 1 if "=" in rest[0] else 2]
    if not rest or rest[0] not in VERBS:
        return Line([f"no verb of docker compose: {' '.join(words)}"])
    verb, name = VERBS[rest[0]], rest.pop(0)
    problems: list[str] = []
    named: list[str] = []
    while rest:
        word = rest.pop(0)
        option, equals, value = word.partition("=")
        if word.startswith("-"):
            if option in verb.valued:
                value = value if equals else rest.pop(0)
                if option == "--scale":
                    named.append(value.partition("=")[0])
            elif word not in verb.plain:
                problems.append(f"no option of docker compose {name}: {option}")
            continue
        named.append(word.partition(":")[0] if name == "cp" and ":" in word else word)
        if name in INSIDE:
            break
    if name == "cp":
        named = [one for one in named if one in services] or named
    return Line(problems + _missing(name, verb, named, services), tuple(rest))


def _missing(name: str, verb: Verb, named: list[str], services: set[str]) -> list[str]:
    unknown = [one for one in named if one not in services and not PLACEHOLDER.fullmatch(one)]
    problems = [f"no service of docker-compose.yml: {one}" for one in unknown]
    if len(named) < verb.services:
        problems.append(f"docker compose {name} names no service")
    return problems
