"""The two-stage generator keeps the laws of an image generator, heeds guidance where its prior was trained for
it, and refuses parts that do not fit.
"""

import pytest
import torch

from labelmint.contracts import check_generator
from labelmint.generators.pair_tokens import PairTokens
from labelmint.generators.two_stage import TwoStage
from labelmint.priors.memory import state_bytes
from labelmint.priors.pixelsnail import PixelSNAIL, PixelSNAILConfig
from labelmint.tokenizers.dual_path import DualPathConfig, DualPathVQVAE
from labelmint.tokenizers.label_map import LabelMap
from labelmint.types import Batch, LayoutBatch

SIZE = (16, 16)


def parts(condition_dropout: float = 0.0) -> tuple[DualPathVQVAE, PixelSNAIL]:
    torch.manual_seed(0)
    tokenizer = DualPathVQVAE(DualPathConfig(channels=16, codebook_size=8, code_dim=4), 3, SIZE)
    tokenizer(torch.rand(4, 3, *SIZE) * 2 - 1)
    config = PixelSNAILConfig(
        channels=8,
        residual_channels=8,
        blocks=1,
        residual_blocks=1,
        attention_channels=4,
        attention_heads=1,
        condition_dropout=condition_dropout,
    )
    prior = PixelSNAIL(config, 8, (8, 4), stack=2, symbols=3)
    with torch.no_grad():  # else the logits of fresh weights hardly depend on the layout
        for one in prior.parameters():
            one.mul_(3)
    return tokenizer.eval(), prior.eval()


def generator(condition_dropout: float = 0.0) -> TwoStage:
    tokenizer, prior = parts(condition_dropout)
    return TwoStage(prior, written(tokenizer))


def written(tokenizer: DualPathVQVAE) -> PairTokens:
    label_map = LabelMap(3, SIZE, SIZE)
    return PairTokens(tokenizer=tokenizer, of_layouts=label_map, given="layouts", label_map=label_map)


@pytest.mark.parametrize("condition_dropout", [0.0, 0.2])
def test_it_keeps_the_laws_of_a_generator(condition_dropout: float) -> None:
    made = generator(condition_dropout)
    check_generator(made, LayoutBatch(torch.randint(3, (3, *SIZE))), image_channels=3)
    assert [dial.name for dial in made.dials] == ["temperature", *["guidance"][: condition_dropout > 0]]
    assert ("guidance" in made.lacking) == (condition_dropout == 0)


def test_guidance_draws_other_images_and_its_usual_value_is_the_prior_itself() -> None:
    made, layouts = generator(0.2), LayoutBatch(torch.randint(3, (3, *SIZE)))
    plain, usual, guided = (
        made.sample(layouts, [(0, 0), (0, 1), (0, 2)], {"temperature": 1.0, **more})
        for more in ({}, {"guidance": 1.0}, {"guidance": 4.0})
    )
    assert torch.equal(plain, usual)
    assert not torch.equal(plain, guided)


def test_it_takes_the_memory_of_its_prior_twice_with_guidance() -> None:
    made = generator(0.2)
    plain, guided = (made.drawing_bytes(8, {"guidance": guidance}) for guidance in (1.0, 2.0))
    assert guided - plain == pytest.approx(1.25 * state_bytes(made.prior, 8), abs=2)
    sizes = [made.drawing_bytes(count, {}) for count in (1, 2, 8, 32, 128)]
    assert sizes == sorted(sizes)


def test_it_gives_images_back_as_the_tokenizer_has_them() -> None:
    made = generator()
    batch = Batch(torch.rand(2, 3, *SIZE) * 2 - 1, LayoutBatch(torch.randint(3, (2, *SIZE))))
    with torch.no_grad():
        wanted = made.tokenizer.decode(made.tokenizer.encode(batch), batch.layouts)
    assert torch.equal(made.given_back(batch), wanted)


def test_a_prior_over_other_tokens_is_refused() -> None:
    tokenizer, _ = parts()
    other = PixelSNAIL(PixelSNAILConfig(), 8, (4, 4), stack=2, symbols=3)
    with pytest.raises(ValueError, match="the tokenizer has"):
        TwoStage(other, written(tokenizer))
