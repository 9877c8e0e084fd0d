"""How many CPU cores there are: alone, so that who asks for nothing else need not wait for torch to be loaded."""

from __future__ import annotations

import os

__all__ = ["cores"]


def cores() -> int:
    """Number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
