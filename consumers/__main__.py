"""Run ``python -m consumers`` as the command ``consumers``."""

from __future__ import annotations

import sys

from consumers.cli import main

if __name__ == "__main__":
    sys.exit(main())
