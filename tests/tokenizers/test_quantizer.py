"""Quantizer: nearest entry, straight-through gradient, both updates, no dead codes."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from labelmint.tokenizers import quantizer as module
from labelmint.tokenizers.quantizer import Quantizer


def test_tokens_are_the_nearest_entries_by_brute_force() -> None:
    torch.manual_seed(0)
    quantizer, z = Quantizer(16, 5).eval(), torch.randn(2, 5, 3, 4)
    torch.nn.init.normal_(quantizer.codebook)
    result = quantizer(z)
    distances = torch.cdist(z.permute(0, 2, 3, 1).reshape(-1, 5), quantizer.codebook)
    assert result.tokens.flatten().equal(distances.argmin(dim=1))
    assert result.vectors.allclose(quantizer.lookup(result.tokens), atol=1e-6)


def test_the_gradient_passes_straight_through() -> None:
    quantizer, z = Quantizer(8, 3).eval(), torch.randn(1, 3, 2, 2, requires_grad=True)
    weight = torch.randn(1, 3, 2, 2)
    (quantizer(z).vectors * weight).sum().backward()
    assert z.grad is not None
    assert z.grad.equal(weight)


def test_moving_average_revives_dead_codes_until_all_are_used() -> None:
    torch.manual_seed(0)
    quantizer = Quantizer(32, 2, update="ema", decay=0.8)
    for _ in range(60):
        quantizer(torch.randn(8, 2, 8, 8))
    used = quantizer.eval()(torch.randn(32, 2, 8, 8)).tokens.unique()
    assert len(used) == 32


def test_of_entries_that_rounding_alone_tells_apart_the_first_is_chosen() -> None:
    torch.manual_seed(0)
    quantizer, same = Quantizer(64, 8).eval(), [3, 20, 41]
    with torch.no_grad():
        quantizer.codebook.normal_()
        quantizer.codebook[same] = quantizer.codebook[3] + 1e-6 * torch.randn(3, 8)
    assert quantizer.nearest(quantizer.codebook[same]).tolist() == [3, 3, 3]
    others = [k for k in range(64) if k not in same]
    assert quantizer.nearest(quantizer.codebook[others]).tolist() == others


def test_what_most_vectors_are_takes_one_entry_and_leaves_the_others_to_the_rare() -> None:
    torch.manual_seed(0)
    ground, rare = torch.randn(1, 4), torch.randn(12, 4)
    quantizer = Quantizer(16, 4, decay=0.8)
    for _ in range(80):
        flat = ground.repeat(256, 1)
        where = torch.randperm(256)[:24]
        flat[where] = rare[torch.randint(12, (24,))]
        quantizer(flat.t().reshape(1, 4, 16, 16))
    alone = torch.cdist(torch.cat([ground, rare]), quantizer.codebook).min(dim=1).values
    assert alone.max() < 1e-3, "an entry for each"
    assert int((torch.cdist(ground, quantizer.codebook) < 1e-2).sum()) == 1


def test_the_loss_update_moves_only_the_codebook_and_lowers_its_loss() -> None:
    torch.manual_seed(0)
    quantizer, z = Quantizer(8, 2, update="loss"), torch.randn(4, 2, 8, 8)
    optimizer = torch.optim.SGD(quantizer.parameters(), lr=1.0)
    losses = []
    for _ in range(20):
        loss = quantizer(z).codebook
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert not any(p.requires_grad for p in Quantizer(8, 2, update="ema").parameters())


def test_evaluation_moves_nothing() -> None:
    quantizer = Quantizer(8, 2).eval()
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    quantizer(torch.randn(2, 2, 4, 4))
    assert all(value.equal(before[name]) for name, value in quantizer.state_dict().items())


def integers(rows: int, width: int) -> torch.Tensor:
    """Vectors whose distances are exact, and often equal."""
    return torch.randint(-2, 3, (rows, width)).float()


@pytest.mark.parametrize("rows", [1, 7, 64, 1000])
def test_search_in_chunks_finds_the_first_of_the_nearest_entries(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    quantizer, flat = Quantizer(40, 3), integers(64, 3)
    with torch.no_grad():
        quantizer.codebook.copy_(integers(40, 3))
    distances = (flat[:, None] - quantizer.codebook[None]).square().sum(2)
    nearest = distances == distances.min(dim=1, keepdim=True).values
    assert int((nearest.sum(1) > 1).sum()) > 10, "no ties to decide"
    monkeypatch.setattr(module, "_SEARCH_BYTES", 4 * 40 * rows)
    assert quantizer.nearest(flat).equal(nearest.float().argmax(dim=1))


class _Largest(TorchDispatchMode):
    """Notes the largest result of an operation, in bytes."""

    largest = 0

    def __torch_dispatch__(self, function, types, arguments=(), named=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        result = function(*arguments, **(named or {}))
        if isinstance(result, torch.Tensor):
            self.largest = max(self.largest, result.untyped_storage().nbytes())
        return result


def test_a_large_codebook_never_meets_a_large_batch_in_one_table() -> None:
    quantizer = Quantizer(16_384, 2).train()
    with _Largest() as seen, torch.no_grad():
        quantizer(torch.randn(8, 2, 16, 16))
    assert 0 < seen.largest <= 64 << 20
    assert 4 * 16_384 * 8 * 256 > 64 << 20
