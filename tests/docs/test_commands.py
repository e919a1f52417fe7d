"""Whatever a page tells to type exists: commands, options, services, targets, paths, settings."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import psycopg
import pytest
import yaml

import consumers.cli
import lagmon.cli
from consumers.configuration.settings import SERVICES
from consumers.game.migrate import migrate
from lagmon.configuration.settings import Settings
from tests.deploy.files import ROOT, services
from tests.docs import compose, programs
from tests.docs.commands import (
    MARK,
    Typed,
    commands,
    is_example,
    options,
    pages,
    shell_blocks,
    typed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = pages()
TYPED = {"tutorial/first-page.md"}  # whole, as it stands, by test_first_page.py
PARSERS = {"lagmon": lagmon.cli.parser, "consumers": consumers.cli.parser}
# They do what everybody knows, with files of the reader's.
PLAIN = {
    *("alertmanager", "cat", "cd", "chmod", "cp", "date", "df", "diff", "docker", "export", "git"),
    *("grep", "head", "htpasswd", "install", "ls", "make", "mkdir", "mv", "openssl", "pip"),
    *("nslookup", "python", "sh", "sort", "tail", "umask", "wc", "wget"),
}
# Folders of the tree: what lies there on a page has to lie there.
TREE = re.compile(r"(?:benchmarks|demo|deploy|docs|requirements|tests)/[\w./-]+")
SECRETS = (ROOT / "deploy/secrets.sh").read_text()
# What answers at a port of this machine when the stack runs: where its routes are written down, or
# the paths themselves, by the manuals of Prometheus 3, Alertmanager 0.34, Loki 3 and Grafana 13.
ROUTES = {
    8080: ("consumers/game/api.py", "consumers/serving/health.py"),
    8081: ("consumers/serving/health.py",),
    8082: ("consumers/fintech/app.py", "consumers/serving/health.py"),
    10308: ("lagmon/web/app.py", "lagmon/web/pages.py", "lagmon/web/api.py"),
}
PATHS = {
    3000: {"/api/health"},
    3100: {"/ready", "/loki/api/v1/query_range", "/loki/api/v1/labels"},
    9090: {
        *("/-/ready", "/-/healthy", "/-/reload", "/api/v1/query", "/api/v1/query_range"),
        *("/api/v1/rules", "/api/v1/alerts", "/api/v1/targets"),
    },
    9093: {"/-/ready", "/-/healthy", "/-/reload", "/api/v2/alerts", "/api/v2/silences"},
    16686: {"/api/v3/services", "/api/v3/traces/{trace_id}", "/api/traces/{trace_id}"},
}
URL = re.compile(r"(?:http://)?(?:localhost|127\.0\.0\.1):(\d+)([^?]*)(?:\?.*)?")


def every_command() -> Iterator[Typed]:
    """Give the commands of all pages, and beside each what it runs in a container."""
    for page in PAGES:
        for one in typed(page):
            yield from unfolded(one)


def unfolded(one: Typed) -> Iterator[Typed]:
    """Give *one*, and what it has a container run."""
    yield one
    inner: tuple[str, ...] = ()
    if one.words[:2] == ("docker", "compose"):
        inner = compose.read(one.words[2:], set(services())).inner
    elif one.words[:1] == ("kubectl",) and {"exec", "--"} <= {*one.words}:
        inner = one.words[one.words.index("--") + 1 :]
    # `docker compose run` may give the image a command that is an option of its entrypoint.
    if inner and not inner[0].startswith("-"):
        yield one._replace(words=inner)


def problems(one: Typed) -> list[str]:
    """Say what of *one* there is not."""
    return [
        *_program(one),
        *_parsed(one),
        *_composed(one),
        *_deployed(one),
        *_made(one),
        *_optioned(one),
        *_served(one),
        *_in_the_tree(one),
        *_set(one),
    ]


def _program(one: Typed) -> list[str]:
    name = one.words[0] if one.words else ""
    known = {*PLAIN, *PARSERS, *programs.ASKED, *programs.POSTGRES, *programs.WRITTEN_DOWN, ""}
    if name in known or programs.kafka_tool(name):
        return []
    return [f"nobody knows the program {name}"]


def _parsed(one: Typed) -> list[str]:
    if not one.words or one.words[0] not in PARSERS:
        return []
    try:
        PARSERS[one.words[0]]().parse_args([*map(_filled, one.words[1:])])
    except SystemExit as end:
        return [f"{one.words[0]} does not take it"] if end.code else []
    return []


def _filled(word: str) -> str:
    """Put something that a parser takes in the place of the reader's own."""
    return {"TIME": "2h", "LETTER": "0:1", "PARTITION:OFFSET": "0:1"}.get(word, word)


def _composed(one: Typed) -> list[str]:
    if one.words[:1] != ("docker",):
        return []
    if one.words[1:2] != ("compose",):
        return ["docker is used by docker compose alone"]
    return compose.read(one.words[2:], set(services())).problems


def _deployed(one: Typed) -> list[str]:
    if one.words[:1] != ("kubectl",):
        return []
    objects = [
        f"{each['kind'].lower()}/{each['metadata']['name']}"
        for path in (ROOT / "deploy/kubernetes/base").glob("*.yaml")
        for each in yaml.safe_load_all(path.read_text())
        if "metadata" in each
    ]
    named = [word for word in one.words if re.fullmatch(r"[a-z]+/[a-z-]+", word)]
    return [f"no object of the overlays: {word}" for word in named if word not in objects]


def _made(one: Typed) -> list[str]:
    if one.words[:1] != ("make",):
        return []
    listed = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = [word for word in one.words[1:] if "=" not in word]
    return [f"no target of the Makefile: {word}" for word in named if word not in listed]


def _optioned(one: Typed) -> list[str]:
    name = one.words[0] if one.words else ""
    if not (
        name in {*programs.ASKED, *programs.POSTGRES, *programs.WRITTEN_DOWN}
        or programs.kafka_tool(name)
    ):
        return []
    mine = one.words[: one.words.index("--")] if "--" in one.words else one.words
    missing = programs.lacking(name, mine[1:], options(mine[1:]))
    found = [f"{name} has no option {option}" for option in missing]
    verb = " ".join([word for word in mine[1:] if not word.startswith("-")][:2])
    if name in programs.LISTING and not programs.lists(name, verb):
        found.append(f"{name} has no command {verb}")
    return found


def _served(one: Typed) -> list[str]:
    if one.words[:1] != ("curl",):
        return []
    found = [URL.fullmatch(word) for word in one.words[1:]]
    asked = [(int(match[1]), match[2] or "/") for match in found if match]
    if not asked:
        return ["curl asks nothing of ours"]
    return [f"nothing answers at {port}{path}" for port, path in asked if not _answers(port, path)]


def _answers(port: int, path: str) -> bool:
    routes = set(PATHS.get(port, ()))
    for module in ROUTES.get(port, ()):
        found = re.findall(r"Route\(\"([^\"]+)\"", (ROOT / module).read_text())
        routes |= {f"/api/v1{route}" for route in found} if "/api.py" in module else set()
        routes |= set(found)
    patterns = [re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(route)) for route in routes]
    return any(re.fullmatch(pattern, path) for pattern in patterns)


def _in_the_tree(one: Typed) -> list[str]:
    named = [match[0] for word in one.words for match in TREE.finditer(word) if _begins(match)]
    return [
        f"no file of the tree: {path}"
        for path in named
        if not (ROOT / path).exists() and not _made_by_us(path)
    ]


def _begins(match: re.Match[str]) -> bool:
    """Tell whether *match* begins a path: what stands before it is no part of one."""
    return match.start() == 0 or match.string[match.start() - 1] in "=:,@"


def _made_by_us(path: str) -> bool:
    return path.startswith("deploy/secrets/") and path.rpartition("/")[2] in SECRETS


def _set(one: Typed) -> list[str]:
    exported = one.words[1:] if one.words[:1] == ("export",) else ()
    names = [word.partition("=")[0] for word in (*one.environment, *exported)]
    ours = [name for name in names if name.startswith(("CONSUMERS_", "LAGMON_", "OTEL_"))]
    return [f"no setting: {name}" for name in ours if not _setting(name)]


def _setting(name: str) -> bool:
    prefix, _, key = name.lower().partition("_")
    if prefix == "lagmon":
        return key.partition("__")[0] in Settings.model_fields
    if prefix == "consumers":
        return any(key in kind.model_fields for kind in SERVICES.values())
    return f"`{name}`" in (ROOT / "docs/reference/exporting.md").read_text()


@pytest.mark.parametrize("page", PAGES)
def test_a_block_is_shell(page: str) -> None:
    """A shell can read every block, that of an example too."""
    whole = "\n".join(shell_blocks(page))

    done = subprocess.run(
        ["bash", "-n"], input=whole, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stderr == ""


@pytest.mark.parametrize("page", [page for page in PAGES if page not in TYPED])
def test_what_is_to_be_typed_exists(page: str) -> None:
    """Programs, options, services, targets, addresses, files and settings are real."""
    found = [
        f"{each.words}: {problem}"
        for one in typed(page)
        for each in unfolded(one)
        for problem in problems(each)
    ]

    assert found == []


@pytest.mark.parametrize("page", PAGES)
def test_an_example_says_what_it_is_for(page: str) -> None:
    """The first line of a marked block is ``# Example: ``, and what it is an example of."""
    marked = [block.partition("\n")[0] for block in shell_blocks(page) if is_example(block)]

    assert [line for line in marked if not line.startswith(f"{MARK}: ")] == []


def test_a_statement_of_a_page_runs(database: str) -> None:
    """Postgres runs what the pages hand to ``psql --command``, on the tables of the game."""
    asked = [
        (one.page, word.partition("=")[2])
        for one in every_command()
        if one.words[:1] == ("psql",)
        for word in one.words
        if word.startswith("--command=") and not word.startswith("--command=\\")
    ]

    with psycopg.connect(database, autocommit=True) as connection:
        migrate(connection)
        failed = [failure for page, statement in asked if (failure := _run(connection, statement))]

    assert asked
    assert failed == []


def _run(connection: psycopg.Connection, statement: str) -> str:
    """Run *statement*, with 0 in the place of a number of the reader's; say what went wrong."""
    bare = re.sub(r"\b(?:PID|SECONDS)\b", "0", statement)
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(bare.encode())
    except psycopg.Error as error:
        return f"{statement}: {error}"
    return ""


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("lagmen serve", "nobody knows the program lagmen"),
        ("lagmon serve --confg lagmon.yml", "lagmon does not take it"),
        ("consumers dlq replay --yess", "consumers does not take it"),
        ("docker compose restart wroker", "no service of docker-compose.yml: wroker"),
        ("docker compose restrat worker", "no verb of docker compose: restrat worker"),
        ("docker compose logs --since-when=5m worker", "no option of docker compose logs: "),
        ("docker compose restart", "docker compose restart names no service"),
        ("docker compose exec worker lagmen", "nobody knows the program lagmen"),
        ("docker volume prune", "docker is used by docker compose alone"),
        ("make dmeo", "no target of the Makefile: dmeo"),
        ("promtool check rules --lnit=all x.yml", "promtool has no option --lnit"),
        ("amtool --alertmanager.url=x silences add", "amtool has no command silences add"),
        ("psql --commnad='select 1'", "psql has no option --commnad"),
        ("kafka-topics.sh --bootstrap-sever x --list", "kafka-topics.sh has no option "),
        ("kafka-transactions abort --topics x", "kafka-transactions has no option --topics"),
        ("kubectl get pods --selectors x", "kubectl has no option --selectors"),
        ("kubectl --namespace x exec job/migrate -- lagmen", "nobody knows the program lagmen"),
        ("kubectl rollout restart deployment/wroker", "no object of the overlays: deployment/"),
        ("curl localhost:8080/readz", "nothing answers at 8080/readz"),
        ("curl localhost:10308/api/v1/group", "nothing answers at 10308/api/v1/group"),
        ("cat < x | cat deploy/lagmon/lagmon.yaml", "no file of the tree: deploy/lagmon/"),
        ("export CONSUMERS_TOPICS=x", "no setting: CONSUMERS_TOPICS"),
        ("LAGMON_SHARDINGS=none lagmon serve", "no setting: LAGMON_SHARDINGS"),
    ],
)  # fmt: skip
def test_what_does_not_exist_is_found(line: str, problem: str) -> None:
    """Each kind of mistake is told by the check that it is for, and by no other."""
    found = [
        one
        for command in commands("a page", line)
        for each in unfolded(command)
        for one in problems(each)
    ]

    assert len(found) == 1
    assert found[0].startswith(problem)
