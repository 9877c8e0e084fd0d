"""One training step (forward, backward, Adam) of our VQ-VAE and of MONAI's, on the same grey images.

Four comparisons:

    identical layers   both have the same convolutions and transposed convolutions: number, kernel, stride,
                       widths, resolution. MONAI's class can't be configured so (it has residual units at
                       every resolution, a second 3x3 kernel in each, 3x3 heads), so its convolutions are
                       replaced by ones of our shapes. Ours normalizes after each strided convolution, MONAI's
                       does not: a third side is ours without. float32, no other setting.
    as configured      MONAI's class as it comes, without residual units, against ours without residual
                       blocks: only the heads' kernels differ, 3x3 and 1x1, so the rate of operations has to
                       be read beside the time.
    precision chosen   the identical layers, ours with the precision that `labelmint train` chooses on this
                       machine.
    defaults           msgnet's tokenizer of the preset `small` as `labelmint train` runs it, against MONAI's
                       default sizes: different networks, so here too the rate counts beside the time.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from monai.networks.nets.vqvae import VQVAE as MonaiVQVAE
from monai.networks.nets.vqvae import VQVAEResidualUnit
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.machine import in_turns, operations_of
from labelmint.hardware import Hardware, choose_hardware, open_fabric
from labelmint.objectives.vq_model import VQObjective
from labelmint.systems import msgnet_tables
from labelmint.systems.msgnet import pre_msgnet
from labelmint.systems.system import Facts
from labelmint.tokenizers.dual_path import DualPathConfig
from labelmint.tokenizers.vqvae import VQVAE
from labelmint.types import Batch, LayoutBatch

__all__ = ["compare_vqvaes", "convolutions", "identical_pair", "rows_of"]

COMMITMENT, RATE, OURS = 0.25, 1e-3, "labelmint"
CONFIG = DualPathConfig(
    channels=64, residual_channels=64, residual_blocks=2, downsamplings=2, codebook_size=256, code_dim=64
)


class Side(NamedTuple):
    """A step to be timed, and the model that it trains."""

    step: Callable[[], object]
    model: nn.Module


def compare_vqvaes(size: int, images: int, threads: int, repeat: int) -> list[dict[str, Any]]:
    """Rows of all comparisons at one batch size."""
    torch.manual_seed(0)
    image = torch.rand(images, 1, size, size) * 2 - 1
    plain = Hardware("cpu", "32-true", threads)
    chosen = choose_hardware("cpu", "auto", threads, None)
    comparisons: dict[str, Callable[[], dict[str, Side]]] = {
        "identical layers": lambda: _identical(image, plain),
        "as configured": lambda: _as_configured(image, plain),
        "precision chosen": lambda: _precision_chosen(image, chosen),
        "defaults": lambda: _defaults(image, chosen),
    }
    rows = []
    for name, make in comparisons.items():
        sides = make()
        times = in_turns({side: one.step for side, one in sides.items()}, repeat)
        parameters = {side: sum(p.numel() for p in one.model.parameters()) for side, one in sides.items()}
        operations = {side: operations_of(one.step) for side, one in sides.items()}
        precision = chosen.precision if name in ("precision chosen", "defaults") else plain.precision
        what = f"training step of a VQ-VAE, {size}x{size}, ours in {precision}"
        rows += rows_of("vqvae", name, what, images, times, parameters, operations)
    return rows


def rows_of(
    part: str,
    comparison: str,
    what: str,
    batch: int,
    times: Mapping[str, list[float]],
    parameters: Mapping[str, int],
    operations: Mapping[str, float],
) -> list[dict[str, Any]]:
    """One row a side, labelmint's among them."""
    rows = []
    for side, seconds in times.items():
        median = statistics.median(seconds)
        ratio = statistics.median(theirs / ours for theirs, ours in zip(seconds, times[OURS], strict=True))
        rows.append(
            {
                "part": part,
                "comparison": comparison,
                "side": side,
                "what": what,
                "batch": batch,
                "seconds": median,
                "ratio": ratio,
                "parameters": parameters[side],
                "operations": operations[side],
                "gflops": operations[side] / median / 1e9,
            }
        )
    return rows


def identical_pair(size: int, config: DualPathConfig = CONFIG) -> tuple[VQVAE, MonaiVQVAE]:
    """Ours without attention, and MONAI's with convolutions of the same shapes."""
    ours, theirs = VQVAE(config, 1, (size, size), attention=False), _monai(config, config.residual_blocks)
    for part in (theirs.encoder, theirs.decoder):
        # Ours has residual blocks at the tokens' resolution alone, where the maps are widest.
        part.blocks = nn.ModuleList(
            block
            for block in part.blocks
            if not isinstance(block, VQVAEResidualUnit) or block.in_channels == config.channels
        )
        for unit in part.blocks:
            if isinstance(unit, VQVAEResidualUnit):
                unit.conv1.conv = nn.Conv2d(unit.in_channels, unit.num_res_channels, 3, padding=1, bias=False)
                unit.conv2.conv = nn.Conv2d(unit.num_res_channels, unit.in_channels, 1, bias=False)
    theirs.encoder.blocks[-1].conv = nn.Conv2d(config.channels, config.code_dim, 1)
    theirs.decoder.blocks[0].conv = nn.Conv2d(config.code_dim, config.channels, 1)
    return ours, theirs


def convolutions(model: nn.Module, image: Tensor) -> list[tuple[object, ...]]:
    """Type, kernel, stride, widths, bias and output size of each convolution that runs, sorted."""
    seen: list[tuple[object, ...]] = []

    def note(module: nn.Conv2d | nn.ConvTranspose2d, _: object, output: Tensor) -> None:
        shape = (
            module.kernel_size,
            module.stride,
            module.in_channels,
            module.out_channels,
            module.bias is not None,
        )
        seen.append((type(module).__name__, *shape, tuple(output.shape)))

    hooks = [
        m.register_forward_hook(note)
        for m in model.modules()
        if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)
    ]
    model(image)
    for hook in hooks:
        hook.remove()
    return sorted(seen, key=str)


def _identical(image: Tensor, hardware: Hardware) -> dict[str, Side]:
    ours, theirs = identical_pair(image.shape[-1])
    bare, _ = identical_pair(image.shape[-1])
    for module in bare.modules():
        if isinstance(module, nn.Sequential) and len(module) > 1 and isinstance(module[1], nn.GroupNorm):
            module[1] = nn.Identity()
    sides = _sides(ours, theirs, image, hardware)
    return {**sides, "labelmint without normalization": _our_step(bare, image, hardware)}


def _as_configured(image: Tensor, hardware: Hardware) -> dict[str, Side]:
    config = CONFIG.model_copy(update={"residual_blocks": 0})
    ours = VQVAE(config, 1, (image.shape[-1], image.shape[-1]), attention=False)
    return _sides(ours, _monai(config, 0), image, hardware)


def _precision_chosen(image: Tensor, hardware: Hardware) -> dict[str, Side]:
    return _sides(*identical_pair(image.shape[-1]), image, hardware)


def _defaults(image: Tensor, hardware: Hardware) -> dict[str, Side]:
    facts = Facts(image_channels=1, size=(image.shape[-1], image.shape[-1]), symbols=2)
    ours = pre_msgnet(msgnet_tables.small().given(), facts).stages[0].module
    return _sides(ours, MonaiVQVAE(2, 1, 1), image, hardware)


def _sides(ours: nn.Module, theirs: MonaiVQVAE, image: Tensor, hardware: Hardware) -> dict[str, Side]:
    return {OURS: _our_step(ours, image, hardware), "MONAI": _monai_step(theirs, image)}


def _monai(config: DualPathConfig, residual_units: int) -> MonaiVQVAE:
    depth = config.downsamplings
    return MonaiVQVAE(
        2,
        1,
        1,
        channels=tuple(config.channels >> (depth - i) for i in range(1, depth + 1)),
        num_res_layers=residual_units,
        num_res_channels=config.residual_channels,
        downsample_parameters=((2, 4, 1, 1),) * depth,
        upsample_parameters=((2, 4, 1, 1, 0),) * depth,
        num_embeddings=config.codebook_size,
        embedding_dim=config.code_dim,
        output_act="TANH",
    )


def _our_step(module: nn.Module, image: Tensor, hardware: Hardware) -> Side:
    """As in `training.minimize`."""
    fabric = open_fabric(hardware)
    batch = Batch(image, LayoutBatch(torch.zeros(len(image), *image.shape[-2:], dtype=torch.long)))
    optimizer = torch.optim.Adam([p for p in module.parameters() if p.requires_grad], lr=RATE, fused=True)
    model, wrapped = fabric.setup(module.train(), optimizer)
    objective = VQObjective(commitment=COMMITMENT)
    objective.variance = float(image.var())

    def step() -> None:
        loss = objective(model, batch)
        wrapped.zero_grad()
        fabric.backward(loss.fidelity + loss.others)
        wrapped.step()

    return Side(step, module)


def _monai_step(model: MonaiVQVAE, image: Tensor) -> Side:
    optimizer = torch.optim.Adam([p for p in model.train().parameters() if p.requires_grad], lr=RATE)
    variance = float(image.var())

    def step() -> None:
        reconstruction, commitment = model(image)
        loss = functional.mse_loss(reconstruction, image) / variance + commitment
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return Side(step, model)
