"""What the parts of a system know of held-out pairs: likelihood of their tokens, use of the codebooks,
reconstruction.

nats per token   -1/N sum log p(z_i | z_<i, s);  only comparable between priors over the same frozen tokens
perplexity       exp(-sum_k f_k log f_k) over the shares f_k of the codebook's entries among the tokens of
                 test images
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from labelmint.datasets.pairs import Pairs
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.errors import InputError
from labelmint.evaluation.unlikeness import SMALLEST_SIDE, unlikeness
from labelmint.pictures import image_grid
from labelmint.protocols import Decoding, Dials
from labelmint.reports.results import Figure, Picture, Section, Table
from labelmint.runs.draw import Draw
from labelmint.runs.trained import TrainedSystem
from labelmint.types import Array, Batch

if TYPE_CHECKING:
    from labelmint.evaluation.known_weights import Vgg

__all__ = ["AT_MOST", "LAYOUTS", "likelihood", "not_measured", "reconstruction_errors", "same_layout"]

AT_MOST, LAYOUTS, AT_ONCE = 512, 8, 32
_PICTURE = Picture(
    title="Reconstructions of test images",
    file="reconstructions.png",
    note="In pairs: the image, and as decoded.",
)


@torch.no_grad()
def likelihood(system: TrainedSystem, pairs: Pairs, folder: Path, net: Vgg | None) -> Section:
    """The section, on test pairs as the system sees them, in their fixed view (the middle, where training
    crops).
    """
    known = {
        stage.name: stage.regime.held_out(stage.module, pairs, system.device) for stage in system.wired.stages
    }
    figures = _nats(known)
    back = _given_back(system, pairs)
    if back is not None:
        figures += _reconstruction(*back, net)
        image_grid(_in_turns(*(images[:12] for images in back)), folder / "reconstructions.png", columns=8)
    return Section(
        name="likelihood",
        title="What do the parts know?",
        summary=_summary(system, known, back is not None),
        figures=tuple(figures),
        tables=(*_codebooks(system, pairs), _held_out(known)),
        pictures=(_PICTURE,) if back is not None else (),
    )


def not_measured(why: InputError) -> Section:
    """The section where the system can't see the test pairs."""
    figure = Figure(
        name="likelihood.prior_nats", title="Held-out nats per image token", value=None, refused=str(why)
    )
    return Section(
        name="likelihood", title="What do the parts know?", summary=f"Not measured: {why}.", figures=(figure,)
    )


def _nats(known: Mapping[str, Mapping[str, float]]) -> list[Figure]:
    """Figures of the priors that there are."""
    return [
        Figure(
            name=f"likelihood.{name}_nats",
            title=f"Held-out nats per {what}",
            value=known[name]["held_out_nats"],
            better="lower",
            how="on test pairs; compare only between priors over the same tokens",
        )
        for name, what in (("prior", "image token"), ("layout_prior", "layout cell"))
        if name in known
    ]


def _held_out(known: Mapping[str, Mapping[str, float]]) -> Table:
    """What every part reaches on test pairs of what it learned to make small or large."""
    rows = [
        (stage.replace("_", " "), name.removeprefix("held_out_").replace("_", " "), value)
        for stage, figures in known.items()
        for name, value in figures.items()
    ]
    return Table(
        title="What each part learned, on test pairs",
        head=("part", "figure", "value"),
        rows=tuple(rows),
        note="As the log of the training has it on validation pairs; errors are on [-1, 1], shares of 1.",
    )


def _summary(system: TrainedSystem, known: Mapping[str, Mapping[str, float]], encodes: bool) -> str:
    if "prior" in known:
        return f"The image prior needs {known['prior']['held_out_nats']:.3f} nats a token on test pairs."
    told = "; ".join(
        f"{name.removeprefix('held_out_')} {value:.4f}"
        for figures in known.values()
        for name, value in figures.items()
    )
    without = "" if encodes else " Nothing encodes images here, so there are no reconstructions."
    return f"{system.system} has no tokens, so neither codebooks nor a likelihood; on test pairs: {told}.{without}"


def _given_back(system: TrainedSystem, pairs: Pairs) -> tuple[Array, Array] | None:
    """Test images and as the generator gives them back, (N, H, W, C) uint8; None where nothing encodes them."""
    originals, back = [], []
    for batch in _batches(pairs, system):
        images = system.images.given_back(batch)
        if images is None:
            return None
        originals.append(EIGHT_BITS.from_unit(batch.image))
        back.append(EIGHT_BITS.from_unit(images))
    return np.concatenate(originals), np.concatenate(back)


def _batches(pairs: Pairs, system: TrainedSystem) -> Iterator[Batch]:
    for first in range(0, len(pairs), AT_ONCE):
        yield pairs.fixed(first, min(AT_ONCE, len(pairs) - first)).to(system.device)


def _reconstruction(originals: Array, reconstructions: Array, net: Vgg | None) -> list[Figure]:
    figures = reconstruction_errors(originals, reconstructions)
    if net is not None:
        from labelmint.evaluation.known_weights import lpips_distance

        value = float(lpips_distance(originals, reconstructions, net).mean())
        how = f"mean over test images; VGG weights of SHA-256 {net.sha256[:16]}"
        figures.append(
            Figure(
                name="reconstruction.lpips",
                title="Reconstruction LPIPS",
                value=value,
                better="lower",
                how=how,
            )
        )
    return figures


def reconstruction_errors(originals: Array, reconstructions: Array) -> list[Figure]:
    """MSE, PSNR and SSIM of images (N, H, W, C) uint8, by torchmetrics, a few at a time."""
    from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure
    from torchmetrics.regression import MeanSquaredError

    meters: dict[str, tuple[str, Any, str, str]] = {
        "mse": ("Reconstruction MSE", MeanSquaredError(), "", "on [-1, 1], test images"),
        "psnr": (
            "Reconstruction PSNR",
            PeakSignalNoiseRatio(data_range=2.0),
            "dB",
            "of all test images together",
        ),
    }
    if min(originals.shape[1:3]) >= 12:
        meters["ssim"] = (
            "Reconstruction SSIM",
            StructuralSimilarityIndexMeasure(data_range=2.0),
            "",
            "mean over test images",
        )
    for first in range(0, len(originals), AT_ONCE):
        batches = (
            torch.from_numpy(x[first : first + AT_ONCE]).permute(0, 3, 1, 2)
            for x in (reconstructions, originals)
        )
        # from 0: SSIM is about ratios of brightness
        decoded, wanted = (batch.contiguous().float() / EIGHT_BITS.half for batch in batches)
        for _, meter, _, _ in meters.values():
            meter.update(decoded, wanted)
    values = {name: float(meter.compute()) for name, (_, meter, _, _) in meters.items()}
    return [
        Figure(
            name=f"reconstruction.{name}",
            title=title,
            value=values[name],
            unit=unit,
            how=how,
            better="lower" if name == "mse" else "higher",
        )
        for name, (title, _, unit, how) in meters.items()
    ]


def _codebooks(system: TrainedSystem, pairs: Pairs) -> tuple[Table, ...]:
    """Use and perplexity, where there are codebooks; the two halves of a stacked stream have one each."""
    if not isinstance(system.images, Decoding):
        return ()
    tokenizer = system.images.tokenizer
    found = [tokenizer.encode(batch) for batch in _batches(pairs, system)]
    rows, halves = [], getattr(tokenizer, "paths", ("",))
    for stream in tokenizer.streams:
        tokens = torch.cat([each[stream.name].cpu() for each in found])
        for name, part in zip(halves, tokens.chunk(len(halves), dim=1), strict=True):
            counts = np.bincount(part.flatten().numpy(), minlength=stream.codebook_size)
            shares = counts[counts > 0] / counts.sum()
            perplexity = float(np.exp(-(shares * np.log(shares)).sum()))
            rows.append(
                (f"{stream.name} {name}".strip(), stream.codebook_size, int((counts > 0).sum()), perplexity)
            )
    table = Table(
        title="Codebooks on test images",
        head=("codebook", "entries", "entries used", "perplexity"),
        rows=tuple(rows),
        note="An entry that few test images need is not used here; perplexity is the effective number of "
        "entries.",
    )
    return (table,)


def _in_turns(a: Array, b: Array) -> list[Array]:
    return [image for pair in zip(a, b, strict=True) for image in pair]


# One layout, several images ---------------------------------------------------------------------------------


def same_layout(
    system: TrainedSystem,
    pairs: Pairs,
    folder: Path,
    net: Vgg | None,
    *,
    dials: Dials,
    seed: int,
    each: int = 4,
) -> Section:
    """How different the images of one layout are: mean of 1 - SSIM, and LPIPS where its network is given,
    over pairs of them; the layouts are those of some pairs as the system sees them.
    """
    draw = Draw(
        seed=seed,
        batch_size=each,
        dials=dials,
        layouts=system.given(pairs, references=system.needs_references),
        per_layout=each,
    )
    drawn = [pair for chunk in range(len(pairs)) for pair in system.chunk(chunk, draw)]
    images = np.stack([pair.image for pair in drawn])
    groups = [images[first : first + each] for first in range(0, len(images), each)]
    figures = [_unlike(groups)] if min(images.shape[1:3]) >= SMALLEST_SIDE else []
    if net is not None:
        from labelmint.evaluation.known_weights import lpips_diversity

        figures.append(
            Figure(
                name="diversity.same_layout_lpips",
                title="LPIPS among images of one layout",
                value=lpips_diversity(groups, net),
                better="higher",
                how=f"mean over pairs of {each} images for each of {len(groups)} test layouts",
            )
        )
    image_grid(list(images), folder / "same_layout.png", columns=2 * each)
    picture = Picture(
        title="Several images for one layout",
        file="same_layout.png",
        note=f"Every {each} in a row have the same layout, one of the test part's.",
    )
    return Section(
        name="diversity",
        title="How different are images of one layout?",
        summary=f"{each} images were drawn for each of {len(groups)} test layouts.",
        figures=tuple(figures),
        pictures=(picture,),
    )


def _unlike(groups: list[Array]) -> Figure:
    return Figure(
        name="diversity.same_layout_ssim",
        title="1 - SSIM among images of one layout",
        value=float(np.mean([unlikeness(group) for group in groups])),
        better="higher",
        how=f"mean over pairs within each of {len(groups)} test layouts; 0 when all images of a layout are "
        f"the same",
    )
