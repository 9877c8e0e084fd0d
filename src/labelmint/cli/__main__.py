"""`python -m labelmint.cli` is `labelmint`."""

from __future__ import annotations

import sys

from labelmint.cli.app import main

__all__: list[str] = []

sys.exit(main())
