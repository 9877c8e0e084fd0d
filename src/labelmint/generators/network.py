"""The image generator that is one network: x = G(s, z), with z drawn by the seed of each image.

    z_r ~ N(0, 1) or U(0, 1), a function of seed r alone;    x_r = G(s_r, z_r), limited to [-1, 1]

Whatever is random in the network comes in as z, dropout masks too, so the same seed gives the same image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from labelmint.datasets.pairs import Pairs
from labelmint.errors import InputError
from labelmint.nn.peak_memory import SPARE, RowBytes, bytes_by_rows
from labelmint.protocols import Dial, Dials, LayoutToImage, Noise
from labelmint.seeds import Seed, normals, uniforms
from labelmint.types import Batch, Kept, LayoutBatch

__all__ = ["Completes", "Encodes", "OneNetwork", "Remembers", "draw_noise", "seeded_noise"]


@runtime_checkable
class Encodes(Protocol):
    """A `LayoutToImage` that finds what stands for an image in place of noise, as one with an image encoder does."""

    def code_of(self, batch: Batch) -> Tensor | None:
        """What the network takes in place of noise to give the images back, such as the mean of an encoder's
        distribution; None where it was made without an encoder.
        """


@runtime_checkable
class Remembers(Protocol):
    """A `LayoutToImage` that keeps something of the training pairs, such as layouts to take backgrounds from."""

    def keep(self, pairs: Pairs) -> None:
        """Keep it, before the first step."""

    def kept_bytes(self, views: int, boxes: int) -> int:
        """Memory that it takes, at most, in bytes: of so many views, the fullest of which has so many boxes."""


@runtime_checkable
class Completes(Protocol):
    """A `LayoutToImage` that adds to layouts what it sees beside them, such as backgrounds or a kind of look."""

    def completed(self, layouts: LayoutBatch, seeds: Sequence[Seed]) -> LayoutBatch:
        """Layouts with all that the network sees, row r by layout r and seed r alone."""


class OneNetwork:
    """ImageGenerator of a network.

    Arguments:
        network: an `nn.Module`; it draws in evaluation mode whatever mode it is in.
        seen: one layout as the network sees layouts, of any content, to count memory with.
    """

    def __init__(self, network: LayoutToImage, seen: LayoutBatch) -> None:
        self.network, self._seen = network, seen[:1]
        self._counted: dict[tuple[float, ...], RowBytes] = {}

    @property
    def dials(self) -> tuple[Dial, ...]:
        """The dials of the network."""
        return self.network.dials

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams of the noise, where there are several."""
        return tuple(name for name, _ in self.network.noise.streams) if self.network.noise else ()

    @property
    def random(self) -> bool:
        """True if the network takes noise."""
        return self.network.noise is not None

    def sample(
        self, layouts: LayoutBatch, seeds: Sequence[Seed], dials: Dials, kept: Kept | None = None
    ) -> Tensor:
        """Images (B, C, H, W) in [-1, 1], one a layout; row r depends on layout r and seed r alone.

        Raises InputError for tokens to keep: such a generator has none.
        """
        if kept is not None:
            raise InputError(
                "nothing of an image can be kept: this generator makes it in one call, without tokens"
            )
        return self._drawn(self._completed(layouts, seeds), self.codes(seeds), dials)

    @property
    def noise(self) -> Noise | None:
        """The noise of the network."""
        return self.network.noise

    def codes(self, seeds: Sequence[Seed]) -> Tensor | None:
        """The noise of each seed, (B, *shape), on the CPU; None without noise."""
        return seeded_noise(self.network.noise, seeds)

    def of_codes(self, layouts: LayoutBatch, codes: Tensor | None, dials: Dials) -> Tensor:
        """G(s, z), (B, C, H, W), of layouts and codes z; what completes layouts by seed has one seed for all."""
        return self._drawn(self._completed(layouts, [(0, 0)] * len(layouts)), codes, dials)

    def _completed(self, layouts: LayoutBatch, seeds: Sequence[Seed]) -> LayoutBatch:
        return self.network.completed(layouts, seeds) if isinstance(self.network, Completes) else layouts

    def given_back(self, batch: Batch) -> Tensor | None:
        """G(s, code of x), (B, C, H, W); None for a network without an encoder."""
        if not isinstance(self.network, Encodes):
            return None
        with _drawing(self.network):
            code = self.network.code_of(batch)
        if code is None:
            return None
        return self._drawn(batch.layouts, code, {dial.name: dial.usual for dial in self.dials})

    @property
    def finds_styles(self) -> bool:
        """True if the network has an encoder, and its noise is one normal vector for the whole image."""
        noise = self.network.noise
        whole = noise is not None and (noise.kind, len(noise.shape), noise.streams) == ("normal", 1, ())
        return whole and isinstance(self.network, Encodes)

    def style_of(self, image: Tensor) -> Tensor:
        """The code of each image, (B, D)."""
        blank = LayoutBatch(torch.zeros_like(image[:, 0], dtype=torch.uint8))
        with _drawing(self.network):
            code = cast(Encodes, self.network).code_of(Batch(image, blank))
        assert code is not None
        return code

    def in_style(self, layouts: LayoutBatch, seeds: Sequence[Seed], style: Tensor, dials: Dials) -> Tensor:
        """G(s, style), (B, C, H, W)."""
        return self._drawn(self._completed(layouts, seeds), style.expand(len(layouts), -1), dials)

    def drawing_bytes(self, batch_size: int, dials: Dials) -> int:
        """Memory that drawing `batch_size` images at once takes, in bytes, from a rehearsal of one row and of two
        at these values of the dials.
        """
        key = tuple(dials[dial.name] for dial in self.dials)
        if key not in self._counted:
            self._counted[key] = bytes_by_rows(lambda rows: self._rehearse(rows, dials))
        return int(SPARE * self._counted[key].of(batch_size))

    def _rehearse(self, rows: int, dials: Dials) -> Tensor:
        device = next(cast(nn.Module, self.network).parameters()).device
        layouts = self._seen.to(device)[torch.zeros(rows, dtype=torch.long, device=device)]
        return self.sample(layouts, [(0, row) for row in range(rows)], dials)

    def _drawn(self, layouts: LayoutBatch, noise: Tensor | None, dials: Dials) -> Tensor:
        with _drawing(self.network):
            noise = None if noise is None else noise.to(layouts.ids.device)
            return self.network(layouts, noise, dials).float().clamp(-1, 1)


def seeded_noise(noise: Noise | None, seeds: Sequence[Seed]) -> Tensor | None:
    """What a network takes to draw, (B, *shape) on the CPU, row r from seed r and the stream "image", or the streams
    of the noise, alone.
    """
    if noise is None:
        return None
    (whole, *rest), parts = noise.shape, noise.streams or (("image", noise.shape[0]),)
    if sum(length for _, length in parts) != whole:
        raise ValueError(f"the streams {parts} do not make up noise of shape {noise.shape}")
    drawn = [_numbers(noise.kind, seeds, name, (length, *rest)) for name, length in parts]
    return drawn[0] if len(drawn) == 1 else torch.cat(drawn, dim=1)


def _numbers(kind: str, seeds: Sequence[Seed], stream: str, shape: tuple[int, ...]) -> Tensor:
    if kind == "normal":
        return normals(seeds, stream, shape)
    return uniforms(seeds, stream, prod(shape)).reshape(-1, *shape)


def draw_noise(noise: Noise | None, n: int, device: torch.device) -> Tensor | None:
    """What a network takes to learn from n items, (n, *shape), from torch's generator of the device."""
    if noise is None:
        return None
    draw = torch.randn if noise.kind == "normal" else torch.rand
    return draw(n, *noise.shape, device=device)


@contextmanager
def _drawing(network: object) -> Iterator[None]:
    """Without gradients and in evaluation mode; each module is given its own mode back."""
    modes = {module: module.training for module in cast(nn.Module, network).modules()}
    cast(nn.Module, network).eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
