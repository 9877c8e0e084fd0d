"""The teacher of a cell: the ensemble and the rounds of `labelmint label`, which mint labels for the cell's pool.

It learns from the cell's n labelled pairs alone, dealt into its folds, and from what it minted itself in the round
before. Pairs that validate beside them, pairs of the test part and labels that the pool's images may have are not
within its reach. As arm A settled it, colors and polarity are kept or changed, and images spread or not.

    cells/n-10/seed-0/teacher-.../      its members (`pool.stored`), so that a study that was stopped goes on
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from labelmint.datasets.pair import Pair
from labelmint.errors import InputError
from labelmint.pool.images import Pool
from labelmint.pool.labelled import dealt
from labelmint.pool.options import LabelOptions
from labelmint.pool.rounds import minted_pairs, teach
from labelmint.progress import Report
from labelmint.segmenters.plateau import ArmConfig
from labelmint.types import DataSet
from labelmint.usefulness.ground import Ground
from labelmint.usefulness.recipe import Recipe

__all__ = ["mint_for"]


def mint_for(
    ground: Ground,
    data: DataSet,
    folder: Path,
    *,
    recipe: Recipe,
    config: ArmConfig,
    seed: int,
    device: str,
    precision: str,
    report: Report,
) -> list[Pair]:
    """The images of the ground's pool as the ground has them, with minted labels: class indices, -1 where doubtful.

    Arguments:
        data: names the classes. folder: of the cell.
        recipe: what arm A settled on.
        device, precision: as for `label`; it computes with as many threads as whoever calls.
    """
    seen, geometry = ground.seen(recipe), ground.geometry
    options = LabelOptions(
        size=geometry.size,
        crop=geometry.crop,
        scale=geometry.scale,
        augment=tuple(sorted(geometry.augment)),
        seed=seed,
        device=device,
        precision=precision,
        threads=torch.get_num_threads(),
        recolored=recipe.recolored,
        spread=recipe.spread and not seen.normalized,
        segmenter=config,
    )
    place = folder / _name(recipe, config)
    labelled = dealt(_told_apart(seen.training), data, options.members)
    pool = Pool(data=data, pairs=seen.unlabelled, left_out=())
    try:
        taught = teach(labelled, pool, options, place, report)
    except InputError as error:
        raise InputError(str(error).replace("--ensemble", "--out")) from None
    minted = minted_pairs(seen.unlabelled, taught.minter, place, report)
    plain = {pair.name: pair for pair in ground.unlabelled}
    return [replace(plain[pair.name], ids=pair.ids) for pair in minted]


def _told_apart(pairs: Sequence[Pair]) -> Sequence[Pair]:
    """The pairs; each a group of its own where all are of one, since some must be held out."""
    if len({pair.group for pair in pairs}) > 1:
        return pairs
    return [replace(pair, group=pair.name) for pair in pairs]


def _name(recipe: Recipe, config: ArmConfig) -> str:
    """Another teacher, another folder."""
    kept = "" if recipe.recolored else "-colors-kept"
    return f"teacher{kept}{'-spread' if recipe.normalize else ''}-{config.most_steps}"
