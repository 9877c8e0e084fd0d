"""What the images without labels are to the arms of a cell: images, labels minted for them, and pairs of `transfer`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from labelmint.datasets.pair import Pair
from labelmint.errors import InputError
from labelmint.evaluation.views import Views
from labelmint.progress import Report
from labelmint.usefulness.arms import Arm
from labelmint.usefulness.ground import Ground
from labelmint.usefulness.plan import Cell, StudyOptions, ways
from labelmint.usefulness.recipe import Recipe
from labelmint.usefulness.samples import Maker
from labelmint.usefulness.settling import Settled
from labelmint.usefulness.teacher import mint_for
from labelmint.usefulness.unlabelled import Unlabelled

__all__ = ["PoolImages"]


class PoolImages:
    """The pool of a study as its arms have it.

    Arguments:
        folder: of the study.
        transfer: the maker of the pairs of arm TR; None where it is not trained.
    """

    def __init__(
        self, folder: Path, unlabelled: Unlabelled, options: StudyOptions, transfer: Maker | None
    ) -> None:
        self._folder, self.unlabelled, self._options, self._transfer = folder, unlabelled, options, transfer
        self._minted: dict[tuple[Cell, Recipe], Sequence[Pair]] = {}

    def check(self, cells: Sequence[Cell]) -> None:
        """Raise InputError for a pool that leaves no image beside the labelled ones of any cell."""
        if not any(self.unlabelled.of(cell) for cell in cells):
            raise InputError(
                f"--unlabelled {self.unlabelled.source}: leaves no image beside the labelled ones; take a smaller "
                f"--n-train, or name other images"
            )

    def beside(
        self, ground: Ground, cell: Cell, arm: Arm, usual: Settled | None, precision: str, tell: Report
    ) -> Ground:
        """The ground of an arm with the images of the pool, and where it learns from them their minted labels.

        Arguments:
            usual: what arm A settled on. precision: "32" or "bf16".
        """
        ground = replace(ground, unlabelled=self.unlabelled.of(cell))
        if arm.pool != "minted":
            return ground
        assert usual is not None
        key, options = (cell, usual.recipe), self._options
        if key not in self._minted:  # those of one cell are held: ST and S+ST share them
            minted = mint_for(
                ground,
                self.unlabelled.real.data,
                self._folder / cell.folder,
                recipe=usual.recipe,
                config=options.segmenter,
                seed=cell.seed,
                device=options.device,
                precision=precision,
                report=tell,
            )
            self._minted = {key: minted}
        return replace(ground, minted=self._minted[key])

    def moved(self, cell: Cell, count: int, tell: Report) -> Views | None:
        """The pairs of arm TR, kept below the cell's folder."""
        assert self._transfer is not None
        way = ways(StudyOptions(filter="off"), self._transfer.dials)[0]
        return self._transfer.make(cell, way, count, self._folder / cell.folder / "transfer", tell)[0]
