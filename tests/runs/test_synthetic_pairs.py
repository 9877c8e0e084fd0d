"""Pairs in a training loop are those that `synthesize` writes, whatever process draws them."""

from __future__ import annotations

import pickle
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import labelmint
from labelmint.errors import InputError
from labelmint.runs.synthetic_pairs import SyntheticPairs, SyntheticStream
from labelmint.runs.trained import TrainedSystem

N, B = 7, 2


@pytest.fixture(scope="module")
def pairs(mint_run: Path) -> SyntheticPairs:
    return SyntheticPairs(mint_run, N, seed=3, batch_size=B, temperature=0.8)


@pytest.fixture(scope="module")
def written(mint_run: Path, tmp_path_factory: pytest.TempPathFactory) -> list[labelmint.AnnotatedImage]:
    from labelmint.synthesis import mint

    out = tmp_path_factory.mktemp("minted") / "out"
    system = labelmint.load(mint_run, threads=1)
    mint(system, out, n=N + 2, seed=3, batch_size=B, dials={"temperature": 0.8}, filter="off")
    return list(labelmint.read(out))


def same(item: dict[str, Any], pair: labelmint.AnnotatedImage) -> bool:
    assert item["image"].dtype == torch.uint8 and item["label"].dtype == torch.int64
    return (
        item["name"] == pair.name
        and np.array_equal(item["image"].numpy(), pair.image.transpose(2, 0, 1))
        and np.array_equal(item["label"].numpy(), pair.layout.label_map)
    )


def test_item_i_is_the_pair_that_synthesize_writes(
    pairs: SyntheticPairs, written: list[labelmint.AnnotatedImage], mint_run: Path
) -> None:
    assert len(pairs) == N and not isinstance(pairs, SyntheticStream)
    for index in (5, 0, 6, 1, -1):  # in any order
        assert same(pairs[index], written[index % N])
    later = SyntheticPairs(mint_run, 3, start=4, seed=3, batch_size=B, temperature=0.8)
    assert all(same(later[i], written[4 + i]) for i in range(3))
    for index in (N, -N - 1):
        with pytest.raises(IndexError):
            pairs[index]


@pytest.mark.interpreters(2)
@pytest.mark.parametrize("workers", [0, 2])
def test_workers_change_nothing(
    pairs: SyntheticPairs, written: list[labelmint.AnnotatedImage], workers: int
) -> None:
    loader = DataLoader(pairs, batch_size=None, num_workers=workers)
    for _ in range(2):
        found = list(loader)
        assert all(same(item, pair) for item, pair in zip(found, written, strict=False)) and len(found) == N
    stream = SyntheticPairs(pairs.system, seed=3, batch_size=B, temperature=0.8)
    some = list(islice(DataLoader(stream, batch_size=B, num_workers=workers), 4))
    order = torch.cat([batch["index"] for batch in some]).tolist()
    assert order == list(range(2 * 4))
    assert all(torch.equal(batch["image"][0], pairs[k * B]["image"]) for k, batch in enumerate(some))


def test_a_stream_shares_its_chunks_out_to_ranks(pairs: SyntheticPairs) -> None:
    def indices(rank: int, ranks: int, start: int = 0) -> list[int]:
        stream = SyntheticPairs(pairs.system, batch_size=B, start=start, rank=rank, ranks=ranks)
        assert isinstance(stream, SyntheticStream)
        with pytest.raises(TypeError):
            len(stream)
        return [item["index"] for item in islice(stream, 4)]

    assert [indices(rank, 2) for rank in (0, 1)] == [[0, 1, 4, 5], [2, 3, 6, 7]]
    assert indices(0, 1, start=3) == [3, 4, 5, 6]


def test_a_sampler_by_chunks_draws_each_once(pairs: SyntheticPairs, monkeypatch: Any) -> None:
    drawn: list[int] = []
    chunk = TrainedSystem.chunk
    monkeypatch.setattr(TrainedSystem, "chunk", lambda *args: drawn.append(args[1]) or chunk(*args))
    fresh = pickle.loads(pickle.dumps(SyntheticPairs(pairs.system, N, batch_size=B)))
    sampler = fresh.sampler(shuffle=True, seed=1)
    orders = []
    for epoch in (0, 1, 0):
        drawn.clear()
        sampler.set_epoch(epoch)
        orders.append([item["index"] for item in DataLoader(fresh, batch_size=None, sampler=sampler)])
        assert sorted(orders[-1]) == list(range(N)) and len(drawn) == len(set(drawn))
    assert orders[0] == orders[2] != orders[1]
    pairs_of_chunks = list(fresh.sampler(batch_size=1, workers=2))
    assert pairs_of_chunks == [0, 2, 1, 3, 4, 6, 5]  # worker 0 and worker 1 in turn


def test_what_transform_returns_is_handed_out_and_threads_stay(mint_run: Path) -> None:
    before = torch.get_num_threads()
    shapes = SyntheticPairs(mint_run, 2, lambda item: tuple(item["image"].shape), batch_size=B)
    assert shapes[0] == (1, 32, 32)
    assert torch.get_num_threads() == before
    pair = shapes.pair(1)
    assert pair.name == "synthetic_000001" and shapes.classes.names == shapes.system.classes.names


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n": 0}, "--n 0: expected at least 1"),
        ({"n": 2, "start": -1}, "--start -1"),
        ({"n": 2, "batch_size": 0}, "--batch-size 0"),
        ({"n": 2, "grain": 3}, "grain"),
        ({"n": 2, "threads": 0}, "--threads 0"),
        ({"n": 2, "reseed": {"sound": 1}}, "sound"),
        ({"rank": 2, "ranks": 2}, "rank 2 of 2"),
        ({"rank": 2}, "expected rank and ranks"),
        ({"n": 2, "device": "tpu"}, "tpu"),
    ],
)
def test_bad_values_are_refused(mint_run: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        SyntheticPairs(mint_run, **options)
    with pytest.raises(InputError, match="not a run folder"):
        SyntheticPairs(mint_run.parent / "no-run", 2)
