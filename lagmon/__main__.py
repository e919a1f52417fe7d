"""Run the command by ``python -m lagmon``."""

from __future__ import annotations

import sys

from lagmon.cli import main

if __name__ == "__main__":
    sys.exit(main())
