"""Styles: the kinds of look among the images that a system learns from, those without labels too.

    f(x)        spectrum, contrast and color of an image, each a third of the mean squared distance (`metrics.looks`)
    m_1 .. m_K  the medoids of all images to learn from (`metrics.medoids`), the kinds with most images first
    k(x)        the kind whose medoid is nearest to f(x)
    p(k)        its share of the images to learn from

An image has the kind of the whole of it, whatever part of it a view shows. In the run folder:

styles.png    a column a kind: images to learn from, those with labels first
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from labelmint import pictures
from labelmint.datasets.pairs import Pairs
from labelmint.errors import InputError
from labelmint.metrics.looks import color, contrast, joined, scale
from labelmint.metrics.medoids import distances, k_medoids
from labelmint.runs.prepare import Prepared
from labelmint.types import Array

__all__ = ["Styles", "said_of_styles", "styles_of", "with_styles", "write_styles"]

_ROWS = 8
_WEIGHTS = {"scale": 1.0, "contrast": 1.0, "color": 1.0}


@dataclass(frozen=True, kw_only=True)
class Styles:
    """The kinds of look of some images.

    Attributes:
        shares: p(k), (K,). medoids: the place of each among the images to learn from, labelled ones first.
        training, validation, pool: k(x) of each image of these.
    """

    shares: Array
    medoids: Array
    training: Array
    validation: Array
    pool: Array

    @property
    def labelled(self) -> Array:
        """How many labelled images to learn from are of each kind, (K,)."""
        return np.bincount(self.training, minlength=len(self.shares))


def styles_of(
    training: Pairs, validation: Pairs, pool: Pairs | None, count: int, seed: int, alone: bool = True
) -> Styles:
    """The kinds of look of training images and of those without labels, and to which the held-out ones belong.

    Arguments:
        count: K, 2 or more. seed: of the choice of 4,000 images among more.
        alone: whether images to learn from alone decide how features are scaled; in older runs held-out ones do, too.

    Raises InputError for fewer images than kinds.
    """
    learned = [*training.images, *(pool.images if pool is not None else ())]
    if len(learned) < count:
        raise InputError(
            f"--set generator.styles={count}: {training.source} has {len(learned)} images to learn from; ask for "
            f"at most as many kinds of look"
        )
    features = _features([*learned, *validation.images], len(learned) if alone else None)
    found = k_medoids(features[: len(learned)], count, seed)
    sizes = np.bincount(found.of_point, minlength=count)
    order = np.argsort(-sizes, kind="stable")
    place = np.argsort(order)
    medoids = found.medoids[order]
    held_out = distances(features[len(learned) :], features[medoids]).argmin(axis=1)
    of_all = place[found.of_point]
    return Styles(
        shares=sizes[order] / len(learned),
        medoids=medoids,
        training=of_all[: len(training)],
        validation=held_out,
        pool=of_all[len(training) :],
    )


def _features(images: Iterable[Array], first: int | None) -> Array:
    """f(x) of each image, (N, D), scaled by the first ones, or by all."""
    found = [(scale(image), contrast(image), color(image)) for image in images]
    blocks = dict(zip(_WEIGHTS, map(np.stack, zip(*found, strict=True)), strict=True))
    return joined(blocks, _WEIGHTS, first)


def with_styles(prepared: Prepared, count: int, seed: int, alone: bool = True) -> Prepared:
    """The pairs, and the images beside them, with the kind of look of each; arguments and errors as for `styles_of`."""
    pool = prepared.pool
    found = styles_of(
        prepared.training, prepared.validation, pool.pairs if pool else None, count, seed, alone
    )
    shares = found.shares.tolist()
    return replace(
        prepared,
        training=prepared.training.with_styles(found.training.tolist(), shares),
        validation=prepared.validation.with_styles(found.validation.tolist(), shares),
        pool=pool and replace(pool, pairs=pool.pairs.with_styles(found.pool.tolist(), shares)),
    )


def said_of_styles(prepared: Prepared) -> str:
    """One line on kinds of look that no label shows."""
    shares = np.array(prepared.training.style_shares)
    labelled = np.bincount(prepared.training.styles, minlength=len(shares))
    without = np.flatnonzero(labelled == 0)
    if not len(without):
        return f"{len(shares)} kinds of look, each with labelled images"
    return (
        f"{len(shares)} kinds of look; no label shows {len(without)} of them ({', '.join(map(str, without))}), "
        f"{shares[without].sum():.0%} of the images"
    )


def write_styles(prepared: Prepared, path: Path) -> None:
    """Write the picture: of each kind up to eight images in their middle view, under its number and share."""
    training, pool = prepared.training, prepared.pool.pairs if prepared.pool else None
    columns, heads = [], []
    for kind, share in enumerate(training.style_shares):
        of_kind = [view for pairs in (training, pool) if pairs is not None for view in _views(pairs, kind)]
        labelled = sum(style == kind for style in training.styles)
        blank = np.full_like(of_kind[0], 255)
        columns.append((of_kind + [blank] * _ROWS)[:_ROWS])
        heads.append(f"{kind}: {share:.0%}, {labelled} labelled")
    pictures.under_heads([*zip(*columns, strict=True)], heads, path)


def _views(pairs: Pairs, kind: int) -> list[Array]:
    """The first images of a kind in their middle view."""
    places = [place for place, style in enumerate(pairs.styles) if style == kind][:_ROWS]
    return [pair.seen(pairs.geometry.middle(pair.size)).image for pair in pairs.take(places)]
