"""The generator over two levels keeps the laws of an image generator; its bottom obeys the top."""

from dataclasses import replace

import pytest
import torch
from tests.tokenizers.pairs import boxes

from labelmint.contracts import check_generator, check_grouped_prior, check_prior
from labelmint.datasets.pairs import Pairs
from labelmint.errors import InputError
from labelmint.generators.two_level import LevelTokens, TwoLevels
from labelmint.priors.guided import NetworkPrior
from labelmint.priors.pixelsnail import PixelSNAIL, PixelSNAILConfig
from labelmint.priors.rowwise import RowPixelSNAIL
from labelmint.seeds import Seeds
from labelmint.tokenizers.label_map import LabelMap
from labelmint.tokenizers.two_level import TwoLevelConfig, TwoLevelVQ
from labelmint.training.tokens import TokenBatches
from labelmint.types import Batch, Kept, LayoutBatch

SIZE, SYMBOLS = (16, 16), 3


def parts(
    kind: type[PixelSNAIL | RowPixelSNAIL] = PixelSNAIL, dropouts: tuple[float, float] = (0.0, 0.0)
) -> tuple[TwoLevelVQ, NetworkPrior, NetworkPrior]:
    torch.manual_seed(0)
    sizes = TwoLevelConfig(channels=8, multipliers=(1, 2), code_dim=8, attention_below=0, codebook_size=8)
    tokenizer = TwoLevelVQ(sizes, 3, SIZE)
    tokenizer(torch.rand(4, 3, *SIZE) * 2 - 1)
    top, bottom = tokenizer.streams
    first, second = (
        PixelSNAILConfig(
            channels=8,
            residual_channels=8,
            blocks=1,
            residual_blocks=1,
            attention_channels=4,
            attention_heads=1,
            condition_dropout=dropout,
        )
        for dropout in dropouts
    )
    priors = (
        PixelSNAIL(first, 8, top.grid, symbols=SYMBOLS),
        kind(second, 8, bottom.grid, symbols=SYMBOLS, coarse=top),
    )
    with torch.no_grad():  # else the logits of fresh weights hardly depend on the layout
        for prior in priors:
            for one in prior.parameters():
                one.mul_(1.5)
    return tokenizer.eval(), priors[0].eval(), priors[1].eval()


def generator(dropouts: tuple[float, float] = (0.0, 0.0)) -> TwoLevels:
    tokenizer, top, bottom = parts(dropouts=dropouts)
    return TwoLevels(top, bottom, tokenizer)


def layouts(n: int = 3) -> LayoutBatch:
    return LayoutBatch(torch.randint(SYMBOLS, (n, *SIZE)))


@pytest.mark.parametrize("dropouts", [(0.0, 0.0), (0.2, 0.2), (0.2, 0.0)])
def test_it_keeps_the_laws_of_a_generator(dropouts: tuple[float, float]) -> None:
    made = generator(dropouts)
    check_generator(made, layouts(), image_channels=3)
    assert [dial.name for dial in made.dials] == ["temperature", *["guidance"][: min(dropouts) > 0]]
    assert ("guidance" in made.lacking) == (min(dropouts) == 0)


def test_the_bottom_is_drawn_anew_for_the_same_top() -> None:
    made, given, seeds, drawn = generator(), layouts(), [(7, index) for index in range(3)], []
    decode = made.tokenizer.decode
    made.tokenizer.decode = lambda tokens, *more: drawn.append(dict(tokens)) or decode(tokens, *more)  # type: ignore[method-assign, func-returns-value]
    for each in (seeds, Seeds(seeds, {"bottom": 1})):
        made.sample(given, each, {"temperature": 1.0})
    assert made.streams == ("top", "bottom")
    assert drawn[0]["top"].equal(drawn[1]["top"])
    assert not drawn[0]["bottom"].equal(drawn[1]["bottom"])


def test_the_bottom_keeps_the_laws_of_a_prior_and_obeys_the_top() -> None:
    for kind in (PixelSNAIL, RowPixelSNAIL):
        tokenizer, _, bottom = parts(kind)
        top = tokenizer.streams[0]
        coarse = torch.randint(top.codebook_size, (2, *top.grid))
        given = replace(layouts(2), tokens=coarse)
        if isinstance(bottom, RowPixelSNAIL):
            check_grouped_prior(bottom, given)
        else:
            assert isinstance(bottom, PixelSNAIL)
            check_prior(bottom, given)
        tokens, other = torch.randint(8, (2, *bottom.grid)), coarse.clone()
        other[1, 0, 0] = (other[1, 0, 0] + 1) % top.codebook_size
        with torch.no_grad():
            before, after = (bottom(tokens, replace(given, tokens=each)) for each in (coarse, other))
        moved = (before - after).abs().amax(dim=(1, 2, 3))
        assert moved[0] == 0 < moved[1]
        with pytest.raises(ValueError, match="coarser level"):
            bottom(tokens, layouts(2))


def test_the_memory_of_both_priors_counts_and_guidance_takes_twice_as_much() -> None:
    made = generator((0.2, 0.2))
    plain, guided = (made.drawing_bytes(8, {"guidance": guidance}) for guidance in (1.0, 2.0))
    assert guided > plain > 0
    sizes = [made.drawing_bytes(count, {}) for count in (1, 2, 8, 32, 128)]
    assert sizes == sorted(sizes)


def test_tokens_of_two_grids_are_not_kept_and_images_are_given_back_by_both() -> None:
    made, tokenizer = generator(), parts()[0]
    with pytest.raises(InputError, match="two grids"):
        made.sample(
            layouts(1), [(0, 0)], {"temperature": 1.0}, Kept(torch.zeros(1, 4, 4), torch.ones(1, 4, 4))
        )
    batch = Batch(torch.rand(2, 3, *SIZE) * 2 - 1, layouts(2))
    with torch.no_grad():
        wanted = tokenizer.decode(tokenizer.encode(batch))
    assert torch.equal(made.given_back(batch), wanted)


def test_tokens_that_are_kept_in_training_hold_the_top_beside_the_layout() -> None:
    tokenizer, _, _ = parts()
    batch = boxes(4, 3, SIZE)
    written = LevelTokens(tokenizer, LabelMap(SYMBOLS, (4, 4), SIZE))

    class Still(Pairs):
        """Four views that are always the same."""

        still = True

        def __init__(self) -> None:
            pass

        def __len__(self) -> int:
            return len(batch)

        def fixed(self, first: int, count: int) -> Batch:
            return batch[first : first + count]

        def items(self, step: int, batch_size: int) -> list[int]:
            return [step % 4, (step + 1) % 4]

    batches = TokenBatches(written.bottom, Still(), 2, 10, torch.device("cpu"))
    tokens, seen = batches(1)
    wanted, shown = written.bottom(batch[1:3])
    assert shown.tokens is not None
    assert batches.sources[0].kept is not None
    assert torch.equal(tokens, wanted)
    assert seen is not None
    assert seen.tokens is not None
    assert torch.equal(seen.ids.long(), shown.ids.long())
    assert torch.equal(seen.tokens, shown.tokens)
