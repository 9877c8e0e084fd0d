"""The VQ-models of image, layout, both, and two levels: the laws that all of them keep, and that training
lowers each part of the loss.
"""

from collections.abc import Callable
from typing import cast

import pytest
import torch
from tests.tokenizers.pairs import SYMBOLS, boxes
from torch import Tensor, nn

from labelmint.contracts import ContractError, check_layout_tokenizer, check_tokenizer
from labelmint.objectives.vq_model import vq_model_loss
from labelmint.tokenizers.coupled import CoupledConfig, CoupledVQ
from labelmint.tokenizers.coupled_patterns import CoupledPatterns
from labelmint.tokenizers.layout_vq import LayoutVQ, LayoutVQConfig
from labelmint.tokenizers.two_level import TwoLevelConfig, TwoLevelVQ
from labelmint.tokenizers.vq_model import VQModel, VQModelConfig
from labelmint.types import Batch, LayoutBatch

SIZES = {"channels": 8, "multipliers": (1, 2), "code_dim": 8, "attention_below": 9}
PATTERNS = {**SIZES, "codebook_size": 16, "semantic_codebook_size": 16, "layout_encoder": "patterns"}
Size = tuple[int, int]

KINDS: dict[str, Callable[[int, Size, str], nn.Module]] = {
    "image": lambda c, size, book: VQModel(VQModelConfig(**SIZES, codebook=book, codebook_size=16), c, size),
    "image, local": lambda c, size, book: VQModel(
        VQModelConfig(**SIZES, codebook=book, codebook_size=16, image_encoder="local", image_decoder="local"),
        c,
        size,
    ),
    "image, local decoder": lambda c, size, book: VQModel(
        VQModelConfig(**SIZES, codebook=book, codebook_size=16, image_decoder="local"), c, size
    ),
    "layout": lambda c, size, book: LayoutVQ(
        LayoutVQConfig(**SIZES, codebook=book, semantic_codebook_size=16), SYMBOLS, size
    ),
    "coupled": lambda c, size, book: CoupledVQ(
        CoupledConfig(**SIZES, codebook=book, codebook_size=16, semantic_codebook_size=16), c, SYMBOLS, size
    ),
    "coupled double": lambda c, size, book: CoupledVQ(
        CoupledConfig(**SIZES, codebook=book, codebook_size=16, semantic_codebook_size=16, paths="double"),
        c,
        SYMBOLS,
        size,
    ),
    "coupled, published": lambda c, size, book: CoupledVQ(
        CoupledConfig(**SIZES, codebook=book, codebook_size=16, semantic_codebook_size=16, reference=True),
        c,
        SYMBOLS,
        size,
    ),
    "coupled, patterns": lambda c, size, book: CoupledPatterns(
        CoupledConfig(**PATTERNS, codebook=book), c, SYMBOLS, size
    ),
    "coupled, local": lambda c, size, book: CoupledPatterns(
        CoupledConfig(**PATTERNS, codebook=book, image_encoder="local", image_decoder="local"),
        c,
        SYMBOLS,
        size,
    ),
    "coupled double, finer": lambda c, size, book: CoupledPatterns(
        CoupledConfig(**PATTERNS, codebook=book, paths="double", layout_cell=1), c, SYMBOLS, size
    ),
    "two levels": lambda c, size, book: TwoLevelVQ(
        TwoLevelConfig(**SIZES, codebook=book, codebook_size=16), c, size
    ),
}


def made(kind: str, channels: int = 1, size: Size = (16, 16), codebook: str = "ema") -> nn.Module:
    torch.manual_seed(0)
    tokenizer = KINDS[kind](channels, size, codebook)
    batch = boxes(4, channels, size)
    if isinstance(tokenizer, CoupledPatterns):
        tokenizer.patterns.count([batch.layouts.ids])
        nn.init.normal_(tokenizer.outlines.out.weight, std=0.1)  # which begin as nothing
    tokenizer(batch.image, batch.layouts)  # the first batch lends the codebooks their entries
    return tokenizer.eval()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("channels", "size"), [(1, (16, 16)), (3, (16, 24))])
def test_they_keep_the_laws_of_a_tokenizer(kind: str, channels: int, size: Size) -> None:
    tokenizer, batch = made(kind, channels, size), boxes(3, channels, size, seed=1)
    check_tokenizer(tokenizer, batch)  # type: ignore[arg-type]
    if kind in (
        "layout",
        "coupled",
        "coupled double",
        "coupled, patterns",
        "coupled, local",
        "coupled double, finer",
    ):
        check_layout_tokenizer(tokenizer, batch.layouts, SYMBOLS)


class _InCompany(LayoutVQ):
    """Writes a layout otherwise when it stands in a batch."""

    def encode_layouts(self, layouts: LayoutBatch) -> Tensor:
        return (super().encode_layouts(layouts) + len(layouts)) % 16


class _BeyondSymbols(LayoutVQ):
    """Reads symbols that do not exist."""

    def decode_layouts(self, tokens: Tensor) -> Tensor:
        return super().decode_layouts(tokens) + SYMBOLS


@pytest.mark.parametrize(
    ("broken", "said"), [(_InCompany, "depend on its batch"), (_BeyondSymbols, "outside")]
)
def test_the_contract_of_layout_tokenizers_can_be_broken(broken: type[LayoutVQ], said: str) -> None:
    tokenizer = broken(LayoutVQConfig(**SIZES, semantic_codebook_size=16), SYMBOLS, (16, 16)).eval()
    with pytest.raises(ContractError, match=said):
        check_layout_tokenizer(tokenizer, boxes(3).layouts, SYMBOLS)


@pytest.mark.parametrize(
    ("kind", "streams"),
    [
        ("image", [("image", 16, (8, 8))]),
        ("layout", [("semantics", 16, (8, 8))]),
        ("coupled", [("semantics", 16, (8, 8)), ("image", 16, (8, 8))]),
        ("coupled double", [("semantics", 16, (8, 8)), ("image", 16, (16, 8))]),
        ("two levels", [("top", 16, (4, 4)), ("bottom", 16, (8, 8))]),
    ],
)
def test_streams_come_in_the_order_in_which_they_are_drawn(
    kind: str, streams: list[tuple[str, int, Size]]
) -> None:
    assert list(made(kind).streams) == streams  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_decoding_is_what_the_forward_pass_reconstructs_and_every_stream_counts(kind: str) -> None:
    tokenizer, batch = made(kind), boxes(2, seed=1)
    with torch.no_grad():
        tokens, found = tokenizer.encode(batch), tokenizer(batch.image, batch.layouts)  # type: ignore[operator]
        decoded = tokenizer.decode(tokens)  # type: ignore[operator]
        if found.image is None:
            assert decoded.equal(found.logits.argmax(dim=1).to(decoded.dtype))
            return
        assert decoded.allclose(found.image, atol=1e-5)
        for name in tokens:
            changed = {**tokens, name: (tokens[name] + 1) % 16}
            assert not tokenizer.decode(changed).allclose(decoded, atol=1e-4), name  # type: ignore[operator]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("codebook", ["ema", "loss"])
def test_every_trained_parameter_gets_a_finite_gradient(kind: str, codebook: str) -> None:
    tokenizer, batch = made(kind, codebook=codebook).train(), boxes(4, seed=1)
    loss = vq_model_loss(tokenizer(batch.image, batch.layouts), batch, variance=0.5, commitment=0.25)
    (loss.fidelity + loss.others).backward()
    for name, parameter in tokenizer.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize(
    "kind",
    [
        "image",
        "coupled",
        *(
            pytest.param(kind, marks=pytest.mark.slow)
            for kind in ("two levels", "image, local", "layout", "coupled, local", "coupled double")
        ),
    ],
)
def test_a_few_steps_of_training_lower_each_part_of_the_loss(kind: str) -> None:
    tokenizer = made(kind).train()
    optimizer = torch.optim.Adam([p for p in tokenizer.parameters() if p.requires_grad], lr=1e-2)
    history = []
    for step in range(24):
        batch = boxes(8, seed=step % 2)
        loss = vq_model_loss(
            tokenizer(batch.image, batch.layouts), batch, variance=0.2, commitment=0.25, semantic_weight=1.0
        )
        optimizer.zero_grad()
        (loss.fidelity + loss.others).backward()
        optimizer.step()
        history.append(loss.terms)
    for name in {"error", "nats"} & history[0].keys():
        first, last = (
            float(torch.stack([terms[name] for terms in few]).mean()) for few in (history[:3], history[-3:])
        )
        assert last < 0.6 * first, name


@pytest.mark.parametrize("kind", ["image, local", "coupled, local"])
def test_a_local_encoder_writes_what_changes_in_a_cell_in_the_cells_around_it_alone(kind: str) -> None:
    tokenizer, batch = made(kind, size=(32, 32)), boxes(8, size=(32, 32), seed=1)
    image, reach = batch.image.clone(), 3  # one cell by the strided convolution, two by the blocks
    image[:, :, 16:18, 12:14] = 1 - 2 * torch.rand(8, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    before, after = (tokenizer.encode(each)["image"] for each in (batch, Batch(image, batch.layouts)))  # type: ignore[operator]
    moved = (before != after).any(dim=0).nonzero() - torch.tensor([8, 6])
    assert len(moved) > 0
    assert moved.abs().max() <= reach
    shifted = Batch(batch.image.roll((4, 2), (2, 3)), LayoutBatch(batch.layouts.ids.roll((4, 2), (1, 2))))
    inner = (slice(None), slice(reach + 2, -reach), slice(reach + 1, -reach))
    assert tokenizer.encode(shifted)["image"][inner].equal(before.roll((2, 1), (1, 2))[inner])  # type: ignore[operator]


@pytest.mark.parametrize("kind", ["image, local", "image, local decoder", "coupled, local"])
def test_a_local_decoder_draws_what_changes_in_a_token_around_it_alone(kind: str) -> None:
    tokenizer, reach = (
        cast(VQModel, made(kind, size=(32, 32))),
        6 + 2 + 1,
    )  # pixels: three cells, two on the way up, one by the last convolution
    reach += kind.startswith("coupled")  # and one by that of the outlines
    tokens = tokenizer.encode(boxes(4, size=(32, 32), seed=1))
    image = tokens["image"].clone()
    image[:, 8, 6] = (image[:, 8, 6] + 1) % 16
    before, after = (tokenizer.decode(each) for each in (tokens, {**tokens, "image": image}))
    moved = (before != after).any(dim=1).any(dim=0)
    assert moved[16:18, 12:14].all()
    moved[16 - reach : 18 + reach, 12 - reach : 14 + reach] = False
    assert not moved.any()


def test_sizes_are_read_as_a_command_line_has_them_and_checked() -> None:
    read = VQModelConfig.model_validate({"multipliers": "1,2, 4", "patch": "2"})
    assert read.widths == (32, 64, 128)
    assert read.downsamplings == 3
    assert VQModelConfig.model_validate(read.model_dump(mode="json")) == read
    with pytest.raises(ValueError, match="1, 2, 4 or 8"):
        VQModelConfig(patch=3)
    with pytest.raises(ValueError, match="1 or more"):
        VQModelConfig(multipliers=(1, 0))


@pytest.mark.parametrize(("patch", "multipliers"), [(1, (1, 1, 2)), (2, (1, 2)), (4, (2,))])
@pytest.mark.parametrize("kind", ["network", "local"])
def test_patches_and_levels_make_up_the_grid(patch: int, multipliers: tuple[int, ...], kind: str) -> None:
    config = VQModelConfig.model_validate(
        {
            "patch": patch,
            "channels": 8,
            "multipliers": multipliers,
            "code_dim": 4,
            "attention_below": 0,
            "image_encoder": kind,
            "image_decoder": kind,
        }
    )
    tokenizer = VQModel(config, 3, (16, 24)).eval()
    assert config.downsamplings == 2
    assert tokenizer.streams[0].grid == (4, 6)
    check_tokenizer(tokenizer, boxes(2, 3, (16, 24)))


def test_two_levels_see_all_of_an_image() -> None:
    with pytest.raises(ValueError, match="image_encoder=network"):
        TwoLevelConfig(image_encoder="local")
    with pytest.raises(ValueError, match="image_decoder=network"):
        TwoLevelConfig(image_decoder="local")


def test_without_an_encoder_of_their_own_layouts_are_written_by_that_of_images() -> None:
    config = CoupledConfig(**SIZES, codebook_size=16, semantic_codebook_size=16, image_encoder="local")
    torch.manual_seed(0)
    tokenizer, batch = CoupledVQ(config, 1, SYMBOLS, (32, 32)), boxes(4, size=(32, 32))
    tokenizer(batch.image, batch.layouts)
    ids = batch.layouts.ids.clone()
    ids[:, 16:18, 12:14] = (ids[:, 16:18, 12:14] + 1) % SYMBOLS
    before, after = (tokenizer.eval().encode_layouts(each) for each in (batch.layouts, LayoutBatch(ids)))
    moved = (before != after).any(dim=0).nonzero() - torch.tensor([8, 6])
    assert len(moved) > 0
    assert moved.abs().max() <= 3
