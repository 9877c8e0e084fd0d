"""Codebooks behind one face: tokens that stand for vectors, K codes, gradients, a clear word without the
package.
"""

import importlib.util
import math
import sys

import pytest
import torch

from labelmint.errors import InputError
from labelmint.tokenizers.codebooks import CodebookKind, External, _levels, codebook_of, lookup, see_in_parts
from labelmint.tokenizers.quantizer import Quantizer

present = pytest.mark.skipif(
    importlib.util.find_spec("vector_quantize_pytorch") is None, reason="extra codebooks"
)
EXTERNAL: tuple[CodebookKind, ...] = ("fsq", "lfq", "simvq", "rotation")
KINDS = ["ema", "loss", *(pytest.param(kind, marks=present) for kind in EXTERNAL)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "dim"), [(16, 4), (64, 6)])
def test_tokens_stand_for_the_vectors_and_the_gradient_reaches_the_input(
    kind: CodebookKind, size: int, dim: int
) -> None:
    torch.manual_seed(0)
    quantizer, z = codebook_of(kind, size, dim), torch.randn(3, dim, 7, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(quantizer(z).vectors.square().sum(), z)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0
    found = quantizer.eval()(z)
    assert found.vectors.shape == z.shape
    assert found.tokens.shape == (3, 7, 8)
    assert found.tokens.dtype == torch.int64
    assert 0 <= int(found.tokens.min()) <= int(found.tokens.max()) < size
    assert lookup(quantizer, found.tokens).allclose(found.vectors, atol=1e-5)
    assert lookup(quantizer, torch.arange(size).view(1, 1, size)).flatten(2).unique(dim=2).shape[2] > size / 2


@pytest.mark.parametrize("kind", KINDS)
def test_save_and_load_answer_the_same(kind: CodebookKind) -> None:
    torch.manual_seed(0)
    first, second, z = codebook_of(kind, 16, 4), codebook_of(kind, 16, 4), torch.randn(2, 4, 3, 3)
    first(z)
    second.load_state_dict(first.state_dict())
    assert first.eval()(z).tokens.equal(second.eval()(z).tokens)


@pytest.mark.parametrize("kind", ["ema", pytest.param("rotation", marks=present)])
def test_moving_averages_see_a_batch_in_parts_as_a_whole(kind: CodebookKind) -> None:
    first, batch = torch.randn(2, 6, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 3
    books, found = list[torch.Tensor](), list[torch.Tensor]()
    for parts in (1, 3):
        torch.manual_seed(0)
        quantizer = codebook_of(kind, 16, 4).train()
        quantizer(first)
        see_in_parts(quantizer, parts)
        torch.manual_seed(1)  # of revived entries
        found.append(torch.cat([quantizer(part).vectors for part in batch.chunk(parts)]))
        books.append(lookup(quantizer, torch.arange(16).view(1, 1, 16)))
    assert found[0].allclose(found[1], atol=1e-5)
    assert books[0].allclose(books[1], atol=1e-5)


@present
@pytest.mark.parametrize("kind", ["lfq", "simvq", "rotation"])
def test_their_own_losses_come_under_the_term_they_are_weighed_by(kind: CodebookKind) -> None:
    torch.manual_seed(0)
    found = codebook_of(kind, 16, 4).train()(torch.randn(2, 4, 4, 4))
    weighed, apart = (
        (found.commitment, found.codebook) if kind == "rotation" else (found.codebook, found.commitment)
    )
    assert float(weighed.detach()) != 0
    assert float(apart.detach()) == 0


@pytest.mark.parametrize("bits", range(1, 17))
def test_the_levels_of_fsq_make_up_the_codebook(bits: int) -> None:
    levels = _levels(1 << bits)
    assert math.prod(levels) == 1 << bits
    assert max(levels) <= 8
    assert max(levels) <= 2 * min(levels)


@present
@pytest.mark.parametrize("kind", ["fsq", "lfq"])
def test_sizes_that_are_no_power_of_two_are_refused_with_the_nearest_that_are(kind: CodebookKind) -> None:
    with pytest.raises(InputError, match="64 and 128"):
        codebook_of(kind, 100, 8)


def test_without_the_package_it_says_what_to_install_and_ours_need_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "vector_quantize_pytorch", None)
    with pytest.raises(InputError, match=r"labelmint\[codebooks\]"):
        External("fsq", 16, 4)
    assert isinstance(codebook_of("ema", 16, 4), Quantizer)
