"""Rendered CLEVR: exact labels, pictures that hang on their seed alone, sets that can be stopped and gone on
with.
"""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from labelmint.datasets.clevr import make
from labelmint.datasets.clevr.make import make_clevr, render_pair
from labelmint.datasets.clevr.original import outline_map
from labelmint.datasets.clevr.scenes import COLORS, Scene, SceneObject, class_of, draw_scene
from labelmint.errors import InputError
from labelmint.formats import read

pytest.importorskip("mitsuba")
from labelmint.datasets.clevr.render import object_map, picture


def thing(shape: str, color: str, material: str, place: tuple[float, float]) -> SceneObject:
    return SceneObject(shape=shape, color=color, material=material, size="large", place=place)


@pytest.mark.parametrize("seed", range(3))
def test_the_renderer_and_the_outlines_agree_on_what_is_where(seed: int) -> None:
    scene = draw_scene("clevr-64", np.random.default_rng(seed))
    rendered, outlined = object_map(scene, (96, 96)), outline_map(scene, (96, 96))
    assert (rendered != outlined).sum() <= 0.06 * (outlined > 0).sum()


@pytest.mark.parametrize("color", ["red", "green", "blue"])
def test_objects_have_their_color_and_cast_shadows(color: str) -> None:
    scene = Scene(objects=(thing("sphere", color, "rubber", (0.0, 0.0)),))
    image, owners = picture(scene, (48, 48), 16, 0).astype(float), object_map(scene, (48, 48))
    assert int(image[owners == 1].mean(axis=0).argmax()) == int(np.argmax(COLORS[color]))
    empty = picture(Scene(objects=()), (48, 48), 16, 0).astype(float)
    ground = (owners == 0) & (np.roll(owners, -6, axis=0) == 0)
    assert (image - empty)[ground].min() < -15  # somewhere on the ground it is darker than without the object


def test_metal_mirrors_what_stands_near() -> None:
    def change(distance: float) -> float:
        center = thing("sphere", "gray", "metal", (0.0, 0.0))
        second = thing("sphere", "yellow", "rubber", (distance * 0.7, -distance * 0.7))
        alone, both = (Scene(objects=objects) for objects in ((center,), (center, second)))
        seen = (object_map(alone, (48, 48)) == 1) & (object_map(both, (48, 48)) == 1)
        first, other = (picture(scene, (48, 48), 64, 0).astype(float) for scene in (alone, both))
        return float(np.abs(first - other)[seen].mean())

    assert change(1.6) > 2 * change(3.0)


def test_a_pair_hangs_on_its_seed_and_index_alone() -> None:
    first, scene = render_pair("clevr-64", 3, size=(32, 32), samples=4, seed=0)
    again, _ = render_pair("clevr-64", 3, size=(32, 32), samples=4, seed=0)
    other, _ = render_pair("clevr-64", 4, size=(32, 32), samples=4, seed=0)
    assert np.array_equal(first.image, again.image)
    assert not np.array_equal(first.image, other.image)
    classes = {class_of(one.shape, one.color) for one in scene.objects}
    assert set(np.unique(first.layout.label_map).tolist()) == {0, *classes}
    for i, one in enumerate(first.layout.objects, start=1):
        rows, columns = np.nonzero(first.layout.instances == i)
        assert one.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_a_picture_that_the_renderer_fails_at_is_named_with_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    import mitsuba

    def failing(world: object, spp: int, seed: int) -> np.ndarray:
        found = np.array(rendered(world, spp=spp, seed=seed))
        if found.shape[-1] == 3:  # a picture, not the object map
            found[0, 0], found[0, 1] = np.nan, np.inf
        return found

    rendered = mitsuba.render
    monkeypatch.setattr(mitsuba, "render", failing)
    with pytest.raises(
        InputError, match=r"clevr_000003 of clevr-64 with --seed 7: 2 of its pixels .* another --seed"
    ):
        render_pair("clevr-64", 3, size=(32, 32), samples=1, seed=7)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


class _Stop(Exception):
    pass


@pytest.mark.slow
def test_a_stopped_set_goes_on_and_is_the_same_for_any_number_of_processes(tmp_path: Path) -> None:
    options = {"size": (32, 32), "samples": 2, "seed": 5}
    make_clevr("clevr-64", 12, tmp_path / "whole", processes=2, **options)  # type: ignore[arg-type]

    def stop(done: int, of: int) -> None:
        if done >= 8:
            raise _Stop

    with pytest.raises(_Stop):
        make_clevr("clevr-64", 12, tmp_path / "stopped", processes=1, tell=stop, **options)  # type: ignore[arg-type]
    assert not (tmp_path / "stopped").exists()
    with pytest.raises(InputError, match="another recipe"):
        make_clevr("clevr-64", 12, tmp_path / "stopped", processes=1, size=(32, 32), samples=3, seed=5)
    told: list[tuple[int, int]] = []
    make_clevr("clevr-64", 12, tmp_path / "stopped", processes=1, tell=lambda *n: told.append(n), **options)  # type: ignore[arg-type]
    assert told[0][0] >= 8
    assert told[-1] == (12, 12)
    assert files_of(tmp_path / "whole") == files_of(tmp_path / "stopped")
    data = read(tmp_path / "whole")
    assert (
        len(data),
        data.train is not None and len(data.train),
        data.test is not None and len(data.test),
    ) == (12, 11, 1)
    pair = data[0]
    assert pair.layout.instances is not None
    assert len(pair.layout.objects) == pair.layout.instances.max()
    with pytest.raises(InputError, match="exists already"):
        make_clevr("clevr-64", 12, tmp_path / "whole", processes=1, **options)  # type: ignore[arg-type]


def test_a_scene_in_which_an_object_is_hidden_or_cut_is_drawn_again() -> None:
    scene = draw_scene("clevr-192", np.random.default_rng(0))
    owners = object_map(scene, (64, 64))
    assert make._well_seen(scene, owners)
    hidden = owners.copy()
    hidden[hidden == 1] = 0
    hidden[30, 30] = 1
    assert not make._well_seen(scene, hidden)
    assert not make._well_seen(scene, np.roll(owners, 40, axis=1))
    turned = dataclasses.replace(scene, field=0.3)
    assert not make._well_seen(turned, object_map(turned, (64, 64)))


def test_a_size_at_which_nothing_is_seen_well_is_refused_and_does_not_hang(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(make, "_DRAWS", 5)
    with pytest.raises(InputError, match="--size 64x16"):
        render_pair("clevr-64", 0, size=(64, 16), samples=1, seed=0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "clevr-65"}, "no kind"),
        ({"n": 1}, "-n 1"),
        ({"size": (8, 8)}, "--size 8"),
        ({"samples": 0}, "--samples 0"),
        ({"seed": -1}, "--seed -1"),
        ({"processes": -2}, "--processes"),
    ],
)
def test_numbers_out_of_range_are_refused_before_anything_is_written(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    options: dict[str, object] = {"kind": "clevr-64", "n": 4, "out": tmp_path / "out", **change}
    with pytest.raises(InputError, match=said):
        make_clevr(**options)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
