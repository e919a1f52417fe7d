"""The settings of a PostgreSQL server for tests, as its command line takes them."""

from __future__ import annotations

SETTINGS = {
    # time, pid, application name, database
    "log_line_prefix": "%m [%p] %q%a@%d ",
    "log_statement": "all",
    # A killed server loses nothing without it: only a machine that loses power would.
    "fsync": "off",
}
ARGUMENTS = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
