"""An ensemble of k segmenters, as nnU-Net's five folds are one.

    p(x) = 1/k sum_j p_j(x)                        p_j: `segmenters.mirrored`; where they are trained on images that
                                                   are spread from their own ranges, too (`datasets.ranges`), the
                                                   mean of what is read of x as it is and spread
    doubt that members share out: H(p) - 1/k sum_j H(p_j)        (the Jensen-Shannon divergence of the p_j, in nats)

Member j learns from its lesson (`segmenters.folds`), a share of minted pairs beside the real ones where there
are any, until the loss of its held-out pairs is at a plateau. It is stored when it is done, so that a call that
was stopped trains what is missing.

References:
    nnU-Net (Isensee et al., 2021), https://doi.org/10.1038/s41592-020-01008-z
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from labelmint.datasets.geometry import Geometry, mirrored_axes
from labelmint.datasets.keeping import shelved
from labelmint.datasets.pair import Pair
from labelmint.datasets.pairs import Pairs
from labelmint.datasets.ranges import normalized
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.errors import InputError
from labelmint.progress import Event, Report
from labelmint.segmenters.dense_unet import DenseUNet, load_encoder_weights
from labelmint.segmenters.folds import Lesson
from labelmint.segmenters.lite_unet import LiteUNet
from labelmint.segmenters.mirrored import Mirrored
from labelmint.segmenters.mixture import SMALL_TURN, TURN, Mixture
from labelmint.segmenters.plateau import ArmConfig, train_to_plateau
from labelmint.segmenters.strong import Strong
from labelmint.segmenters.unet import SegmenterConfig, UNet
from labelmint.segmenters.windows import by_windows
from labelmint.training.run_folder import RunFolder
from labelmint.types import Array, Batch

__all__ = ["Ensemble", "Learning", "stored_ensemble", "train_ensemble"]

_VIEWS = 256  # of held-out pairs
_AVERAGE = 0.99  # decay of the moving average of the weights
_ZOOM, _FREE_ZOOM = 2.0, 2.5  # the latter where the views zoom, too


@dataclass(frozen=True, kw_only=True)
class Learning:
    """How members learn.

    Attributes:
        geometry: size, crop and the augmentation that keeps labels true.
        channels, classes: C and K. foreground: class indices that a third of the views are drawn to show.
        config: sizes and training of a member.
        recolored: whether polarity and color may change (`segmenters.strong`).
        spread: whether half of the views are of images spread from their own ranges, and images are read both ways.
        ratio: minted pairs for each real one, where there are minted ones.
        seed: of the ensemble; each member has one of its own that follows from it.
        precision: "32-true" or "bf16-mixed".
    """

    geometry: Geometry
    channels: int
    classes: int
    foreground: tuple[int, ...]
    config: ArmConfig
    recolored: bool
    spread: bool
    ratio: float
    seed: int
    device: torch.device
    precision: str


class Ensemble:
    """Trained members.

    Arguments:
        members: networks over K classes.
        axes: that are mirrored when an image is read: rows 0, columns 1.
        spread: whether it is read spread from its own range, too.
    """

    def __init__(self, members: Sequence[nn.Module], axes: Sequence[int], *, spread: bool = False) -> None:
        self.members, self._axes, self._spread = [member.eval() for member in members], tuple(axes), spread

    def only(self, members: Sequence[int]) -> Ensemble:
        """Some of the members, by their places."""
        return Ensemble([self.members[place] for place in members], self._axes, spread=self._spread)

    @torch.no_grad()
    def each(self, image: Array) -> Tensor:
        """What each member reads of an image (H, W, C) uint8 at the scale of training: (k, K, H, W) float32."""
        device = next(self.members[0].parameters()).device
        ways = (image, normalized(image, "image")) if self._spread else (image,)
        # a copy: what was decoded may not be written to
        seen = EIGHT_BITS.to_unit(np.stack(ways)).to(device)

        def read(member: nn.Module) -> Tensor:
            mirrored = Mirrored(member, self._axes)
            return by_windows(
                lambda part: (
                    mirrored(part.contiguous(memory_format=torch.channels_last)).float().softmax(dim=1)
                ),
                seen,
            )

        return torch.cat([read(member).mean(dim=0, keepdim=True) for member in self.members]).cpu()

    def probabilities(self, image: Array) -> Tensor:
        """Class probabilities (K, H, W) of an image (H, W, C) uint8 at the scale of training."""
        return self.each(image).mean(dim=0)

    def disagreement(self, image: Array) -> float:
        """The mean over the pixels of an image of what the members disagree by, in nats."""
        every = self.each(image)
        return float((_entropy(every.mean(dim=0)) - _entropy(every.transpose(0, 1)).mean(dim=0)).mean())


def _entropy(shares: Tensor) -> Tensor:
    """Over the first dimension."""
    entropy: Tensor = -torch.special.xlogy(shares, shares).sum(dim=0)
    return entropy


def train_ensemble(
    folder: Path,
    key: str,
    lessons: Sequence[Lesson],
    minted: Sequence[Pair],
    learning: Learning,
    report: Report,
    later: int = 0,
) -> Ensemble:
    """The ensemble stored in folder/member-1, member-2, ..., of which what is missing is trained.

    Arguments:
        folder: made where it is missing.
        key: digest of all that decides the members, the weights that their encoders begin with among that.
        minted: pairs of class indices at the scale of training, -1 where ignored; none in a first round.
        later: how many members are trained after these, which the time left that is told holds, too.

    Raises InputError for a stored member that was made from something else, or is damaged.
    """
    store, members = RunFolder(folder), []
    for place, lesson in enumerate(lessons):
        part = f"member-{place + 1}"
        mine = replace(learning, seed=_seed_of(learning.seed, place))
        network = _network(mine.channels, mine.classes, mine.config, mine.seed)
        if store.finished(part):
            weights, about = store.load_part(part, store.removed(part))
            if about.get("key") != key:
                raise InputError(
                    f"{folder / part}: was made from other data or settings; give another --ensemble, or remove it"
                )
            network.load_state_dict(weights)
            network.to(mine.device)
        else:
            if isinstance(network, DenseUNet) and mine.config.encoder_weights is not None:
                load_encoder_weights(network, mine.config.encoder_weights)
            tell = _told(report, place, len(lessons), later)
            about = _train(network.to(mine.device), lesson, minted, mine, folder, tell)
            store.save_part(part, network.state_dict(), {"key": key, **about})
        members.append(network)
    return Ensemble(members, mirrored_axes(learning.geometry.augment), spread=learning.spread)


def _seed_of(seed: int, member: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {member}".encode()).digest()[:4], "big")


def _told(report: Report, place: int, count: int, later: int = 0) -> Report:
    """Events of a member that begins now, with the time that is left for all members, taken as alike."""
    begin = time.perf_counter()

    def tell(event: Event) -> None:
        whole = (time.perf_counter() - begin) * event.steps / max(event.step, 1)
        left = event.seconds_left + (count - place - 1 + later) * whole
        report(replace(event, stage=f"{event.stage} {place + 1} of {count}", seconds_left=left))

    return tell


def stored_ensemble(
    folder: Path,
    members: int,
    *,
    channels: int,
    classes: int,
    config: ArmConfig,
    geometry: Geometry,
    spread: bool,
    device: torch.device,
) -> Ensemble:
    """The ensemble of n members that `train_ensemble` stored in a folder. Raises InputError for a member that is
    missing or damaged.
    """
    store, networks = RunFolder(folder), []
    for place in range(members):
        network = _network(channels, classes, config, seed=0)
        network.load_state_dict(store.load_part(f"member-{place + 1}")[0])
        networks.append(network.to(device))
    return Ensemble(networks, mirrored_axes(geometry.augment), spread=spread)


def _network(channels: int, classes: int, config: ArmConfig, seed: int) -> UNet | DenseUNet | LiteUNet:
    """An untrained member; the same weights for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if config.network == "lite0":
            return LiteUNet(channels, classes).to_fast_layout()
        if config.network == "dense":
            return DenseUNet(channels, classes, depth=config.depth).to_fast_layout()
        sizes = SegmenterConfig(channels=config.channels, residual_units=config.residual_units)
        return UNet(channels, classes, sizes).to_fast_layout()


def _train(
    network: nn.Module,
    lesson: Lesson,
    minted: Sequence[Pair],
    learning: Learning,
    folder: Path,
    report: Report,
) -> dict[str, float | bool]:
    """Train in place; return how it went."""
    geometry, config = learning.geometry, learning.config
    real = Pairs.of(_both_ways(lesson.training, learning, folder), geometry, learning.seed)
    made = Pairs.of(_both_ways(minted, learning, folder), geometry, learning.seed) if minted else None
    mixture = Mixture(
        real,
        made,
        ratio=learning.ratio if minted else 0.0,
        turn=None,
        copy_paste=None,
        seed=learning.seed,
        foreground=learning.foreground,
        change=_change(learning),
    )
    done = train_to_plateau(
        network,
        mixture,
        _fixed(lesson.held_out, geometry),
        config,
        least_steps=0,
        epoch=math.ceil(
            sum(one.ids.size for one in lesson.training) / (np.prod(geometry.size) * config.batch_size)
        ),
        average=_AVERAGE,
        bfloat16=learning.precision == "bf16-mixed",
        report=report,
        stage="segmenter",
    )
    return {"steps": done.steps, "best_step": done.best_step, "held_out_loss": done.validation_loss}


def _both_ways(pairs: Sequence[Pair], learning: Learning, folder: Path) -> Sequence[Pair]:
    """The pairs as they are, and where that is asked for spread from their own ranges beside that; the folder takes
    what memory does not hold.
    """
    if not learning.spread:
        return pairs
    spread = (replace(one, image=normalized(one.image, "image")) for one in pairs)
    return [*pairs, *shelved(spread, len(pairs), folder, "the images that are spread")]


def _change(learning: Learning) -> Strong:
    """The augmentation of the strongest arm of a study."""
    augment = learning.geometry.augment
    return Strong(
        turn=TURN if "turns" in augment else SMALL_TURN,
        zoom=_FREE_ZOOM if "zoom" in augment else _ZOOM,
        recolored=learning.recolored,
    )


def _fixed(pairs: Sequence[Pair], geometry: Geometry) -> Batch:
    """All of the held-out pairs, cut into tiles, as one batch."""
    tiles = Pairs.of(pairs, geometry, 0).tiles(geometry.size, _VIEWS)
    return tiles.fixed(0, len(tiles))
