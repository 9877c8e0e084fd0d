"""WebDataset shards: read where they lie, written without times and owners, odd members refused."""

from __future__ import annotations

import json
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.formats.samples import CLASSES, MAPS, OBJECTS, ROADS, check, in_parts, painted, pair, pairs_of

from labelmint.errors import InputError
from labelmint.formats import format_named, read, webdataset_write, write


def png(value: int = 7, shape: tuple[int, ...] = (8, 10, 3), kind: str = "PNG") -> bytes:
    stream = BytesIO()
    Image.fromarray(np.full(shape, value, dtype=np.uint8)).save(stream, format=kind)
    return stream.getvalue()


IMAGE, LABEL = png(), png(2, (8, 10))


def put(file: Path, *files: tuple[str, bytes] | tarfile.TarInfo) -> Path:
    """A tar file of these members."""
    file.parent.mkdir(exist_ok=True)
    with tarfile.open(file, "w") as archive:
        for one in files:
            if isinstance(one, tarfile.TarInfo):
                archive.addfile(one)
                continue
            info = tarfile.TarInfo(one[0])
            info.size = len(one[1])
            archive.addfile(info, BytesIO(one[1]))
    return file.parent


def odd(name: str, kind: bytes, **more: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in more.items():
        setattr(info, key, value)
    return info


def test_all_objects_and_maps_survive(tmp_path: Path) -> None:
    check("webdataset", pairs_of(OBJECTS | MAPS), CLASSES, tmp_path)


def test_classes_without_ground_survive(tmp_path: Path) -> None:
    check("webdataset", [pair("a", MAPS["one line"])], ROADS, tmp_path)


def test_classes_are_those_of_labels_and_of_objects(tmp_path: Path) -> None:
    objects = json.dumps([{"class_id": 1, "box": [0, 0, 3, 3]}]).encode()
    path = put(tmp_path / "a.tar", ("a.png", IMAGE), ("a.seg.png", LABEL), ("a.json", objects))
    assert read(path).classes.ids == (1, 2)


def test_parts_are_prefixes_and_shards_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webdataset_write, "PAIRS_A_SHARD", 1)
    monkeypatch.setattr(webdataset_write, "_AT_ONCE", 4)
    path = write(in_parts(), tmp_path / "a", format="webdataset", classes=CLASSES)
    data = read(path)
    assert (data.train, data.validation, data.test) == (("a", "b"), ("c", "d"), ("e",))
    assert data.names == tuple("abcdef")
    assert sorted(one.name for one in path.iterdir()) == [
        "README.md",
        "classes.json",
        "croissant.json",
        "data-000000.tar",
        "test-000000.tar",
        "train-000000.tar",
        "train-000001.tar",
        "val-000000.tar",
        "val-000001.tar",
    ]


def test_members_tell_nothing_of_their_maker(tmp_path: Path) -> None:
    path = write([pair("a.b", painted())], tmp_path / "a", format="webdataset", classes=CLASSES)
    with tarfile.open(path / "data-000000.tar") as archive:
        found = archive.getmembers()
    assert [one.name for one in found] == ["a%2Eb.png", "a%2Eb.seg.png", "a%2Eb.instances.png"]
    assert {(one.mtime, one.uid, one.gid, one.uname, one.gname) for one in found} == {(0, 0, 0, "", "")}


def test_shards_of_other_programs(tmp_path: Path) -> None:
    more = json.dumps({"caption": "a cat"}).encode()
    put(
        tmp_path / "train-1.tar",
        odd("x", tarfile.DIRTYPE),
        ("./x/001.jpg", png(kind="JPEG")),
        ("./x/001.cls", b"3"),
        ("./x/001.json", more),
        ("./x/001.mask.png", LABEL),
        ("x/._001.png", b"?"),
        ("x/002.seg.png", LABEL),
        ("x/002.PNG", IMAGE),
    )
    put(tmp_path / "more.tar", ("001.png", IMAGE), ("001.seg.png", LABEL))
    objects = json.dumps([{"class_id": 4, "box": [0, 0, 2, 2]}]).encode()
    put(tmp_path / "only.tar", ("9.png", IMAGE), ("9.json", objects))
    data = read(tmp_path)
    assert data.names == ("more__001", "only__9", "train-1__x__001", "train-1__x__002")
    assert data.train == ("train-1__x__001", "train-1__x__002")
    assert data.classes.names == ("background", "class_2", "class_4")
    assert [np.unique(one.layout.label_map).tolist() for one in data] == [[2], [0, 4], [2], [2]]
    assert np.unique(data.layout("only__9").label_map).tolist() == [0, 4]
    assert "1 of .cls" in data.findings[0].text
    assert read(tmp_path / "more.tar").names == ("001",)


def test_only_labelled_shards_are_recognized(tmp_path: Path, folder: Path) -> None:
    recognizes = format_named("webdataset").recognizes
    assert not recognizes(folder)
    assert not recognizes(put(tmp_path / "1" / "a.tar", ("a.png", IMAGE), ("a.cls", b"1")))
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "a.tar").write_bytes(b"no tar")
    assert not recognizes(tmp_path / "2")


PAIR = (("a.png", IMAGE), ("a.seg.png", LABEL))
BAD: dict[str, tuple[tuple[tuple[str, bytes] | tarfile.TarInfo, ...], str]] = {
    "symbolic link": ((*PAIR, odd("b.png", tarfile.SYMTYPE, linkname="/etc/passwd")), "'b.png' is a link"),
    "hard link": ((*PAIR, odd("b.png", tarfile.LNKTYPE, linkname="a.png")), "'b.png' is a link"),
    "device": ((*PAIR, odd("b.png", tarfile.CHRTYPE)), "a device"),
    "image alone": ((*PAIR, ("b.png", IMAGE)), "1 samples are an image without label, first 'b'"),
    "label alone": ((*PAIR, ("b.seg.png", LABEL)), "label without image"),
    "twice": ((*PAIR, ("a.jpg", IMAGE)), "two members of kind 'jpg'"),
    "same key later": ((*PAIR, ("b.png", IMAGE), ("b.seg.png", LABEL), *PAIR), "listed twice"),
    "other size": ((("a.png", IMAGE), ("a.seg.png", png(2, (8, 9)))), "8x9 pixels"),
    "no picture": ((("a.png", b"?"), ("a.seg.png", LABEL)), "a.tar: image of 'a'"),
    "no JSON": ((*PAIR, ("a.json", b"{")), "broken JSON"),
    "no text": ((*PAIR, ("a.json", b"\xff")), "not UTF-8"),
    "objects": ((*PAIR, ("a.json", b'[{"class_id": 1}]')), "not a list of objects"),
    "leaves": ((("../a.png", IMAGE), ("../a.seg.png", LABEL)), "no labelled images"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_shards_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    files, words = BAD[name]
    put(tmp_path / "s" / "a.tar", *files)
    with pytest.raises(InputError) as error:
        list(read(tmp_path / "s", format="webdataset"))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_damaged_and_compressed_shards_are_refused(tmp_path: Path) -> None:
    whole = put(tmp_path / "a.tar", *PAIR).joinpath("a.tar").read_bytes()
    (tmp_path / "a.tar").write_bytes(whole[:700])
    with pytest.raises(InputError, match="cut short"):
        read(tmp_path, format="webdataset")
    with tarfile.open(tmp_path / "a.tar", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a.png"))
    with pytest.raises(InputError, match=r"unpack it to \.tar first"):
        read(tmp_path, format="webdataset")


def test_ids_beyond_the_class_list(tmp_path: Path) -> None:
    put(tmp_path / "a.tar", ("a.png", IMAGE), ("a.seg.png", png(77, (8, 10))))
    (tmp_path / "classes.json").write_text('{"names": ["background", "cell"]}')
    with pytest.raises(InputError, match="not in the class list: 77"):
        list(read(tmp_path))
    assert list(read(tmp_path, strict=False))
