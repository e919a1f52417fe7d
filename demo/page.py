"""Second part of the story: the worker stops, the lag grows, one page comes, it is resolved."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx

from demo.stage import GROUP
from demo.trace import header_of_record, play
from tests.infra.reading import samples
from tests.infra.wait import until

if TYPE_CHECKING:
    from demo.console import Console
    from demo.pages import Page
    from demo.stage import Stage
    from tests.infra.process import Service

THRESHOLD = 1000  # messages: the shipped rule's
PLAYERS = 40
AT_ONCE = 4  # requests in flight while the backlog grows
BATCH = 250  # plays between two looks at the lag
SHOWN = (
    "summary", "value", "threshold", "since", "members", "topic", "partition", "offset", "age",
    "trace_id", "trace_url",
)  # fmt: skip


def tell(console: Console, stage: Stage, worker: Service, api: str, lagmon: str) -> None:
    """Stop the worker, play on until the page comes, start another, wait for the resolve."""
    console.step("The worker stops; players do not")
    code = worker.stop()
    console.check("the worker ended with exit code 0 on SIGTERM", holds=code == 0, found=code)
    accepted = backlog(console, api, lagmon)

    console.step("The page")
    page = next_page(console, stage, lagmon, "firing", seen=0)
    show(console, page)
    check_page(console, stage, page, accepted)

    console.step("The worker is back")
    stage.product.worker()
    resolved = next_page(console, stage, lagmon, "resolved", seen=1)
    lag = lag_of(lagmon)
    console.check(
        "the page was resolved", holds=resolved.labels == page.labels, found=resolved.labels
    )
    console.check(
        "the lag is back at or under the threshold",
        holds=lag is not None and lag <= THRESHOLD,
        found=lag,
    )


def backlog(console: Console, api: str, lagmon: str) -> set[str]:
    """Play until lagmon sees more than the threshold; give the trace ids of what was accepted."""
    ids: set[str] = set()
    with httpx.Client(timeout=10) as client, ThreadPoolExecutor(AT_ONCE) as pool:
        while (lag := lag_of(lagmon)) is None or lag <= THRESHOLD:
            players = [f"player-{number % PLAYERS}" for number in range(BATCH)]
            ids |= {done.trace_id for done in pool.map(lambda who: play(client, api, who), players)}
            console.progress(f"{len(ids):5} plays accepted, lagmon sees a lag of {lag}")
    console.say(f"{len(ids)} plays accepted, lagmon sees a lag of {lag:.0f}")
    return ids


def next_page(console: Console, stage: Stage, lagmon: str, status: str, seen: int) -> Page:
    """Wait for the page after the first *seen* ones; it must have *status*."""
    began = console.seconds

    def arrived() -> Page | None:
        console.progress(f"waiting for the page; lag {lag_of(lagmon)}")
        pages = stage.pager.pages()
        return pages[seen] if len(pages) > seen else None

    page = until(arrived, timeout=60, every=1, what=f"a page that is {status}")
    waited = console.seconds - began
    console.check(f"it arrived after {waited:.0f} s", holds=page.status == status, found=page)
    return page


def show(console: Console, page: Page) -> None:
    """Print what the person on call reads."""
    labels = page.labels
    console.show(
        labels["priority"], f"{labels['code']} {labels['alertname']}{{group={labels['group']}}}"
    )
    for name in SHOWN:
        if name in page.annotations:
            console.show(name, page.annotations[name])


def check_page(console: Console, stage: Stage, page: Page, accepted: set[str]) -> None:
    """Compare the page with Kafka itself: the record it names must carry the trace id it names."""
    found = page.annotations
    console.check(
        "it is the P1 of this group",
        holds=(page.labels["priority"], page.labels["group"]) == ("P1", GROUP),
        found=page.labels,
    )
    record = header_of_record(stage, dict(found)).split("-")[1] if "offset" in found else None
    console.check(
        "its trace id is the one in the record that it names",
        holds=record is not None and record == found.get("trace_id"),
        found=(record, found),
    )
    console.check("a player was given that id while the worker was down", holds=record in accepted)


def lag_of(lagmon: str) -> float | None:
    """Read the group's lag from lagmon's own metrics; ``None`` while it is not known."""
    found = samples(lagmon, "lagmon_group_lag_messages", {"group": GROUP})
    return found[0] if found else None
