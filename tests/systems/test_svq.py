"""Systems over tokens of layouts: what conditions what, labels at full resolution, and settings that do not
go together.
"""

from pathlib import Path
from typing import cast

import pytest
import torch

from labelmint.errors import InputError
from labelmint.priors.guided import NetworkPrior
from labelmint.priors.pixelsnail import PixelSNAIL
from labelmint.priors.transformer import TransformerPrior
from labelmint.runs.draw import Draw
from labelmint.runs.plan import MEASURED_PIXELS, _size_of
from labelmint.runs.request import make_request
from labelmint.runs.train import plan, train
from labelmint.runs.trained import TrainedSystem, load
from labelmint.systems.catalogue import SYSTEMS, settings_of
from labelmint.systems.system import Facts, Wired
from labelmint.tokenizers.coupled_patterns import CoupledPatterns
from labelmint.tokenizers.patterns import Patterns
from labelmint.types import Batch, LayoutBatch
from tests.helpers import digits, tiny_settings, two_stage


def untrained(name: str) -> Wired:
    torch.manual_seed(0)
    wired = SYSTEMS[name].wire(settings_of(name, "tiny"), Facts(1, (32, 32), 4))
    for stage in wired.stages:
        stage.module.eval()
    return wired


def patterns_of(system: TrainedSystem) -> Patterns:
    return cast(CoupledPatterns, system.part("tokenizer")).patterns


def batch(n: int = 3) -> Batch:
    ids = torch.zeros(n, 32, 32, dtype=torch.uint8)
    for i in range(n):
        ids[i, 4 + i : 20, 6:18] = 1 + i
    return Batch(torch.rand(n, 1, 32, 32) * 2 - 1, LayoutBatch(ids))


@pytest.mark.parametrize("name", ["vqvae-t", "svqvae-t", "mint"])
def test_the_image_prior_learns_image_tokens_given_those_of_the_layout_alone(name: str) -> None:
    images, some = two_stage(untrained(name)), batch()
    tokens, given = images.written.image_tokens(some)
    coder = images.written.of_layouts
    written = coder.encode_layouts(some.layouts)
    shown = coder.decode_layouts(written) if name == "mint" else written
    assert given.ids.equal(shown)
    assert images.codes(some)[1].equal(written)
    assert tokens.shape[1:] == images.prior.grid
    other = Batch(torch.rand_like(some.image) * 2 - 1, some.layouts)
    assert images.written.image_tokens(other)[1].ids.equal(given.ids)  # no reference image has a say


def test_patterns_are_those_of_the_training_layouts_and_belong_to_the_run(minted: TrainedSystem) -> None:
    table = patterns_of(minted).table
    symbols = len(minted.config.symbol_table)
    several = table[symbols:][(table[symbols:] != table[symbols:, :1]).any(dim=1)]
    ids = minted.layouts_of(digits())
    assert len(several) == len(table) - symbols
    true = ids.view(len(ids), -1, 4, ids.shape[2] // 4, 4).transpose(2, 3).flatten(0, 2).flatten(1)
    assert all((true == row).all(dim=1).any() for row in several)
    again = patterns_of(load(minted.path, device="cpu"))
    assert again.table.equal(table)


@pytest.mark.slow
def test_patterns_finer_than_image_tokens_are_drawn_and_seen(tmp_path: Path) -> None:
    few = {"tokenizer.steps": "8", "prior.epochs": "1", "layout_prior.epochs": "1"}
    settings = {**tiny_settings("mint"), **few, "tokenizer.layout_cell": "2"}
    run = train(
        digits(), tmp_path / "run", system="mint", preset="tiny", settings=settings, precision="32", threads=1
    )
    semantics, image = cast(CoupledPatterns, run.part("tokenizer")).streams
    assert (
        semantics.grid
        == tuple(2 * side for side in image.grid)
        == cast(NetworkPrior, run.part("layout_prior")).grid
    )
    for pair in run.synthesize(2, batch_size=2):
        assert pair.layout.label_map.shape == run.size


def test_what_processes_share_is_of_types_that_they_can_send() -> None:
    buffers = [buffer for stage in untrained("mint").stages for buffer in stage.module.buffers()]
    assert {buffer.dtype for buffer in buffers} <= {
        torch.float32,
        torch.int32,
        torch.int64,
        torch.bool,
    }  # neither gloo nor NCCL has int16


@pytest.mark.parametrize("size", [(256, 192), (192, 320), (240, 160)])
@pytest.mark.parametrize(
    ("system", "setting", "cell"),
    [("mint", "tokenizer.layout_cell=8", 8), ("vqvae-t", "layout_tokenizer.multipliers=1,1,2,2", 8)],
)
def test_large_sizes_are_measured_at_smaller_ones_that_all_parts_take(
    size: tuple[int, int], system: str, setting: str, cell: int
) -> None:
    request = make_request(system=system, preset="small", size=size, settings=[setting])
    measured = _size_of(request, MEASURED_PIXELS)
    assert measured[0] * measured[1] < size[0] * size[1]
    assert all(side % cell == 0 for side in measured)
    wired = SYSTEMS[system].wire(request.settings, Facts(1, measured, 4))
    assert len(wired.stages) == 3


def test_tokenizers_apart_are_trained_apart_and_coupled_ones_together() -> None:
    assert [stage.name for stage in untrained("vqgan-t").stages] == ["tokenizer", "layout_tokenizer", "prior"]
    assert [stage.name for stage in untrained("svqgan-t").stages] == ["tokenizer", "prior"]
    assert [stage.name for stage in untrained("mint").stages] == ["tokenizer", "prior", "layout_prior"]


def test_drawn_labels_are_the_decoded_tokens_that_the_image_was_drawn_with(minted: TrainedSystem) -> None:
    source, seeds = minted.wired.layouts, [(5, i) for i in range(4)]
    assert source is not None
    drawn = source.sample(seeds, {"layout_temperature": 1.0})
    assert drawn.tokens is not None
    assert drawn.ids.equal(cast(CoupledPatterns, minted.part("tokenizer")).decode_layouts(drawn.tokens))
    images = minted.images.sample(drawn, seeds, {"temperature": 0.85})
    pairs = minted.chunk(0, Draw(seed=5, batch_size=4))
    pixels = ((images + 1) * 127.5).round().clamp(0, 255).byte()
    for row, pair in enumerate(pairs):
        assert (pair.image[:, :, 0] == pixels[row, 0].numpy()).all()
        assert (
            pair.layout.label_map
            == minted.config.symbol_table.layout(drawn.ids[row].numpy(), False).label_map
        ).all()


def test_given_layouts_are_written_as_they_are(minted: TrainedSystem) -> None:
    data = digits()
    few = data.subset(data.names[:3])
    pairs = list(minted.synthesize(3, layouts=few, batch_size=3))
    for name, pair in zip(few.names, pairs, strict=True):
        assert (pair.layout.label_map == data.load(name).layout.label_map).all()


def test_either_prior_serves_either_system() -> None:
    for name, key, kind in (
        ("mint", "transformer", TransformerPrior),
        ("svqvae-t", "pixelsnail", PixelSNAIL),
    ):
        from labelmint.systems.sections import with_values

        settings = with_values(settings_of(name, "tiny"), [f"prior.network={key}"])
        wired = SYSTEMS[name].wire(settings, Facts(1, (32, 32), 4))
        assert isinstance(two_stage(wired).prior, kind)


@pytest.mark.parametrize(
    ("system", "settings", "reason"),
    [
        (
            "mint",
            ["tokenizer.reference=true", "tokenizer.layout_encoder=network"],
            "mint draws layouts without images",
        ),
        ("mint", ["tokenizer.reference=true"], "needs layout_encoder=network"),
        ("vqvae-t", ["tokenizer.paths=double"], "only coupled tokenizers"),
        ("vqvae-t", ["tokenizer.reference=true"], "only coupled tokenizers"),
        ("mint", ["prior.network=lstm"], "expected one of pixelsnail, transformer"),
        (
            "mint",
            ["layout_prior.network=transformer", "layout_prior.channels=8"],
            "no setting 'layout_prior.channels'",
        ),
        ("svqgan-t", ["prior.heads=5"], "width must be a multiple of heads"),
        ("svqgan-t", ["tokenizer.patch=3"], "patch must be 1, 2, 4 or 8"),
        ("vqgan-t", ["tokenizer.layout_encoder=patterns"], "svqgan-t or mint"),
        ("mint", ["tokenizer.layout_cell=3"], "layout_cell=3: must divide the 32x32"),
        (
            "mint",
            ["tokenizer.layout_cell=3", "tokenizer.multipliers=1", "tokenizer.patch=1"],
            "take 1, or leave it out",
        ),
        ("mint", ["tokenizer.semantic_codebook_size=4"], "each needs a pattern"),
        ("mint", ["prior.condition_scale=3"], "must divide the 4 pixels"),
        ("mint", ["layout_prior.scale=2"], "take tokenizer.layout_cell=2"),
        ("mint", ["tokenizer.residual_channels=8"], "--system msgnet has it"),
        ("msgnet", ["tokenizer.layout_cell=2"], "--system mint has it"),
        ("svqgan-t", ["tokenizer.layout_cell=2"], "needs layout_encoder=patterns"),
        ("vqvae-t", ["prior.network=pixelsnail", "layout_tokenizer.multipliers=1,2,2"], "don't lie evenly"),
        ("vqvae-t", ["layout_tokenizer.multipliers=1"], "8x8 of an image"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(system: str, settings: list[str], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        plan(digits(40), preset="tiny", system=system, settings=settings, precision="32", threads=1)


def test_a_size_that_no_token_fills_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="the nearest size that fits is 32x32"):
        plan(digits(40), preset="tiny", system="mint", size=(32, 34), precision="32", threads=1)
