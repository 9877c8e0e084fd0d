"""New pairs out: the layout first, the image second, each file saying where it came from."""

from __future__ import annotations

from labelmint.synthesis.mint import check_target, mint

__all__ = ["check_target", "mint"]
