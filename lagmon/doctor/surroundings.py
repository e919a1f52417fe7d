"""What a doctor finds beside the clusters: settings, receivers, the state file, the page. Pure.

In: settings and facts. Out: findings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lagmon.doctor.findings import Finding, Level
from lagmon.wording import counted, number

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lagmon.notify.inquiry import Answer

OK, GONE, SERVER_ERROR, NOT_IMPLEMENTED = 200, 300, 500, 501
UNAUTHORIZED, FORBIDDEN = 401, 403
LATE_SECONDS = 10.0  # the time an answer tells is to a second, and answers take a while
UNTOLD = "whoever is on call would not be told by it"
CREDENTIALS = "check username and password_file, bearer_token_file or tls of it"
ADDRESS = "check its url, and that it runs"


def of_alertmanager(answer: Answer, holds_seconds: float) -> Iterator[Finding]:
    """Find whether an Alertmanager takes alerts, each of which holds there for *holds_seconds*."""
    if answer.status is not None and OK <= answer.status < GONE:
        yield Finding(Level.OK, answer.name, "takes alerts")
    else:
        yield _refusal(answer)
    yield from _clock(answer, holds_seconds)


def of_other(answer: Answer) -> Iterator[Finding]:
    """Find whether a receiver can be reached; whether it takes an alert only one can tell."""
    status = answer.status
    refuses = status in {UNAUTHORIZED, FORBIDDEN}
    broken = status is None or (status >= SERVER_ERROR and status != NOT_IMPLEMENTED)
    if refuses or broken:
        yield _refusal(answer)
    else:
        what = f"is reached (HTTP {status}); whether it takes an alert, `lagmon notify-test` tells"
        yield Finding(Level.OK, answer.name, what)


def of_nobody() -> Finding:
    """Find that nobody is told."""
    return Finding(
        Level.FAILED,
        "receivers",
        "nobody is told: no receiver is configured",
        "lagmon would judge and page nobody",
        "name an Alertmanager under alertmanagers",
    )


def of_state(path: Path | None, *, trouble: str | None, unread: str | None) -> Finding:
    """Find what becomes of the memory at *path*: what is in the way, or why it is not *unread*."""
    where = "state.path"
    forgets = "a restart forgets what is open: it pages again, and nobody hears of an end"
    if path is None:
        return Finding(Level.WARNING, where, "is not set", forgets, "set it to a file that stays")
    if trouble is not None:
        do = "give the user of lagmon the right to write into its folder, on a disk that stays"
        return Finding(Level.FAILED, where, f"{path} cannot be written: {trouble}", forgets, do)
    if unread is not None:
        do = "look into it before lagmon starts, which sets it aside"
        return Finding(Level.WARNING, where, f"{path} is not understood: {unread}", forgets, do)
    return Finding(Level.OK, where, f"{path} can be written")


def of_page(series: int, dropped: int, max_series: int) -> Finding:
    """Find how many *series* of *max_series* the page has, and how many were *dropped*."""
    where = "metrics"
    told = f"{number(series)} series of {number(max_series)} would be exported"
    if not dropped:
        return Finding(Level.OK, where, told)
    return Finding(
        Level.WARNING,
        where,
        f"{told}, and {number(dropped)} left out",
        "partitions of the groups that lag least would have no series of their own",
        "raise metrics.max_series, or have metrics.granularity coarser",
    )


def of_settings(clusters: int, rules: int, windows: int, files: int) -> Finding:
    """Find that the settings hold: whatever is wrong with them ends the doctor before."""
    told = (
        counted(clusters, "cluster"),
        counted(rules, "rule"),
        counted(windows, "maintenance window"),
        f"{counted(files, 'file')} of secrets and certificates readable",
    )
    return Finding(Level.OK, "settings", ", ".join(told))


def _refusal(answer: Answer) -> Finding:
    do = CREDENTIALS if answer.status in {UNAUTHORIZED, FORBIDDEN} else ADDRESS
    if answer.status is None:
        return Finding(Level.FAILED, answer.name, f"is not reached: {answer.error}", UNTOLD, do)
    return Finding(Level.FAILED, answer.name, f"refuses with HTTP {answer.status}", UNTOLD, do)


def _clock(answer: Answer, holds_seconds: float) -> Iterator[Finding]:
    ahead = answer.ahead_seconds
    if ahead is None or abs(ahead) < LATE_SECONDS:
        return
    side = "ahead of" if ahead > 0 else "behind"
    yield Finding(
        Level.WARNING,
        answer.name,
        f"its clock is {abs(ahead):.0f} s {side} this machine's",
        f"an alert holds for {holds_seconds:.0f} s by its clock: it may end while it is open",
        "run a time service such as chrony on both",
    )
