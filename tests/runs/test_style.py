"""The style of a reference image, streams that are drawn anew, and truncation: of runs that have a code, and others."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.helpers import digits, untrained

from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.errors import InputError
from labelmint.formats.image_files import write_png
from labelmint.generators.network import Encodes, OneNetwork
from labelmint.runs.draw import Draw
from labelmint.runs.trained import TrainedSystem
from labelmint.synthesis import mint
from labelmint.types import AnnotatedImage, LayoutBatch


@pytest.fixture(scope="module")
def spade(trained: TrainedSystem) -> TrainedSystem:
    return untrained(trained, "spade")


@pytest.fixture(scope="module")
def bicyclegan(trained: TrainedSystem) -> TrainedSystem:
    return untrained(trained, "bicyclegan")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An image of a training pair."""
    write_png(tmp_path / "a.png", digits()[0].image)
    return tmp_path / "a.png"


def same(ones: list[AnnotatedImage], others: list[AnnotatedImage]) -> tuple[bool, bool]:
    """Whether all layouts are the same, and whether some image is."""
    both = list(zip(ones, others, strict=True))
    return (
        all(np.array_equal(a.layout.label_map, b.layout.label_map) for a, b in both),
        any(np.array_equal(a.image, b.image) for a, b in both),
    )


@pytest.mark.parametrize("name", ["spade", "bicyclegan"])
def test_images_in_the_style_of_a_training_image_are_those_of_its_mean_code(
    name: str, file: Path, request: pytest.FixtureRequest
) -> None:
    system = request.getfixturevalue(name)
    assert isinstance(system.images, OneNetwork)
    network = system.images.network
    assert isinstance(network, Encodes)
    layouts = LayoutBatch(system.training_layouts()[:2])
    with torch.no_grad():
        code = network.code_of(system.pairs_of(digits()).fixed(0, 1))
        assert code is not None
        wanted = EIGHT_BITS.from_unit(network(layouts, code.expand(2, -1), {}).clamp(-1, 1))
    pairs = list(system.synthesize(2, batch_size=2, seed=3, style_image=file))
    assert np.array_equal(np.stack([pair.image for pair in pairs]), wanted)
    assert not np.array_equal(pairs[0].image, next(system.synthesize(1, batch_size=2, seed=3)).image)


@pytest.mark.parametrize("name", ["spade", "bicyclegan"])
def test_truncation_draws_images_closer_to_each_other(name: str, request: pytest.FixtureRequest) -> None:
    system = request.getfixturevalue(name)
    drawn = {
        at: np.stack([pair.image for pair in system.synthesize(6, batch_size=6, per_layout=6, truncation=at)])
        for at in (None, 5.0, 0.1)
    }
    assert np.array_equal(drawn[None], drawn[5.0])
    assert drawn[0.1].std(axis=0).mean() < 0.5 * drawn[5.0].std(axis=0).mean()


@pytest.mark.usefixtures("rehearsed")
def test_images_and_layouts_are_drawn_anew_one_without_the_other(
    spade: TrainedSystem, trained: TrainedSystem
) -> None:
    plain, image, layout, both = (
        list(spade.synthesize(4, batch_size=4, seed=1, vary=True, reseed=reseed))
        for reseed in ({}, {"image": 7}, {"layout": 7}, {"layout": 7, "image": 7})
    )
    assert same(plain, image) == (True, False)
    assert same(plain, layout)[0] is False
    assert same(layout, both) == (True, False)
    other = list(spade.synthesize(4, batch_size=4, seed=7, vary=True))
    assert [pair.image.tobytes() for pair in both] == [pair.image.tobytes() for pair in other]
    assert image[0].provenance["reseed"] == "image=7"
    assert "reseed" not in plain[0].provenance
    draw = Draw(batch_size=2)
    own, anew = (trained.chunk(0, one) for one in (draw, dataclasses.replace(draw, reseed={"layout": 5})))
    assert same(own, anew)[0] is False


@pytest.mark.usefixtures("rehearsed")
def test_objects_are_drawn_anew_on_the_same_background_and_the_reverse(
    trained: TrainedSystem, tmp_path: Path
) -> None:
    apart = untrained(trained, "bachgan-apart")
    plain, other_objects, other_scenes, all_anew, other_images = (
        list(apart.synthesize(4, batch_size=4, seed=1, reseed=reseed))
        for reseed in (
            {},
            {"foreground": 7},
            {"background": 7},
            {"foreground": 7, "background": 7},
            {"image": 7},
        )
    )
    for others in (other_objects, other_scenes, all_anew):
        assert same(plain, others) == (True, False)
    assert [pair.image.tobytes() for pair in all_anew] == [pair.image.tobytes() for pair in other_images]
    out = mint(apart, tmp_path / "out", n=2, batch_size=2, reseed={"foreground": 7})
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert [row["reseed"] for row in rows] == [{"foreground": 7}] * 2
    with pytest.raises(InputError, match=r"draws from no stream of that name; .* foreground, background"):
        mint(apart, tmp_path / "other", n=2, reseed={"objects": 7})
    assert not (tmp_path / "other").exists()


def test_an_export_says_the_style_and_the_streams_and_goes_on_with_these_alone(
    spade: TrainedSystem, file: Path, tmp_path: Path
) -> None:
    asked = {"n": 2, "batch_size": 2, "vary": True, "reseed": {"layout": 4}}
    out = mint(spade, tmp_path / "out", style_image=file, **asked)
    for said in (
        json.loads((out / "settings.json").read_text()),
        json.loads((out / "manifest.jsonl").read_text().splitlines()[0]),
    ):
        assert (said["style_image"], len(said["style_sha256"]), said["reseed"]) == (
            "a.png",
            64,
            {"layout": 4},
        )
    assert "--reseed layout=4 --style-image a.png" in (out / "README.md").read_text()
    mint(spade, out, style_image=file, resume=True, **asked)
    with pytest.raises(InputError, match=r"now it is None; pass --style-image a\.png to resume"):
        mint(spade, out, resume=True, **asked)
    with pytest.raises(InputError, match="pass --reseed layout=4 to resume"):
        mint(spade, out, style_image=file, resume=True, **asked | {"reseed": {}})
    write_png(file, digits()[1].image)
    with pytest.raises(InputError, match=r"style_sha256 .*give the same image by --style-image to resume"):
        mint(spade, out, style_image=file, resume=True, **asked)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"reseed": {"foreground": 3}}, "--reseed foreground=3: spade draws from no stream .*layout, image$"),
        ({"reseed": {"layout": 3}}, "layouts are taken as they are here"),
        ({"reseed": {"image": -1}}, "expected a seed of at least 0"),
        ({"reseed": {"image": 3}, "style_image": "a.png"}, "with --style-image a layout has one image"),
        ({"style_image": "none.png"}, "none.png: no such file"),
        ({"style_image": "color.png"}, "color.png is a color image, and those trained on are grey"),
        ({"style_image": "deep.png"}, "deep.png: holds 16 bits a channel"),
        ({"style_image": "text.png"}, "text.png: not a readable PNG"),
    ],
)
def test_what_can_t_be_drawn_is_refused_in_one_line(
    asked: dict[str, object], said: str, spade: TrainedSystem, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    Image.new("RGB", (40, 40)).save("color.png")
    Image.fromarray(np.zeros((40, 40), np.uint16)).save("deep.png")
    Path("text.png").write_text("no image")
    with pytest.raises(InputError, match=said):
        mint(spade, file.parent / "out", n=1, batch_size=1, **asked)


def test_a_style_needs_an_encoder_of_whole_images(trained: TrainedSystem, file: Path) -> None:
    without, of_objects = untrained(trained, "spade", code="0"), untrained(trained, "pix2pixhd", features="3")
    for system in (trained, without, of_objects):
        with pytest.raises(InputError, match="has no encoder that finds the style of an image here"):
            next(system.synthesize(1, batch_size=1, style_image=file))
    assert without.images.given_back(without.pairs_of(digits()).fixed(0, 1)) is None
    with pytest.raises(InputError, match="--reseed image=1: spade draws one image of a layout"):
        next(without.synthesize(1, batch_size=1, reseed={"image": 1}))
