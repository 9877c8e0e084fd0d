"""`explain` end to end on the smallest run: what is written, what is left out, and that a stopped command
goes on.
"""

from __future__ import annotations

import importlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.helpers import SMALLEST, TINY, tiny_settings
from torch import Tensor

import labelmint
from labelmint.errors import InputError
from labelmint.evaluation.subject import Subject
from labelmint.explanation import one_against_two, twins
from labelmint.explanation.case import ExplainOptions, open_run
from labelmint.explanation.contestants import _settings
from labelmint.explanation.twins import matched, parameters_of, twin_config, with_equal_bits
from labelmint.explanation.words import explain_summary
from labelmint.formats import read
from labelmint.progress import Event
from labelmint.runs.train import train
from labelmint.runs.trained import load
from labelmint.runs.wire import wire
from labelmint.storage import alone
from labelmint.tokenizers.dual_path import DualPathVQVAE
from labelmint.types import AnnotatedImage, Batch, DataSet

TIMED = {"threads": 1, "device": "cpu"}


@pytest.fixture(scope="module")
def one_path_run(digits_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one path on the same data. To be read only."""
    run = tmp_path_factory.mktemp("one") / "run"
    settings = tiny_settings("no-comp-msgnet") | {"tokenizer.learning_rate": "0.002"}
    train(
        digits_folder,
        run,
        system="no-comp-msgnet",
        preset="tiny",
        settings=settings,
        precision="32",
        threads=1,
    )
    return run


@pytest.fixture(scope="module")
def explained(
    tiny_run: Path, digits_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """An explanation with short twins."""
    out = tmp_path_factory.mktemp("explained") / "out"
    found = labelmint.explain(tiny_run, digits_folder, out, steps=2, seeds=2, equal_bits=True, **TIMED)
    return out, found


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty files in place of pictures, which take seconds to draw, for tests of figures."""
    module = importlib.import_module(
        "labelmint.explanation.explain"
    )  # the package gives the function that name
    monkeypatch.setattr(module, "draw_attention", lambda drawn, path: path.touch())
    monkeypatch.setattr(module, "draw_codes", lambda uses, shared, path: path.touch())
    monkeypatch.setattr(module, "draw_columns", lambda columns, notes, path: path.touch())


def test_it_writes_pictures_and_figures(explained: tuple[Path, dict[str, Any]], digits_folder: Path) -> None:
    out, found = explained
    assert json.loads((out / "explain.json").read_text(encoding="utf-8")) == json.loads(json.dumps(found))
    for name in ("paths.png", "attention.png", "codes.png"):
        with Image.open(out / name) as picture:
            assert min(picture.size) > 100
    assert not list(out.rglob("*.partial"))
    assert not found["left_out"]
    test = (digits_folder / "test.txt").read_text(encoding="utf-8").split()
    assert set(found["paths"]["shown"]) <= set(test)
    assert found["held_out"]["images"] == len(test)


def test_every_kind_of_tokenizer_is_told_with_what_it_costs(explained: tuple[Path, dict[str, Any]]) -> None:
    contestants = explained[1]["comparison"]["contestants"]
    assert [(one["name"], one["seed"]) for one in contestants] == [
        (name, seed) for name in ("two paths", "one path", "two paths of equal bits") for seed in (0, 1)
    ]
    two, _, one, _, equal, _ = contestants
    assert {each["steps"] for each in contestants} == {2}
    assert abs(one["parameters"] / two["parameters"] - 1) <= 0.03
    assert two["tokens"] == 2 * one["tokens"] == equal["tokens"]
    assert two["bits"] == 2 * one["bits"]
    assert equal["bits"] == pytest.approx(one["bits"], rel=0.1)
    assert len(explained[1]["comparison"]["differences"]) == 2
    assert explained[1]["comparison"]["unlike"] == {}
    text = explain_summary(explained[1])
    assert "one path against two" in text
    assert f"{one['parameters']:,}" in text


@pytest.mark.usefixtures("undrawn")
def test_run_again_it_trains_nothing_and_says_the_same(
    explained: tuple[Path, dict[str, Any]], tiny_run: Path, digits_folder: Path
) -> None:
    out, found = explained
    before = (out / "twin" / "tokenizer" / "part.json").stat().st_mtime_ns
    again = labelmint.explain(tiny_run, digits_folder, out, steps=2, seeds=2, equal_bits=True, **TIMED)
    assert {**again, "origin": None} == {**found, "origin": None}
    assert (out / "twin" / "tokenizer" / "part.json").stat().st_mtime_ns == before


@pytest.mark.usefixtures("undrawn")
def test_stopped_in_a_twin_it_goes_on_to_the_same_figures(
    explained: tuple[Path, dict[str, Any]], tiny_run: Path, digits_folder: Path, tmp_path: Path
) -> None:
    class Stop(Exception):
        pass

    def stop(event: Event) -> None:
        if event.stage == "one path (twin)":
            raise Stop

    with pytest.raises(Stop):
        labelmint.explain(tiny_run, digits_folder, tmp_path / "out", steps=2, report=stop, **TIMED)
    assert not (tmp_path / "out" / "explain.json").exists()
    with pytest.raises(InputError, match="holds twins of 2 steps"):
        labelmint.explain(tiny_run, digits_folder, tmp_path / "out", steps=5, **TIMED)
    resumed = labelmint.explain(tiny_run, digits_folder, tmp_path / "out", steps=2, **TIMED)
    assert resumed["comparison"]["contestants"] == [
        one
        for one in explained[1]["comparison"]["contestants"]
        if one["seed"] == 0 and "bits" not in one["name"]
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_with_the_steps_of_the_run_its_own_tokenizer_stands_for_itself(
    tiny_run: Path, digits_folder: Path, tmp_path: Path
) -> None:
    found = labelmint.explain(tiny_run, digits_folder, tmp_path / "out", **TIMED)
    assert (tmp_path / "out" / "twin").is_dir()
    assert not (tmp_path / "out" / "again").exists()
    two = found["comparison"]["contestants"][0]
    assert two["mse"]["value"] == pytest.approx(found["paths"]["both"]["value"], rel=1e-5)
    assert two["steps"] == found["run"]["steps"] == int(TINY["tokenizer.steps"])


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_run_by_the_clock_and_its_twin_are_told_apart(
    tiny_run: Path, digits_folder: Path, tmp_path: Path
) -> None:
    """Its learning rate fell with the minutes, the twin's with the steps."""
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    config["request"]["max_minutes"], config["request"]["settings"]["tokenizer"]["steps"] = 2.0, 1000
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    found = labelmint.explain(run, digits_folder, tmp_path / "out", **TIMED)["comparison"]
    assert found["unlike"] == {"learning_rate_falls": ["by the clock, in 2 minutes for the run", "by steps"]}


@pytest.mark.usefixtures("undrawn")
def test_every_view_is_encoded_once(
    tiny_run: Path, digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The views of the pictures and the reference of the mean vectors apart."""
    seen: list[Tensor] = []
    encode = DualPathVQVAE.encode

    def counted(self: DualPathVQVAE, batch: Batch) -> dict[str, Tensor]:
        seen.extend(batch.image)
        return encode(self, batch)

    monkeypatch.setattr(DualPathVQVAE, "encode", counted)
    found = labelmint.explain(tiny_run, digits_folder, tmp_path / "out", skip_twin=True, **TIMED)
    drawn = len(found["paths"]["shown"]) + len({one["image"] for one in found["attention"]["pixels"]})
    assert len(seen) == found["held_out"]["views"] + found["paths"]["reference_views"] + drawn


@pytest.mark.usefixtures("undrawn")
def test_all_that_is_to_be_shown_is_shown(tiny_run: Path, digits_folder: Path, tmp_path: Path) -> None:
    names = (digits_folder / "test.txt").read_text(encoding="utf-8").split()[:7]
    assert len(names) == 7  # more than are drawn unless asked for
    found = labelmint.explain(
        tiny_run, digits_folder, tmp_path / "out", show=(*names, names[0]), skip_twin=True, **TIMED
    )
    assert found["paths"]["shown"] == names
    assert list(dict.fromkeys(one["image"] for one in found["attention"]["pixels"])) == names


def test_two_commands_do_not_write_one_explanation_at_once(
    tiny_run: Path, digits_folder: Path, tmp_path: Path
) -> None:
    with alone(tmp_path), pytest.raises(InputError, match="another command works there"):
        labelmint.explain(tiny_run, digits_folder, tmp_path, skip_twin=True, **TIMED)
    assert not list(tmp_path.iterdir())


def test_pairs_that_memory_does_not_hold_are_mapped_for_a_twin(
    tiny_run: Path, digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twins, "available_memory", lambda device: 4096)
    system, data = load(tiny_run, threads=1), read(digits_folder)
    prepared = twins.prepare_again(system, data, tmp_path / "out", lambda event: None)
    assert all(isinstance(image, np.memmap) for image in prepared.training.images)
    assert not list(tmp_path.iterdir()), "the file has no name"


def test_a_twin_takes_the_run_s_own_pairs_whatever_else_the_data_hold_by_now(
    tiny_run: Path, digits_folder: Path, tmp_path: Path
) -> None:
    system, data = load(tiny_run, threads=1), read(digits_folder)
    assert data.test is not None
    fewer = replace(data, test=data.test[1:], train=None)  # one more pair that no part names
    prepared = twins.prepare_again(system, fewer, tmp_path / "out", lambda event: None)
    assert prepared.digest == system.config.data_digest

    def changed(name: str) -> AnnotatedImage:
        pair = data.load(name)
        return replace(pair, image=255 - pair.image)

    with pytest.raises(InputError, match="its training pairs are not those"):
        twins.prepare_again(system, replace(data, load=changed), tmp_path / "out", lambda event: None)


def test_the_folder_of_something_else_is_called_that(
    tiny_run: Path, digits_folder: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "request.json"
    mark.write_text('{"comparison": 1}', encoding="utf-8")
    with pytest.raises(InputError, match="holds something else than an explanation; give another --out"):
        labelmint.explain(tiny_run, digits_folder, tmp_path, skip_twin=True, **TIMED)
    assert mark.read_text(encoding="utf-8") == '{"comparison": 1}'


def test_the_twin_is_as_large_and_wider(tiny_run: Path) -> None:
    system = load(tiny_run, device="cpu", threads=1)
    config = matched(system)
    assert config is not None
    count = parameters_of(wire(config).stages[0].module)
    wanted = parameters_of(system.part("tokenizer"))
    assert abs(count / wanted - 1) <= 0.03
    assert config.request.settings.tokenizer.channels > system.config.request.settings.tokenizer.channels
    assert with_equal_bits(system.config).request.settings.tokenizer.codebook_size == 4


def test_a_run_of_one_path_says_what_does_not_apply(
    one_path_run: Path, digits_folder: Path, tmp_path: Path
) -> None:
    found = labelmint.explain(one_path_run, digits_folder, tmp_path / "out", **TIMED)
    assert set(found["left_out"]) == {"paths", "shared", "comparison"}
    assert not {"paths", "shared", "comparison"} & set(found)
    assert list(found["codes"]) == ["one path"]
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"attention.png", "codes.png"}


@pytest.mark.usefixtures("undrawn")
def test_two_runs_are_compared_from_either_side(
    tiny_run: Path, one_path_run: Path, digits_folder: Path, tmp_path: Path
) -> None:
    forth = labelmint.explain(tiny_run, digits_folder, tmp_path / "a", against=one_path_run, **TIMED)[
        "comparison"
    ]
    back = labelmint.explain(one_path_run, digits_folder, tmp_path / "b", against=tiny_run, **TIMED)[
        "comparison"
    ]
    assert forth == back
    assert set(forth["unlike"]) == {"parameters", "learning_rate"}
    assert forth["unlike"]["learning_rate"][1] == 0.002
    with pytest.raises(InputError, match="as many paths"):
        labelmint.explain(tiny_run, digits_folder, tmp_path / "c", against=tiny_run, **TIMED)


def test_a_run_that_saw_other_levels_is_not_compared(
    tiny_run: Path, one_path_run: Path, digits_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_images(run: Path, data: DataSet, options: ExplainOptions) -> Subject:
        return replace(open_run(run, data, options), normalize="image")

    monkeypatch.setattr(one_against_two, "open_run", of_images)
    with pytest.raises(InputError, match="--normalize"):
        labelmint.explain(tiny_run, digits_folder, tmp_path / "out", against=one_path_run, **TIMED)
    assert not (tmp_path / "out").exists()


def test_rebalancing_and_a_pool_are_told_of_contestants(tiny_run: Path) -> None:
    config = load(tiny_run, **TIMED).config
    request = config.request.model_copy(update={"rebalance": "classes"})
    learned = config.model_copy(update={"request": request, "pool_images": 7, "pool_digest": "x"})
    told, twin = (_settings(one, 3) for one in (learned, twin_config(learned, 1, 3)))
    assert (told["rebalance"], told["images_without_labels"]) == ("classes", 7)
    assert (twin["rebalance"], twin["images_without_labels"]) == ("classes", 0)
    assert twin_config(learned, 1, 3).pool_digest == "x"  # what stood before goes on


@pytest.mark.usefixtures("undrawn")
def test_each_run_sees_the_layouts_as_it_was_trained_to(
    tiny_run: Path, digits_folder: Path, tmp_path: Path
) -> None:
    """A tokenizer that sees layouts gets its own symbols, and reaches in a comparison what it reaches by
    itself.
    """
    settings = [value for value in SMALLEST if not value.startswith("layout_prior")]
    train(
        digits_folder,
        tmp_path / "run",
        system="cvq-vae",
        preset="tiny",
        settings=settings,
        precision="32",
        threads=1,
    )
    found = labelmint.explain(tiny_run, digits_folder, tmp_path / "a", against=tmp_path / "run", **TIMED)[
        "comparison"
    ]
    alone = labelmint.explain(tmp_path / "run", digits_folder, tmp_path / "b", against=tiny_run, **TIMED)
    assert alone["comparison"] == found
    assert found["unlike"]["sees_layouts"] == [False, True]
    assert "not alike: sees_layouts, False and True" in explain_summary(alone)
    assert "never has any" in alone["left_out"]["attention"]


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_run_without_attention_says_so(digits_folder: Path, tmp_path: Path) -> None:
    settings = [
        *(value for value in SMALLEST if not value.startswith("layout_prior")),
        "tokenizer.attention_below=0",
    ]
    train(
        digits_folder,
        tmp_path / "run",
        system="pre-msgnet",
        preset="tiny",
        settings=settings,
        precision="32",
        threads=1,
    )
    found = labelmint.explain(tmp_path / "run", digits_folder, tmp_path / "out", skip_twin=True, **TIMED)
    assert "attention_below=0" in found["left_out"]["attention"]
    assert not (tmp_path / "out" / "attention.png").exists()
    assert "paths" in found
