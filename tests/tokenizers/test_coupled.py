"""The coupled VQ-model: which loss teaches what, and layouts without an image."""

from collections.abc import Iterable

import pytest
import torch
from tests.tokenizers.pairs import SYMBOLS, boxes
from tests.tokenizers.test_quantizer import _Largest
from torch import Tensor

from labelmint.errors import InputError
from labelmint.objectives.vq_model import vq_model_loss
from labelmint.tokenizers.coupled import CoupledConfig, CoupledVQ
from labelmint.types import Batch, LayoutBatch


def coupled(
    reference: bool = False, paths: str = "one", codebook: str = "loss", symbols: int = SYMBOLS, layouts: str = "network"
) -> CoupledVQ:
    torch.manual_seed(0)
    config = CoupledConfig.model_validate(
        {
            "channels": 8, "multipliers": (1, 2), "code_dim": 8, "attention_below": 9, "codebook": codebook, "codebook_size": 16,
            "semantic_codebook_size": 16, "reference": reference, "paths": paths, "layout_encoder": layouts,
        }
    )  # fmt: skip
    tokenizer, batch = CoupledVQ(config, 1, symbols, (16, 16)), boxes(4)
    tokenizer(batch.image, batch.layouts)
    return tokenizer


def touched(tokenizer: CoupledVQ, loss: Tensor) -> set[str]:
    """Names of the parameters that a loss moves."""
    names, parameters = zip(*tokenizer.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return {name for name, gradient in zip(names, found, strict=True) if gradient is not None and gradient.abs().max() > 0}


def begins(names: Iterable[str], *prefixes: str) -> bool:
    return any(name.startswith(prefixes) for name in names)


@pytest.mark.parametrize("paths", ["one", "double"])
def test_with_cells_the_image_teaches_the_layout_s_part_nothing_but_how_symbols_are_embedded(paths: str) -> None:
    tokenizer, batch = coupled(paths=paths, layouts="cell"), boxes(4, seed=1)
    found = tokenizer(batch.image, batch.layouts)
    of_image = vq_model_loss(found._replace(logits=None, semantics=()), batch, variance=1.0, commitment=0.25)
    of_layout = vq_model_loss(found._replace(image=None, quantized=[]), batch, variance=1.0, commitment=0.25)
    by_image = touched(tokenizer, of_image.fidelity + of_image.others)
    assert not begins(by_image, "semantic_quantizer", "layout_decoder", "cell_encoder")
    by_layout = touched(tokenizer, of_layout.others)
    assert begins(by_layout, "cell_encoder")
    assert not begins(by_layout, "part", "quantizers")
    assert by_image & by_layout == {"embed.embed.weight"}


@pytest.mark.parametrize("paths", ["one", "double"])
def test_the_image_s_loss_teaches_the_layout_s_code_nothing_and_the_other_way_round(paths: str) -> None:
    tokenizer, batch = coupled(True, paths), boxes(4, seed=1)
    found = tokenizer(batch.image, batch.layouts)
    of_image = vq_model_loss(found._replace(logits=None), batch, variance=1.0, commitment=0.25)
    of_layout = vq_model_loss(found._replace(image=None), batch, variance=1.0, commitment=0.25)
    by_image = touched(tokenizer, of_image.fidelity + of_image.others)
    by_layout = touched(tokenizer, of_layout.others)
    assert begins(by_image, "part.decoder")
    assert begins(by_image, "quantizers")
    assert not begins(by_image, "semantic_quantizer", "layout_decoder")
    assert begins(by_layout, "layout_decoder")
    assert begins(by_layout, "semantic_quantizer")
    assert not begins(by_layout, "quantizers", "part.decoder")
    # One encoder: both teach it, but each only its own half of the last convolution.
    last = [m for m in tokenizer.part.encoder.modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size == (1, 1)][-1]
    for loss, taught in ((of_image.fidelity + of_image.others, slice(0, 8)), (of_layout.others, slice(8, 16))):
        (gradient,) = torch.autograd.grad(loss, last.weight, retain_graph=True)
        assert gradient[taught].abs().max() > 0
        gradient[taught] = 0
        assert gradient.abs().max() == 0
    assert by_image & by_layout >= {"embed.embed.weight"}


@pytest.mark.parametrize("paths", ["one", "double"])
def test_a_cell_s_token_depends_on_what_stands_in_it_alone(paths: str) -> None:
    tokenizer, batch = coupled(paths=paths, layouts="cell").eval(), boxes(4, seed=1)
    before, cell = tokenizer.encode(batch), 2
    torch.manual_seed(1)
    ids = batch.layouts.ids.clone()
    ids[:, 6:8, 4:6] = torch.randint(SYMBOLS, (4, cell, cell)).to(ids.dtype)
    after = tokenizer.encode(Batch(batch.image, LayoutBatch(ids)))
    moved = before["semantics"] != after["semantics"]
    assert moved[:, 3, 2].any()
    moved[:, 3, 2] = False
    assert not moved.any()
    shifted = LayoutBatch(batch.layouts.ids.roll((2 * cell, cell), (1, 2)))
    assert tokenizer.encode_layouts(shifted).equal(before["semantics"].roll((2, 1), (1, 2)))
    assert not before["image"].equal(after["image"])  # the image is written with the layout
    names = {name.partition(".")[0] for name, _ in tokenizer.named_parameters()}
    assert names >= {"cell_encoder", "layout_decoder"}
    assert "no_image" not in names


def test_cells_are_written_without_images() -> None:
    with pytest.raises(ValueError, match="layout_encoder=network"):
        coupled(True, layouts="cell")


@pytest.mark.parametrize("layouts", ["network", "cell"])
def test_after_some_training_layouts_are_written_and_read_without_their_images(layouts: str) -> None:
    tokenizer = coupled(codebook="ema", layouts=layouts).train()
    optimizer = torch.optim.Adam([p for p in tokenizer.parameters() if p.requires_grad], lr=5e-3)
    for step in range(120):
        batch = boxes(8, seed=step % 8)
        loss = vq_model_loss(tokenizer(batch.image, batch.layouts), batch, variance=0.2, commitment=0.25, semantic_weight=1.0)
        optimizer.zero_grad()
        (loss.fidelity + loss.others).backward()
        optimizer.step()
    tokenizer.eval()
    unseen = boxes(16, seed=99)
    read = tokenizer.decode_layouts(tokenizer.encode_layouts(unseen.layouts))
    misread = float((read != unseen.layouts.ids).float().mean())
    ground = float((unseen.layouts.ids != 0).float().mean())  # what the guess that all is ground gets wrong
    assert misread < 0.4 * ground


def test_a_tokenizer_that_needs_images_says_so() -> None:
    with pytest.raises(InputError, match="reference=false"):
        coupled(True).encode_layouts(boxes(2).layouts)


def test_the_image_plays_a_part_in_the_layout_s_tokens_with_a_reference_alone() -> None:
    batch = boxes(4, seed=1)
    other = Batch(-batch.image.flip(2), batch.layouts)

    def semantics(reference: bool, of: Batch) -> Tensor:
        return coupled(reference).eval().encode(of)["semantics"]

    assert semantics(False, batch).equal(semantics(False, other))
    assert semantics(False, batch).equal(coupled().eval().encode_layouts(batch.layouts))
    assert not semantics(True, batch).equal(semantics(True, other))


def test_many_classes_never_make_a_one_hot_of_the_full_size() -> None:
    symbols, size, count = 243, 16, 8
    tokenizer = coupled(symbols=symbols).eval()
    ids = torch.randint(symbols, (count, size, size), dtype=torch.uint8)
    with _Largest() as seen, torch.no_grad():
        tokenizer.encode(Batch(torch.rand(count, 1, size, size), LayoutBatch(ids)))
    assert 0 < seen.largest < 4 * symbols * count * size * size / 4
