"""Write the dashboards anew: ``python -m deploy.grafana.source``.

What is committed is what this writes; a test compares them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from deploy.grafana.source import api, consumers, kafka, one_trace, postgres, slo

FOLDER: Final = Path(__file__).parents[1] / "dashboards"
ALL: Final = (
    api.DASHBOARD,
    consumers.DASHBOARD,
    kafka.DASHBOARD,
    postgres.DASHBOARD,
    one_trace.DASHBOARD,
    slo.DASHBOARD,
)


def files() -> dict[Path, str]:
    """Give each file and what is to stand in it."""
    return {
        FOLDER / f"{each['uid']}.json": json.dumps(each, indent=2, sort_keys=True) + "\n"
        for each in ALL
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, content in files().items():
        path.write_text(content)
