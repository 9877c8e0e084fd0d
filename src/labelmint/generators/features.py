"""Features of objects: a few numbers that say how each object of an image looks, and clusters of them to draw from.

    f = tanh(conv7(n times doubled(n times halved(around(x)))))        of the real image x
    F(p) = mean of f over the pixels of the object that pixel p belongs to                              (1)
    c_1 ... c_m = k-means of the features of a class's objects, m <= 10, once the weights are kept      (2)
    drawn:  F(p) = c_k,  k = floor(u m),  u ~ U(0, 1) at the first pixel of p's object                  (3)

An object is a piece of one symbol, connected by edges; of symbols that have no instances, all pixels are one. So
objects of given layouts and of drawn ones are found alike. Layers are those of `nn.reflected`.

References:
    High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs (Wang et al., 2018),
    https://arxiv.org/abs/1711.11585: Section 3.4, Figure 5
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from labelmint.nn.reflected import around, doubled, halved, to_image
from labelmint.types import Array, Batch

__all__ = ["CLUSTERS", "ObjectFeatures", "Objects", "averaged", "objects_of"]

CLUSTERS = 10  # of a class, as published
_MOST = 4096  # objects of a class that clusters are sought of
_ITERATIONS = 50


class Objects(NamedTuple):
    """The objects of a batch of layouts, numbered through.

    Attributes:
        numbers: (B, H, W), in [0, N).
        first: (N,) the place of the first pixel of each, in raster order of the batch.
    """

    numbers: Tensor
    first: Tensor


def objects_of(ids: Tensor, whole: Array) -> Objects:
    """The objects of maps (B, H, W) of symbols, of which each that is `whole` (S,) is one object in all its pieces."""
    from skimage import measure

    label: Any = measure.label
    numbers, firsts, count = [], [], 0
    for row, symbols in enumerate(ids.cpu().numpy().astype(np.int64)):
        pieces = label(symbols, connectivity=1, background=-1) + len(whole)
        found, first, own = np.unique(
            np.where(whole[symbols], symbols, pieces), return_index=True, return_inverse=True
        )
        numbers.append(own.reshape(symbols.shape) + count)
        firsts.append(first + row * symbols.size)
        count += len(found)
    return Objects(
        torch.from_numpy(np.stack(numbers)).to(ids.device),
        torch.from_numpy(np.concatenate(firsts)).to(ids.device),
    )


def averaged(maps: Tensor, objects: Objects) -> Tensor:
    """Equation (1): the mean of maps (B, F, H, W) over each object, (N, F)."""
    count, numbers = len(objects.first), objects.numbers.flatten()
    values = maps.float().movedim(1, -1).flatten(0, 2)
    sums = values.new_zeros(count, values.shape[1]).index_add(0, numbers, values)
    return sums / torch.bincount(numbers, minlength=count)[:, None]


class ObjectFeatures(nn.Module):
    """Images and layouts -> features of their objects at every pixel; layouts and random numbers -> drawn ones.

    Attributes:
        clusters: (K, 10, F) of each kind of symbols, the first `known` (K,) of them; 0 until they are taken.

    Arguments:
        inputs: C. channels: of the first layer. downsamplings: n. features: F.
        kinds: (S,) the kind, 0 ... K - 1, of each symbol: those of a class are of one.
        whole: the symbols of which all pixels are one object.
        shrink: by what images of `height` pixels are smaller along each side where they are seen.
    """

    clusters: Tensor
    known: Tensor
    kinds: Tensor

    def __init__(
        self,
        inputs: int,
        channels: int,
        downsamplings: int,
        features: int,
        *,
        kinds: Sequence[int],
        whole: Iterable[int],
        height: int,
        shrink: int,
    ) -> None:
        super().__init__()
        self.height, self.shrink = height, shrink
        widths = [channels << k for k in range(downsamplings + 1)]
        pairs = list(zip(widths, widths[1:], strict=False))
        self.layers = nn.Sequential(
            around(inputs, channels),
            *(halved(narrow, wide) for narrow, wide in pairs),
            *(doubled(wide, narrow) for narrow, wide in reversed(pairs)),
            to_image(channels, features),
            nn.Tanh(),
        )
        taken = set(whole)
        self._whole = np.array([symbol in taken for symbol in range(len(kinds))])
        count = max(kinds) + 1
        self.register_buffer("kinds", torch.tensor(kinds), persistent=False)
        self.register_buffer("clusters", torch.zeros(count, CLUSTERS, features))
        self.register_buffer("known", torch.zeros(count, dtype=torch.long))

    def forward(self, image: Tensor, ids: Tensor) -> Tensor:
        """Equation (1) at every pixel, (B, F, H, W), of images (B, C, H, W) and symbols (B, H, W)."""
        objects = objects_of(ids, self._whole)
        return _spread(self._found(image, objects), objects)

    def drawn(self, numbers: Tensor, ids: Tensor) -> Tensor:
        """Equation (3) at every pixel, (B, F, H, W), by numbers (B, H, W) in [0, 1)."""
        objects = objects_of(ids, self._whole)
        kinds = self._kinds(ids, objects)
        known = self.known[kinds]
        own = numbers[:, : ids.shape[1], : ids.shape[2]].flatten()[objects.first]
        chosen = (own * known).long().minimum((known - 1).clamp(min=0))
        return _spread(self.clusters[kinds, chosen], objects)

    @torch.no_grad()
    def settle(self, batches: Iterable[Batch]) -> None:
        """Equation (2): take the clusters of the objects of some pairs."""
        found, kinds = list[Tensor](), list[Tensor]()
        for batch in batches:
            objects = objects_of(batch.layouts.ids, self._whole)
            found.append(self._found(batch.image, objects).cpu())
            kinds.append(self._kinds(batch.layouts.ids, objects).cpu())
        values, of = torch.cat(found).numpy(), torch.cat(kinds).numpy()
        self.clusters.zero_()
        self.known.zero_()
        for kind in np.unique(of).tolist():
            centers = torch.from_numpy(_centers(values[of == kind]))
            self.clusters[kind, : len(centers)] = centers
            self.known[kind] = len(centers)

    def _found(self, image: Tensor, objects: Objects) -> Tensor:
        """Features (N, F) of the objects of images, which are seen as large as they were when this began to learn."""
        if self.shrink > 1 and image.shape[2] == self.height:
            seen = self.layers(functional.avg_pool2d(image, self.shrink))
            return averaged(functional.interpolate(seen, scale_factor=float(self.shrink)), objects)
        return averaged(self.layers(image), objects)

    def _kinds(self, ids: Tensor, objects: Objects) -> Tensor:
        return self.kinds[ids.flatten()[objects.first].long()]


def _spread(features: Tensor, objects: Objects) -> Tensor:
    """Features (N, F) at every pixel of their objects, (B, F, H, W)."""
    return features[objects.numbers].movedim(-1, 1)


def _centers(values: Array) -> Array:
    """At most 10 centers (m, F) of features (n, F), the same for the same features; in their order."""
    from scipy.cluster.vq import kmeans2

    values = values[:: -(-len(values) // _MOST)].astype(np.float64)
    apart = np.unique(values, axis=0)
    if len(apart) > CLUSTERS:
        begun = np.random.default_rng(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of clusters that lost all of theirs
            centers, owners = kmeans2(values, CLUSTERS, iter=_ITERATIONS, minit="++", seed=begun)
        apart = centers[np.unique(owners)]  # those that some object is nearest to
        apart = apart[np.lexsort(apart.T[::-1])]
    centers_found: Array = apart.astype(np.float32)
    return centers_found
