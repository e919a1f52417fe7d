"""The status page in a real Chromium: light and dark, wide and narrow, with scripts and without."""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING

import pytest

from lagmon.labels import safe
from lagmon.web.events import Bounds, Streams
from tests.conftest import running
from tests.infra import axe
from tests.infra.browser import Browser
from tests.infra.product import Product, address
from tests.infra.reading import commit
from tests.infra.records import produce
from tests.infra.require import required
from tests.infra.wait import until
from tests.lagmon.builders import CLUSTER, NOON, cycle, group, incident, lags
from tests.lagmon.web.stories import HOSTILE, night, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.infra.browser import Tab
    from tests.infra.kafka import KafkaBroker
    from tests.lagmon.web.stories import Shown

SOON = 60  # seconds
LIVE = "UTC live"
GROUP = f"/group?cluster={CLUSTER}&name=game-consumer"
PATHS = ["/", GROUP, "/group?name=nobody", "/?q=nothing"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give a Chromium, shared by the tests of this module."""
    yield from running(Browser())


@pytest.fixture
def page() -> Iterator[Shown]:
    """Give the pages of a night in which one group got stuck."""
    with shown(night()) as served:
        yield served


@pytest.fixture
def tab(browser: Browser) -> Tab:
    """Give an empty page of a desk's size."""
    return browser.tab()


def told_since(tab: Tab, before: int) -> bool:
    """Tell whether the page heard of more changes than *before*."""
    return bool(tab.js("window.told") > before)


def answered(tab: Tab, times: int) -> bool:
    """Tell whether the page got its new self so many *times*."""
    return bool(tab.js("window.answers") >= times)


def sees(tab: Tab, words: str) -> None:
    """Wait until *words* stand on the page."""
    until(lambda: words in tab.text(), timeout=SOON, what=f"{words!r} on the page")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("path", PATHS)
def test_the_pages_are_for_everybody(
    browser: Browser, page: Shown, path: str, width: int, *, dark: bool
) -> None:
    """axe-core finds nothing, also not in contrast, and nothing runs off a phone."""
    tab = browser.tab(width=width, dark=dark)
    tab.go(page.url + path)

    with required():
        assert axe.violations(tab) == []
    assert tab.js("document.documentElement.scrollWidth") <= width


def test_who_reads_a_partition_is_in_sight_on_a_phone(browser: Browser, page: Shown) -> None:
    """Whose process is to be looked at is seen without moving the table."""
    tab = browser.tab(width=390)
    tab.go(page.url + GROUP)

    cell = "[...document.querySelectorAll('#rows tbody tr:first-child td')]"
    owner = f"{cell}.find(each => each.innerText.includes('10.0.0.7'))"
    assert tab.js(f"{owner}.getBoundingClientRect().right") <= 390


def test_the_dark_page_is_dark(tab: Tab, page: Shown) -> None:
    """Nobody is blinded at night."""
    ground = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"

    tab.go(page.url)
    assert min(tab.js(ground)) > 200
    tab.look(dark=True)

    assert max(tab.js(ground)) < 60


@pytest.mark.parametrize("path", PATHS[:2])
def test_nothing_comes_from_elsewhere_and_nothing_is_refused(
    tab: Tab, page: Shown, path: str
) -> None:
    """Every address is lagmon's own, and the policy forbids nothing that the page wants."""
    tab.go(page.url + path)
    sees(tab, LIVE)

    assert {url.split("/static/")[0] for url in tab.asked} <= {
        page.url,
        f"{page.url}/events",
        page.url + path,
    }
    assert tab.problems == []


def test_the_policy_holds_in_the_browser(tab: Tab, page: Shown) -> None:
    """A script that somebody got into the page does not run."""
    tab.go(page.url)

    tab.js(
        "(() => { const one = document.createElement('script');"
        " one.textContent = 'window.ran = 1'; document.body.append(one); })()"
    )

    assert tab.js("window.ran") is None
    until(lambda: tab.problems, timeout=SOON, what="the refusal")


def test_the_page_follows_the_board(tab: Tab, page: Shown) -> None:
    """A cycle later the new values are there, without loading: what is typed and focused stays."""
    tab.go(page.url)
    sees(tab, LIVE)
    tab.js("document.getElementById('q').value = 'half a wo'; document.getElementById('q').focus()")

    page.do(lambda: page.board.put(cycle(lags(group(4711, "new-group")))))

    sees(tab, "new-group")
    assert "All is well" in tab.text()
    assert tab.js("document.title") == "All is well · lagmon"
    assert tab.js("[document.activeElement.id, document.activeElement.value]") == ["q", "half a wo"]
    assert tab.loaded == 1


def test_the_focus_stays_on_a_link_that_is_exchanged(tab: Tab, page: Shown) -> None:
    """Whoever goes through the groups by keyboard is not thrown back to the top."""
    tab.go(page.url)
    sees(tab, LIVE)
    tab.js("document.querySelector('a[href*=\"name=audit\"]').focus()")

    page.do(lambda: page.board.put(cycle(lags(group(99, "audit"), group(3, "other")))))

    sees(tab, "99 behind")
    assert tab.js("document.activeElement.textContent") == "audit"


def test_nothing_moves_while_somebody_selects(tab: Tab, page: Shown) -> None:
    """A command that is being copied does not vanish under the hand."""
    tab.go(page.url + GROUP)
    sees(tab, LIVE)
    tab.js("document.getSelection().selectAllChildren(document.getElementById('command-1'))")

    tab.js("window.own = new EventSource('events')")
    tab.js("window.told = 0; window.own.onmessage = () => { window.told += 1 }")
    until(lambda: tab.js("window.own.readyState") == 1, timeout=SOON, what="a stream of our own")

    for _ in range(2):  # there is a second between the two
        before = tab.js("window.told")
        page.do(lambda: page.board.put(cycle(lags(group(5, "game-consumer")))))
        until(partial(told_since, tab, before), timeout=SOON, what="an event")

    assert tab.js("document.querySelector('.large').innerText.trim()") == "3,140"
    selected = tab.js("document.getSelection().toString()")
    assert selected.endswith("--describe --group=game-consumer")
    tab.js("document.getSelection().removeAllRanges()")
    page.do(lambda: page.board.put(cycle(lags(group(77, "game-consumer")))))
    until(
        lambda: tab.js("document.querySelector('.large').innerText.trim()") == "77",
        timeout=SOON,
        what="the new lag",
    )


def test_nothing_moves_when_somebody_begins_to_select_meanwhile(tab: Tab, page: Shown) -> None:
    """The selection may come while the new page is on its way."""
    tab.go(page.url + GROUP)
    sees(tab, LIVE)
    tab.js(
        "window.answers = 0; window.fetch = (own => async (...asked) => {"
        "  const answer = await own(...asked);"
        "  document.getSelection().selectAllChildren(document.getElementById('command-1'));"
        "  window.answers += 1; return answer; })(window.fetch)"
    )

    for answers in (1, 2):  # with the second the first was dealt with
        page.do(lambda: page.board.put(cycle(lags(group(5, "game-consumer")))))
        until(partial(answered, tab, answers), timeout=SOON, what="an answer")

    assert tab.js("document.querySelector('.large').innerText.trim()") == "3,140"


def test_a_group_that_goes_is_said_to_be_gone(tab: Tab, page: Shown) -> None:
    """The last values are not passed off as those of now."""
    tab.go(page.url + GROUP)
    sees(tab, LIVE)

    page.do(lambda: page.board.put(cycle(lags(group(5, "another")))))

    sees(tab, "what is shown is not there any more")
    assert LIVE not in tab.text()


def test_lagmon_that_goes_is_said_to_be_gone(tab: Tab) -> None:
    """A page that stands still does not look like one that is live."""
    with shown(night()) as page:
        tab.go(page.url)
        sees(tab, LIVE)

    sees(tab, "lagmon does not answer")
    assert LIVE not in tab.text()


def test_lagmon_that_hangs_is_said_not_to_answer(tab: Tab, page: Shown) -> None:
    """Nor does a page whose question is never answered; here a tenth of a second is waited."""
    tab.go(page.url)
    sees(tab, LIVE)
    tab.js(
        "AbortSignal.timeout = (own => () => own.call(AbortSignal, 100))(AbortSignal.timeout);"
        "window.fetch = (_, { signal }) => new Promise((_, fail) => {"
        "  signal?.addEventListener('abort', () => fail(signal.reason)); })"
    )

    page.do(lambda: page.board.put(cycle(lags(group(5, "another")))))

    sees(tab, "lagmon does not answer")
    assert LIVE not in tab.text()


def test_a_stream_that_ends_by_itself_frightens_nobody(tab: Tab) -> None:
    """Each does after its time; lagmon is there all the while, and the page says nothing else."""
    short = Bounds(life=0.2, beat=0.2, pause=0.1, again=0.1)
    with shown(night(), streams=Streams(short)) as page:
        tab.go(page.url)
        sees(tab, LIVE)
        tab.js(
            "window.said = []; new MutationObserver(() => window.said.push(live.textContent))"
            ".observe(document.getElementById('live'), { childList: true })"
        )

        streams = "performance.getEntriesByType('resource').filter(e => e.name.endsWith('/events'))"
        ended = tab.js(f"{streams}.length")
        until(
            lambda: tab.js(f"{streams}.length") >= ended + 3, timeout=SOON, what="ends of streams"
        )

        assert tab.js("window.said") == []
        assert LIVE in tab.text()


def test_an_error_is_not_taken_for_a_group_that_is_gone(tab: Tab, page: Shown) -> None:
    """Whoever must log in again, or come again, is not told that the group is no more."""
    tab.go(page.url + GROUP)
    sees(tab, LIVE)
    tab.js("window.fetch = async () => new Response('', { status: 503 })")

    page.do(lambda: page.board.put(cycle(lags(group(5, "game-consumer")))))

    sees(tab, "lagmon answers with an error")
    assert "game-consumer" in tab.text()


def test_without_a_free_stream_the_page_is_asked_for_again(tab: Tab) -> None:
    """It says so, and goes on."""
    with shown(night(), streams=Streams(Bounds(streams=0))) as page:
        tab.go(page.url)

        until(lambda: "every 15 s" in tab.text(), timeout=2 * SOON, what="the other way")
        assert LIVE not in tab.text()


def test_by_keyboard_alone(tab: Tab, page: Shown) -> None:
    """Past the head, into the search, and to the page of the worst group."""
    tab.go(page.url)
    tab.press("Tab", code=9)
    assert tab.js("document.activeElement.textContent") == "Skip to the content"
    assert tab.js("document.activeElement.getBoundingClientRect().left") >= 0

    tab.press("/", code=191, text="/")
    assert tab.js("document.activeElement.id") == "q"
    assert tab.js("document.activeElement.value") == ""

    for _ in range(4):
        tab.press("Tab", code=9)
    assert tab.js("document.activeElement.textContent") == "game-consumer"
    tab.press("Enter", code=13, text="\r")
    tab.wait_loaded(1)

    assert tab.js("document.querySelector('h1').innerText").startswith("game-consumer")


@pytest.mark.parametrize("with_scripts", [True, False])
def test_a_choice_is_made_by_a_form(tab: Tab, page: Shown, *, with_scripts: bool) -> None:
    """It is part of the address, so that it can be sent to a colleague."""
    tab.scripts(on=with_scripts)
    tab.go(page.url)
    for _ in range(5 if with_scripts else 6):  # without, there is one link more
        tab.press("Tab", code=9)
    for letter in "mail":
        tab.press(letter, text=letter)
    tab.press("Enter", code=13, text="\r")
    tab.wait_loaded(1)

    tab.scripts(on=True)
    assert "q=mail" in tab.js("location.search")
    assert tab.js("[...document.querySelectorAll('h3')].map(each => each.innerText)") == [
        "mail-sender"
    ]
    assert "5 not asked for" in tab.text()


@pytest.mark.parametrize("path", PATHS[:2])
def test_without_scripts_the_page_is_whole(tab: Tab, page: Shown, path: str) -> None:
    """All that it says is there, and a link that keeps it fresh."""
    tab.go(page.url + path)
    sees(tab, LIVE)
    with_scripts = tab.text().replace(" live", "").replace(" Copy", "")

    tab.scripts(on=False)
    tab.go(page.url + path)
    tab.scripts(on=True)

    assert tab.text().replace(" Refresh automatically", "") == with_scripts


def test_a_hostile_name_is_shown_and_leads_to_its_page(tab: Tab, page: Shown) -> None:
    """Script, control and bidirectional characters are seen, and do nothing."""
    tab.go(page.url)
    tab.js("[...document.querySelectorAll('h3 a')].find(a => a.text.startsWith('<scr')).click()")
    tab.wait_loaded(1)

    assert tab.js("document.querySelector('h1').firstChild.data.trim()") == safe(HOSTILE)
    assert "\ufffd" in tab.text()
    assert tab.problems == []


@pytest.mark.parametrize(
    "name",
    ["../../metrics", "a/b?c#d&e", "{{ 7 * 7 }}", "%2e%2e%2f", "x" * 70_000, "a\u202eb", " "],
)
def test_odd_names_find_their_page(tab: Tab, name: str) -> None:
    """Template, path and address tricks are names like any other."""
    board = night()
    board.put(cycle(lags(group(1203, name)), incidents=(incident(name),)))
    with shown(board, lambda: NOON + 60) as page:
        tab.go(page.url)
        tab.js("document.querySelector('h3 a').click()")
        tab.wait_loaded(1)

        assert tab.js("document.querySelector('h1').firstChild.data.trim()") == safe(name).strip()
        assert tab.problems == []


def test_a_command_can_be_taken_as_it_is(tab: Tab, page: Shown) -> None:
    """The lines are broken for the eye alone."""
    tab.go(page.url + GROUP)

    assert tab.js("document.getElementById('command-3').textContent") == (
        "kafka-consumer-groups.sh --bootstrap-server=kafka-1:9092,kafka-2:9092"
        " --group=game-consumer --topic=plays:3 --reset-offsets --to-offset=88413 --dry-run"
    )


def test_a_real_lagmon_on_a_real_broker_shows_what_happens(
    kafka: KafkaBroker, topic: str, tab: Tab
) -> None:
    """A lag is there and grows while somebody looks; the page of its group has the way on."""
    name, servers = f"reader-{uuid.uuid4().hex[:8]}", kafka.bootstrap_servers
    produce(servers, topic, *[b"play"] * 12)
    commit(servers, name, topic, 0)
    with Product(kafka=servers) as product:
        url = address(product.lagmon(poll_interval="1s"))
        tab.go(f"{url}/?q={name}")
        sees(tab, "12 behind")

        produce(servers, topic, *[b"play"] * 30)

        sees(tab, "42 behind")
        tab.js("document.querySelector('h3 a').click()")
        tab.wait_loaded(1)
        sees(tab, f"--describe --group={name}")
        sees(tab, f"{topic}[0] 42")
        assert tab.problems == []
