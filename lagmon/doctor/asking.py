"""Have a cluster examined by a process of its own, and always have an `Examination` to give.

In: the settings of a collector. Out: what `lagmon.collector.examine` answered, or an examination
with the error, within the cycle's deadline and a grace. This module never talks to Kafka.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from lagmon.doctor.examination import Examination
from lagmon.supervise import GRACE_SECONDS, LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lagmon.configuration.settings import CollectorSettings

COMMAND: Final = (sys.executable, "-m", "lagmon.collector.examine")


async def examine(
    settings: CollectorSettings,
    *,
    command: Sequence[str] = COMMAND,
    grace_seconds: float = GRACE_SECONDS,
) -> Examination:
    """Examine the cluster of *settings* by *command*, which is killed when its time is over."""
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    seconds = settings.cycle_deadline + grace_seconds
    try:
        child = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=nothing, limit=LINE_BYTES
        )
    except OSError as error:
        return Examination(error=f"it could not be examined: {error}")
    try:
        told = settings.model_dump_json().encode() + b"\n"
        answer, _ = await asyncio.wait_for(child.communicate(told), seconds)
        return Examination.model_validate_json(answer)
    except TimeoutError:
        return Examination(error=f"it was not examined within {seconds:g} s")
    except ValidationError:
        return Examination(error="its examination ended without an answer")
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
