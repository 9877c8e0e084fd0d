"""An accent is written in two ways, and archives and systems change one into the other: a name stays one name."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from tests.formats.samples import box, painted, pair
from tests.formats.test_maps import TREES, look, save

from labelmint.formats import read, write
from labelmint.formats.files import finder
from labelmint.formats.maps import MapLoader
from labelmint.types import ClassInfo, ClassSet

COMPOSED, APART = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
CLASSES = ClassSet((ClassInfo(id=0, name="background"), ClassInfo(id=1, name="cell")))


def test_the_very_name_comes_first_and_another_form_only_where_it_is_one_names() -> None:
    find = finder([COMPOSED, APART, f"a{APART}", "b"])
    assert [find(name) for name in (COMPOSED, APART, f"a{COMPOSED}", "b", "c")] == [
        *(COMPOSED, APART, f"a{APART}", "b", None)
    ]


@pytest.mark.parametrize("name", [name for name in TREES if name != "ade20k full"])
def test_labels_of_trees_may_have_another_form_than_their_images(name: str, tmp_path: Path) -> None:
    TREES[name][0](tmp_path)
    loader = read(tmp_path).load
    assert isinstance(loader, MapLoader)
    for pair_name, files in loader.files.items():
        for file in {
            *files.images,
            files.image,
            files.label,
            *([files.instances] if files.instances else ()),
        }:
            form = APART if file in (*files.images, files.image) else COMPOSED
            file.rename(file.with_name(file.name.replace(pair_name, pair_name + form)))
    data = read(tmp_path)
    assert data.names == tuple(name + APART for name in sorted(loader.files))
    assert look(data) == TREES[name][2]
    assert {one.kind for one in data.findings} <= {"several formats"}


def test_label_maps_and_lists_of_voc_may_have_another_form_than_images(tmp_path: Path) -> None:
    pairs = [pair(name, painted(box(1, 1, 4, 4))) for name in ("a", f"b{APART}", f"c{APART}")]
    out = write(pairs, tmp_path / "set", format="voc", classes=CLASSES)
    for name in ("a", f"b{APART}"):
        form = unicodedata.normalize("NFC", name)
        save(out / "SegmentationClass" / f"{form}.png", painted(box(1, 1, 4, 4)).label_map)
    lists = out / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\n", encoding="utf-8")
    (lists / "test.txt").write_text(f"b{COMPOSED}\nc{COMPOSED}\n", encoding="utf-8")
    data = read(out)
    assert (data.train, data.test) == (("a",), (f"b{APART}",))
