"""Folders that are links belong to a data set like any other, and what cannot be listed is told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.formats.samples import box, in_parts, painted, pair

from labelmint.formats import FORMATS, read, write
from labelmint.formats.walk import folders_of
from labelmint.types import ClassInfo, ClassSet

CLASSES = ClassSet((ClassInfo(id=0, name="background"), ClassInfo(id=1, name="cell")))


def folders(root: Path) -> list[str]:
    """The folders at a root and below, in the order of the walk."""
    return [below for below, _ in folders_of(root)]


def moved_away(folder: Path, store: Path) -> None:
    """Put a folder elsewhere, and a link to it in its place."""
    store.mkdir(exist_ok=True)
    away = folder.rename(store / f"{folder.parent.name}-{folder.name}")
    folder.symlink_to(away, target_is_directory=True)


def close(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no folder of a name be listed."""
    scandir = os.scandir

    def closed(path: Any) -> Any:
        if Path(path).name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("os.scandir", closed)


def test_links_are_followed_last_each_folder_once_and_none_upwards(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for name in ("b/c", "d", ".hidden", "__MACOSX", "lost+found", "d/@eaDir", "#recycle"):
        (root / name).mkdir(parents=True)
    (tmp_path / "store" / "e").mkdir(parents=True)
    for link, target in (("a", "set/d"), ("b/up", "set"), ("b/linked", "store"), ("above", ".")):
        (root / link).symlink_to(tmp_path / target, target_is_directory=True)
    assert folders(root) == ["", "b", "b/c", "d", "b/linked", "b/linked/e"]
    assert folders(root / "nothing" / "there") == []


def test_folders_that_cannot_be_listed_are_told_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    close("a", monkeypatch)
    walk = folders_of(tmp_path)
    assert [next(walk)[0], next(walk)[0]] == ["", "b"]
    with pytest.raises(PermissionError, match="denied"):
        next(walk)


@pytest.mark.parametrize("alone", [False, True])
def test_closed_labels_are_not_called_missing(
    alone: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write([pair("a", painted(box(1, 1, 4, 4)))], tmp_path / "set", format="folder", classes=CLASSES)
    close("labels", monkeypatch)
    with pytest.raises(PermissionError, match="labels"):
        read(tmp_path / "set", alone=alone)


@pytest.mark.parametrize(("format", "folder"), [("ade20k", "images/training"), ("labelme", "")])
def test_a_closed_folder_ends_reading_but_not_looking(
    format: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(in_parts(CLASSES), tmp_path / "set", format=format, classes=CLASSES)
    whole = read(root)
    (root / folder / "closed").mkdir()
    close("closed", monkeypatch)
    with pytest.raises(PermissionError, match="closed"):
        read(root)
    data = read(root, strict=False)
    assert data.names == whole.names
    assert [one.names for one in data.findings if one.kind == "closed folders"] == [
        (str(root / folder / "closed"),)
    ]


def test_images_beside_a_closed_folder_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "dog" / "closed").mkdir()
    close("closed", monkeypatch)
    data = read(tmp_path, alone=True, strict=False)
    assert (data.format, len(data.names)) == ("class-folders", 4)
    with pytest.raises(PermissionError, match="closed"):
        read(tmp_path, alone=True)


@pytest.mark.parametrize(
    ("format", "links"),
    [
        ("cityscapes", ("leftImg8bit/train", "gtFine/train/city")),
        ("ade20k", ("images/validation", "annotations/validation")),
        ("yolo", ("images/val", "labels/val")),
    ],
)
def test_linked_folders_are_read(format: str, links: tuple[str, ...], tmp_path: Path) -> None:
    whole = read(write(in_parts(CLASSES), tmp_path / "set", format=format, classes=CLASSES))
    for link in links:
        moved_away(tmp_path / "set" / link, tmp_path / "store")
    found = read(tmp_path / "set")
    assert (found.names, found.train, found.validation) == (whole.names, whole.train, whole.validation)


@pytest.mark.parametrize("linked", [("images/val", "labels/val"), ("labels/train", "labels/val")])
def test_linked_subfolders_of_a_folder_are_read(linked: tuple[str, ...], tmp_path: Path) -> None:
    for name, part in (("a", "train"), ("b", "val")):
        lone = write(
            [pair(name, painted(box(1, 1, 4, 4)))], tmp_path / part, format="folder", classes=CLASSES
        )
        for kind in ("images", "labels"):
            (tmp_path / "set" / kind).mkdir(parents=True, exist_ok=True)
            (lone / kind).rename(tmp_path / "set" / kind / part)
    for link in linked:
        moved_away(tmp_path / "set" / link, tmp_path / "store")
    data = read(tmp_path / "set", format="folder")
    assert (data.train, data.validation) == (("a",), ("b",))
    assert not [one for one in data.findings if one.kind == "other files"]


def test_linked_folders_of_labelme_are_read(tmp_path: Path) -> None:
    write([pair("a", painted(box(1, 1, 4, 4)))], tmp_path / "set" / "val", format="labelme", classes=CLASSES)
    moved_away(tmp_path / "set" / "val", tmp_path / "store")
    assert read(tmp_path / "set").validation == ("a",)


def test_a_folder_is_not_walked_through_to_find_that_it_is_no_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("usr/share/doc/deep", "usr/images/train", "usr/labels/train"):
        (tmp_path / name).mkdir(parents=True)
    listed: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr("os.scandir", lambda path: listed.append(Path(path).name) or scandir(path))
    assert not FORMATS["yolo"].fits(tmp_path / "usr") and not FORMATS["dota"].fits(tmp_path / "usr")
    assert "images" in listed and not {"share", "doc", "deep"} & {*listed}
