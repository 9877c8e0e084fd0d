"""The coupled VQ-model: which loss teaches what, and layouts without an image."""

from collections.abc import Iterable

import pytest
import torch
from tests.tokenizers.pairs import SYMBOLS, boxes
from tests.tokenizers.test_quantizer import _Largest
from torch import Tensor

from labelmint.errors import InputError
from labelmint.objectives.vq_model import vq_model_loss
from labelmint.tokenizers.coupled import Coupled, CoupledConfig, CoupledVQ
from labelmint.tokenizers.coupled_patterns import CoupledPatterns
from labelmint.types import Batch, LayoutBatch

SIZES = {
    "channels": 8,
    "multipliers": (1, 2),
    "code_dim": 8,
    "attention_below": 9,
    "codebook_size": 16,
    "semantic_codebook_size": 16,
}


def coupled(
    reference: bool = False, paths: str = "one", codebook: str = "loss", symbols: int = SYMBOLS
) -> CoupledVQ:
    torch.manual_seed(0)
    config = CoupledConfig.model_validate(
        {**SIZES, "codebook": codebook, "reference": reference, "paths": paths}
    )
    tokenizer, batch = CoupledVQ(config, 1, symbols, (16, 16)), boxes(4)
    tokenizer(batch.image, batch.layouts)
    return tokenizer


def by_patterns(paths: str = "one", cell: int = 0, codebook: str = "ema") -> CoupledPatterns:
    torch.manual_seed(0)
    config = CoupledConfig.model_validate(
        {**SIZES, "codebook": codebook, "paths": paths, "layout_encoder": "patterns", "layout_cell": cell}
    )
    tokenizer = CoupledPatterns(config, 1, SYMBOLS, (16, 16))
    tokenizer.patterns.count(boxes(8, seed=step).layouts.ids for step in range(8))
    torch.nn.init.normal_(tokenizer.outlines.out.weight, std=0.1)  # which begin as nothing
    tokenizer(boxes(4).image, boxes(4).layouts)
    return tokenizer


def touched(tokenizer: Coupled, loss: Tensor) -> set[str]:
    """Names of the parameters that a loss moves."""
    names, parameters = zip(*tokenizer.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return {
        name
        for name, gradient in zip(names, found, strict=True)
        if gradient is not None and gradient.abs().max() > 0
    }


def begins(names: Iterable[str], *prefixes: str) -> bool:
    return any(name.startswith(prefixes) for name in names)


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
    last = [
        m
        for m in tokenizer.part.encoder.modules()
        if isinstance(m, torch.nn.Conv2d) and m.kernel_size == (1, 1)
    ][-1]
    for loss, taught in (
        (of_image.fidelity + of_image.others, slice(0, 8)),
        (of_layout.others, slice(8, 16)),
    ):
        (gradient,) = torch.autograd.grad(loss, last.weight, retain_graph=True)
        assert gradient[taught].abs().max() > 0
        gradient[taught] = 0
        assert gradient.abs().max() == 0
    assert by_image & by_layout >= {"embed.embed.weight"}


@pytest.mark.parametrize("cell", [0, 1])
@pytest.mark.parametrize("paths", ["one", "double"])
def test_with_patterns_a_cell_s_token_depends_on_what_stands_in_it_alone(paths: str, cell: int) -> None:
    tokenizer, batch = by_patterns(paths, cell).eval(), boxes(4, seed=1)
    before, side = tokenizer.encode(batch), cell or 2
    ids = batch.layouts.ids.clone()
    ids[:, 6 : 6 + side, 4 : 4 + side] = (ids[:, 6 : 6 + side, 4 : 4 + side] + 1) % SYMBOLS
    after = tokenizer.encode(Batch(batch.image, LayoutBatch(ids)))
    moved = before["semantics"] != after["semantics"]
    row, column = 6 // side, 4 // side
    assert moved[:, row, column].all()
    moved[:, row, column] = False
    assert not moved.any()
    assert tokenizer.encode_layouts(batch.layouts).equal(before["semantics"])
    assert not before["image"].equal(after["image"])  # the image is written with the layout


def test_the_image_is_written_and_read_with_the_layout_that_its_tokens_stand_for() -> None:
    tokenizer, batch = by_patterns().eval(), boxes(4, seed=1)
    read = LayoutBatch(tokenizer.decode_layouts(tokenizer.encode_layouts(batch.layouts)))
    assert not read.ids.equal(batch.layouts.ids)  # sixteen patterns are too few
    tokens = tokenizer.encode(batch)
    assert tokens["image"].equal(tokenizer.encode(Batch(batch.image, read))["image"])
    image = tokenizer.decode(tokens)
    tokens["semantics"] = tokens["semantics"].clone()
    tokens["semantics"][:, 4, 4] = (tokens["semantics"][:, 4, 4] + 1) % SYMBOLS
    assert not image.equal(tokenizer.decode(tokens))


def test_with_patterns_the_image_alone_teaches_what_its_decoder_sees_of_the_layout() -> None:
    tokenizer, batch = by_patterns(codebook="loss"), boxes(4, seed=1)
    loss = vq_model_loss(tokenizer(batch.image, batch.layouts), batch, variance=1.0, commitment=0.25)
    assert loss.terms.keys() == {"error", "codebook"}
    taught = touched(tokenizer, loss.fidelity + loss.others)
    assert all(
        begins(taught, part)
        for part in (
            "embed",
            "cells",
            "outlines.of_layout",
            "outlines.out",
            "part.encoder",
            "part.decoder",
            "quantizers",
        )
    )


def test_the_layout_at_full_size_moves_the_image_two_pixels_from_where_it_changes() -> None:
    tokenizer, batch = by_patterns().eval(), boxes(4, seed=1)
    for weights in tokenizer.cells.parameters():
        torch.nn.init.zeros_(weights)  # so that the layout has no other way
    tokens = tokenizer.encode(batch)
    semantics = tokens["semantics"].clone()
    semantics[:, 4, 3] = (semantics[:, 4, 3] + 1) % SYMBOLS  # the first patterns are the symbols
    before, after = (tokenizer.decode(each) for each in (tokens, {**tokens, "semantics": semantics}))
    moved = (before != after).any(dim=1).any(dim=0)
    assert moved[8:10, 6:8].any()
    moved[6:12, 4:10] = False
    assert not moved.any()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"reference": True, "layout_encoder": "patterns"}, "layout_encoder=network"),
        ({"layout_cell": 2}, "needs layout_encoder=patterns"),
    ],
)
def test_sizes_that_do_not_go_together_are_refused(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        CoupledConfig.model_validate({**SIZES, **settings})


@pytest.mark.slow
def test_after_some_training_layouts_are_written_and_read_without_their_images() -> None:
    tokenizer = coupled(codebook="ema").train()
    optimizer = torch.optim.Adam([p for p in tokenizer.parameters() if p.requires_grad], lr=5e-3)
    for step in range(60):
        batch = boxes(8, seed=step % 8)
        loss = vq_model_loss(
            tokenizer(batch.image, batch.layouts), batch, variance=0.2, commitment=0.25, semantic_weight=1.0
        )
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
