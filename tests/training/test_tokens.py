"""Tokens of a step: kept or computed anew, they are the same."""

import numpy as np
import pytest
import torch
from torch import Tensor

from labelmint.datasets.beside import with_unlabelled
from labelmint.datasets.geometry import Geometry
from labelmint.datasets.pairs import Pairs
from labelmint.training.tokens import TokenBatches, tokenized
from labelmint.types import Batch, LayoutBatch

CPU = torch.device("cpu")


class Counting:
    """Tokens that tell their image, conditioned by its layout, and how many images were read."""

    def __init__(self, conditioned: bool = True, factor: int = 1) -> None:
        self.conditioned, self.factor, self.read = conditioned, factor, 0

    def __call__(self, batch: Batch) -> tuple[Tensor, LayoutBatch | None]:
        self.read += len(batch.image)
        tokens = ((batch.image[:, 0, ::2, ::2] + 1) * 127.5).round().long() * self.factor
        return tokens, LayoutBatch(batch.layouts.ids // 2) if self.conditioned else None


def pairs(count: int = 70, size: tuple[int, int] = (8, 8), **geometry: object) -> Pairs:
    rng = np.random.default_rng(0)
    ids = [rng.integers(0, 200, (8, 8)).astype(np.uint8) for _ in range(count)]
    return Pairs([i[..., None] for i in ids], ids, Geometry(size=size, **geometry), 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(("conditioned", "factor"), [(True, 1), (False, 1), (True, 1000)])
def test_kept_tokens_are_those_of_the_batch_and_are_computed_once(conditioned: bool, factor: int) -> None:
    counting, made = Counting(conditioned, factor), pairs()
    told: list[tuple[int, int]] = []
    batches = TokenBatches(
        counting, made, batch_size=16, steps=100, device=CPU, tell=lambda done, of: told.append((done, of))
    )
    assert counting.read == len(made)
    assert told == [(32, 70), (64, 70), (70, 70)]
    for step in (0, 3, 4, 9, 30, 2):
        tokens, layouts = batches(step)
        expected, seen = Counting(conditioned, factor)(made.batch(step, 16))
        assert tokens.equal(expected)
        assert tokens.dtype == torch.int64
        assert (layouts is None) == (not conditioned)
        assert layouts is None or (seen is not None and layouts.ids.equal(seen.ids))
    assert counting.read == len(made)


def test_processes_share_kept_tokens_as_they_share_a_batch() -> None:
    made = pairs()
    whole = TokenBatches(Counting(), made, 6, 100, CPU)(5)[0]
    for rank in range(2):
        assert TokenBatches(Counting(), made, 6, 100, CPU, rank, 2)(5)[0].equal(whole[rank::2])


@pytest.mark.parametrize(
    ("made", "steps"),
    [
        (pairs(augment=frozenset({"flips"})), 100),
        (pairs(size=(6, 6), crop=True), 100),
        (pairs().showing(0.5), 100),
        (pairs(), 8),  # less than two epochs
    ],
)
def test_views_that_change_and_short_trainings_are_encoded_anew(made: Pairs, steps: int) -> None:
    counting = Counting()
    batches = TokenBatches(counting, made, batch_size=16, steps=steps, device=CPU)
    assert counting.read == 0
    for step in (0, 5):
        assert batches(step)[0].equal(Counting()(made.batch(step, 16))[0])
    assert counting.read == 32


@pytest.mark.parametrize("more", [{}, {"augment": frozenset({"flips"})}], ids=["kept", "anew"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.5])
def test_images_without_labels_are_where_a_batch_has_them_and_are_told(
    more: dict[str, object], share: float
) -> None:
    made, counting = pairs(**more), Counting()
    pool = Pairs([255 - image for image in made.images[:40]], None, made.geometry, 3)
    told: list[tuple[int, int]] = []
    how = (counting, made, 10, 100, CPU)
    batches = TokenBatches(*how, 0, 1, lambda *done: told.append(done), pool, share)
    encoded = 0 if more else 70 + 40 * (share > 0)
    assert counting.read == encoded
    assert not encoded or told[-1] == (encoded, encoded)
    for step in (0, 3, 9):
        expected, seen = tokenized(Counting(), with_unlabelled(made, pool, share, step, 10), CPU)
        tokens, layouts = batches(step)
        assert tokens.equal(expected)
        assert layouts is not None and seen is not None and seen.labelled is not None
        assert layouts.ids.equal(seen.ids)
        assert layouts.labelled is None if not share else seen.labelled.equal(layouts.labelled)
        for rank in range(2):
            part, shown = TokenBatches(*how, rank, 2, pool=pool, unlabelled=share)(step)
            mine = slice(5 * rank, 5 * rank + 5) if share else slice(rank, None, 2)
            assert part.equal(tokens[mine])
            assert shown is not None
            assert shown.labelled is None if not share else layouts.labelled[mine].equal(shown.labelled)


def test_conditions_of_many_codes_stay_what_they_are() -> None:
    def tokenize(batch: Batch) -> tuple[Tensor, LayoutBatch]:
        return torch.zeros(len(batch.image), 2, 2, dtype=torch.long), LayoutBatch(
            batch.layouts.ids.long() + 40_000
        )

    made = pairs()
    for steps in (1, 100):  # encoded anew, and kept
        _, seen = TokenBatches(tokenize, made, 8, steps, CPU)(0)
        assert seen is not None
        assert int(seen.ids.min()) >= 40_000
