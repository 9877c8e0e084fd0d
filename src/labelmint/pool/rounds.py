"""Rounds of self-training.

    round 1     members learn from the labels
    round r     anew from the start, from the labels and the minted labels of round r - 1, `ratio` of these for each of
                those in the batches

After each round the held-out labelled pixels are read by the members that did not learn from them, and set the
thresholds below which pixels of the pool are ignored (`pool.thresholds`). From the second round on they are not quite
unseen: the minted labels that a member learns from were read by others that had seen them.

References:
    Self-training with Noisy Student (Xie et al., 2020), https://arxiv.org/abs/1911.04252
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from labelmint.datasets.keeping import shelved
from labelmint.datasets.pair import Pair, digest_of
from labelmint.errors import InputError
from labelmint.pool.check import learn_check
from labelmint.pool.images import Pool
from labelmint.pool.labelled import Labelled
from labelmint.pool.minting import Minter
from labelmint.pool.options import LabelOptions
from labelmint.pool.stored import EnsembleFolder
from labelmint.pool.thresholds import Cuts, Tally, cuts_for
from labelmint.progress import Event, Report
from labelmint.segmenters.ensemble import Ensemble, Learning, train_ensemble
from labelmint.segmenters.plateau import ArmConfig

__all__ = ["Taught", "decisive", "minted_pairs", "teach"]


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What the last round left.

    Attributes:
        minter: of labels. tally: the held-out pixels. cuts: the thresholds that they set.
        hardware: device, precision and threads.
    """

    minter: Minter
    tally: Tally
    cuts: Cuts
    hardware: tuple[str, str, int]


def teach(labelled: Labelled, pool: Pool, options: LabelOptions, folder: Path, tell: Report) -> Taught:
    """Train what the folder of the ensemble lacks. Raises InputError for a folder of something else."""
    store, key = EnsembleFolder(folder), _key(labelled, options)
    about = {
        "members": options.members,
        "channels": labelled.channels,
        "classes": list(labelled.classes.names),
        "segmenter": decisive(options.segmenter),
        "spread": options.both_ways,
    }
    hardware = store.begin(key, options, about)
    learning = Learning(
        geometry=options.geometry,
        channels=labelled.channels,
        classes=len(labelled.classes),
        foreground=labelled.foreground,
        config=options.segmenter,
        recolored=options.recolored,
        spread=options.both_ways,
        ratio=options.ratio,
        seed=options.seed,
        device=torch.device(hardware.device),
        precision=hardware.precision,
    )
    check = learn_check(labelled.pairs, _without(labelled), crop=options.crop)
    minted: list[Pair] = []
    for round in range(1, options.rounds + 1):
        if round > 1:
            key = hashlib.sha256(f"{key} {digest_of(minted, options.ratio)}".encode()).hexdigest()
        place = folder / ("round-1" if round == 1 else f"round-{round}-{key[:12]}")
        later = (options.rounds - round) * options.members
        ensemble = train_ensemble(place, key, labelled.lessons, minted, learning, _named(tell, round), later)
        tally = _held_out(labelled, ensemble)
        cuts = cuts_for(tally, options.agreement, options.least_kept)
        minter = Minter(ensemble, cuts, check, labelled.classes, instances=labelled.instances)
        if round < options.rounds:
            minted = minted_pairs(pool.pairs, minter, folder, _named(tell, round))
    store.finish(place)
    return Taught(minter=minter, tally=tally, cuts=cuts, hardware=hardware)


def _without(labelled: Labelled) -> frozenset[int]:
    return frozenset(range(len(labelled.classes))) - set(labelled.foreground)


def _key(labelled: Labelled, options: LabelOptions) -> str:
    """Digest of all that decides the first round."""
    how = (
        "ensemble 3",
        options.size,
        options.crop,
        options.scale,
        sorted(options.augment),
        options.normalize,
        options.group_by,
        options.seed,
        options.members,
        options.recolored,
        options.both_ways,
        decisive(options.segmenter),
        labelled.classes.ids,
        *labelled.apart,
    )
    return digest_of(labelled.pairs, how)


def decisive(config: ArmConfig) -> dict[str, Any]:
    """Sizes and training of a member; weights of an encoder by their SHA-256, wherever the file lies."""
    weights = config.encoder_weights
    if weights is not None and not weights.is_file():
        raise InputError(f"--encoder-weights {weights}: no such file")
    digest = None if weights is None else hashlib.sha256(weights.read_bytes()).hexdigest()
    return {**config.model_dump(mode="json"), "encoder_weights": digest}


def _held_out(labelled: Labelled, ensemble: Ensemble) -> Tally:
    """The pixels of each labelled pair as the members read them that did not learn from it."""
    tally = Tally(len(labelled.classes))
    for pair, readers in zip(labelled.pairs, labelled.readers, strict=True):
        if readers:
            tally.add(ensemble.only(readers).probabilities(pair.image), pair.ids)
    return tally


def minted_pairs(pool: Sequence[Pair], minter: Minter, folder: Path, tell: Report) -> list[Pair]:
    """The pairs of a pool, at the scale of training, whose minted labels keep anything; -1 where they are ignored. The
    folder takes those that memory does not hold.
    """

    def minted() -> Iterator[Pair]:
        for done, pair in enumerate(pool, start=1):
            ids = minter.at_training(pair.image)
            if (ids >= 0).any():
                yield replace(pair, ids=ids)
            tell(Event("label the pool", done, len(pool)))

    return shelved(minted(), len(pool), folder, "the pool")


def _named(tell: Report, round: int) -> Report:
    return lambda event: tell(replace(event, stage=f"round {round}: {event.stage}"))
