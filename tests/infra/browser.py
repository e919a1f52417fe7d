"""A real Chromium, driven over its own protocol by two pipes: no port, no driver, no other library.

``CHROMIUM_BIN`` names the program; else it is searched on PATH. It has an empty profile, which ends
with it, and it ends with this process. A `Tab` collects what went wrong in its page and what the
page asked for, so that a test can tell that nothing did, and from whom.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import sys
import tempfile
import threading
from typing import TYPE_CHECKING, Any

from tests.infra.process import Service
from tests.infra.require import Missing, program
from tests.infra.wait import until

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

VARIABLE = "CHROMIUM_BIN"
NAMES = "chromium|chromium-browser|google-chrome|google-chrome-stable"
INSTALL = f"install chromium, or put its path into {VARIABLE}"
ANSWER_SECONDS = 60  # the first page of a loaded machine
READ_BYTES = 1 << 16
FREE_FD = 10  # from here on no descriptor is one of those that Chromium is given

# Chromium reads commands from descriptor 3 and writes to descriptor 4.
_HANDED = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); "
    "os.set_inheritable(3, True); os.set_inheritable(4, True); "
    "os.execvp(sys.argv[3], sys.argv[3:])"
)
_FLAGS = (
    "--headless",
    "--no-sandbox",  # the tests may run as root; only our own pages are visited
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)


def binary() -> str:
    """Give the path of Chromium; raise `Missing` if this machine has none."""
    named = os.environ.get(VARIABLE)
    if named and not os.access(named, os.X_OK):
        raise Missing(named, INSTALL)
    return named or program(NAMES, INSTALL)


class Browser:
    """One Chromium. A context manager; `tab` opens a page."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lagmon-chromium-")
        self._number = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._tabs: dict[str, Tab] = {}

    def __enter__(self) -> Self:
        chromium = binary()
        theirs_in, self._in = _pipe()
        self._out, theirs_out = _pipe()
        for fd in (theirs_in, theirs_out):
            os.set_inheritable(fd, True)
        flags = [*_FLAGS, f"--user-data-dir={self._folder.name}", "about:blank"]
        handed = [sys.executable, "-I", "-S", "-c", _HANDED, str(theirs_in), str(theirs_out)]
        self._service = Service(
            [*handed, chromium, *flags], name="chromium", handed=(theirs_in, theirs_out)
        )
        self._service.start()
        os.close(theirs_in)
        os.close(theirs_out)
        self._reader = threading.Thread(target=self._read, name="chromium", daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._service.close()
        self._reader.join()
        os.close(self._in)
        os.close(self._out)
        with contextlib.suppress(OSError):  # a child of it may still be writing
            self._folder.cleanup()

    def tab(self, *, width: int = 1280, height: int = 800, dark: bool = False) -> Tab:
        """Open an empty page of that size in points."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = self._tabs[session] = Tab(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.ask(f"{domain}.enable")
        tab.begin()
        tab.look(width=width, height=height, dark=dark)
        return tab

    def ask(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """Send one command and give its answer; RuntimeError if it is refused."""
        self._number += 1
        number = self._number
        command = {"id": number, "method": method, "params": params}
        command |= {"sessionId": session} if session else {}
        left = json.dumps(command).encode() + b"\0"
        while left:
            left = left[os.write(self._in, left) :]
        until(
            lambda: number in self._answers or not self._service.running,
            timeout=ANSWER_SECONDS,
            every=0.01,
            what=f"Chromium to answer {method}",
        )
        answer = self._answers.pop(number, {"error": self._service.tail()})
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _read(self) -> None:
        rest = b""
        while chunk := os.read(self._out, READ_BYTES):
            *messages, rest = (rest + chunk).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    self._answers[message["id"]] = message
                elif tab := self._tabs.get(message.get("sessionId", "")):
                    tab.hear(message["method"], message["params"])


class Tab:
    """One page. *problems* are its errors and refusals in words, *asked* what it has loaded."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session
        self._loaded = 0
        self._whole: set[str] = set()  # by the ids of their loaders
        self.problems: list[str] = []
        self.asked: list[str] = []

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command about this page and give its answer."""
        return self._browser.ask(method, self._session, **params)

    def begin(self) -> None:
        """Wait until the empty page is loaded, which is counted as none."""
        self.ask("Page.setLifecycleEventsEnabled", enabled=True)
        self._wait_whole(self.ask("Page.getFrameTree")["frameTree"]["frame"]["loaderId"])
        self._loaded = 0

    def look(self, *, width: int = 1280, height: int = 800, dark: bool = False) -> None:
        """Take the size of a window, or below 600 points of a phone, and a colour scheme."""
        is_phone = width < 600
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone}
        self.ask("Emulation.setDeviceMetricsOverride", **metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])

    def scripts(self, *, on: bool) -> None:
        """Let pages run scripts, or not."""
        self.ask("Emulation.setScriptExecutionDisabled", value=not on)

    def go(self, url: str) -> None:
        """Load *url* and wait until all of it is there."""
        answer = self.ask("Page.navigate", url=url)
        if answer.get("errorText"):
            raise RuntimeError(f"{url}: {answer['errorText']}")
        self._wait_whole(answer["loaderId"])

    def wait_loaded(self, before: int) -> None:
        """Wait until more pages than *before* are loaded."""
        until(lambda: self._loaded > before, timeout=ANSWER_SECONDS, what="the page to load")

    def _wait_whole(self, loader: str) -> None:
        until(lambda: loader in self._whole, timeout=ANSWER_SECONDS, what="the page to load")

    @property
    def loaded(self) -> int:
        """How many pages were loaded."""
        return self._loaded

    def js(self, expression: str) -> Any:
        """Give the value of *expression* in the page, awaited; RuntimeError if it throws."""
        answer = self.ask(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def text(self) -> str:
        """Give what a reader sees, spaces collapsed."""
        return " ".join(str(self.js("document.body.innerText")).split())

    def press(self, key: str, *, code: int = 0, text: str = "") -> None:
        """Press and release *key*, such as ``Tab`` with its *code* 9; a letter has a *text*."""
        known = {"key": key, "windowsVirtualKeyCode": code}
        self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **known)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **known)

    def shot(self, path: Path, *, height: int | None = None) -> None:
        """Write a picture of the page to *path*: all of it, or its upper *height* points."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        tall = size["height"] if height is None else min(height, size["height"])
        clip = {"x": 0, "y": 0, "width": size["width"], "height": tall, "scale": 1}
        taken = self.ask("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(taken["data"]))

    def hear(self, method: str, params: dict[str, Any]) -> None:
        """Take in one event of the page."""
        if method == "Page.loadEventFired":
            self._loaded += 1
        elif method == "Page.lifecycleEvent" and params["name"] == "load":
            self._whole.add(params["loaderId"])
        elif method == "Network.requestWillBeSent":
            self.asked.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.problems.append(str(params["exceptionDetails"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in {"error", "warning"}:
            entry = params["entry"]
            self.problems.append(f"{entry['source']}: {entry['text']} {entry.get('url', '')}")


def _pipe() -> tuple[int, int]:
    """Open a pipe of which neither end has a number that Chromium is handed one under."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, FREE_FD) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]
