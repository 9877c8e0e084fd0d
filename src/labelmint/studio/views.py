"""The views of the studio, in the order of their tabs."""

from __future__ import annotations

from labelmint.studio import label, look, mint, paint
from labelmint.studio.view import View

__all__ = ["VIEWS"]

VIEWS: tuple[View, ...] = (mint.VIEW, paint.VIEW, look.VIEW, label.VIEW)
