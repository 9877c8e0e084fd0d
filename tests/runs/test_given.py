"""Pairs of a data set in drawing: what is kept of them stays, the rest is drawn, and references go with
systems that need them.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.helpers import digits, tiny_settings

from labelmint.errors import InputError
from labelmint.layouts.from_prior import PriorLayouts
from labelmint.priors.ancestral import AncestralSampler
from labelmint.priors.graphed import RowSampler
from labelmint.runs.draw import Draw
from labelmint.runs.given import part_of
from labelmint.runs.train import train
from labelmint.runs.trained import TrainedSystem, load
from labelmint.seeds import uniforms
from labelmint.synthesis import mint
from labelmint.types import AnnotatedImage, DataSet, Kept

CPU = torch.device("cpu")
REFERENCE = tiny_settings("svqvae-t") | {"tokenizer.reference": "true"}


@pytest.fixture(scope="module")
def referring(tmp_path_factory: pytest.TempPathFactory) -> TrainedSystem:
    out = tmp_path_factory.mktemp("reference") / "run"
    return train(
        digits(), out, system="svqvae-t", preset="tiny", settings=REFERENCE, precision="32", threads=1
    )


def few() -> DataSet:
    data = digits()
    return data.subset(data.names[:4])


def drawn(system: TrainedSystem, keep: list[str], seed: int = 0) -> list[AnnotatedImage]:
    return system.chunk(0, Draw(seed=seed, batch_size=4, layouts=system.given(few(), keep=keep)))


def pixels(x: torch.Tensor) -> np.ndarray:
    return ((x + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


def test_tokens_that_are_kept_stay_and_those_before_them_do_not_know(system: TrainedSystem) -> None:
    source = system.wired.layouts
    assert isinstance(source, PriorLayouts)
    rows, columns = source.prior.grid
    numbers = uniforms([(0, i) for i in range(2)], "layout", rows * columns)
    where = torch.zeros(2, rows, columns, dtype=torch.bool)
    where[:, rows // 2, 1:3] = True
    kept = Kept(torch.ones(2, rows, columns, dtype=torch.long), where)
    sampler, condition = AncestralSampler(source.prior), source.prior.prepare(None)
    free, held = (sampler.draw(condition, numbers, 1.0, CPU, one) for one in (None, kept))
    assert bool((held[where] == 1).all())
    assert held[:, : rows // 2].equal(free[:, : rows // 2])
    replayed = RowSampler(source.prior, 2, CPU).draw(condition, numbers, 1.0, kept.flat(CPU))  # type: ignore[arg-type]
    assert replayed.view_as(held).equal(held)


def test_an_image_that_is_kept_whole_is_the_tokenizer_s_own(system: TrainedSystem) -> None:
    height, width = system.size
    batch = system.pairs_of(few()).fixed(0, 4)
    tokenizer = system.part("tokenizer")
    with torch.no_grad():
        wanted = tokenizer.decode(tokenizer.encode(batch), batch.layouts)  # type: ignore[operator]
    pairs = drawn(system, [f"image:0,0,{width},{height}"])
    assert all((pair.image == one).all() for pair, one in zip(pairs, pixels(wanted), strict=True))


def test_half_of_an_image_is_kept_for_every_seed_and_the_rest_is_drawn(system: TrainedSystem) -> None:
    given = system.given(few(), keep=["image:0,0,32,16"])
    assert given.image is not None
    rows = given.image.where.shape[1]
    paths = rows * system.size[1] // (given.image.where.shape[2] * system.size[0])
    for path in given.image.where.chunk(paths, dim=1):
        assert bool(path[:, : path.shape[1] // 2].all())
        assert not bool(path[:, path.shape[1] // 2 :].any())
    some, others = (drawn(system, ["image:0,0,32,16"], seed) for seed in (1, 2))
    assert any((a.image != b.image).any() for a, b in zip(some, others, strict=True))
    assert all(
        (a.layout.label_map == few().load(name).layout.label_map).mean() > 0.8
        for a, name in zip(some, few().names, strict=True)
    )


def test_of_a_layout_a_class_is_kept_and_the_rest_is_drawn(system: TrainedSystem) -> None:
    given = system.given(few(), keep=["layout:background"])
    assert given.layout is not None
    assert 0 < float(given.layout.where.float().mean()) < 1
    source = system.wired.layouts
    assert isinstance(source, PriorLayouts)
    found = source.sample([(7, i) for i in range(4)], {"layout_temperature": 1.0}, given.layout).tokens
    assert found is not None
    assert found[given.layout.where].equal(given.layout.tokens[given.layout.where])
    assert drawn(system, ["layout:background"])[0].provenance["layouts"].startswith("given, and drawn anew")


def test_references_are_taken_by_systems_that_need_them(referring: TrainedSystem, tmp_path: Path) -> None:
    assert referring.needs_references
    given = referring.given(few(), references=True)
    assert given.tokens is not None
    batch = referring.pairs_of(few()).fixed(0, 4)
    assert given.tokens.equal(referring.images.codes(batch)[1])
    pairs = referring.chunk(0, Draw(batch_size=4, layouts=given))
    for pair, name in zip(pairs, few().names, strict=True):
        assert (pair.layout.label_map == few().load(name).layout.label_map).all()
    kept = referring.given(few(), references=True, keep=["image:0,0,32,32"])
    whole = referring.chunk(0, Draw(batch_size=4, layouts=kept))
    with torch.no_grad():
        own = referring.images.given_back(batch)
    assert all((pair.image == one).all() for pair, one in zip(whole, pixels(own), strict=True))
    out = mint(load(referring.path, threads=1), tmp_path / "out", n=3, reference=few(), filter="off")
    assert "--reference DATA" in (out / "README.md").read_text(encoding="utf-8")
    # From the training pairs, with the tokens that the run keeps of them.
    stored = load(referring.path, threads=1).chunk(0, Draw(batch_size=2))
    assert stored[0].provenance["layouts"] == "training layouts of the run"


def test_what_is_kept_is_written_down_and_another_part_is_another_set(
    minted: TrainedSystem, tmp_path: Path
) -> None:
    keep = ["image:0,0,16,32", "layout:background"]
    out = mint(minted, tmp_path / "a", n=2, layouts=few(), keep=keep, filter="off", batch_size=2)
    assert "--keep image:0,0,16,32 --keep layout:background" in (out / "README.md").read_text(
        encoding="utf-8"
    )
    with pytest.raises(
        InputError, match=r"made otherwise.* pass --keep image:0,0,16,32 --keep layout:background to resume"
    ):
        mint(minted, out, n=2, layouts=few(), keep=keep[:1], filter="off", batch_size=2, resume=True)


def test_a_stopped_export_of_kept_parts_goes_on(
    minted: TrainedSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export(out: Path, resume: bool) -> Path:
        return mint(
            minted,
            out,
            n=6,
            layouts=few(),
            keep=["image:0,0,16,32"],
            filter="off",
            batch_size=2,
            resume=resume,
        )

    whole, draw = export(tmp_path / "whole", False), minted.chunk
    monkeypatch.setattr(minted, "chunk", lambda chunk, how: draw(chunk, how) if chunk < 2 else stop())
    with pytest.raises(KeyboardInterrupt):
        export(tmp_path / "out", False)
    monkeypatch.undo()
    out = export(tmp_path / "out", True)
    assert all(
        (out / "images" / file.name).read_bytes() == file.read_bytes()
        for file in (whole / "images").iterdir()
    )


def stop() -> list[AnnotatedImage]:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("background", "expected layout:CLASS, image:CLASS or image:x0,y0,x1,y1"),
        ("mask:background", "expected layout:CLASS"),
        ("image:", "expected layout:CLASS"),
        ("image:horse", "there is no class 'horse'"),
        ("layout:0,0,4,4", "boxes are of images"),
        ("image:4,0,4,8", "x0 < x1 <= 32"),
        ("image:0,0,64,8", "x0 < x1 <= 32"),
        ("image:0,0,-1,8", "there is no class"),
    ],
)
def test_parts_that_are_none_are_refused(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        part_of(text, digits().classes, (32, 32))


def test_what_does_not_go_together_is_refused_in_one_line(
    minted: TrainedSystem, referring: TrainedSystem, tmp_path: Path
) -> None:
    out = tmp_path / "never"
    for system, more, reason in (
        (minted, {"keep": ["image:background"]}, "of what"),
        (
            minted,
            {"keep": ["image:background"], "layouts": few(), "vary": True},
            "varied layouts have no images",
        ),
        (minted, {"reference": few()}, "needs no reference images"),
        (minted, {"reference": few(), "layouts": few()}, "leave --layouts out"),
        (minted, {"keep": ["image:10,10,11,11"], "layouts": few()}, "keeps nothing of"),
        (referring, {"layouts": few()}, "give --reference"),
        (referring, {"vary": True}, "varied layouts have no images"),
        (referring, {"reference": few(), "keep": ["layout:background"]}, "draws no layouts"),
    ):
        with pytest.raises(InputError, match=reason):
            mint(system, out, n=2, filter="off", **more)  # type: ignore[arg-type]
        assert not out.exists()
