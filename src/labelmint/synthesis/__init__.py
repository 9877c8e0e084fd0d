"""New pairs out: the layout first, the image second, each file saying where it came from."""

from __future__ import annotations

from labelmint.synthesis.join import join
from labelmint.synthesis.mint import check_target, mint
from labelmint.synthesis.options import MintOptions

__all__ = ["MintOptions", "check_target", "join", "mint"]
