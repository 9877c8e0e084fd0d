"""Movies: their ends are samples, their bytes are the same twice, and they are there whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.helpers import digits, untrained

import labelmint
from labelmint.datasets.ranges import Range
from labelmint.errors import InputError
from labelmint.movies.film import _between
from labelmint.movies.interpolate import interpolate
from labelmint.movies.options import MovieOptions
from labelmint.movies.smoothness import Differences, draw_smoothness
from labelmint.protocols import Coded
from labelmint.runs.trained import TrainedSystem
from labelmint.types import AnnotatedImage, DataSet

# Of several kinds of codes, with settings: a vector, numbers at each pixel, masks of dropout, one of several outputs.
SYSTEMS: dict[str, dict[str, str]] = {
    "spade": {},
    "cimle": {},
    "flow": {},
    "pix2pix": {},
    "crn": {"outputs": "3"},
}
DIALS = {"flow": {"evaluations": 2.0}}
KNOWN: dict[str, TrainedSystem] = {}


@pytest.fixture(autouse=True)
def no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty files in place of the curves, which take longer than the movie."""
    monkeypatch.setattr("labelmint.movies.publish.draw_smoothness", lambda shown, path: path.touch())


def of(trained: TrainedSystem, name: str, **more: str) -> TrainedSystem:
    key = f"{name} {more}"
    if key not in KNOWN:
        KNOWN[key] = untrained(trained, name, **more)
    return KNOWN[key]


def few(n: int = 5) -> DataSet:
    """The first pairs of digits."""
    return digits().subset(digits().names[:n])


def sample(
    system: TrainedSystem, seed: int, index: int, batch_size: int = 2, **dials: float
) -> AnnotatedImage:
    """What `synthesize` draws of the first layouts of digits."""
    asked: dict[str, Any] = {"batch_size": batch_size, "layouts": few(2), **dials}
    return next(system.synthesize(1, seed=seed, start=index, **asked))


@pytest.mark.parametrize(
    "name",
    [
        "spade",
        "flow",
        "pix2pix",
        pytest.param("cimle", marks=pytest.mark.slow),
        pytest.param("crn", marks=pytest.mark.slow),
    ],
)
def test_the_ends_are_the_samples_of_both_seeds(name: str, trained: TrainedSystem, tmp_path: Path) -> None:
    system, dials = of(trained, name, **SYSTEMS[name]), DIALS.get(name, {})
    asked: dict[str, Any] = {"layouts": few(2), "from_seed": 3, "to_seed": 8, "frames": 3, "dials": dials}
    facts = interpolate(system, tmp_path / "frames", name="digits_000001", batch_size=2, **asked)
    frames = labelmint.read(tmp_path / "frames")
    assert frames.names == tuple(f"frame_{k:06d}" for k in range(3))
    for frame, seed in ((0, 3), (2, 8)):
        wanted = sample(system, seed, 1, **dials)
        assert np.array_equal(frames[frame].image, wanted.image)
        assert np.array_equal(frames[frame].layout.label_map, wanted.layout.label_map)
    assert facts["layouts"] == ["digits_000001"]
    fresh = facts["difference_to_the_frame_before"]["fresh codes"]
    assert len(fresh["each"]) == 2
    assert fresh["mean"] > 0


def test_frames_are_a_data_set_with_a_manifest(trained: TrainedSystem, tmp_path: Path) -> None:
    out = tmp_path / "frames"
    asked = {"frames": 4, "batch_size": 3, "to_seed": 9}
    facts = interpolate(of(trained, "spade"), out, layouts=few(), **asked)
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert [row["place"] for row in rows] == [0, 0.333333, 0.666667, 1]
    assert {(row["from_seed"], row["to_seed"], row["index"], row["layout"]) for row in rows} == {
        (0, 9, 0, "digits_000000")
    }
    differences = facts["difference_to_the_frame_before"]["a code on its way"]
    assert [row["difference_to_the_frame_before"] for row in rows[1:]] == differences["each"]
    pairs = list(labelmint.read(out))
    steps = [np.abs(a.image.astype(int) - b.image).mean() for a, b in zip(pairs, pairs[1:], strict=False)]
    assert differences["each"] == pytest.approx(steps, abs=1e-4)
    assert pairs[2].provenance["synthetic"] == "true"
    assert pairs[2].provenance["place"] == "0.666667"
    assert json.loads((out / "movie.json").read_text()) == {
        key: value for key, value in facts.items() if key not in ("out", "files")
    }
    assert all((out / name).is_file() for name in ("smoothness.png", "README.md"))


def test_the_smoothness_is_drawn(tmp_path: Path) -> None:
    """Curves of both, and where they differ."""
    found, fresh = Differences(), Differences()
    for level in (0, 10, 30):
        found.add(np.full((8, 8, 3), level, np.uint8))
        fresh.add(np.full((8, 8, 3), 5 * level, np.uint8))
    draw_smoothness({"one code": found, "fresh codes": fresh}, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (980, 300)


@pytest.mark.parametrize("name", ["movie.gif", pytest.param("movie.png", marks=pytest.mark.slow), "frames"])
def test_a_movie_has_the_same_bytes_twice_and_shows_label_and_image(
    name: str, trained: TrainedSystem, tmp_path: Path
) -> None:
    made = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        facts = interpolate(
            of(trained, "spade"), tmp_path / folder / name, layouts=few(), frames=3, batch_size=3
        )
        assert all(Path(file).exists() for file in facts["files"])
        files = sorted(file for file in (tmp_path / folder).rglob("*") if file.is_file())
        made.append({file.relative_to(tmp_path / folder): file.read_bytes() for file in files})
    assert made[0] == made[1]
    if name == "frames":
        return
    assert sorted(map(str, made[0])) == [name, f"{name}.json", f"{name}.smoothness.png"]
    with Image.open(tmp_path / "one" / name) as movie:
        assert getattr(movie, "n_frames", 1) == 3
        assert movie.size == (2 * 192 + 4, 192)  # 32 x 32 pixels, six times as large
        assert "labelmint" in str(movie.info)
        shown = np.asarray(movie.convert("RGB"))[:, 196:]
    wanted = sample(of(trained, "spade"), 0, 0, 3).image.repeat(6, axis=0).repeat(6, axis=1)
    assert np.abs(shown.astype(int) - wanted).max() <= (3 if name == "movie.gif" else 0)


def test_layouts_that_change_are_shown_under_one_code(trained: TrainedSystem, tmp_path: Path) -> None:
    system, data = of(trained, "cimle"), few()
    facts = interpolate(system, tmp_path / "frames", sequence=data, frames=5, from_seed=2, batch_size=5)
    assert (facts["kind"], facts["to_seed"], facts["layouts"]) == ("sequence", None, list(data.names[:5]))
    assert isinstance(system.images, Coded)
    code = system.images.codes([(2, 0)])
    assert code is not None
    layouts = system.as_trained.layouts(data.subset(data.names[:5]))
    images = system.images.of_codes(layouts, code.expand(5, *code.shape[1:]), {})
    frames = labelmint.read(tmp_path / "frames")
    pixels = torch.from_numpy(np.stack([pair.image for pair in frames])).permute(0, 3, 1, 2)
    assert pixels.float().allclose(((images + 1) * 127.5).round(), atol=1)
    own = sample(system, 2, 1, 5)  # of the second layout, which has its own code there
    assert np.array_equal(frames[1].layout.label_map, own.layout.label_map)
    assert not np.array_equal(frames[1].image, own.image)


def test_an_object_moves_while_the_code_goes_on_its_way(trained: TrainedSystem, tmp_path: Path) -> None:
    system, data = of(trained, "spade"), few()
    shown = np.unique(data[0].layout.label_map)
    digit = next(
        name for name in data.classes.names if data.classes.ids[data.classes.names.index(name)] in shown[1:]
    )
    asked: dict[str, Any] = {"layouts": data, "move": digit, "by": (4.0, 2.0), "zoom": 0.5, "to_seed": 5}
    facts = interpolate(system, tmp_path / "frames", frames=5, batch_size=5, **asked)
    assert (facts["kind"], facts["move"], facts["by"], facts["zoom"]) == ("moved", digit, [4.0, 2.0], 0.5)
    frames = labelmint.read(tmp_path / "frames")
    labels = [pair.layout.label_map for pair in frames]
    assert np.array_equal(labels[0], labels[4])
    assert not np.array_equal(labels[0], labels[2])
    assert np.array_equal(frames[0].image, sample(system, 0, 0, 5).image)
    assert np.array_equal(frames[4].image, sample(system, 5, 0, 5).image)


def test_a_system_of_one_image_a_layout_shows_layouts_that_change(
    trained: TrainedSystem, tmp_path: Path
) -> None:
    system = of(trained, "crn")
    facts = interpolate(system, tmp_path / "frames", sequence=few(), frames=3, batch_size=3)
    assert list(facts["difference_to_the_frame_before"]) == ["unit", "one code", "share_of_fresh_codes"]
    for asked in ({"layouts": few()}, {"sequence": few(), "to_seed": 4}):
        with pytest.raises(InputError, match="crn draws one image of a layout here, so there is no code"):
            interpolate(system, tmp_path / "more", batch_size=3, **asked)


def test_without_data_a_training_layout_is_shown(trained: TrainedSystem, tmp_path: Path) -> None:
    system = of(trained, "spade")
    facts = interpolate(system, tmp_path / "frames", name="training layout 2", frames=2, batch_size=4)
    assert facts["layouts"] == ["training layout 2"]
    wanted = next(system.synthesize(1, seed=1, start=2, batch_size=4))
    assert np.array_equal(labelmint.read(tmp_path / "frames")[1].image, wanted.image)


def test_differences_are_means_over_pixels() -> None:
    found = Differences()
    for level in (0, 10, 255):
        image = np.zeros((2, 2, 3), np.uint8)
        image[0] = level
        found.add(image)
    assert found.each == [5, 122.5]
    assert found.mean == 63.75
    assert found.total is not None
    assert found.total.tolist() == [[255, 255], [0, 0]]
    assert _between(Range(0, 100), Range(10, 200), 0.5) == Range(5, 150)


FFMPEG = """#!/bin/sh
for last; do :; done
case "$last" in *fail*) echo first >&2; echo "no such codec" >&2; exit 1 ;; esac
echo "$@" >"${last#file:}"
cat >>"${last#file:}"
"""


def test_an_mp4_is_made_by_the_ffmpeg_that_is_found(
    trained: TrainedSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, asked = of(trained, "spade"), {"layouts": few(), "frames": 3, "batch_size": 3}
    bare = tmp_path / "bin"
    bare.mkdir()
    monkeypatch.setenv("PATH", str(bare))
    with pytest.raises(InputError, match=r"needs the program ffmpeg, which is not found .*\.gif or \.png"):
        interpolate(system, tmp_path / "movie.mp4", **asked)
    (bare / "ffmpeg").write_text(FFMPEG)
    (bare / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{bare}{os.pathsep}/usr/bin{os.pathsep}/bin")
    interpolate(system, tmp_path / "movie.mp4", per_second=24, **asked)
    words, _, raw = (tmp_path / "movie.mp4").read_bytes().partition(b"\n")
    assert b"-video_size 388x192 -framerate 24 -i pipe:0" in words
    assert len(raw) == 3 * 388 * 192 * 3
    with pytest.raises(InputError, match=r"ffmpeg: ended with 1 and said: no such codec$"):
        interpolate(system, tmp_path / "fail.mp4", **asked)
    assert sorted(file.name for file in tmp_path.iterdir() if file.is_file()) == [
        "movie.mp4",
        "movie.mp4.json",
        "movie.mp4.smoothness.png",
    ]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"frames": 1}, "--frames 1: expected at least 2"),
        ({"frames": 10**6}, "--frames 1000000: expected at most 10000"),
        ({"from_seed": -1}, "--from-seed -1: expected at least 0"),
        ({"to_seed": 0}, "--to-seed 0: that is --from-seed"),
        ({"per_second": 0}, "--fps 0: expected 1 to 60"),
        ({"batch_size": 0}, "--batch-size 0: expected at least 1"),
        ({"zoom": 0.5}, "--zoom: of what"),
        ({"by": (1.0, 0.0)}, "--by: of what"),
        ({"move": "0"}, "--move 0: where to"),
        ({"move": "0", "zoom": 0.5, "frames": 2}, "--frames 2: expected at least 3"),
        ({"move": "0", "zoom": float("nan")}, "--zoom nan: expected a factor from 0.05 to 20"),
        ({"move": "0", "by": (float("inf"), 0.0)}, "--by inf,0: expected pixels"),
        ({"move": "0", "zoom": 0.5, "layouts": None}, "--move 0: in which layout"),
        ({"sequence": few()}, "--layouts: does not go with --sequence"),
        ({"sequence": few(), "layouts": None, "name": "a"}, "--name: does not go with --sequence"),
        ({"sequence": few(), "layouts": None, "frames": 6}, "--frames 6: digits has 5 layouts"),
        ({"sequence": few(1), "layouts": None}, "has 1 layout, and a sequence needs two"),
        ({"name": "nobody"}, "--name nobody: digits has no such layout; the first of 5 are 'digits_000000'"),
        ({"dials": {"temperature": 0.5}}, "spade has no temperature"),
        ({"dials": {"truncation": 99.0}}, "--dial truncation=99: expected a number from 0.01 to 5"),
    ],
)
def test_what_can_t_be_shown_is_refused_and_nothing_written(
    asked: dict[str, Any], said: str, trained: TrainedSystem, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=said):
        interpolate(
            of(trained, "spade"), tmp_path / "movie.gif", **{"layouts": few(), "batch_size": 2} | asked
        )
    assert not any(tmp_path.iterdir())


def test_more_frames_than_may_be_or_than_memory_holds_are_refused(
    trained: TrainedSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        monkeypatch.context() as patch,
        pytest.raises(InputError, match=r"digits: has 5 layouts; .* 4 at most"),
    ):
        patch.setattr("labelmint.movies.scenes.MOST_FRAMES", 4)
        interpolate(of(trained, "spade"), tmp_path / "a.gif", sequence=few(), batch_size=2)
    monkeypatch.setattr("labelmint.movies.interpolate.available_memory", lambda device: 1 << 20)
    with pytest.raises(
        InputError, match=r"^5 frames of 32x32 pixels take .* are free; take --frames \d or fewer"
    ):
        interpolate(of(trained, "spade"), tmp_path / "a.gif", sequence=few(), batch_size=2)
    assert not any(tmp_path.iterdir())


def test_paths_that_are_taken_and_systems_without_a_code_are_refused(
    trained: TrainedSystem, tmp_path: Path
) -> None:
    (tmp_path / "a.gif.json").touch()
    (tmp_path / "full" / "file").mkdir(parents=True)
    for name, said in {
        "a.gif": r"a\.gif\.json: exists already",
        "full": "is not an empty folder",
        "a.avi": r"expected a name that ends in \.gif, \.png, \.apng, \.mp4, or that of a folder",
        ".gif": r"expected a name that ends in \.gif",
        "none/a.gif": "there is no folder",
    }.items():
        with pytest.raises(InputError, match=said):
            interpolate(of(trained, "spade"), tmp_path / name, layouts=few(), batch_size=2)
    with pytest.raises(InputError, match="msgnet draws an image token by token, so it has no code to change"):
        interpolate(trained, tmp_path / "b.gif", layouts=few(), batch_size=2)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.gif.json", "full"]


@pytest.mark.parametrize("name", ["movie.gif", "frames", "new/frames"])
def test_where_nothing_may_be_written_nothing_is_drawn(
    name: str, trained: TrainedSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelmint.storage.os.access", lambda place, how: Path(place) != tmp_path)
    drawn: list[object] = []
    with pytest.raises(InputError, match=f"nothing may be written into {tmp_path}; give another --out"):
        interpolate(trained, tmp_path / name, frames=2, report=drawn.append)
    assert not drawn and not list(tmp_path.iterdir())


def test_an_error_while_it_is_written_leaves_nothing(
    trained: TrainedSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("labelmint.movies.publish.draw_smoothness", fail)
    for name in ("a.gif", "frames"):
        with pytest.raises(OSError, match="No space left"):
            interpolate(
                of(trained, "spade"), tmp_path / name, MovieOptions(layouts=few(), frames=2, batch_size=2)
            )
    assert not any(tmp_path.iterdir())
