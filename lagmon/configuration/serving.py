"""How lagmon is reached: address, web configuration file, who and how many may come.

In: what the file says below ``web``. Out: frozen values. The web configuration file is read by
`lagmon.webconfig.live`, which reads it again when it changes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from lagmon.configuration.parts import Link, Part

File = Path | None


class Web(Part):
    """Where lagmon serves and for whom, and the address under which others reach it.

    *lifecycle* allows ``POST /-/reload``. *max_connections* are all that may be open at once.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 10308
    external_url: Link | None = None
    config_file: File = None
    lifecycle: bool = False
    max_connections: Annotated[int, Field(ge=10, le=100_000)] = 1000
