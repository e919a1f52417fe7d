"""``lagmon top``: show in a terminal what a lagmon that runs somewhere sees, the worst first.

It asks that lagmon's API alone, and Kafka nothing. No settings file is read, and no variable of
the environment but ``NO_COLOR`` and the terminal's own.

Exit codes: 0 somebody has seen enough, or the table is printed; 1 there is no answer to show; 130
Ctrl-C.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import sys
from pathlib import Path

from lagmon.configuration import addresses
from lagmon.errors import SettingsError
from lagmon.notify.access import Access, AccessError
from lagmon.top.asking import Asking, NoAnswer
from lagmon.top.feed import Feed
from lagmon.top.page import Seen, printed
from lagmon.top.showing import Showing
from lagmon.web.choice import SHOWN, SORTED, Choice

URL = "http://127.0.0.1:10308"
EVERY_SECONDS = 2.0
INTERRUPTED = 130
SIGPIPE = 141  # what a shell says of a program whose reader went away
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command to *commands*."""
    parser = commands.add_parser("top", help="show in a terminal what a running lagmon sees")
    parser.add_argument(
        "url", nargs="?", default=URL, metavar="URL", type=_url, help="where it is: %(default)s"
    )
    parser.add_argument("--once", action="store_true", help="print the table and end")
    parser.add_argument(
        "--every", type=_seconds, default=EVERY_SECONDS, metavar="SECONDS", help="ask so often"
    )
    shown, orders = [name for name, _ in SHOWN], [name for name, _ in SORTED]
    parser.add_argument("--show", choices=shown, default=shown[0], help="which groups")
    parser.add_argument("--sort", choices=orders, default=orders[0], help="in which order")
    parser.add_argument("--search", default="", metavar="TEXT", help="part of a group's name")
    parser.add_argument("--cluster", default="", metavar="NAME", help="this cluster alone")
    access = parser.add_argument_group("who we are, and whom we believe")
    access.add_argument("--ca", type=Path, metavar="FILE", help="certificates that we believe")
    access.add_argument("--cert", type=Path, metavar="FILE", help="our certificate")
    access.add_argument("--key", type=Path, metavar="FILE", help="its key")
    access.add_argument("--user", metavar="NAME", help="for basic authentication")
    access.add_argument("--password-file", type=Path, metavar="FILE", help="its password")
    access.add_argument("--token-file", type=Path, metavar="FILE", help="a bearer token")
    access.add_argument(
        "--header",
        action="append",
        type=_header,
        default=[],
        metavar="'NAME: VALUE'",
        help="send it along; may be given several times",
    )
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Show what *chosen* names; SettingsError if that cannot be."""
    choice = Choice(chosen.search, chosen.show, chosen.cluster, chosen.sort)
    try:
        with Asking(chosen.url, _access(chosen), dict(chosen.header)) as asking:
            return _print(asking, choice) if chosen.once else _show(asking, chosen.every, choice)
    except AccessError as error:
        raise SettingsError([str(error)]) from None
    except NoAnswer as error:
        sys.stderr.write(f"lagmon: {error}\n")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _print(asking: Asking, choice: Choice) -> int:
    text = printed(Seen(asking.url, asking.rest(asking.clusters())), choice)
    encoding = sys.stdout.encoding or "ascii"
    try:
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SIGPIPE
    return 0


def _show(asking: Asking, seconds: float, choice: Choice) -> int:
    try:
        from lagmon.top.screen import NoTerminal, show  # noqa: PLC0415 - not every system has curses
    except ImportError:
        raise SettingsError(["this Python has no curses; --once prints the table"]) from None
    feed = Feed(asking, seconds)
    feed.start()
    try:
        show(feed, Showing(choice))
    except NoTerminal as error:
        raise SettingsError([str(error)]) from None
    finally:
        feed.stop()
    return 0


def _access(chosen: argparse.Namespace) -> Access:
    """Say what goes together; SettingsError for what does not."""
    problems = []
    if (chosen.user is None) is not (chosen.password_file is None):
        problems.append("--user goes with --password-file")
    if chosen.user is not None and chosen.token_file is not None:
        problems.append("--user and --token-file exclude each other")
    if chosen.key is not None and chosen.cert is None:
        problems.append("--key goes with --cert")
    if problems:
        raise SettingsError(problems)
    return Access(
        username=chosen.user,
        password_file=chosen.password_file,
        bearer_token_file=chosen.token_file,
        ca_file=chosen.ca,
        cert_file=chosen.cert,
        key_file=chosen.key,
    )


def _url(text: str) -> str:
    """Read an address; ``HOST:PORT`` is one too."""
    whole = text if "://" in text else f"http://{text}"
    try:
        return addresses.endpoint(addresses.link(whole))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.1 <= seconds <= 3600:  # noqa: PLR2004 - said below
        raise argparse.ArgumentTypeError("is a number of seconds from 0.1 to 3600")
    return seconds


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    value = value.strip()
    if not (colon and _NAME.fullmatch(name) and value.isascii() and value.isprintable()):
        raise argparse.ArgumentTypeError("is written NAME: VALUE, in visible ASCII")
    return name, value
