"""`python -m labelmint` is `labelmint`."""

from __future__ import annotations

import sys

from labelmint.cli import main

__all__: list[str] = []

sys.exit(main())
