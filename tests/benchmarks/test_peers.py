"""Peers: what is compared is comparable, and each side of sampling is what its author's whole call does."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from benchmarks.machine import in_turns, operations_of
from benchmarks.peers_vqvae import OURS, convolutions, identical_pair, rows_of
from torch.nn import functional

from benchmarks import peers
from labelmint.tokenizers.dual_path import DualPathConfig

KEYS = {
    "part",
    "comparison",
    "side",
    "what",
    "batch",
    "seconds",
    "ratio",
    "parameters",
    "operations",
    "gflops",
}
# x-transformers compiles a function by torch.jit.script when it is imported, and torch 2.13 deprecates that.
needs_x_transformers = pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")


@pytest.mark.parametrize(("depth", "blocks"), [(1, 1), (2, 2), (3, 0)])
def test_identical_layers_are_identical(depth: int, blocks: int) -> None:
    config = DualPathConfig(
        channels=32,
        residual_channels=24,
        residual_blocks=blocks,
        downsamplings=depth,
        codebook_size=16,
        code_dim=8,
    )
    ours, theirs = identical_pair(16, config)
    image = torch.zeros(2, 1, 16, 16)
    found = convolutions(ours, image)
    assert found == convolutions(theirs, image)
    assert len(found) == 2 * depth + 4 * blocks + 2
    # MONAI's is learned by a product of one-hot vectors, ours by an indexed sum
    codebook = 2 * 2 * (16 >> depth) ** 2 * 16 * 8
    assert operations_of(lambda: theirs(image)) - operations_of(lambda: ours(image)) == codebook


def test_the_vqvaes_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "peers.json"
    peers.main(
        [
            "--part",
            "vqvae",
            "--size",
            "8",
            "--images",
            "1",
            "--repeat",
            "1",
            "--threads",
            "1",
            "--json",
            str(file),
        ]
    )
    result = json.loads(file.read_text())
    assert result["machine"]["threads"] == 1
    assert all(set(row) == KEYS and row["seconds"] > 0 and row["ratio"] > 0 for row in result["rows"])
    sides = {(row["comparison"], row["side"]): row for row in result["rows"]}
    comparisons = {"identical layers", "as configured", "precision chosen", "defaults"}
    assert set(sides) == {(name, side) for name in comparisons for side in (OURS, "MONAI")} | {
        ("identical layers", "labelmint without normalization")
    }
    assert all(sides[name, OURS]["ratio"] == 1 for name in comparisons)
    assert "identical layers, batch 1: MONAI" in capsys.readouterr().out


def test_ratios_are_of_the_same_turn() -> None:
    # While the machine was busy (turns 2 and 3) both were slow: MONAI needs twice as long in each of them.
    times = {OURS: [1.0, 9.0, 5.0], "MONAI": [2.0, 18.0, 10.0]}
    ours, theirs = rows_of("vqvae", "c", "w", 4, times, {OURS: 1, "MONAI": 1}, {OURS: 1e9, "MONAI": 3e9})
    assert (ours["ratio"], theirs["ratio"]) == (1, 2)
    assert (ours["seconds"], theirs["gflops"]) == (5, 0.3)


def test_sides_take_turns_and_the_first_turn_is_not_counted() -> None:
    calls: list[str] = []
    times = in_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert calls == ["a", "b"] * 3
    assert {name: len(found) for name, found in times.items()} == {"a": 2, "b": 2}


def test_attention_on_a_cpu_is_counted_as_its_products() -> None:
    q, k, v = (torch.randn(2, 3, 5, 8, requires_grad=True) for _ in range(3))
    products = 2 * 2 * 3 * 5 * 5 * 8
    assert operations_of(lambda: functional.scaled_dot_product_attention(q, k, v)) == 2 * products
    assert (
        operations_of(lambda: functional.scaled_dot_product_attention(q, k, v).sum().backward())
        == 7 * products
    )


def test_without_the_extra_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        peers, "find_spec", lambda name: None if name == "x_transformers" else SimpleNamespace()
    )
    with pytest.raises(
        SystemExit, match=r"needs x_transformers; install the extra: pip install -e '\.\[bench\]'"
    ) as stopped:
        peers.main(["--threads", "1"])
    assert "\n" not in str(stopped.value)


@needs_x_transformers
def test_the_samplers_are_measured(tmp_path: Path) -> None:
    pytest.importorskip("x_transformers")
    pytest.importorskip("einops")
    file = tmp_path / "peers.json"
    sizes = ["--grid", "4x4", "--channels", "32", "--batch", "2", "--positions", "4"]
    peers.main(["--part", "sampling", *sizes, "--repeat", "1", "--threads", "1", "--json", str(file)])
    rows = {row["side"]: row for row in json.loads(file.read_text())["rows"]}
    assert len(rows) == 3
    ours = rows[OURS]
    for row in rows.values():
        assert set(row) == KEYS | {"tokens_per_s", "timed_positions"}
        assert row["parameters"] == pytest.approx(ours["parameters"], rel=0.05)
        assert row["tokens_per_s"] * row["seconds"] == pytest.approx(2 * 16)
    assert sorted(row["timed_positions"] for row in rows.values()) == [4, 16, 16]
    assert rows["x-transformers, cached"]["operations"] == pytest.approx(ours["operations"], rel=0.2)
    again = rows["MONAI VQVAETransformerInferer"]["operations"] / ours["operations"]
    assert again == pytest.approx(17 / 2, rel=0.2)  # all tokens so far, for each of 16


@needs_x_transformers
def test_the_cached_peer_draws_from_its_whole_forward_pass_and_monai_draws_one_token_more() -> None:
    pytest.importorskip("x_transformers")
    pytest.importorskip("einops")
    from benchmarks.peers_sampling import BEGIN, monai_draw, monai_transformer, x_transformer
    from x_transformers import AutoregressiveWrapper

    torch.manual_seed(0)
    model = x_transformer(64, 2, 6).eval()
    begin, kept = torch.full((2, 1), BEGIN), {"filter_logits_fn": lambda logits: logits}
    draws = []
    for cached in (True, False):
        torch.manual_seed(1)
        draws.append(AutoregressiveWrapper(model).generate(begin, 6, cache_kv=cached, **kept))
    assert draws[0].equal(draws[1])
    lengths = []
    anew = monai_transformer(False)(64, 2, 6).eval()
    anew.register_forward_pre_hook(
        lambda _, args, kwargs: lengths.append(kwargs["x"].shape), with_kwargs=True
    )
    assert monai_draw(anew, 2, 5).shape == (2, 1, 1)
    assert lengths == [(2, 6)]
