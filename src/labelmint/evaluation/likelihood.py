"""What the parts of a system know of held-out pairs: likelihood of their tokens, use of the codebooks,
reconstruction.

nats per token   -1/N sum log p(z_i | z_<i, s);  only comparable between priors over the same frozen tokens
perplexity       exp(-sum_k f_k log f_k) over the shares f_k of the codebook's entries among the tokens of
                 test images
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor

from labelmint.datasets.pairs import Pairs
from labelmint.errors import InputError
from labelmint.nn.pixels import pixels_of
from labelmint.objectives.likelihood import negative_log_likelihood
from labelmint.pictures import image_grid
from labelmint.protocols import Dials, Tokenizer
from labelmint.reports.results import Figure, Picture, Section, Table
from labelmint.runs.draw import Draw
from labelmint.runs.trained import TrainedSystem
from labelmint.types import Array, Batch, DataSet

if TYPE_CHECKING:
    from labelmint.evaluation.known_weights import Vgg

__all__ = ["likelihood", "reconstruction_errors", "same_layout"]

AT_MOST, AT_ONCE = 512, 32


@torch.no_grad()
def likelihood(system: TrainedSystem, test: DataSet, folder: Path, net: Vgg | None) -> Section:
    """The section, on the test pairs in their fixed view (the middle, where training crops)."""
    try:
        pairs = system.pairs_of(test.subset(test.names[:AT_MOST]))
    except InputError as error:
        figure = Figure(
            name="likelihood.prior_nats",
            title="Held-out nats per image token",
            value=None,
            refused=str(error),
        )
        return Section(
            name="likelihood",
            title="What do the parts know?",
            summary=f"Not measured: {error}.",
            figures=(figure,),
        )
    nats = _nats(system, pairs)
    figures = [
        Figure(
            name=f"likelihood.{name}_nats",
            title=f"Held-out nats per {what}",
            value=nats[name],
            better="lower",
            how="on test pairs; compare only between priors over the same tokens",
        )
        for name, what in (("prior", "image token"), ("layout_prior", "layout cell"))
        if name in nats
    ]
    reconstructed, pictures = _reconstruction(system, pairs, folder, net)
    figures += reconstructed
    return Section(
        name="likelihood",
        title="What do the parts know?",
        summary=f"The image prior needs {nats['prior']:.3f} nats a token on test pairs.",
        figures=tuple(figures),
        tables=(_codebooks(system, _tokens(system, pairs)),),
        pictures=tuple(pictures),
    )


def _reconstruction(
    system: TrainedSystem, pairs: Pairs, folder: Path, net: Vgg | None
) -> tuple[list[Figure], list[Picture]]:
    """How well test images come back, and a picture of it; nothing where the generator gives none back."""
    found = _given_back(system, pairs)
    if found is None:
        return [], []
    originals, reconstructions = found
    figures = reconstruction_errors(originals, reconstructions)
    if net is not None:
        from labelmint.evaluation.known_weights import lpips_distance

        figures.append(
            Figure(
                name="reconstruction.lpips",
                title="Reconstruction LPIPS",
                value=float(lpips_distance(originals, reconstructions, net).mean()),
                better="lower",
                how=f"mean over test images; VGG weights of SHA-256 {net.sha256[:16]}",
            )
        )
    image_grid(_in_turns(originals[:12], reconstructions[:12]), folder / "reconstructions.png", columns=8)
    picture = Picture(
        title="Reconstructions of test images",
        file="reconstructions.png",
        note="In pairs: the image, and as decoded.",
    )
    return figures, [picture]


def _batches(pairs: Pairs, system: TrainedSystem) -> Iterator[Batch]:
    for first in range(0, len(pairs), AT_ONCE):
        yield pairs.fixed(first, AT_ONCE).to(system.device)


def _nats(system: TrainedSystem, pairs: Pairs) -> dict[str, float]:
    """Mean nats per token of each prior."""
    totals: dict[str, float] = {}
    for batch in _batches(pairs, system):
        for stage in system.parts.stages():
            if stage.tokenize is not None:
                tokens, layouts = stage.tokenize(batch)
                loss = float(negative_log_likelihood(stage.module, tokens, layouts))
                totals[stage.name] = totals.get(stage.name, 0.0) + loss * len(tokens)
    return {name: total / len(pairs) for name, total in totals.items()}


def _given_back(system: TrainedSystem, pairs: Pairs) -> tuple[Array, Array] | None:
    """Test images and how the generator gives them back, (N, H, W, C) uint8; None where it does not."""
    originals, found = [], []
    for batch in _batches(pairs, system):
        images = system.images.given_back(batch)
        if images is None:
            return None
        originals.append(pixels_of(batch.image))
        found.append(pixels_of(images))
    return np.concatenate(originals), np.concatenate(found)


def _tokens(system: TrainedSystem, pairs: Pairs) -> dict[str, Tensor]:
    """The tokens of test images of each stream."""
    tokenizer = cast(Tokenizer, system.parts.tokenizer)
    encoded = [tokenizer.encode(batch) for batch in _batches(pairs, system)]
    return {name: torch.cat([one[name].cpu() for one in encoded]) for name in encoded[0]}


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
        decoded, wanted = (batch.contiguous().float() / 127.5 for batch in batches)
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


def _codebooks(system: TrainedSystem, tokens: dict[str, Tensor]) -> Table:
    """Use and perplexity; the two halves of a stacked stream have a codebook each."""
    rows = []
    for stream in cast(Tokenizer, system.parts.tokenizer).streams:
        halves = getattr(system.parts.tokenizer, "paths", ("",))
        for name, part in zip(halves, tokens[stream.name].chunk(len(halves), dim=1), strict=True):
            counts = np.bincount(part.flatten().numpy(), minlength=stream.codebook_size)
            shares = counts[counts > 0] / counts.sum()
            perplexity = float(np.exp(-(shares * np.log(shares)).sum()))
            rows.append(
                (f"{stream.name} {name}".strip(), stream.codebook_size, int((counts > 0).sum()), perplexity)
            )
    return Table(
        title="Codebooks on test images",
        head=("codebook", "entries", "entries used", "perplexity"),
        rows=tuple(rows),
        note="An entry that few test images need is not used here; perplexity is the effective number of "
        "entries.",
    )


def _in_turns(a: Array, b: Array) -> list[Array]:
    return [image for pair in zip(a, b, strict=True) for image in pair]


# One layout, several images ---------------------------------------------------------------------------------


def same_layout(
    system: TrainedSystem,
    layouts: DataSet,
    folder: Path,
    net: Vgg | None,
    *,
    dials: Dials,
    seed: int,
    count: int = 8,
    each: int = 4,
) -> Section:
    """How different the images of one layout are: mean of 1 - SSIM, and LPIPS where its network is given,
    over pairs of them.
    """
    given = layouts.subset(layouts.names[:count])
    draw = Draw(
        seed=seed,
        batch_size=each,
        dials=dials,
        layouts=system.given(given, references=system.needs_references),
        per_layout=each,
    )
    pairs = [pair for chunk in range(len(given)) for pair in system.chunk(chunk, draw)]
    images = np.stack([pair.image for pair in pairs])
    groups = [images[first : first + each] for first in range(0, len(images), each)]
    figures = [_unlike(groups)] if min(images.shape[1:3]) >= 12 else []
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
    from torchmetrics.functional.image import structural_similarity_index_measure

    values = []
    for group in groups:
        x = torch.from_numpy(group).permute(0, 3, 1, 2).float()
        i, j = np.triu_indices(len(group), 1)
        values.append(
            1 - float(cast(Tensor, structural_similarity_index_measure(x[i], x[j], data_range=255.0)))
        )
    return Figure(
        name="diversity.same_layout_ssim",
        title="1 - SSIM among images of one layout",
        value=float(np.mean(values)),
        better="higher",
        how=f"mean over pairs within each of {len(groups)} test layouts; 0 when all images of a layout are "
        f"the same",
    )
