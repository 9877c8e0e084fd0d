"""What a run of `transfer` holds: labelled pairs, images that lend them their looks, and how the pairs can be moved.

    pairs (x_p, s_p), p < P, as large as they are;    donors y_q, q < Q, views of the size of the run
    warps: control points c_pt with their greatest strengths, t < T;    zooms z_pt

They are part of the module's state, however many they are, and stay on the CPU.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

__all__ = ["PairMemory"]

_HELD: Mapping[str, tuple[torch.dtype, tuple[int, ...]]] = {
    "pixels": (torch.uint8, (0,)),  # of all pairs' images (C, H, W), one after the other
    "ids": (torch.uint8, (0,)),  # of all pairs' maps (H, W)
    "sizes": (torch.int64, (0, 2)),  # (H, W) of each pair
    "groups": (torch.int64, (0,)),  # of each pair
    "donors": (torch.uint8, (0, 1, 1, 1)),  # (Q, C, H, W)
    "donor_groups": (torch.int64, (0,)),  # of each donor; those of pairs, or numbers of their own
    "controls": (torch.float32, (0, 0, 2, 4, 4)),  # (P, T, 2, h, w)
    "strengths": (torch.float32, (0, 0)),  # (P, T)
    "zooms": (torch.float32, (0, 0)),  # (P, T)
    "mirrored": (torch.int64, (0,)),  # axes that pairs may be mirrored along
    "turned": (torch.bool, ()),  # whether pairs may be turned by quarters
    "warped": (torch.bool, ()),  # whether shapes are warped; else zoomed, if there are zooms
    "aligned": (torch.bool, ()),  # whether donors show the same things in the same places as the pairs
    "named": (
        torch.uint8,
        (0,),
    ),  # names of pairs and of donors, two lists of JSON; former versions held none
}
_MAY_LACK = {"named"}


class PairMemory(nn.Module):
    """The pairs, the donors and the moves of a run; empty until `hold`.

    Attributes:
        those of the table above, by name: tensors.
    """

    pixels: Tensor
    ids: Tensor
    sizes: Tensor
    groups: Tensor
    donors: Tensor
    donor_groups: Tensor
    controls: Tensor
    strengths: Tensor
    zooms: Tensor
    mirrored: Tensor
    turned: Tensor
    warped: Tensor
    aligned: Tensor
    named: Tensor

    def __init__(self) -> None:
        super().__init__()
        self._held = {name: torch.zeros(shape, dtype=kind) for name, (kind, shape) in _HELD.items()}

    def hold(self, **parts: Tensor) -> None:
        """Take these parts in place of those of the same names."""
        unknown = parts.keys() - _HELD.keys()
        if unknown:
            raise ValueError(f"a memory of pairs has no {sorted(unknown)[0]!r}")
        self._held = {**self._held, **{name: part.cpu().contiguous() for name, part in parts.items()}}

    def hold_pairs(self, images: Sequence[Tensor], maps: Sequence[Tensor]) -> None:
        """Take pairs: images (C, H, W) uint8 with their maps (H, W)."""
        self.hold(
            pixels=torch.cat([image.flatten() for image in images]),
            ids=torch.cat([ids.flatten() for ids in maps]),
            sizes=torch.tensor([ids.shape for ids in maps]),
        )

    def hold_names(self, pairs: Sequence[str], donors: Sequence[str]) -> None:
        """Take the names of the pairs and of the donors."""
        text = json.dumps([[*pairs], [*donors]]).encode("ascii")
        self.hold(named=torch.frombuffer(bytearray(text), dtype=torch.uint8))

    @property
    def names(self) -> tuple[list[str], list[str]] | None:
        """The names of the pairs and of the donors; None in the run of a former version."""
        if not self.named.numel():
            return None
        pairs, donors = json.loads(self.named.numpy().tobytes())
        return pairs, donors

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            return self._held[name] if name in _HELD else super().__getattr__(name)

    def __len__(self) -> int:
        """The number of pairs."""
        return len(self.sizes)

    @property
    def largest(self) -> int:
        """Pixels of the largest pair, of which crops may be small parts; 0 without any."""
        return int(self.sizes.prod(dim=1).max()) if len(self) else 0

    @property
    def weights(self) -> Tensor:
        """The share of the draws (P,) that each pair has: that of its area."""
        areas = self.sizes.prod(dim=1).double()
        return areas / areas.sum()

    def image(self, pair: int) -> Tensor:
        """(C, H, W) uint8."""
        first, size = self._first(pair)
        channels = self.pixels.numel() // max(self.ids.numel(), 1)
        return self.pixels[channels * first : channels * (first + size[0] * size[1])].view(channels, *size)

    def map(self, pair: int) -> Tensor:
        """(H, W)."""
        first, size = self._first(pair)
        return self.ids[first : first + size[0] * size[1]].view(size)

    def donors_of(self, pair: int) -> Tensor:
        """Places (n,) of the donors that are not of the pair's own group."""
        return (self.donor_groups != self.groups[pair]).nonzero()[:, 0]

    def _first(self, pair: int) -> tuple[int, tuple[int, int]]:
        height, width = self.sizes[pair].tolist()
        return int(self.sizes[:pair].prod(dim=1).sum()), (height, width)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        for name, part in self._held.items():
            destination[f"{prefix}{name}"] = part

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *others: Any
    ) -> None:  # others: metadata, strict, missing, unexpected and errors
        found = {name: state_dict[f"{prefix}{name}"] for name in _HELD if f"{prefix}{name}" in state_dict}
        missing = _HELD.keys() - found.keys() - _MAY_LACK
        others[2].extend(f"{prefix}{name}" for name in sorted(missing))
        if not missing:
            self.hold(**found)
