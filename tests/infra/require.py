"""Say what a machine lacks: components raise `Missing`, tests turn it into a skip or a failure.

Components never skip by themselves, because the demo and the benchmarks use them without pytest.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Where `make tools` puts what no distribution has.
TOOLS = Path(__file__).parents[2] / ".tools/bin"
MAKE_TOOLS = "run `make tools`, which needs Go"


class Missing(Exception):  # noqa: N818 - "raise Missing(what, install)" says what happens
    """This machine lacks *what*; *install* says how to get it."""

    def __init__(self, what: str, install: str) -> None:
        super().__init__(f"{what} is missing: {install}")
        self.what = what
        self.install = install


def program(names: str, install: str) -> str:
    """Give the path of the first program of *names* (separated by ``|``) that there is.

    It is looked for on PATH, then where `make tools` puts it. Raises `Missing` with *install* if
    there is none.
    """
    for name in names.split("|"):
        if found := shutil.which(name) or shutil.which(name, path=TOOLS):
            return found
    raise Missing(names.replace("|", " or "), install)


def need(names: str, install: str) -> str:
    """Give the path of a program as `program` does, but skip the running test without it.

    With ``CI=true`` in the environment the test fails instead: nothing may go unchecked there.
    """
    with required():
        return program(names, install)


@contextmanager
def required() -> Iterator[None]:
    """Turn `Missing` into a skip of the running test, or into its failure with ``CI=true``."""
    import pytest  # noqa: PLC0415 - only a test comes here; the demo runs without pytest

    try:
        yield
    except Missing as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{missing} (CI=true: a skip is a failure)", pytrace=False)
        pytest.skip(str(missing))
