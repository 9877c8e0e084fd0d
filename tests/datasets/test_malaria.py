"""Malaria patches: where the boxes lie, which classes are merged, which patches are kept, and what is
refused.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.datasets.originals import malaria, malaria_item

from labelmint.datasets.malaria import prepare_malaria
from labelmint.datasets.prepared import write_prepared
from labelmint.datasets.splits import group_of, split
from labelmint.errors import InputError


def test_patches_are_the_image_and_its_boxes_scaled_alike(tmp_path: Path) -> None:
    pairs = {pair.name: pair for pair in prepare_malaria(malaria(tmp_path), only_infected=False)}
    assert len(pairs) == 3 * 25
    first = pairs["a_y000_x000"]
    assert first.image.shape == (96, 96, 3)
    assert first.layout.objects[0].box == (10, 20, 20, 40)
    assert np.array_equal(np.argwhere(first.layout.label_map == 1).min(axis=0), (20, 10))
    assert (first.layout.label_map == 1).sum() == 200
    moved = pairs["a_y038_x000"]
    assert np.array_equal(first.layout.label_map[38:], moved.layout.label_map[: 96 - 38])
    assert np.array_equal(first.image[38:], moved.image[: 96 - 38])
    # The image grades from 0 to 255 down and across, so that its values tell the place in the scaled image.
    corner = pairs["c_y152_x152"].image
    assert np.abs(corner[0, 0, :2].astype(int) - 152).max() <= 1
    assert np.abs(corner[-1, -1, :2].astype(int) - 247).max() <= 1


def test_classes_are_merged_as_in_the_paper(tmp_path: Path) -> None:
    merged = prepare_malaria(malaria(tmp_path), only_infected=False)
    kept = prepare_malaria(tmp_path, keep_cells=True, only_infected=False)
    assert merged.classes.names == ("background", "infected")
    assert kept.classes.names == ("background", "infected", "uninfected")
    for two, three in zip(merged, kept, strict=True):
        assert set(np.unique(two.layout.label_map)) <= {0, 1, 255}
        assert np.array_equal(
            np.where(three.layout.label_map == 2, 0, three.layout.label_map), two.layout.label_map
        )
    ignored = [pair for pair in merged if (pair.layout.label_map == 255).any()]
    assert ignored and all(pair.name.startswith("a_") for pair in ignored)
    # leukocytes are cells too
    assert any((pair.layout.label_map == 2).any() for pair in kept if pair.name.startswith("c_"))


def test_only_patches_that_touch_an_infected_cell_are_kept(tmp_path: Path) -> None:
    everything = list(prepare_malaria(malaria(tmp_path), only_infected=False))
    touched = [pair.name for pair in everything if (pair.layout.label_map == 1).any()]
    chosen = prepare_malaria(tmp_path)
    assert [pair.name for pair in chosen] == touched
    assert chosen.items == ("a", "c")


def test_the_split_is_that_of_the_files(tmp_path: Path) -> None:
    prepared = prepare_malaria(malaria(tmp_path), only_infected=False)
    assert prepared.test == {"c"}
    names = [pair.name for pair in prepared]
    assert {group_of(name, prepared.group_by) for name in names} == {"a", "b", "c"}
    split(names, None, [name for name in names if name.startswith("c_")], group_by=prepared.group_by)


def test_other_layouts_of_the_files(tmp_path: Path) -> None:
    items = [malaria_item(tmp_path, f"s{i}", [("ring", 30, 40, 60, 80)]) for i in range(4)]
    (tmp_path / "annotations.json").write_text(json.dumps(items))
    by_hash = prepare_malaria(tmp_path)
    assert len(by_hash.test) == 1
    assert by_hash.test == prepare_malaria(tmp_path).test
    assert by_hash.test < set(by_hash.items)
    (tmp_path / "train.txt").write_text("s0\ns1\n")
    (tmp_path / "test.txt").write_text("s2\n")
    listed = prepare_malaria(tmp_path)
    assert listed.items == ("s0", "s1", "s2")
    assert listed.test == {"s2"}
    (tmp_path / "val.txt").write_text("s3\n")
    assert prepare_malaria(tmp_path).items == ("s0", "s1", "s2", "s3")
    assert prepare_malaria(tmp_path).validation == {"s3"}


def test_images_to_validate_on_do_not_train(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Though nothing says which train, and which test; of few patches a share of them is kept."""
    items = [malaria_item(tmp_path, f"s{i}", [("ring", 30, 40, 60, 80)]) for i in range(4)]
    (tmp_path / "annotations.json").write_text(json.dumps(items))
    (tmp_path / "val.txt").write_text("s0\ns1\n")
    prepared = prepare_malaria(tmp_path, only_infected=False, n=5)
    assert prepared.validation == {"s0", "s1"} and len(prepared.test) == 1
    out = tmp_path_factory.mktemp("prepared") / "out"
    written = write_prepared(prepared, out)
    assert (written.train, written.test, written.validation) == (5, 5, 10)
    names = (out / "val.txt").read_text().split()
    assert {group_of(name, prepared.group_by) for name in names} <= {"s0", "s1"}


def test_a_number_of_patches_is_a_draw_that_grows(tmp_path: Path) -> None:
    def names(n: int | None, seed: int = 0) -> list[str]:
        return [pair.name for pair in prepare_malaria(malaria(tmp_path), only_infected=False, n=n, seed=seed)]

    few, more = names(10), names(20)
    # 10 of 50 training patches, and as large a share of the 25 test patches
    assert [name[0] for name in few].count("c") == 5
    assert len(few) == 15
    assert set(few) < set(more)
    assert few == names(10) != names(10, seed=1)
    assert names(1000) == names(None)


Spoil = Callable[[Path], object]


def rewrite(change: Callable[[list[dict]], object]) -> Spoil:  # type: ignore[type-arg]
    def spoil(folder: Path) -> None:
        items = json.loads((folder / "training.json").read_text())
        change(items)
        (folder / "training.json").write_text(json.dumps(items))

    return spoil


def removed(file: str) -> Spoil:
    return lambda folder: (folder / file).unlink()


BAD = {
    "cut JSON": (lambda folder: (folder / "training.json").write_text("[{"), "broken JSON"),
    "another JSON": (lambda folder: (folder / "training.json").write_text("{}"), "expected a list of"),
    "empty list": (lambda folder: (folder / "training.json").write_text("[]"), "no labelled images"),
    "missing image": (removed("images/a.png"), "1 of its images are missing"),
    "strange category": (
        rewrite(lambda items: items[0]["objects"][0].update(category="Ring")),
        "'Ring' is not BBBC041's",
    ),
    "turned box": (
        rewrite(lambda items: items[0]["objects"][0]["bounding_box"].update(minimum={"r": 90, "c": 0})),
        "the minimum first",
    ),
    "no shape": (rewrite(lambda items: items[0]["image"].pop("shape")), "expected {r: rows, c: columns}"),
    "both sides": (
        lambda folder: (folder / "test.json").write_text((folder / "training.json").read_text()),
        "keep it in one",
    ),
    "no JSON": (
        lambda folder: [(folder / f"{part}.json").unlink() for part in ("training", "test")],
        "lacks training.json; --source takes",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_originals_are_refused_before_any_image_is_read(tmp_path: Path, kind: str) -> None:
    spoil, words = BAD[kind]
    spoil(malaria(tmp_path))
    with pytest.raises(InputError) as caught:
        prepare_malaria(tmp_path)
    assert words in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_folders_and_numbers_are_refused(tmp_path: Path) -> None:
    malaria(tmp_path / "malaria")
    with pytest.raises(InputError, match=r"did you mean --source .*malaria"):
        prepare_malaria(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        prepare_malaria(tmp_path / "nothing")
    with pytest.raises(InputError, match="-n 0"):
        prepare_malaria(tmp_path / "malaria", n=0)


def test_an_image_of_another_size_than_the_json_says_is_refused(tmp_path: Path) -> None:
    malaria(tmp_path)
    malaria_item(tmp_path, "a", [], size=(256, 384))
    with pytest.raises(InputError, match="use the images that were annotated"):
        list(prepare_malaria(tmp_path))
