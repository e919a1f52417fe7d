"""Second part of the story: the worker stops, the lag grows, one page comes, it is resolved."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from demo.stage import GROUP
from demo.trace import asking, header_of_record, play
from tests.infra.reading import samples
from tests.infra.wait import until

if TYPE_CHECKING:
    from demo.console import Console
    from demo.pages import Page
    from demo.stage import Stage
    from tests.infra.process import Service

THRESHOLD = 1000  # messages: the shipped rule's
PLAYERS = 40  # enough for every partition of the topic to get some
AT_ONCE = 4  # requests in flight
BATCH = 250  # plays between two looks at the lag
PATIENCE_SECONDS = 180  # on a machine that does much else
OF_GROUP = {"group": GROUP}
SHOWN = (
    "summary", "value", "threshold", "since", "members", "topic", "partition", "offset", "age",
    "trace_id", "trace_url",
)  # fmt: skip


def tell(console: Console, stage: Stage, worker: Service, api: str, lagmon: str) -> Service:
    """Play some rounds, stop the worker, play on until the page comes, wait for the resolve.

    Gives the worker that was started in place of *worker*.
    """
    console.step(f"{PLAYERS} players play a round; the worker keeps up")
    play_rounds(api, PLAYERS)
    until(
        lambda: caught_up(lagmon),
        timeout=PATIENCE_SECONDS,
        what="lagmon to see that all is settled",
    )
    console.check("lagmon knows every partition and sees no lag", holds=lag_of(lagmon) == 0)

    console.step("The worker stops; players do not")
    code = worker.stop()
    console.check("the worker ended with exit code 0 on SIGTERM", holds=code == 0, found=code)
    accepted = backlog(console, api, lagmon)

    console.step("The page")
    page = next_page(console, stage, lagmon, "firing", seen=0)
    show(console, page)
    check_page(console, stage, page, accepted)

    console.step("The worker is back")
    successor = stage.product.worker()
    resolved = next_page(console, stage, lagmon, "resolved", seen=1)
    console.check("the same page is resolved", holds=resolved.labels == page.labels, found=resolved)
    until(lambda: caught_up(lagmon), timeout=PATIENCE_SECONDS, what="the worker to catch up")
    console.check("lagmon sees no lag", holds=lag_of(lagmon) == 0)
    return successor


def backlog(console: Console, api: str, lagmon: str) -> set[str]:
    """Play until lagmon sees more than the threshold; give the trace ids of what was accepted."""
    ids: set[str] = set()
    while (lag := lag_of(lagmon)) is None or lag <= THRESHOLD:
        ids |= play_rounds(api, BATCH)
        console.progress(f"{len(ids):5} plays accepted, lagmon sees a lag of {lag_of(lagmon)}")
    console.say(f"{len(ids)} plays accepted, lagmon sees a lag of {lag:.0f}")
    return ids


def play_rounds(api: str, count: int) -> set[str]:
    """Have *count* plays accepted, by the players in turn; give their trace ids."""
    players = [f"player-{number % PLAYERS}" for number in range(count)]
    with asking() as client, ThreadPoolExecutor(AT_ONCE) as pool:
        return {done.trace_id for done in pool.map(lambda who: play(client, api, who), players)}


def next_page(console: Console, stage: Stage, lagmon: str, status: str, seen: int) -> Page:
    """Wait for the page after the first *seen* ones; it must have *status*."""
    began = console.seconds

    def arrived() -> Page | None:
        waited = console.seconds - began
        console.progress(f"waiting for it, {waited:2.0f} s; lagmon sees a lag of {lag_of(lagmon)}")
        pages = stage.pager.pages()
        return pages[seen] if len(pages) > seen else None

    page = until(arrived, timeout=PATIENCE_SECONDS, every=1, what=f"a page that is {status}")
    waited = console.seconds - began
    console.check(f"{status} after {waited:.0f} s", holds=page.status == status, found=page)
    return page


def show(console: Console, page: Page) -> None:
    """Print what the person on call reads."""
    labels = page.labels
    console.show(labels["priority"], f"{labels['alertname']} {labels['code']} {labels['group']}")
    for name in SHOWN:
        if name in page.annotations:
            console.show(name, page.annotations[name])


def check_page(console: Console, stage: Stage, page: Page, accepted: set[str]) -> None:
    """Compare the page with Kafka itself: the record it names must carry the trace id it names."""
    labels, told = page.labels, page.annotations
    console.check(
        "it is this group's P1",
        holds=(labels["priority"], labels["group"]) == ("P1", GROUP),
        found=labels,
    )
    record = header_of_record(stage, dict(told)).split("-")[1] if "offset" in told else None
    console.check(
        "its trace id is the one in the record that it names",
        holds=record is not None and record == told.get("trace_id"),
        found=(record, told),
    )
    console.check("a player was given that id while the worker was down", holds=record in accepted)


def lag_of(lagmon: str) -> float | None:
    """Read the group's lag from lagmon's own metrics; ``None`` while it is not known."""
    found = samples(lagmon, "lagmon_group_lag_messages", OF_GROUP)
    return found[0] if found else None


def caught_up(lagmon: str) -> bool:
    """Tell whether the group has committed every partition, to its end."""
    uncommitted = samples(lagmon, "lagmon_group_uncommitted_partitions", OF_GROUP)
    return lag_of(lagmon) == 0 and uncommitted == [0]
