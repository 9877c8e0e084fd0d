"""Folders as other programs and systems leave them: each is read as its owner means it, or one line mends it."""

from __future__ import annotations

import io
import json
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelmint.datasets.oddities import of_pairs
from labelmint.datasets.tally import Tally, count
from labelmint.errors import InputError
from labelmint.formats import read
from labelmint.types import Array, DataSet, Finding

SIZE = (6, 8)


def label_of(number: int) -> Array:
    """A label of classes 0, 1 and 2 that is another for each number, and in every way that it can be turned."""
    label = np.zeros(SIZE, np.uint8)
    label[1:3, 1 : 3 + number % 4] = 1
    label[4:6, 4 + number % 3 : 8] = 2
    return label


def image_of(number: int) -> Array:
    return np.repeat(label_of(number)[:, :, None] * 90, 3, 2)


def save(array: Array, path: Path, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def pairs(path: Path, images: Sequence[str], labels: Sequence[str]) -> Path:
    """Image k with label k, under these paths below the data set."""
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        save(image_of(number), path / image)
        save(label_of(number), path / label)
    return path


def plain(path: Path, count_of: int = 3) -> Path:
    names = [f"s{k}.png" for k in range(count_of)]
    return pairs(path, [f"images/{name}" for name in names], [f"labels/{name}" for name in names])


def same_labels(data: DataSet, numbers: Sequence[int]) -> bool:
    """Return True where pair k, in order of names, has label and image of this number."""
    return len(data) == len(numbers) and all(
        np.array_equal(pair.layout.label_map, label_of(number))
        and np.array_equal(pair.image, image_of(number))
        for pair, number in zip(data, numbers, strict=True)
    )


def findings_of(data: DataSet) -> dict[str, Finding]:
    """What is found when all pairs have been loaded, by kind."""
    tally = Tally()
    for pair in data:
        count(tally, data, pair, data.classes.without_objects)
    return {finding.kind: finding for finding in (*data.findings, *of_pairs(data, tally))}


# Names and folders ---------------------------------------------------------------------------------------------


NAMES: dict[str, tuple[Sequence[str], Sequence[str], Sequence[str]]] = {
    "Unicode forms": (
        [f"images/{unicodedata.normalize('NFC', f'zelé{k}')}.png" for k in range(3)],
        [f"labels/{unicodedata.normalize('NFD', f'zelé{k}')}.png" for k in range(3)],
        [unicodedata.normalize("NFC", f"zelé{k}") for k in range(3)],
    ),
    "case": (["images/A.png", "images/B.PNG"], ["labels/a.PNG", "labels/b.png"], ["A", "B"]),
    "endings": (
        ["images/a.png", "images/b.png", "images/c.png", "images/d.png"],
        ["masks/a_mask.png", "masks/b_gt.png", "masks/c-label.png", "masks/D_Seg.png"],
        ["a", "b", "c", "d"],
    ),
    "the name itself before its endings": (
        ["images/a.png", "images/a_mask.png"],
        ["labels/a.png", "labels/a_mask.png"],
        ["a", "a_mask"],
    ),
    "other folders": (["img/a.png", "img/b.png"], ["gt/a.png", "gt/b.png"], ["a", "b"]),
    "subfolders": (
        ["images/x/a.png", "images/y/a.png"],
        ["labels/x/a.png", "labels/y/a.png"],
        ["x__a", "y__a"],
    ),
    "beside subfolders": (
        ["images/a.png", "images/more/b.png"],
        ["labels/a.png", "labels/more/b.png"],
        ["a", "b"],
    ),
}


@pytest.mark.parametrize("case", NAMES)
def test_labels_find_their_images(case: str, tmp_path: Path) -> None:
    images, labels, names = NAMES[case]
    data = read(pairs(tmp_path, images, labels))
    assert data.names == tuple(names) and data.format == "folder"
    assert same_labels(data, range(len(names)))


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (["images/a.png", "images/A.png", "images/b.png"], ["labels/á.png", "labels/AA.png", "labels/b.png"]),
        (["images/a.png", "images/A.png"], ["labels/a_mask.png", "labels/A_mask.PNG"]),
        (["images/a.png", "images/b.png"], ["labels/a_mask.png", "labels/a_gt.png"]),
    ],
    ids=["other letters", "case alone differs", "two endings"],
)
def test_labels_in_doubt_are_refused(images: list[str], labels: list[str], tmp_path: Path) -> None:
    if len({name.casefold() for name in images}) < len(images) and case_is_folded(tmp_path):
        pytest.skip("this file system folds case")
    path = pairs(tmp_path / "data", images, labels)
    if "A_mask" in labels[-1]:  # names of one form each: told apart by case
        assert same_labels(read(path), [1, 0])
        return
    with pytest.raises(InputError, match="without"):
        read(path)


def case_is_folded(path: Path) -> bool:
    (path / "probe").touch()
    return (path / "PROBE").exists()


@pytest.mark.parametrize("form", ["images/{part}/{name}", "{part}/images/{name}"])
def test_subfolders_are_parts(form: str, tmp_path: Path) -> None:
    parts = ("train", "train", "valid", "test")
    images = [form.format(part=part, name=f"s{k}.png") for k, part in enumerate(parts)]
    path = pairs(tmp_path, images, [one.replace("images", "labels") for one in images])
    data = read(path)
    assert same_labels(data, range(4))
    assert (data.train, data.validation, data.test) == (("s0", "s1"), ("s2",), ("s3",))
    (path / "train.txt").write_text("s3\n")  # lists are said by hand, folders by habit
    assert read(path).train == ("s3",) and read(path).test is None


def test_dead_links_are_called_so(tmp_path: Path) -> None:
    path = plain(tmp_path)
    (path / "images" / "s1.png").unlink()
    (path / "images" / "s1.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(InputError, match=r"1 links lead nowhere, first 's1\.png'"):
        read(path)


# Lists ---------------------------------------------------------------------------------------------------------


LISTS: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "Windows paths": (b"images\\s0.png\r\nimages\\s2.png\r\n", ("s0", "s2")),
    "VOC": (b"s0  1\ns1 -1\ns2  0\n", ("s0", "s2")),
    "image and label": (b"images/s0.png labels/s0.png\nimages/s2.png,labels/s2.png\n", ("s0", "s2")),
    "a label elsewhere": (b"images/s0.png elsewhere/s0.png\n", ("s0",)),
}


@pytest.mark.parametrize("case", LISTS)
def test_lists_of_other_forms(case: str, tmp_path: Path) -> None:
    content, names = LISTS[case]
    path = plain(tmp_path)
    (path / "train.txt").write_bytes(content)
    assert read(path).train == names and same_labels(read(path), range(3))


def test_a_list_may_give_other_pairs(tmp_path: Path) -> None:
    path = plain(tmp_path)
    (path / "train.txt").write_text("images/s0.png labels/s1.png\nimages/s1.png labels/s0.png\n")
    data = read(path)
    assert data.train == ("s0", "s1")
    assert np.array_equal(data.load("s0").layout.label_map, label_of(1))
    assert np.array_equal(data.load("s1").layout.label_map, label_of(0))
    for line, words in (
        ("images/s0.png labels/lost.png", r"'labels/lost\.png', which is not the one"),
        ("images/lost.png labels/s0.png", "1 names without a pair"),
        ("images/s0.png labels/s1.png labels/s2.png", "1 names without a pair"),
    ):
        (path / "train.txt").write_text(line)
        with pytest.raises(InputError, match=words):
            read(path)


def test_names_with_spaces_are_no_columns(tmp_path: Path) -> None:
    names = ("a 1", "a", "b c")
    path = pairs(tmp_path, [f"images/{n}.png" for n in names], [f"labels/{n}.png" for n in names])
    (path / "test.txt").write_text("a 1\nb c.png\n")
    assert read(path).test == ("a 1", "b c")


def test_subfolders_in_lists(tmp_path: Path) -> None:
    path = pairs(tmp_path, ["images/x/a.png", "images/y/a.png"], ["labels/x/a.png", "labels/y/a.png"])
    (path / "test.txt").write_text("images/y/a.png\n")
    (path / "val.txt").write_text("x/a\n")
    assert read(path).test == ("y__a",) and read(path).validation == ("x__a",)


def test_an_empty_list_is_called_so(tmp_path: Path) -> None:
    path = plain(tmp_path)
    (path / "train.txt").write_text("\n")
    with pytest.raises(InputError, match=r"train\.txt: is empty"):
        read(path)
    (finding,) = read(path, strict=False).findings
    assert finding.kind == "empty list" and read(path, strict=False).train is None


# What label files hold -----------------------------------------------------------------------------------------


def palette_file(
    ids: Array, order: Sequence[int], colors: dict[int, tuple[int, int, int]], path: Path
) -> None:
    """Ids as a palette PNG whose entries stand in this order."""
    lookup = np.zeros(256, np.uint8)
    lookup[list(order)] = range(len(order))
    picture = Image.fromarray(lookup[ids])
    picture.putpalette([part for id_ in order for part in colors[id_]])
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


COLORS = {0: (0, 0, 0), 1: (255, 0, 0), 2: (0, 255, 0)}
GREYS = {0: (0, 0, 0), 1: (1, 1, 1), 2: (2, 2, 2)}
ORDERS = ((0, 1, 2), (2, 0, 1), (1, 2, 0))


def test_palettes_are_translated_by_the_listed_colors(tmp_path: Path) -> None:
    path = plain(tmp_path)
    for number, order in enumerate(ORDERS):
        palette_file(label_of(number), order, COLORS, path / "labels" / f"s{number}.png")
    names = {"0": "background", "1": "disc", "2": "square"}
    document = {"names": names, "colors": {str(k): list(color) for k, color in COLORS.items()}}
    (path / "classes.json").write_text(json.dumps(document))
    assert same_labels(read(path), range(3))
    document["colors"] = {"0": [0, 0, 0], "1": [255, 0, 0]}
    (path / "classes.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"s1\.png.*its color \[0, 255, 0\] has no meaning; say what"):
        list(read(path))


@pytest.mark.parametrize("colors", [COLORS, GREYS], ids=["colors", "greys"])
@pytest.mark.parametrize("listed", [False, True])
def test_palettes_that_differ_are_refused(
    colors: dict[int, tuple[int, int, int]], listed: bool, tmp_path: Path
) -> None:
    path = plain(tmp_path)
    for number, order in enumerate(ORDERS):
        palette_file(label_of(number), order, colors, path / "labels" / f"s{number}.png")
    if listed:
        (path / "classes.json").write_text('["background", "disc", "square"]')
    with pytest.raises(
        InputError, match=r"s1\.png: its palette shows index 0 as \[\d+, \d+, \d+\], and that of s0"
    ):
        list(read(path))
    assert "palette" in " ".join(one.text for one in findings_of_readable(path))


def findings_of_readable(path: Path) -> list[Finding]:
    """The findings of an inspection: pairs that can't be read are told and passed over."""
    data, tally = read(path, strict=False), Tally()
    for name in data.names:
        try:
            count(tally, data, data.load(name), data.classes.without_objects)
        except InputError as error:
            tally.unreadable.append((name, str(error)))
    return [*data.findings, *of_pairs(data, tally)]


def test_palettes_that_agree_are_indices(tmp_path: Path) -> None:
    path = plain(tmp_path)
    shown = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0)}
    for number in range(3):
        palette_file(label_of(number), (0, 1, 2), shown, path / "labels" / f"s{number}.png")
    assert same_labels(read(path), range(3)) and not findings_of(read(path))


def test_a_grey_palette_that_numbers_its_greys_is_refused(tmp_path: Path) -> None:
    path = plain(tmp_path)
    for number in range(3):
        palette_file(
            label_of(number),
            (0, 1, 2),
            {0: (0, 0, 0), 1: (7, 7, 7), 2: (9, 9, 9)},
            path / "labels" / f"s{number}.png",
        )
    with pytest.raises(InputError, match="index 1 as grey 7, so either may be the class id"):
        read(path)


def test_equal_channels_are_ids(tmp_path: Path) -> None:
    path = plain(tmp_path)
    for number in range(3):
        channels = [label_of(number)] * 3 + [np.full(SIZE, 255, np.uint8)] * (number == 2)
        save(np.dstack(channels), path / "labels" / f"s{number}.png")
    assert same_labels(read(path), range(3)) and read(path).classes.ids == (0, 1, 2)
    save(np.dstack([*[label_of(2)] * 3, label_of(2)]), path / "labels" / "s2.png")
    with pytest.raises(InputError, match="transparent in part"):
        read(path)
    for number in range(3):  # to inspect: the reason itself, though no label can be read
        save(
            np.dstack([label_of(number), label_of(number), np.zeros(SIZE, np.uint8)]),
            path / "labels" / f"s{number}.png",
        )
    with pytest.raises(InputError, match="colored"):
        read(path, strict=False)


def discs(size: int, ids: Sequence[int], seed: int) -> Array:
    """A label of some discs of these ids, all of an area."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    label = np.zeros((size, size), np.uint8)
    for _ in range(5):
        (row, column), radius = rng.integers(0, size, 2), rng.integers(4, size // 4)
        label[(y - row) ** 2 + (x - column) ** 2 < radius**2] = rng.choice(ids)
    return label


def as_jpeg(label: Array) -> Array:
    stream = io.BytesIO()
    Image.fromarray(label).save(stream, "JPEG", quality=85)
    return np.array(Image.open(stream))


def smoothed(how: Image.Resampling) -> Callable[[Array], Array]:
    return lambda label: np.array(Image.fromarray(label).resize((96, 96), how))
