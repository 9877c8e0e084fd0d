"""What an evaluation can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from labelmint.datasets.ranges import check_normalize
from labelmint.dials import check_ranges
from labelmint.errors import InputError, named
from labelmint.evaluation.subject import FEWEST_SAMPLES
from labelmint.metrics.coherence import RULED_COMPOSITIONS
from labelmint.nn.efficientnet import LITE0
from labelmint.protocols import Dials
from labelmint.seeds import check_seed
from labelmint.segmenters.unet import SegmenterConfig

__all__ = ["Options"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What an evaluation can be told.

    Arguments:
        n: samples to draw from a run, 500 unless given.
        size, crop, scale, augment, group_by: of the comparison, for pairs that are no run's; as for `train`.
        normalize: of images, for pairs that are no run's; as for `train`.
        seed: of the samples, the judge and all resamples.
        dials: of the samples of a run, by name (`labelmint.dials`): `{"temperature": 0.7}`.
        composition: rules to check beside the learned ones: "pairs", "three", "upper", "center".
        fid_weights, lpips_weights: TorchScript files of the known networks.
        features: of another network, for a Fréchet distance of theirs: "efficientnet-lite0"; none unless given.
        judge: sizes and training of the judge. reader_steps: of the reader of single objects.
        resamples: of the bootstrap of each interval.
        device, precision, threads: where and how to compute.
    """

    n: int | None = None
    size: tuple[int, int] | None = None
    crop: bool = False
    scale: float = 1.0
    augment: tuple[str, ...] = ()
    group_by: str | None = None
    normalize: str = "none"
    seed: int = 0
    dials: Dials = field(default_factory=dict)
    composition: str | None = None
    fid_weights: Path | None = None
    lpips_weights: Path | None = None
    features: str | None = None
    judge: SegmenterConfig = field(default_factory=SegmenterConfig)
    reader_steps: int = 400
    resamples: int = 200
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        check_normalize(self.normalize)
        if self.n is not None and self.n < FEWEST_SAMPLES:
            raise InputError(f"-n {self.n}: an evaluation needs at least {FEWEST_SAMPLES} samples")
        check_seed(self.seed)
        check_ranges(self.dials)
        if self.features is not None:
            named("network of --features", self.features, {LITE0: None})
        if self.composition is not None and self.composition not in RULED_COMPOSITIONS:
            raise InputError(
                f"--composition {self.composition}: expected one of {', '.join(RULED_COMPOSITIONS)}"
            )
