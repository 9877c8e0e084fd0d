"""The laws that parts keep, as functions: for our own parts and for users' own. Each raises ContractError
with one line.
"""

from __future__ import annotations

import copy
import filecmp
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load as safetensors_load
from safetensors.torch import save as safetensors_save
from torch import Tensor, nn

from labelmint.protocols import Condition, GroupedPrior, ImageGenerator, LayoutSource, Prior, Tokenizer
from labelmint.seeds import Seed
from labelmint.types import AnnotatedImage, Array, Batch, ClassSet, DataSet, LayoutBatch

__all__ = [
    "ContractError",
    "check_format",
    "check_generator",
    "check_grouped_prior",
    "check_layout_source",
    "check_layout_tokenizer",
    "check_prior",
    "check_tokenizer",
    "difference",
]


class ContractError(AssertionError):
    """A part broke a law; the message says which, and where."""


def check_format(
    read: Callable[[Path], DataSet],
    write: Callable[[Iterable[AnnotatedImage], Path, ClassSet], object],
    pairs: Sequence[AnnotatedImage],
    classes: ClassSet,
    path: str | os.PathLike[str],
) -> None:
    """The laws of a format: read(write(a)) = a, two writes are byte-equal, and a write that fails leaves
    nothing.

    Arguments:
        read: path -> data set.
        write: pairs (any iterable, taken once), path of a folder that does not exist, classes.
        pairs: what to write; pairs that the format can hold in full.
        classes: their classes.
        path: an empty folder to work in.
    """
    first, second, broken = Path(path) / "first", Path(path) / "second", Path(path) / "broken"
    write(iter(pairs), first, classes)
    _check_same(read(first), sorted(pairs, key=lambda pair: pair.name), classes)
    write(iter(pairs), second, classes)
    _check_bytes(first, second)
    before = sorted(Path(path).iterdir())
    try:
        write(_failing(pairs), broken, classes)
    except _Stop:
        pass
    else:
        raise ContractError("a failure of the pairs was swallowed by the writer")
    left = sorted(set(Path(path).iterdir()) - set(before))
    if left:
        raise ContractError(f"a write that failed left {left[0].name} behind")


def difference(one: AnnotatedImage, other: AnnotatedImage) -> str | None:
    """The first thing in which two pairs differ, or None: name, image, label map, instances, objects,
    provenance.
    """
    found: list[tuple[str, bool]] = [
        ("name", one.name == other.name),
        ("image", np.array_equal(one.image, other.image)),
        ("label map", np.array_equal(one.layout.label_map, other.layout.label_map)),
        ("instances", _same_maps(one.layout.instances, other.layout.instances)),
        ("number of objects", len(one.layout.objects) == len(other.layout.objects)),
        *(
            (f"object {i}", a == b)
            for i, (a, b) in enumerate(zip(one.layout.objects, other.layout.objects, strict=False))
        ),
        ("provenance", dict(one.provenance) == dict(other.provenance)),
    ]
    return next((what for what, same in found if not same), None)


def _same_maps(one: Array | None, other: Array | None) -> bool:
    if one is None or other is None:
        return one is other
    return bool(np.array_equal(one, other))


def _check_same(data: DataSet, pairs: Sequence[AnnotatedImage], classes: ClassSet) -> None:
    names = tuple(pair.name for pair in pairs)
    if data.names != names:
        raise ContractError(f"names changed: wrote {names}, read {data.names}")
    if data.classes.classes != classes.classes:
        raise ContractError(f"classes changed: wrote {classes.classes}, read {data.classes.classes}")
    for pair in pairs:
        what = difference(pair, data.load(pair.name))
        if what is not None:
            raise ContractError(f"{pair.name}: {what} differs after writing and reading")


def _check_bytes(one: Path, other: Path) -> None:
    files = [
        sorted(file.relative_to(root) for file in root.rglob("*") if file.is_file()) for root in (one, other)
    ]
    if files[0] != files[1]:
        raise ContractError(f"two writes gave different files: {sorted(set(files[0]) ^ set(files[1]))[0]}")
    different = next(
        (file for file in files[0] if not filecmp.cmp(one / file, other / file, shallow=False)), None
    )
    if different is not None:
        raise ContractError(f"two writes differ in {different}")


class _Stop(Exception):
    """Raised by pairs that fail on purpose."""


def _failing(pairs: Sequence[AnnotatedImage]) -> Iterator[Any]:
    yield from pairs
    raise _Stop


def check_tokenizer(tokenizer: Tokenizer, batch: Batch) -> None:
    """The laws of a tokenizer, on a batch of at least two items.

    Ids in range, the grid as promised, an item's tokens independent of its batch, and a decoded item of the
    image's shape. A tokenizer that is a module must return the same after its state was saved and loaded.
    """
    tokens = _tokens(tokenizer, batch)
    for stream in tokenizer.streams:
        found = tokens[stream.name]
        _require(
            tuple(found.shape[1:]) == stream.grid,
            f"stream {stream.name!r}: grid {tuple(found.shape[1:])}, promised {stream.grid}",
        )
        in_range = bool(((found >= 0) & (found < stream.codebook_size)).all())
        _require(in_range, f"stream {stream.name!r}: tokens outside [0, {stream.codebook_size})")
    alone = _tokens(tokenizer, Batch(batch.image[:1], LayoutBatch(batch.layouts.ids[:1])))
    for name, found in tokens.items():
        _require(
            torch.equal(alone[name][0], found[0]), f"stream {name!r}: an item's tokens depend on its batch"
        )
    decoded = tokenizer.decode(tokens, batch.layouts)
    _require(
        decoded.shape[-2:] == batch.image.shape[-2:],
        f"decodes to {tuple(decoded.shape)}, not to the size of the image",
    )
    if isinstance(tokenizer, nn.Module):
        again = copy.deepcopy(tokenizer)
        for value in again.state_dict().values():  # so that only what is loaded can return the same
            value.zero_()
        again.load_state_dict(safetensors_load(safetensors_save(_contiguous(tokenizer))))
        same = all(torch.equal(found, tokens[name]) for name, found in _tokens(again, batch).items())
        _require(same, "tokens differ after saving and loading the state")


def check_layout_tokenizer(tokenizer: Any, layouts: LayoutBatch, symbols: int) -> None:
    """The laws of a tokenizer that writes layouts without their images, on at least two of them.

    It has `encode_layouts`, layouts -> tokens, and `decode_layouts`, tokens -> symbol ids; a grid as its
    stream "semantics" promises, tokens in range, a layout's tokens independent of its batch, and ids in [0,
    `symbols`) at the layouts' size.
    """
    stream = next(stream for stream in tokenizer.streams if stream.name == "semantics")
    with torch.no_grad():
        tokens, alone = (tokenizer.encode_layouts(some) for some in (layouts, LayoutBatch(layouts.ids[:1])))
        ids = tokenizer.decode_layouts(tokens)
    _require(
        tuple(tokens.shape[1:]) == stream.grid,
        f"semantics: grid {tuple(tokens.shape[1:])}, promised {stream.grid}",
    )
    in_range = bool(((tokens >= 0) & (tokens < stream.codebook_size)).all())
    _require(in_range, f"semantics: tokens outside [0, {stream.codebook_size})")
    _require(torch.equal(alone[0], tokens[0]), "semantics: a layout's tokens depend on its batch")
    _require(
        ids.shape == layouts.ids.shape,
        f"layouts decode to {tuple(ids.shape)}, not to {tuple(layouts.ids.shape)}",
    )
    _require(bool(((ids >= 0) & (ids < symbols)).all()), f"layouts decode to ids outside [0, {symbols})")


def _contiguous(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}


def _tokens(tokenizer: Tokenizer, batch: Batch) -> dict[str, Tensor]:
    with torch.no_grad():
        return tokenizer.encode(batch)


def check_prior(
    prior: Prior, layouts: LayoutBatch | None, batch_size: int = 2, tolerance: float = 1e-5
) -> None:
    """The laws of a prior, on weights whose logits spread (not on fresh ones); the grid needs at least three
    positions.

    Causality: another token at position i leaves the logits at and before i as they were, and changes some
    after it. Equality: `step` is `logits` there, to `tolerance` of the largest logit. Obedience: given
    layouts, others change the logits.
    """
    with torch.no_grad():
        condition = prior.prepare(layouts)
        device = prior.step(None, prior.start(batch_size, condition)).device
        generator = torch.Generator().manual_seed(0)
        tokens = torch.randint(prior.codebook_size, (batch_size, *prior.grid), generator=generator).to(device)
        full = prior.logits(tokens, condition).flatten(2)
        _require(float(full.std()) > 0.1, "the logits hardly spread; check a prior after some training")
        _check_causality(prior, tokens, condition, full)
        _check_steps(prior, layouts, range(full.shape[2]), tokens, full, tolerance)


def _check_steps(
    prior: Prior | GroupedPrior,
    layouts: LayoutBatch | None,
    groups: Iterable[Any],
    tokens: Tensor,
    full: Tensor,
    tolerance: float,
) -> None:
    """`step` is `logits` in a fresh state, and in the memory of one that drew other tokens for other layouts;
    these change the logits.
    """
    bound, state, flat = tolerance * float(full.abs().max()), None, tokens.flatten(1)
    others = None if layouts is None else replace(layouts, ids=layouts.ids.flip(1).roll(1, 2))
    for shown, drawn in ((layouts, flat), (others, flat.flip(1)), (layouts, flat)):
        state, previous = prior.start(len(tokens), prior.prepare(shown), state), None
        for number, places in enumerate(groups):
            error = float((prior.step(previous, state) - full[:, :, places]).abs().max())
            _require(
                drawn is not flat or error <= bound,
                f"step differs from logits by {error:.2g} at step {number}; allowed is {bound:.2g}",
            )
            previous = drawn[:, places]
    if layouts is not None:
        moved = (prior.logits(tokens, prior.prepare(others)).flatten(2) - full).abs().max()
        _require(float(moved) > bound, "other layouts leave the logits as they were")


def _check_causality(prior: Prior, tokens: Tensor, condition: Condition, full: Tensor) -> None:
    (height, width), count = prior.grid, full.shape[2]
    for position in {
        p for p in (0, 1, width - 1, width, height * width // 2, count - 2) if 0 <= p < count - 1
    }:
        changed = tokens.flatten(1).clone()
        changed[:, position] = (changed[:, position] + 1) % prior.codebook_size
        moved = (prior.logits(changed.view_as(tokens), condition).flatten(2) - full).abs().amax(dim=(0, 1))
        _require(
            float(moved[: position + 1].max()) == 0,
            f"logits at or before position {position} see the token there",
        )
        _require(
            float(moved[position + 1 :].max()) > 0, f"no logits after position {position} see the token there"
        )


def check_grouped_prior(
    prior: GroupedPrior, layouts: LayoutBatch | None, batch_size: int = 2, tolerance: float = 1e-5
) -> None:
    """The laws of a prior whose steps draw several tokens, or not in raster order; as `check_prior` has them,
    by the prior's own order.
    """
    with torch.no_grad():
        condition, count = prior.prepare(layouts), prior.grid[0] * prior.grid[1]
        covered = prior.order.flatten().sort().values.cpu()
        _require(
            torch.equal(covered, torch.arange(count)),
            f"the order does not hold each of {count} positions once",
        )
        generator = torch.Generator().manual_seed(0)
        device = prior.step(None, prior.start(batch_size, condition)).device
        tokens = torch.randint(prior.codebook_size, (batch_size, *prior.grid), generator=generator).to(device)
        full = prior.logits(tokens, condition).flatten(2)
        _require(float(full.std()) > 0.1, "the logits hardly spread; check a prior after some training")
        _check_order(prior, tokens, condition, full)
        _check_steps(prior, layouts, list(prior.order), tokens, full, tolerance)


def _check_order(prior: GroupedPrior, tokens: Tensor, condition: Condition, full: Tensor) -> None:
    steps = len(prior.order)
    for step in sorted({0, 1, steps // 2, steps - 2, steps - 1} & set(range(steps))):
        for position in prior.order[step].tolist():
            changed = tokens.flatten(1).clone()
            changed[:, position] = (changed[:, position] + 1) % prior.codebook_size
            moved = (
                (prior.logits(changed.view_as(tokens), condition).flatten(2) - full).abs().amax(dim=(0, 1))
            )
            seen = float(moved[prior.order[: step + 1]].max())
            _require(
                seen == 0, f"logits of step {step} or one before it see its token at position {position}"
            )
            later = moved[prior.order[step + 1 :]]
            _require(
                not later.numel() or float(later.max()) > 0,
                f"no step after {step} sees its token at position {position}",
            )


def check_generator(generator: ImageGenerator, layouts: LayoutBatch, image_channels: int) -> None:
    """The laws of an image generator, at the usual values of its dials: images of the promised shape in [-1, 1],
    the same seeds the same images, a row depends on its own layout and seed alone, and on its layout at all;
    another seed gives another image just where it says that it is `random`. Every dial takes values of its
    whole range.

    Arguments:
        generator: trained a little, or with weights that spread: on fresh ones a layout changes next to nothing.
        layouts: at least two, of which the last differs from another.
        image_channels: C.
    """
    count, usual = len(layouts), _usual(generator)
    seeds: list[Seed] = [(7, index) for index in range(count)]
    images = generator.sample(layouts, seeds, usual)
    shape = (count, image_channels, *layouts.ids.shape[1:])
    _check_images(images, shape)
    again = generator.sample(layouts, seeds, usual)
    _require(torch.equal(images, again), "the same seeds gave other images")
    others = generator.sample(layouts, [*seeds[:-1], (8, count)], usual)
    _require(torch.equal(images[:-1], others[:-1]), "an image changed with the seed of another row")
    same = torch.equal(images[-1], others[-1])
    _require(not (same and generator.random), "another seed gave the same image")
    _require(same or generator.random, "another seed gave another image, and it is not `random`")
    moved = generator.sample(_with_another_last(layouts), seeds, usual)
    _require(torch.equal(images[:-1], moved[:-1]), "an image changed with the layout of another row")
    _require(not torch.equal(images[-1], moved[-1]), "another layout gave the same image")
    for dials in _across(generator):
        _check_images(generator.sample(layouts, seeds, dials), shape, f" at {dials}")


def check_layout_source(source: LayoutSource, size: tuple[int, int], symbols: int) -> None:
    """The laws of a layout source, at the usual values of its dials: symbol maps (B, H, W) in [0, S), the same
    seeds the same layouts, a row depends on its own seed alone. Every dial takes values of its whole range.

    Arguments:
        source: of layouts. size: (H, W). symbols: S.
    """
    usual, seeds = _usual(source), [(7, index) for index in range(3)]
    drawn = source.sample(seeds, usual).ids
    _check_ids(drawn, (3, *size), symbols)
    _require(torch.equal(drawn, source.sample(seeds, usual).ids), "the same seeds gave other layouts")
    others = source.sample([*seeds[:-1], (8, 3)], usual).ids
    _require(torch.equal(drawn[:-1], others[:-1]), "a layout changed with the seed of another row")
    for dials in _across(source):
        _check_ids(source.sample(seeds, dials).ids, (3, *size), symbols, f" at {dials}")


def _usual(part: ImageGenerator | LayoutSource) -> dict[str, float]:
    return {dial.name: dial.usual for dial in part.dials}


def _across(part: ImageGenerator | LayoutSource) -> Iterator[dict[str, float]]:
    """Each dial at both ends of its range and in the middle, all others as usual; of what is counted at its least and
    at twice the usual, since more takes as much longer.
    """
    for dial in part.dials:
        middle = (dial.least + dial.most) / 2
        more = min(max(2 * dial.usual, dial.least + 1), dial.most)
        for value in (dial.least, more) if dial.whole else (dial.least, middle, dial.most):
            dial.check(value)
            yield {**_usual(part), dial.name: value}


def _with_another_last(layouts: LayoutBatch) -> LayoutBatch:
    """Return the layouts with another of them in place of the last."""
    differs = [not torch.equal(one, layouts.ids[-1]) for one in layouts.ids]
    _require(any(differs), "give layouts of which the last differs from another")
    rows = torch.arange(len(layouts))
    rows[-1] = differs.index(True)
    return layouts[rows]


def _check_images(images: Tensor, shape: tuple[int, ...], where: str = "") -> None:
    _require(tuple(images.shape) == shape, f"images of shape {tuple(images.shape)}, expected {shape}{where}")
    _require(bool((images.abs() <= 1).all()), f"pixels outside [-1, 1]{where}")


def _check_ids(ids: Tensor, shape: tuple[int, ...], symbols: int, where: str = "") -> None:
    _require(tuple(ids.shape) == shape, f"layouts of shape {tuple(ids.shape)}, expected {shape}{where}")
    _require(bool(((ids >= 0) & (ids < symbols)).all()), f"symbols outside [0, {symbols}){where}")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ContractError(otherwise)
