"""The API: what it tells, what it refuses, and that it does as its document says."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.routing import Mount, Route

from lagmon.alerts.rules import SHIPPED, Override
from lagmon.board import Board
from lagmon.judge.suspects import SWITCHED_OFF, UNSEEN, Answer
from lagmon.labels import safe
from lagmon.model import Age, IncidentKey, Method, State, Why
from lagmon.readings import Member
from lagmon.report import Links, OldestRecord
from lagmon.web.answers import NO_INCIDENT, NOTHING_UNREAD, ROOT
from lagmon.web.app import HEADERS, create_app
from lagmon.web.server import WebServer
from tests.lagmon.builders import (
    CLUSTER,
    GROUP,
    NOON,
    TRACE,
    at,
    cycle,
    group,
    incident,
    lags,
    offsets,
    part,
    peek,
    record,
    unread,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.applications import Starlette

    from lagmon.board import Cycle

OTHER = "other"
OWNER = Member("m-1", "worker-1", "/10.0.0.7", (at(0),))
STALLED = replace(
    part(0, 1203, owner=OWNER),
    judged=State.STALLED,
    since=NOON - 60,
    reason="no commit",
    age=Age(200, Method.HISTORY, 5),
    start=10,
)
LEAST = replace(part(1, 5), age=Age(40, Method.TIMESTAMPS, None), judged=State.OK)
SETTLE = replace(
    group(1208, GROUP, STALLED, LEAST),
    judged=State.STALLED,
    since=NOON - 60,
    reason="plays[0]: no commit",
    rate=1.23456,
)
HELD = replace(peek(), headers=(("tenant", "blue"),))
FULL = replace(
    cycle(
        lags(SETTLE, group(None, "sick", members=None, why=Why.GROUP_UNREADABLE)),
        topics=(offsets(0), offsets(2)),
        incidents=(incident(), replace(incident(), key=IncidentKey("Gone", CLUSTER))),
        records=((GROUP, replace(record(), size=120, headers=(("tenant", "blue"),))),),
    ),
    answers=(Answer(HELD, NOON),),
)
ABROAD = replace(FULL, lag=replace(FULL.lag, cluster=OTHER), incidents=())


def app_of(*cycles: Cycle, clusters: tuple[str, ...] = (CLUSTER,)) -> Starlette:
    """Build the application on a board after *cycles*."""
    board = Board("1.0", clusters)
    for each in cycles:
        board.put(each)
    rules = (SHIPPED[0].changed(Override(owner="payments", runbook="https://r")), *SHIPPED[1:])
    return create_app(board, rules, Links("http://jaeger:16686"), lambda: NOON + 2)


async def get(app: Starlette, *paths: str, method: str = "GET") -> list[httpx.Response]:
    """Ask *app* for *paths*."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://lagmon") as client:
        return [await client.request(method, path) for path in paths]


def asked(
    path: str, *cycles: Cycle, clusters: tuple[str, ...] = (CLUSTER,), method: str = "GET"
) -> httpx.Response:
    """Ask for *path* below the API's root."""
    (answer,) = asyncio.run(get(app_of(*cycles, clusters=clusters), ROOT + path, method=method))
    return answer


def told(path: str, *cycles: Cycle) -> Any:
    """Give what *path* answers."""
    answer = asked(path, *cycles)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(path: str, *cycles: Cycle, clusters: tuple[str, ...] = (CLUSTER,)) -> tuple[int, str]:
    """Give the status and the message with which *path* is refused."""
    answer = asked(path, *cycles, clusters=clusters)
    return answer.status_code, answer.json()["error"]["message"]


DOCUMENT = told("/openapi.json")


def validator(schema: dict[str, Any]) -> Any:
    """Give what finds a value wrong that is not as *schema*, a part of the document, says."""
    return jsonschema.Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def schema_of(path: str, status: int) -> dict[str, Any]:
    """Give the schema of the answer to *path* with *status*."""
    answer = DOCUMENT["paths"][path]["get"]["responses"][str(status)]
    if "$ref" in answer:
        answer = DOCUMENT["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    schema: dict[str, Any] = answer["content"]["application/json"]["schema"]
    return schema


def test_the_document_has_the_routes_that_there_are() -> None:
    """No more, no fewer, each read only."""
    (api,) = [each for each in app_of().routes if isinstance(each, Mount) and each.path == ROOT]
    routes = [each for each in api.routes if isinstance(each, Route)]

    served_paths = {re.sub(r":\w+}", "}", each.path) for each in routes}
    assert served_paths == DOCUMENT["paths"].keys()
    assert DOCUMENT["servers"] == [{"url": ROOT}]
    assert {method for each in DOCUMENT["paths"].values() for method in each} == {"get"}
    for path, each in DOCUMENT["paths"].items():
        given = each["get"].get("parameters", [])
        assert {one["name"] for one in given if "name" in one} == set(re.findall(r"{(\w+)}", path))


@pytest.mark.parametrize(
    "schema", DOCUMENT["components"]["schemas"].values(), ids=DOCUMENT["components"]["schemas"]
)
def test_the_document_is_one_of_schemas(schema: dict[str, Any]) -> None:
    """Each is a valid one, and lets nothing through that it does not name."""
    jsonschema.Draft202012Validator.check_schema(schema)

    assert schema["required"] == list(schema["properties"])
    assert schema["additionalProperties"] is False


BARE = replace(cycle(lags(group(None, GROUP, part(0, None, committed=None, why=Why.NEVER_COMMITTED),
                                members=None))), incidents=(incident(),))  # fmt: skip


@pytest.mark.parametrize(
    ("path", "asked_for", "status", "cycles"),
    [
        ("/clusters", "/clusters", 200, [FULL]),
        ("/clusters", "/clusters", 200, []),
        ("/clusters", "/clusters", 200, [cycle(lags(error="gone"))]),
        ("/groups", "/groups", 200, [FULL]),
        ("/groups", "/groups", 200, []),
        ("/groups", "/groups?cluster=x", 404, [FULL]),
        ("/groups/{group}", "/groups/settle", 200, [FULL]),
        ("/groups/{group}", "/groups/settle", 200, [BARE]),
        ("/groups/{group}", "/groups/sick", 200, [FULL]),
        ("/groups/{group}", "/groups/nobody", 404, [FULL]),
        ("/groups/{group}", "/groups/settle", 503, []),
        ("/incidents", "/incidents", 200, [FULL]),
        ("/record/{topic}/{partition}", "/record/plays/0", 200, [FULL]),
        ("/record/{topic}/{partition}", "/record/plays/1", 200, [FULL]),
        ("/record/{topic}/{partition}", "/record/plays/7", 404, [FULL]),
        ("/openapi.json", "/openapi.json", 200, []),
    ],
)
def test_an_answer_is_as_the_document_says(
    path: str, asked_for: str, status: int, cycles: list[Cycle]
) -> None:
    """Every answer, a refusal too, is valid by the schema of its route and status."""
    answer = asked(asked_for, *cycles)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    validator(schema_of(path, status)).validate(answer.json())


def test_a_schema_refuses_what_is_not_told() -> None:
    """A payload beside the facts of a record would be found."""
    answer = told("/record/plays/0", FULL)
    answer["groups"][0]["record"]["value"] = "secret"

    assert not validator(schema_of("/record/{topic}/{partition}", 200)).is_valid(answer)


def test_a_group_is_told_with_all_that_is_known() -> None:
    """State with since and reason, lag, age with its bound, members, partitions with owners."""
    answer = told("/groups/settle", FULL)

    assert answer == {
        "cluster": "local", "group": "settle",
        "state": "stalled", "since": NOON - 60, "reason": "plays[0]: no commit",
        "lag": 1208, "lag_seconds": 195, "seconds_method": "history", "seconds_error": None,
        "why": None, "error": None, "uncommitted": 0, "unknown": 0, "lag_rate": 1.235,
        "members": 2, "rank": 0, "incident": True,
        "values_at": NOON, "url": "/api/v1/groups/settle?cluster=local",
        "kafka_state": "stable",
        "partitions": answer["partitions"], "incidents": answer["incidents"],
        "record": answer["record"],
    }  # fmt: skip
    first, second = answer["partitions"]
    assert first == {
        "topic": "plays", "partition": 0,
        "state": "stalled", "since": NOON - 60, "reason": "no commit",
        "lag": 1203, "lag_seconds": 200, "seconds_method": "history", "seconds_error": 5,
        "why": None, "error": None,
        "committed": 5000, "start": 10, "end": 6203, "lost": 0,
        "owner": {"member_id": "m-1", "client_id": "worker-1", "host": "10.0.0.7"},
    }  # fmt: skip
    assert second["owner"] is None
    assert (second["seconds_method"], second["seconds_error"]) == ("timestamps", None)
    assert [each["rule"] for each in answer["incidents"]] == ["KafkaConsumerLag"]
    assert answer["record"]["trace_id"] == TRACE


def test_what_is_not_known_is_null_with_a_reason() -> None:
    """A group that cannot be read has neither lag nor age nor counts, and says why."""
    (settle, sick) = told("/groups", FULL)["groups"]

    assert settle["lag"] == 1208
    assert sick["why"] == "group_unreadable"
    for name in ("lag", "lag_seconds", "seconds_method", "uncommitted", "unknown", "members"):
        assert sick[name] is None, name


def test_a_group_has_the_rank_that_the_status_page_sorts_by() -> None:
    """Whoever lists groups elsewhere begins with the same."""
    never = part(0, None, why=Why.NEVER_COMMITTED)
    whole = (
        group(0, "well"),
        replace(group(9, "behind", part(0, 9)), judged=State.FALLING_BEHIND),
        replace(group(3, "partly", part(0, 3)), unknown=1),
        group(None, "sick", why=Why.GROUP_UNREADABLE),
        group(2000, "over", part(0, 2000)),
        group(1, GROUP, part(0, 1)),
        group(None, "new", never, why=never.why),
        group(None, "waiting", replace(never, waiting=True), why=never.why),
    )
    seen = cycle(lags(*whole), incidents=(incident(),), pending=frozenset({"over"}))

    listed = told("/groups", seen)["groups"]

    by_rank = sorted(listed, key=lambda each: int(each["rank"]))
    order = [GROUP, "over", "sick", "partly", "behind", "waiting", "new", "well"]
    assert [each["group"] for each in by_rank] == order
    assert [each["rank"] for each in by_rank] == list(range(8))


def test_an_incident_is_told_with_its_rule() -> None:
    """Who is concerned, since when, what was compared, how bad it is and what to do."""
    first, second = told("/incidents", FULL)["incidents"]

    assert first == {
        "rule": "KafkaConsumerLag", "code": "KAFKA_CONSUMER_LAG",
        "severity": "critical", "priority": "P1", "condition": "lag > 1000",
        "cluster": "local", "group": "settle", "topic": None, "partition": None,
        "since": NOON, "opened_at": NOON + 15, "value": 1203,
        "maintenance": False, "owner": "payments", "runbook": "https://r",
        "record": {
            "topic": "plays", "partition": 0, "offset": 5000,
            "timestamp": NOON - 42, "age_seconds": 44, "size": 120,
            "key_hash": "9f86d081884c7d65", "headers": [{"name": "tenant", "value": "blue"}],
            "trace_id": TRACE, "trace_url": f"http://jaeger:16686/trace/{TRACE}",
            "trace_unknown": None, "in_open_transaction": False,
        },
    }  # fmt: skip
    assert (second["rule"], second["code"], second["group"]) == ("Gone", None, None)
    assert second["record"] is None, "it is about the cluster"


@pytest.mark.parametrize(
    ("where", "offset"),
    [(("plays", None), 5000), (("plays", 0), 5000), (("plays", 1), None), (("other", None), None)],
)
def test_an_incident_has_no_record_from_elsewhere(
    where: tuple[str, int | None], offset: int | None
) -> None:
    """Of one about a topic or partition the record lies there, as in its alert."""
    key = IncidentKey("KafkaConsumerLag", CLUSTER, GROUP, *where)
    narrow = replace(FULL, incidents=(replace(incident(), key=key),))

    (listed,) = told("/incidents", narrow)["incidents"]
    (of_group,) = told(f"/groups/{GROUP}", narrow)["incidents"]

    assert (listed["record"] and listed["record"]["offset"]) == offset
    assert of_group == listed


def test_an_incident_that_is_held_back_says_so() -> None:
    """Nobody is woken by it, and it is open all the same."""
    quiet = replace(FULL, incidents=(replace(incident(), held=True),))

    (only,) = told("/incidents", quiet)["incidents"]

    assert only["maintenance"] is True


def test_the_record_of_a_partition_is_told_with_its_trace() -> None:
    """Where it is, how old, its size, key hash, allowed headers, trace id and link."""
    assert told("/record/plays/0", FULL) == {
        "cluster": "local", "topic": "plays", "partition": 0,
        "groups": [{
            "group": "settle", "committed": 5000, "lag": 1203, "why": None,
            "record": {
                "topic": "plays", "partition": 0, "offset": 5000,
                "timestamp": NOON - 42, "age_seconds": 44, "size": 120,
                "key_hash": "9f86d081884c7d65", "headers": [{"name": "tenant", "value": "blue"}],
                "trace_id": TRACE, "trace_url": f"http://jaeger:16686/trace/{TRACE}",
                "trace_unknown": None, "in_open_transaction": False,
            },
        }],
    }  # fmt: skip


def test_a_trace_that_was_not_sampled_is_named_but_not_linked() -> None:
    """The id finds the logs; a link would open an empty page."""
    unsampled = replace(FULL, answers=(Answer(peek(sampled=False), NOON),))

    (only,) = told("/record/plays/0", unsampled)["groups"]

    assert (only["record"]["trace_id"], only["record"]["trace_url"]) == (TRACE, None)
    assert only["record"]["trace_unknown"] == "not sampled: search the logs for the trace id"


NEVER = part(0, None, committed=None, why=Why.NEVER_COMMITTED)


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (replace(FULL, answers=()), UNSEEN),
        (replace(FULL, answers=(), records=()), NO_INCIDENT),
        (
            replace(FULL, answers=(), records=((GROUP, record(trace_unknown=SWITCHED_OFF)),)),
            SWITCHED_OFF,
        ),
        (
            replace(FULL, answers=(Answer(unread("TOPIC_AUTHORIZATION_FAILED: no"), NOON),)),
            "lagmon may not read topic plays: it lacks the ACL READ on it",
        ),
        (cycle(lags(group(0, GROUP, part(0, 0)))), NOTHING_UNREAD),
        (cycle(lags(group(None, GROUP, NEVER))), "the group never committed an offset here"),
    ],
    ids=["not yet", "no incident", "switched off", "no right", "read", "never committed"],
)
def test_without_a_record_there_is_a_reason(one: Cycle, why: str) -> None:
    """For every partition that is watched, whatever keeps its record from being shown."""
    (only,) = told("/record/plays/0", one)["groups"]

    assert (only["record"], only["why"]) == (None, why)


def test_every_reason_for_a_missing_value_has_words() -> None:
    """None of them is passed over when a record is asked for."""
    for why in Why:
        one = cycle(lags(group(None, GROUP, part(0, None, committed=None, why=why))))
        assert told("/record/plays/0", one)["groups"][0]["why"]


def test_a_partition_that_nobody_reads_has_no_groups() -> None:
    """It is there, so that it is not unknown."""
    assert told("/record/plays/2", FULL)["groups"] == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/groups?cluster=x", "No cluster is called x; there is: local, other"),
        ("/incidents?cluster=x", "No cluster is called x; there is: local, other"),
        ("/groups/nobody", "No group is called nobody on local, other"),
        ("/groups/nobody?cluster=local", "No group is called nobody on local"),
        ("/record/plays/7", "No partition plays[7] is watched on local, other"),
        ("/record/plays/00", "No partition plays[00] is watched on local, other"),
        ("/record/plays/٣", "No partition plays[٣] is watched on local, other"),
        ("/record/plays/" + "9" * 200, f"No partition plays[{'9' * 200}] is watched on local"),
        ("/nothing", "Not Found: what there is stands in /api/v1/openapi.json"),
        ("/record/plays", "Not Found: what there is stands in /api/v1/openapi.json"),
    ],
)
def test_an_unknown_name_is_not_found(path: str, message: str) -> None:
    """The answer is JSON and says what was looked for, and where."""
    status, said = refused(path, FULL, ABROAD, clusters=(CLUSTER, OTHER))

    assert status == 404
    assert said.startswith(message)


@pytest.mark.parametrize(
    ("path", "what"), [("/groups/settle", "Group settle"), ("/record/plays/0", "plays[0]")]
)
def test_a_name_on_two_clusters_needs_the_cluster(path: str, what: str) -> None:
    """The refusal names them; with one of them there is an answer."""
    both = (CLUSTER, OTHER)
    how = "say which by ?cluster=, one of local, other"

    refusal = refused(path, FULL, ABROAD, clusters=both)
    answer = asked(f"{path}?cluster=other", FULL, ABROAD, clusters=both)

    assert refusal == (400, f"{what} is on more than one cluster: {how}")
    assert (answer.status_code, answer.json()["cluster"]) == (200, OTHER)


def test_nothing_is_called_unknown_while_nothing_is_known() -> None:
    """Of a cluster that never answered nobody can say that it has no such group."""
    down = cycle(lags(error="no broker answers"))

    assert refused("/groups/settle", down) == (
        503,
        "Nothing is known of cluster local: no broker answers",
    )
    assert refused("/record/plays/0") == (
        503,
        "Nothing is known of cluster local: it was not asked yet",
    )
    assert told("/groups", down) == {
        "groups": [],
        "missing": [{"cluster": "local", "why": "no broker answers"}],
    }


def test_a_list_that_is_not_whole_is_said_to_be() -> None:
    """Both beside the groups that are known and in the refusal of one that is not."""
    partial = cycle(lags(group(), complete=False))

    (missing,) = told("/groups", partial)["missing"]
    assert missing == {"cluster": "local", "why": "_TRANSPORT: broker down"}
    assert refused("/groups/nobody", partial)[1].endswith(
        "groups may be missing from the list of local: _TRANSPORT: broker down"
    )


def test_the_command_that_grants_a_right_is_not_cut_off() -> None:
    """A right on something with a long name is said with what grants it, wherever it is said."""
    group_name = "settle-" * 20
    said = f"lagmon may not DESCRIBE group {group_name}; kafka-acls --add --group {group_name}"
    partial = cycle(lags(group(), complete=False))
    partial = replace(partial, snapshot=replace(partial.snapshot, list_errors=(said,)))

    (one,) = told("/clusters", partial)["clusters"]
    (missing,) = told("/groups", partial)["missing"]

    assert one["list_errors"] == [said]
    assert missing["why"] == said


def test_values_of_a_cluster_that_fell_silent_bear_their_time() -> None:
    """They are kept for a few cycles, and the cluster says that it is down."""
    cycles = (FULL, cycle(lags(error="gone", when=NOON + 5)))

    (cluster,) = told("/clusters", *cycles)["clusters"]

    assert (cluster["up"], cluster["error"], cluster["values_at"]) == (False, "gone", NOON)
    assert told("/groups/settle", *cycles)["values_at"] == NOON


def test_before_the_first_cycle_a_cluster_is_neither_up_nor_down() -> None:
    """Nothing is claimed of it."""
    (cluster,) = told("/clusters")["clusters"]

    assert (cluster["up"], cluster["groups"], cluster["last_success"]) == (None, None, None)


def test_nothing_can_be_posted() -> None:
    """The refusal is JSON too, and says what may be done."""
    answer = asked("/groups", FULL, method="POST")

    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}
    assert answer.json()["error"]["code"] == "method_not_allowed"


def test_answers_bear_the_headers_of_the_pages() -> None:
    """A browser is to guess at nothing and to keep nothing."""
    answer = asked("/groups", FULL)

    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


HOSTILE = st.text(st.characters(codec=None), min_size=1, max_size=300).filter(
    lambda name: name not in {".", ".."}  # which clients take for folders, however they are written
)


def hostile(name: str) -> OldestRecord:
    """Build a record in which all that a stranger may write is *name*."""
    return replace(record(trace_unknown=name), at=at(0, name), headers=((name, name),))


def texts(value: Any) -> Iterator[str]:
    """Give every text in *value*, which JSON held."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)


@settings(max_examples=60, deadline=None)
@given(st.lists(HOSTILE, unique=True, min_size=1, max_size=5))
def test_hostile_names_are_harmless_and_found(names: list[str]) -> None:
    """Each group is listed under its published name, and found under the address beside it."""
    owners = [Member(name, name, name) for name in names]
    rows = [
        replace(group(number, name, part(0, number, topic=name, owner=owner)), reason=name)
        for number, (name, owner) in enumerate(zip(names, owners, strict=True))
    ]
    records = tuple((name, hostile(name)) for name in names)
    app = app_of(cycle(lags(*rows), incidents=tuple(map(incident, names)), records=records))

    async def story() -> list[httpx.Response]:
        listed, opened = await get(app, f"{ROOT}/groups", f"{ROOT}/incidents")
        addresses = [each["url"] for each in listed.json()["groups"]]
        topics = [f"{ROOT}/record/{quote(safe(name), safe='')}/0" for name in names]
        return [opened, listed, *await get(app, *addresses, *topics)]

    opened, listed, *others = asyncio.run(story())

    answers = (opened, listed, *others)
    assert all(answer.content.isascii() for answer in answers)
    assert all(text.isprintable() for answer in answers for text in texts(answer.json()))
    assert {each["group"] for each in opened.json()["incidents"]} == set(map(safe, names))
    found = {row["group"]: row["lag"] for row in listed.json()["groups"]}
    assert found == {safe(name): number for number, name in enumerate(names)}
    assert [answer.status_code for answer in others] == [200] * 2 * len(names)
    single = {answer.json()["group"]: answer.json()["lag"] for answer in others[: len(names)]}
    assert single == found


@pytest.mark.parametrize(
    "name",
    ["a/b", "a//b/", "ü\u202eb", "a b?c#d&e=f%2F", "\x00", "клиент", "a\nb", "a\n", "\r\n", ""],
)
def test_a_name_as_kafka_has_it_is_found_too(name: str) -> None:
    """Over a real socket; whoever knows a group needs not to know how lagmon writes its name."""

    async def story() -> httpx.Response:
        server = WebServer(app_of(cycle(lags(group(7, name)))), "127.0.0.1", 0)
        address = await server.start()
        try:
            async with httpx.AsyncClient(base_url=address, timeout=60, trust_env=False) as client:
                return await client.get(f"{ROOT}/groups/{quote(name, safe='')}")
        finally:
            await server.stop(5)

    answer = asyncio.run(story())

    assert answer.status_code == 200
    assert (answer.json()["group"], answer.json()["lag"]) == (safe(name), 7)


def test_a_published_name_comes_before_one_that_looks_like_it() -> None:
    """A group that calls itself as another is published does not take its place."""
    real = "a\u202eb"
    app = cycle(lags(group(1, real), group(2, safe(real))))

    answer = told(f"/groups/{quote(safe(real), safe='')}", app)

    assert answer["lag"] == 1


def test_a_wild_timestamp_costs_nothing() -> None:
    """A record may bear any time; it is told as the number that it is."""
    wild = replace(FULL, answers=(Answer(peek(timestamp=9.2e15), NOON),))

    (only,) = told("/record/plays/0", wild)["groups"]

    assert (only["record"]["timestamp"], only["record"]["age_seconds"]) == (9.2e15, 0)


def test_an_answer_is_ascii() -> None:
    """What is not stands in escapes, so that no terminal is led astray."""
    named = cycle(lags(group(0, "клиент")))

    answer = asked("/groups", named)

    assert answer.content.isascii()
    assert json.loads(answer.content)["groups"][0]["group"] == "клиент"
