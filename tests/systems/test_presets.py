"""The papers' presets: their tables number by number, sizes that fit, and parts that train."""

from typing import cast

import pytest
import torch

from labelmint.errors import InputError, named
from labelmint.priors.transformer import TransformerPrior
from labelmint.protocols import Tokenizer
from labelmint.runs.train import plan, train
from labelmint.systems import msgnet
from labelmint.systems.catalogue import PRESETS, SYSTEMS, settings_of
from labelmint.systems.msgnet_sections import MSGNetSections
from labelmint.systems.svq_sections import VQModelSection
from labelmint.systems.system import Facts, Wired
from labelmint.types import Batch, LayoutBatch
from tests.helpers import TINY, digits, tiny_settings, two_stage

COLUMNS = ("clevr-64", "clevr-192", "malaria", "brats")

# Tables 4, 5 and 6 of the long paper, line by line.
TABLE_4 = """
Batch size            64    32    32    16
Hidden dim           128   128   256   256
Residual dim          64    64    64    64
Residual blocks        2     2     2     2
Codebook size         64    64    64    64
Codebook num         256   256   128   128
Latent size           16    24    20    30
Commitment          0.25  0.25  0.25  0.25
Learning rate       1e-3  8e-4  8e-4  8e-4
Iterations         25000 50000 80000 50000
"""
TABLE_5 = """
Latent size                    32x16  48x24  40x20  60x30
Batch size                        32     16     16     16
Hidden dim                       256    128    128    256
Residual dim                     256    128    128    256
Residual blocks                    3      3      3      3
Conditional residual blocks        2      2      2      2
Conditional residual dim          64     64     64    128
Condition Layout dim              64    128     32     64
Attention dim                    128     64     64    128
Attention heads                    8      8      8      8
dropout                          0.1   0.15   0.15   0.15
Learning rate                   3e-4   3e-4   3e-4   3e-4
Epochs                            60     75     50     75
"""
TABLE_6 = """
Layout size        16x16  24x24  20x20  30x30
Batch size            64     32     32     32
Hidden dim            64    128    128    128
Residual dim          64    128    128    128
Residual blocks        2      2      3      3
Attention dim         32     64     64     64
Attention heads        8      8      8      8
dropout             0.15   0.15   0.15   0.15
Learning rate       3e-4   1e-4   1e-4   1e-4
Epochs                20     15     15     20
"""
SETTING_OF = {
    "Batch size": "batch_size",
    "Hidden dim": "channels",
    "Residual dim": "residual_channels",
    "Residual blocks": "residual_blocks",
    "Codebook size": "code_dim",
    "Codebook num": "codebook_size",
    "Commitment": "commitment",
    "Learning rate": "learning_rate",
    "Iterations": "steps",
    "Conditional residual blocks": "condition_residual_blocks",
    "Conditional residual dim": "condition_residual_channels",
    "Condition Layout dim": "condition_embedding",
    "Attention dim": "attention_channels",
    "Attention heads": "attention_heads",
    "dropout": "dropout",
    "Epochs": "epochs",
}
IMAGE_SIZES = {"clevr-64": 64, "clevr-192": 192, "malaria": 96, "brats": 240}
PAPERS = (*COLUMNS, "multi-mnist-64", "cityscapes-128x256")


def numbers(table: str) -> list[tuple[str, str, str]]:
    """(preset, the table's name for it, published number)."""
    lines = [line.rsplit(maxsplit=4) for line in table.strip().splitlines()]
    return [
        (column, name.strip(), value)
        for name, *values in lines
        for column, value in zip(COLUMNS, values, strict=True)
    ]


def wired_of(name: str, system: str | None = None, device: str = "meta") -> Wired:
    """The untrained system of a preset at its true size, for color images and 25 layout symbols; shapes alone
    unless it goes to another device.
    """
    preset = PRESETS[name]
    chosen = system or preset.system
    with torch.device(device):
        return SYSTEMS[chosen].wire(settings_of(chosen, name), Facts(3, preset.size, 25))


def of_msgnet(name: str) -> MSGNetSections:
    """The settings of msgnet by a preset."""
    found = settings_of("msgnet", name)
    assert isinstance(found, MSGNetSections)
    return found


@pytest.mark.parametrize(
    ("section", "table"), [("tokenizer", TABLE_4), ("prior", TABLE_5), ("layout_prior", TABLE_6)]
)
def test_every_number_of_the_tables_is_the_preset_s(section: str, table: str) -> None:
    read = [entry for entry in numbers(table) if entry[1] in SETTING_OF]
    # all lines but that of the latent or layout size
    assert len(read) == 4 * (len(table.strip().splitlines()) - 1)
    for preset, name, value in read:
        ours = getattr(of_msgnet(preset).each()[section], SETTING_OF[name])
        assert ours == float(value), (preset, section, name)


@pytest.mark.parametrize(
    ("section", "table"), [("tokenizer", TABLE_4), ("prior", TABLE_5), ("layout_prior", TABLE_6)]
)
def test_every_setting_is_called_or_described_as_in_the_tables(section: str, table: str) -> None:
    fields = type(MSGNetSections().each()[section]).model_fields
    for name in {entry[1] for entry in numbers(table)} & SETTING_OF.keys():
        key = SETTING_OF[name]
        assert key == name.lower().replace(" ", "_") or (fields[key].description or "").startswith(
            name.lower()
        ), name


def test_latent_and_layout_sizes_follow_from_the_size_and_only_malaria_departs() -> None:
    rows = numbers(TABLE_4) + numbers(TABLE_5) + numbers(TABLE_6)
    for name in COLUMNS:
        assert PRESETS[name].size == (IMAGE_SIZES[name],) * 2
        wired, settings = wired_of(name), of_msgnet(name)
        images, layout_prior = two_stage(wired), wired.stages[2].module
        (stream,), grid = images.tokenizer.streams, images.written.label_map.grid
        assert stream.codebook_size == settings.tokenizer.codebook_size
        assert images.prior.grid == stream.grid
        assert wired.stages[2].name == "layout_prior"
        assert layout_prior.grid == grid
        ours = [str(stream.grid[1]), "x".join(map(str, stream.grid)), "x".join(map(str, grid))]
        published = [
            value for column, line, value in rows if column == name and line in ("Latent size", "Layout size")
        ]
        if name == "malaria":  # 96 is halved to 48 and 24
            assert (ours, published) == (["24", "48x24", "24x24"], ["20", "40x20", "20x20"])
        else:
            assert ours == published


def test_presets_without_a_column_take_that_of_the_nearest_size() -> None:
    assert of_msgnet("multi-mnist-64") == of_msgnet("clevr-64")
    ours, lent = of_msgnet("cityscapes-128x256"), of_msgnet("clevr-192")
    assert (ours.prior, ours.layout_prior) == (lent.prior, lent.layout_prior)
    assert ours.tokenizer.model_dump() == lent.tokenizer.model_dump() | {"downsamplings": 2}
    wired = wired_of("cityscapes-128x256")
    assert wired.layouts is None
    assert two_stage(wired).tokenizer.streams[0].grid == (2 * 32, 64)  # "a network latent size of 64x32"


@pytest.mark.parametrize("name", PAPERS)
def test_what_the_tables_leave_open_is_the_same_in_all(name: str) -> None:
    settings = of_msgnet(name)
    assert settings == MSGNetSections.model_validate_json(settings.model_dump_json())
    assert (settings.tokenizer.codebook, settings.tokenizer.attention_below) == ("loss", 64)
    for prior in (settings.prior, settings.layout_prior):
        assert (prior.blocks, prior.kernel_rows, prior.kernel_columns) == (4, 3, 5)
        assert (prior.weight_decay, prior.token_noise) == (0, 0)
    assert (
        settings.prior.condition_scale,
        settings.layout_prior.scale,
        settings.layout_prior.temperature,
    ) == (1, 1, 0.75)


@pytest.mark.parametrize("name", PAPERS)
def test_epochs_decide_when_a_prior_of_the_papers_ends(name: str) -> None:
    from labelmint.training.likelihood import steps_of

    for section in (of_msgnet(name).prior, of_msgnet(name).layout_prior):
        assert steps_of(section, views=50_000) == -(-section.epochs * 50_000 // section.batch_size)
        assert section.patience > steps_of(section, views=50_000)


@pytest.mark.parametrize("system", sorted(system.name for system in msgnet.SYSTEMS))
@pytest.mark.parametrize("name", ["clevr-192", "malaria", "cityscapes-128x256"])
def test_every_system_can_be_built_at_true_sizes(name: str, system: str) -> None:
    wired = wired_of(name, system)
    images = two_stage(wired)
    assert images.prior.grid == images.tokenizer.streams[0].grid
    assert (wired.layouts is not None) == (system == "msgnet")


@pytest.mark.parametrize("system", ["vqvae-t", "svqgan-t", "mint"])
def test_the_coupled_vq_model_has_its_published_sizes(system: str) -> None:
    images = two_stage(wired_of("svq-256", system))
    semantics = cast(Tokenizer, images.written.of_layouts).streams[0]
    image = images.tokenizer.streams[-1]
    assert (image.codebook_size, image.grid) == (16_384, (16, 16))
    assert (semantics.codebook_size, semantics.grid) == (4096, (16, 16))
    assert isinstance(images.prior, TransformerPrior)
    assert images.prior.prefix == 256
    settings = settings_of("svqgan-t", "svq-256").each()["tokenizer"]
    assert isinstance(settings, VQModelSection)
    assert (settings.adversary, settings.distance, settings.error, settings.semantic_weight) == (
        0.8,
        1.0,
        "absolute",
        0.1,
    )


def test_a_preset_without_sizes_for_a_system_names_those_that_have_them() -> None:
    with pytest.raises(InputError, match=r"--preset clevr-64: .* take one of tiny, small, svq-256"):
        plan(digits(40), preset="clevr-64", system="svqgan-t")


@pytest.mark.slow
def test_the_smallest_learns_from_one_pair_at_its_true_size() -> None:
    torch.manual_seed(0)
    wired = wired_of("clevr-64", device="cpu")
    written = two_stage(wired).written
    ids = torch.zeros(1, 64, 64, dtype=torch.uint8)
    ids[:, 20:40, 20:40] = 7
    batch = Batch(torch.rand(1, 3, 64, 64) * 2 - 1, LayoutBatch(ids))
    (tokens, _), (cells, _) = written.image_tokens(batch), written.layout_tokens(batch)
    assert (tokens.shape, cells.shape) == ((1, 32, 16), (1, 16, 16))
    for stage in wired.stages:
        (player,) = stage.regime.players(stage.module)
        stage.regime.terms(player.name, {player.name: player.module}, batch)[0].backward()
        assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in stage.module.parameters()), (
            stage.name
        )


def test_the_preset_decides_the_system_unless_one_is_asked_for() -> None:
    few = {"precision": "32", "threads": 1, "size": (32, 32), "settings": TINY}
    of_system = few | {"settings": tiny_settings("pre-msgnet")}
    ours = plan(digits(40), preset="cityscapes-128x256", **of_system)
    assert ours.configuration["request"]["system"] == "pre-msgnet"
    assert [stage.name for stage in ours.stages] == ["tokenizer", "prior"]
    default = plan(digits(40), preset="tiny", **few | {"settings": tiny_settings("mint")})
    assert default.configuration["request"]["system"] == "mint"
    asked = plan(digits(40), preset="cityscapes-128x256", system="msgnet", **few)
    assert [stage.name for stage in asked.stages] == ["tokenizer", "prior", "layout_prior"]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("clevr", "clevr-64"), ("multi-mnist", "multi-mnist-64"), ("cityscapes-128", "cityscapes-128x256")],
)
def test_an_unknown_preset_names_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(InputError, match=f"did you mean '{nearest}'"):
        named("preset", name, PRESETS)


def test_sizes_that_no_grid_fits_are_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="the nearest size that fits is 240x240"):
        train(digits(40), "never", preset="brats", size=(240, 242))
