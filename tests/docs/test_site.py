"""The site of docs/: built without a word of warning, whole, and with nothing of other hosts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from tests.docs.pages import DOCS
from tests.infra.axe import violations
from tests.infra.browser import Browser
from tests.infra.product import command
from tests.infra.require import required
from tests.infra.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOT = DOCS.parent
HOME = "https://lagmon.example/"  # where alerts suppose the site
PHONE = 390  # points


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Build the site as `make docs` does; give its folder and what was printed."""
    folder = tmp_path_factory.mktemp("site")
    line = re.findall(r"mkdocs (build.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[0]
    done = subprocess.run(
        [command("mkdocs"), *line.split(), "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, (done.stdout + done.stderr).splitlines()


@pytest.fixture(scope="module")
def site(built: tuple[Path, list[str]]) -> Path:
    """Give the folder of the site."""
    return built[0]


@pytest.fixture(scope="module")
def texts(site: Path) -> dict[str, str]:
    """Give the HTML of each page by its address below the site's own."""
    return {
        page.parent.relative_to(site).as_posix().removeprefix(".") + "/": page.read_text()
        for page in site.rglob("index.html")
    }


def test_the_strict_build_has_nothing_to_say(built: tuple[Path, list[str]]) -> None:
    """`make docs` builds with --strict, and prints what it does and no warning."""
    printed = built[1]

    assert "--strict" in (ROOT / "Makefile").read_text().partition("\ndocs:")[2].splitlines()[1]
    assert [line for line in printed if not line.startswith("INFO ")] == []


def test_every_page_is_reached_from_the_first(texts: dict[str, str]) -> None:
    """The navigation of the first page leads to every page of docs/, and to the project's three."""
    led = {
        urlsplit(urljoin("/", link)).path.strip("/")
        for link in re.findall(r'<a href="([^"]*)" class="md-nav__link', texts["/"])
    }

    pages = {address_of(page) for page in DOCS.rglob("*.md")} | {
        "CHANGELOG",
        "CONTRIBUTING",
        "SECURITY",
    }
    assert pages - led - {""} == set()


def test_every_page_is_found_by_searching(site: Path) -> None:
    """The search index has every page of docs/."""
    index = json.loads((site / "search/search_index.json").read_text())

    found = {entry["location"].partition("#")[0].strip("/") for entry in index["docs"]}
    assert {address_of(page) for page in DOCS.rglob("*.md")} - found == set()


def test_alerts_lead_to_their_page(texts: dict[str, str]) -> None:
    """Each runbook address in the rules is that of a page of the site."""
    rules = [*(ROOT / "deploy/prometheus/rules").glob("*.yml"), ROOT / "deploy/lagmon/lagmon.yml"]
    named = {name for file in rules for name in re.findall(rf"{HOME}([\w/]+)", file.read_text())}

    assert "runbooks/KafkaConsumerLag" in named
    assert {name for name in named if f"{name}/" not in texts} == set()


def test_every_link_of_the_site_leads_somewhere(site: Path, texts: dict[str, str]) -> None:
    """A link inside the site, also to a file of the repository, leads to a file with that part."""
    lost = []
    for page, text in texts.items():
        for link in re.findall(r'(?:href|src)="([^"]+)"', text):
            target = urlsplit(urljoin(f"{HOME}{page.lstrip('/')}", link))
            path = unquote(target.path).strip("/")
            if f"{target.scheme}://{target.netloc}/" == HOME and not (site / path).exists():
                lost.append(f"{page}: {link}")

    assert lost == []


def test_the_site_asks_no_other_host(site: Path, texts: dict[str, str]) -> None:
    """No font, script, style or picture comes from anywhere else."""
    loaded = re.compile(r'<(?:script|img|link|iframe)\b[^>]*?(?:src|href)="(https?://[^"]+)"')
    foreign = {url for text in texts.values() for url in loaded.findall(text)}
    styles = [style.read_text() for style in site.rglob("*.css")]

    assert {url for url in foreign if not url.startswith(HOME)} == set()
    assert [found for style in styles for found in re.findall(r"url\(['\"]?http\S+", style)] == []


def test_steps_with_code_between_stay_one_list(texts: dict[str, str]) -> None:
    """A numbered list of a page is one list in the site, whatever stands between its steps."""
    assert [page for page, text in texts.items() if re.search(r"<ol start=", text)] == []
    assert re.search(
        r"<li>\s*<p>(?:(?!</li>).)*<pre", texts["runbooks/KafkaConsumerLag/"], re.DOTALL
    )


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Serve the site on loopback; give its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give a Chromium."""
    with required(), Browser() as chromium:
        yield chromium


def test_a_person_finds_a_page(address: str, browser: Browser) -> None:
    """In a browser, on a dark phone: search finds a page, nothing fails, nothing is cut off."""
    tab = browser.tab(width=PHONE, height=800, dark=True)
    tab.go(f"{address}/reference/lagmon-configuration")
    wide = tab.js("document.documentElement.scrollWidth")
    scheme = tab.js("document.body.getAttribute('data-md-color-scheme')")
    tab.js("document.querySelector('label[for=__search]').click()")
    tab.js("document.querySelector('input[name=query]').focus()")
    tab.ask("Input.insertText", text="KafkaConsumerLag")
    first = until(
        lambda: tab.js("document.querySelector('.md-search-result__link')?.href"),
        timeout=60,
        what="a result",
    )

    assert (wide, scheme) == (PHONE, "slate")
    assert "KafkaConsumerLag" in first
    assert tab.problems == []
    assert [url for url in tab.asked if not url.startswith((address, "data:", "blob:"))] == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_page_can_be_read_by_everybody(address: str, browser: Browser, *, dark: bool) -> None:
    """Text and code have the contrast that WCAG asks for, and the search has a name."""
    tab = browser.tab(dark=dark)
    tab.go(f"{address}/runbooks/KafkaConsumerLag")
    until(lambda: tab.js("!document.getAnimations().length"), timeout=60, what="what fades in")

    found = [line for line in violations(tab) if line.startswith(("color-contrast", "aria-"))]
    assert found == []


class Quiet(SimpleHTTPRequestHandler):
    """Serve files without a line for each."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def address_of(page: Path) -> str:
    """Give where the site has *page* of docs/."""
    address = page.relative_to(DOCS).with_suffix("").as_posix()
    return address.removesuffix("index").strip("/")
