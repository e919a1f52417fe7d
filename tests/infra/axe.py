"""Judge a page by axe-core, which checks what people need who cannot see, or cannot use a mouse.

The script comes with a wheel of its own (axe-core-python) and is put into the page by the browser,
past the page's policy, which forbids scripts of strangers.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from tests.infra.require import Missing

if TYPE_CHECKING:
    from tests.infra.browser import Tab

PACKAGE = "axe_core_python"
INSTALL = "install axe-core-python; `make test` does"

_RUN = """
axe.run(document, {resultTypes: ["violations"]}).then(found => found.violations.flatMap(
  one => one.nodes.map(node => `${one.id}: ${node.target.join(" ")}: ${node.failureSummary}`)))
"""


def script() -> str:
    """Give axe-core; raise `Missing` if it is not installed."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise Missing(PACKAGE, INSTALL)
    return Path(spec.origin).with_name("axe.min.js").read_text(encoding="utf-8")


def violations(tab: Tab) -> list[str]:
    """Say what is wrong with the page in *tab*, one line an element."""
    tab.js(f"{script()}; undefined")
    found: list[str] = tab.js(_RUN)
    return found
