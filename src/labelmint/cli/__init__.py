"""The command line: one file a verb. Nothing heavy is imported before a verb runs, so that `labelmint --help`
answers at once.
"""

from __future__ import annotations

from labelmint.cli.app import app, main

__all__ = ["app", "main"]
