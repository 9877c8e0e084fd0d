"""The label of a new pair: the layout that its image was drawn for, as the generator saw it.

a generator of maps:     the map
a generator of boxes:    its boxes, and the map of these filled; or the whole map that they were found in, with
                         whatever they do not tell as ignored ("given")
"""

from __future__ import annotations

from labelmint.errors import InputError
from labelmint.runs.config import RunConfig
from labelmint.types import Layout, LayoutBatch

__all__ = ["BOXES", "GIVEN", "check_labels", "labels_of"]

BOXES, GIVEN = "boxes", "given"


def check_labels(config: RunConfig, how: str | None) -> None:
    """Raise InputError for what is no kind of labels, and for one that is asked of a system that sees maps."""
    if how is None:
        return
    if how not in (BOXES, GIVEN):
        raise InputError(f"--labels {how}: expected {BOXES} or {GIVEN}")
    if config.boxes is None:
        raise InputError(
            f"--labels {how}: {config.request.system} draws images for label maps, and these are their labels; leave "
            f"it out"
        )


def labels_of(config: RunConfig, drawn: LayoutBatch, seen: LayoutBatch, how: str | None) -> list[Layout]:
    """A label each, of layouts as they were drawn and as the generator saw them.

    Arguments:
        how: "boxes", "given", or None for what the system has.
    """
    table, rule = config.symbol_table, config.boxes
    if rule is not None and how != GIVEN:
        return rule.labels(seen, table)
    maps = seen.ids.cpu().numpy() if rule is None else rule.whole(drawn, seen)
    return [table.layout(ids, config.has_instances) for ids in maps]
