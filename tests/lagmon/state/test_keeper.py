"""What a restart must not forget survives it, whatever happened to the file."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from inspect import signature
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from lagmon.alerts.incidents import Pending, State, step
from lagmon.alerts.rules import KAFKA_CONSUMER_LAG
from lagmon.errors import RecordingError
from lagmon.model import Change, Incident, IncidentKey
from lagmon.state.keeper import KEEP_SECONDS, Keeper, Kept, Saved, dumps, loads, read, write
from tests.lagmon.builders import CLUSTER, GROUP, NOON, group, lags

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

KEY = IncidentKey("KafkaConsumerLag", CLUSTER, GROUP)
OPEN = State(opened=(Incident(KEY, NOON, NOON + 15, 1203.0, NOON + 15),))
WAITING = State(pending=(Pending(KEY, NOON, 10.0, NOON + 10, 1203.0),))

NAMES = st.text(max_size=20)
TIMES = st.floats(0, 253_402_300_799)
KEYS = st.builds(
    IncidentKey,
    NAMES,
    NAMES,
    st.none() | NAMES,
    st.none() | NAMES,
    st.none() | st.integers(0, 99),
)
PENDINGS = st.lists(
    st.builds(Pending, KEYS, TIMES, TIMES, st.none() | TIMES, TIMES), max_size=3
).map(tuple)
INCIDENTS = st.lists(
    st.builds(Incident, KEYS, TIMES, TIMES, TIMES, TIMES, st.none() | TIMES, st.booleans()),
    max_size=3,
).map(tuple)
STATES = st.builds(State, PENDINGS, INCIDENTS, INCIDENTS, PENDINGS)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TIMES | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)


def play(story: Coroutine[None, None, None]) -> None:
    """Run *story*."""
    asyncio.run(asyncio.wait_for(story, 60))


def wrong(part: str, **fields: Any) -> str:
    """Give the content of a file that is right but for *fields* of the first of *part*."""
    key = {"rule": "R", "cluster": "a"}
    times = {"since": NOON, "opened_at": NOON, "sent_at": NOON}
    right = {**key, **times, "value": 5, "held_seconds": 5, "seen_at": NOON}
    return json.dumps({"v": 1, "clusters": {"a": {part: [{**right, **fields}]}}})


def nothing() -> Any:
    """Give the progress of a cluster that has none."""
    return None


@given(st.dictionaries(NAMES, st.builds(Saved, STATES, JSON, JSON), max_size=3), JSON)
def test_what_is_written_is_what_is_read(clusters: dict[str, Saved], paged: Any) -> None:
    """Every state, and any JSON as progress, arrivals and pages, comes back as it was."""
    assert loads(dumps(clusters, paged)) == Kept(clusters, paged)


def test_a_file_of_a_lagmon_that_kept_less_is_read() -> None:
    """Version 1 grew: what an older one did not write is not known, and nothing is lost for it."""
    value = json.loads(dumps({CLUSTER: Saved(OPEN, {"groups": {}})}))
    del value["clusters"][CLUSTER]["arrivals"], value["paged"]

    assert loads(json.dumps(value)) == Kept({CLUSTER: Saved(OPEN, {"groups": {}})})


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "the file is no JSON"),
        ('{"v":1,"clusters":{"local":{"pend', "the file is no JSON"),
        ("\0" * 64, "the file is no JSON"),
        ("[" * 100_000, "the file is no JSON"),
        ("[]", "the line: wants an object"),
        ('{"v":2,"clusters":{}}', "v: is 2; this lagmon reads version 1"),
        ('{"v":1}', "clusters: wants an object"),
        ('{"v":1,"clusters":{"a":{"opened":[{"rule":"R"}]}}}', "clusters.a.opened[0].cluster"),
        ('{"v":1,"clusters":{"a":{"opened":7}}}', "clusters.a.opened: wants a list"),
        (wrong("opened", since=1e300), "clusters.a.opened[0].since: wants a number from 0 to"),
        (wrong("opened", opened_at=-1), "clusters.a.opened[0].opened_at: wants a number from"),
        (wrong("opened", sent_at=253402300800), "clusters.a.opened[0].sent_at: wants a number"),
        (wrong("opened", value=1e308), "clusters.a.opened[0].value: wants a number from 0 to"),
        (wrong("opened", partition=2**31), "clusters.a.opened[0].partition: wants a number"),
        (wrong("resolved", resolved_at=1e12), "clusters.a.resolved[0].resolved_at: wants a"),
        (wrong("pending", held_seconds=-5), "clusters.a.pending[0].held_seconds: wants a number"),
        (wrong("pending", held_seconds=1e300), "clusters.a.pending[0].held_seconds: wants a"),
        (wrong("easing", seen_at=1e300), "clusters.a.easing[0].seen_at: wants a number from 0"),
    ],
)
def test_a_file_that_is_wrong_is_set_aside_and_said_so(
    tmp_path: Path, content: str, why: str
) -> None:
    """Lagmon starts without it; nobody's evidence is written over; the log says what was wrong."""
    path = tmp_path / "state.json"
    path.write_text(content)

    with capture_logs() as lines:
        found = read(path)

    (line,) = lines
    assert found == Kept()
    assert (tmp_path / "state.json.unreadable").read_text() == content
    assert not path.exists()
    assert (line["event"], line["log_level"]) == ("state_set_aside", "warning")
    assert why in line["why"]


def test_bytes_that_are_no_text_are_set_aside(tmp_path: Path) -> None:
    """A file of another kind is no reason not to start either."""
    path = tmp_path / "state.json"
    path.write_bytes(b"\x80\xff\x00")

    assert read(path) == Kept()
    assert (tmp_path / "state.json.unreadable").exists()


def test_no_file_is_the_first_start(tmp_path: Path) -> None:
    """Nothing is said of it."""
    with capture_logs() as lines:
        assert read(tmp_path / "state.json") == Kept()

    assert lines == []


def test_a_second_file_that_is_wrong_leaves_the_first_alone(tmp_path: Path) -> None:
    """What was set aside before is evidence too."""
    path = tmp_path / "state.json"

    for content in ("first", "second", "third"):
        path.write_text(content)
        assert read(path) == Kept()

    kept = {one.name: one.read_text() for one in tmp_path.iterdir()}
    assert kept == {
        "state.json.unreadable": "first",
        "state.json.unreadable-2": "second",
        "state.json.unreadable-3": "third",
    }


def test_a_folder_or_a_file_that_is_not_given_stays_where_it_is(tmp_path: Path) -> None:
    """It may be as good as ever: lagmon starts without it, says so, and never writes over it."""
    (tmp_path / "file").write_text("")
    inside = tmp_path / "folder" / "precious"
    inside.parent.mkdir()
    inside.write_text("")

    for path in (tmp_path / "folder", tmp_path / "file" / "state.json"):
        with capture_logs() as lines:
            keeper = Keeper(path, (CLUSTER,))
            asyncio.run(keeper.keep(CLUSTER, OPEN, lambda: None, 0.0))

        assert keeper.restored(CLUSTER) is None
        assert [line["event"] for line in lines] == ["state_unreadable"]
    assert inside.exists()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "folder"]


def test_what_cannot_be_moved_is_not_written_over(tmp_path: Path) -> None:
    """Such as a file for which no longer name is left."""
    path = tmp_path / ("s" * 250)
    path.write_text("evidence")

    with capture_logs() as lines:
        keeper = Keeper(path, (CLUSTER,))
        asyncio.run(keeper.keep(CLUSTER, OPEN, lambda: None, 0.0))

    assert [line["event"] for line in lines] == ["state_unreadable"]
    assert path.read_text() == "evidence"


def test_a_write_that_breaks_leaves_the_old_file_whole(tmp_path: Path) -> None:
    """The new content is written beside; the name is given to it last."""
    path = tmp_path / "state.json"
    write(path, dumps({CLUSTER: Saved(OPEN)}))
    (tmp_path / "state.json.new").mkdir()

    with pytest.raises(OSError, match="directory"):
        write(path, dumps({}))

    assert read(path) == Kept({CLUSTER: Saved(OPEN)})


def test_the_content_is_on_the_disk_before_it_gets_the_name_and_the_name_at_the_end(
    tmp_path: Path,
) -> None:
    """A machine that dies in between finds the old file or the new one, and neither half."""
    path, beside = tmp_path / "state.json", tmp_path / "state.json.new"
    path.write_text("old")
    forced: list[tuple[str, str]] = []

    def force(descriptor: int) -> None:
        behind = os.fstat(descriptor)
        if os.path.samestat(behind, tmp_path.stat()):
            forced.append(("the folder", path.read_text()))
        elif os.path.samestat(behind, beside.stat()):
            forced.append((beside.read_text(), path.read_text()))

    write(path, "new", force=force)

    assert forced == [("new", "old"), ("the folder", "new")]
    assert signature(write).parameters["force"].default is os.fsync


def test_a_link_to_the_file_stays_a_link(tmp_path: Path) -> None:
    """The file behind it is replaced, and not the link, which somebody made on purpose."""
    real, link = tmp_path / "real.json", tmp_path / "state.json"
    real.write_text("{}")
    link.symlink_to(real)

    write(link, "new")

    assert link.is_symlink()
    assert real.read_text() == "new"


def test_a_restart_goes_on_with_what_was_open(tmp_path: Path) -> None:
    """It is not opened anew, goes on being sent, and is resolved when it is over."""

    async def story() -> None:
        path = tmp_path / "state.json"
        keeper, kept = Keeper(path, (CLUSTER,)), {"seen": ["a"]}
        await keeper.keep(CLUSTER, OPEN, lambda: kept, 0, arrivals=lambda: [7])

        saved = Keeper(path, (CLUSTER,)).restored(CLUSTER)

        assert saved == Saved(OPEN, kept, [7])
        rules = (KAFKA_CONSUMER_LAG,)
        again, told = step(saved.incidents, rules, lags(group(2000)), NOON + 300)
        _, over = step(again, rules, lags(group(0)), NOON + 305)
        assert [each.change for each in told + over] == [Change.REMINDED, Change.RESOLVED]

    play(story())


def test_the_time_in_which_nobody_looked_does_not_count(tmp_path: Path) -> None:
    """Pending 10 s of 15 before a restart that took an hour: 5 s are still missing after it."""

    async def story() -> None:
        path = tmp_path / "state.json"
        await Keeper(path, (CLUSTER,)).keep(CLUSTER, WAITING, nothing, 0)
        saved = Keeper(path, (CLUSTER,)).restored(CLUSTER)
        assert saved is not None
        state, told = saved.incidents, []

        for second in (3600, 3604, 3605):
            state, changes = step(state, (KAFKA_CONSUMER_LAG,), lags(group(2000)), NOON + second)
            told.append([each.change for each in changes])

        assert told == [[], [], [Change.OPENED]]

    play(story())


def test_it_is_written_when_something_happened_and_now_and_then(tmp_path: Path) -> None:
    """A cycle that changed no incident writes nothing until `KEEP_SECONDS` have passed."""

    async def story() -> None:
        path = tmp_path / "state.json"
        keeper = Keeper(path, (CLUSTER,))
        asked: list[float] = []

        async def keep(state: State, elapsed: float, *, now: bool = False) -> None:
            def progress() -> float:
                asked.append(elapsed)
                return elapsed

            await keeper.keep(CLUSTER, state, progress, elapsed, now=now)

        await keep(State(), 0)
        await keep(State(), 5)
        await keep(WAITING, 10)
        await keep(WAITING, 15)
        await keep(OPEN, 20)
        await keep(OPEN, 20 + KEEP_SECONDS)
        await keep(OPEN, 21 + KEEP_SECONDS, now=True)

        assert asked == [0, 10, 20, 50, 51]
        assert json.loads(path.read_text())["clusters"][CLUSTER]["progress"] == 51

    play(story())


def test_what_is_kept_is_gathered_beside_the_loop(tmp_path: Path) -> None:
    """A large memory takes a tenth of a second to gather, in which no scrape would be answered."""
    path, threads = tmp_path / "state.json", []

    def gathered() -> int:
        threads.append(threading.current_thread())
        return len(threads)

    keeper = Keeper(path, (CLUSTER,))
    play(keeper.keep(CLUSTER, OPEN, gathered, 0.0, arrivals=gathered))

    assert len(threads) == 2
    assert threading.main_thread() not in threads
    assert json.loads(path.read_text())["clusters"][CLUSTER]["arrivals"] == 2


def test_each_cluster_has_its_place_and_one_that_is_no_more_has_none(tmp_path: Path) -> None:
    """Two clusters share a file; one that is not configured any more is forgotten."""

    async def story() -> None:
        path = tmp_path / "state.json"
        first = Keeper(path, ("a", "b"))
        await asyncio.gather(
            first.keep("a", OPEN, nothing, 0), first.keep("b", WAITING, nothing, 0)
        )

        second = Keeper(path, ("b", "c"))
        await second.keep("c", State(), nothing, 0)

        assert set((read(path) or Kept()).clusters) == {"b", "c"}
        assert (second.restored("a"), second.restored("c")) == (None, Saved(State()))

    play(story())


def test_a_disk_that_fails_is_said_once_and_its_return_too(tmp_path: Path) -> None:
    """Nothing is raised: without memory lagmon still pages."""

    async def story() -> None:
        folder = tmp_path / "missing"
        keeper = Keeper(folder / "state.json", (CLUSTER,))

        with capture_logs() as lines:
            await keeper.keep(CLUSTER, State(), nothing, 0)
            await keeper.keep(CLUSTER, OPEN, nothing, 5)
            folder.mkdir()
            await keeper.keep(CLUSTER, State(), nothing, 10)

        assert [line["event"] for line in lines] == ["state_not_written", "state_written_again"]

    play(story())


def test_progress_that_is_no_json_is_said(tmp_path: Path) -> None:
    """A number that JSON has not costs the file, and no page."""

    async def story() -> None:
        with capture_logs() as lines:
            keeper = Keeper(tmp_path / "state.json", (CLUSTER,))
            await keeper.keep(CLUSTER, OPEN, lambda: float("nan"), 0)

        assert [line["event"] for line in lines] == ["state_not_written"]

    play(story())


def test_what_was_paged_is_kept_beside_the_clusters(tmp_path: Path) -> None:
    """It is written at once, stays when a cluster is, and also when its cluster is no more."""

    async def story() -> None:
        path = tmp_path / "state.json"
        first = Keeper(path, ("a",))
        await first.keep_paged(["a page"])
        await first.keep("a", OPEN, nothing, 0)
        second = Keeper(path, ("b",))
        await second.keep("b", State(), nothing, 0)

        assert read(path) == Kept({"b": Saved(State())}, ["a page"])
        assert Keeper(path, ("b",)).paged == ["a page"]

    play(story())


def test_without_a_path_nothing_is_kept() -> None:
    """The setting is optional, and progress is not even asked."""

    async def story() -> None:
        keeper = Keeper(None, (CLUSTER,))
        await keeper.keep(CLUSTER, OPEN, lambda: pytest.fail("asked"), 0)
        await keeper.keep_paged(["a page"])

        assert keeper.restored(CLUSTER) is None

    play(story())


def test_an_error_names_the_place() -> None:
    """Whoever looks into the file set aside finds what was wrong."""
    broken = json.loads(dumps({CLUSTER: Saved(WAITING)}))
    broken["clusters"][CLUSTER]["pending"][0]["since"] = "noon"

    with pytest.raises(RecordingError, match=r"clusters\.local\.pending\[0\]\.since"):
        loads(json.dumps(broken))
