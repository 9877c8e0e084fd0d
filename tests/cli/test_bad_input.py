"""Bad input: one clear line on stderr, exit code 2, no traceback, and nothing written."""

from __future__ import annotations

import errno
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.cli.place import Place, Words
from tests.helpers import SMALLEST_MINT


def first(folder: Path, kind: str) -> Path:
    """The first image or label of a data set."""
    return folder / kind / "digits_000000.png"


def without(kind: str) -> Callable[[Place], Words]:
    def build(place: Place) -> Words:
        data = place.data()
        first(data, kind).unlink()
        return place.train(data)

    return build


def with_bytes(kind: str, change: Callable[[bytes], bytes]) -> Callable[[Place], Words]:
    def build(place: Place) -> Words:
        data = place.data()
        file = first(data, kind)
        file.write_bytes(change(file.read_bytes()))
        return place.train(data)

    return build


def with_image(kind: str, array: np.ndarray[Any, Any]) -> Callable[[Place], Words]:
    def build(place: Place) -> Words:
        data = place.data()
        Image.fromarray(array).save(first(data, kind))
        return place.train(data)

    return build


def bomb(content: bytes) -> bytes:
    """A PNG whose header says 60000 x 60000 pixels."""
    import zlib

    header = struct.pack(">II", 60000, 60000) + content[24:29]
    chunk = b"IHDR" + header
    return content[:8] + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[33:]


def truncated_jpeg(place: Place) -> Words:
    data = place.data()
    first(data, "images").unlink()
    file = data / "images" / "digits_000000.jpg"
    Image.fromarray(np.arange(1024, dtype=np.uint16).reshape(32, 32).astype(np.uint8)).save(file)
    file.write_bytes(file.read_bytes()[:-200])
    return place.train(data)


def coco(change: Callable[[dict[str, Any]], None]) -> Callable[[Place], Words]:
    return lambda place: place.train(place.coco(change))


def broken_coco(place: Place) -> Words:
    folder = place.coco(lambda content: None)
    file = folder / "instances.json"
    file.write_text(file.read_text()[:-30])
    return place.train(folder)


def without_classes_json(place: Place) -> Words:
    data = place.data()
    (data / "classes.json").unlink()
    Image.fromarray(np.full((32, 32, 3), (7, 7, 8), np.uint8)).save(first(data, "labels"))
    return place.train(data)


def empty_folder(place: Place) -> Words:
    (place.path / "nothing").mkdir()
    return place.train(place.path / "nothing")


def run_with(name: str, change: Callable[[bytes], bytes]) -> Callable[[Place], Words]:
    def build(place: Place) -> Words:
        run = place.run()
        file = run / name
        file.write_bytes(change(file.read_bytes()))
        return place.synthesize(run)

    return build


def newer(content: bytes) -> bytes:
    return json.dumps(json.loads(content) | {"format_version": 99}).encode()


def occupied(place: Place) -> Words:
    place.out.mkdir()
    (place.out / "thesis.txt").write_text("precious")
    return place.synthesize(place.run())


def half_done(place: Place) -> Words:
    (place.path / "out.partial").mkdir()
    (place.path / "out.partial" / "settings.json").write_text("{}")
    return place.synthesize(place.run())


def below_a_file(verb: str) -> Callable[[Place], Words]:
    def build(place: Place) -> Words:
        (place.path / "file").write_text("")
        out = place.path / "file" / "out"
        if verb == "train":
            return [
                "train",
                place.data(),
                "--out",
                out,
                "--preset",
                "tiny",
                *(w for s in SMALLEST_MINT for w in ("--set", s)),
            ]
        if verb == "synthesize":
            return ["synthesize", place.run(), "--out", out, "-n", 2]
        return ["datasets", "make", "digits", "-n", 2, "--out", out]

    return build


def few_pairs(place: Place) -> Words:
    data = place.data()
    (data / "train.txt").write_text("".join(f"digits_{i:06d}\n" for i in range(8)))
    (data / "test.txt").write_text("".join(f"digits_{i:06d}\n" for i in range(8, 60)))
    return place.train(data)


def idx(content: bytes) -> Callable[[Place], Words]:
    def build(place: Place) -> Words:
        folder = place.path / "mnist"
        folder.mkdir()
        for name in (
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte",
            "t10k-images-idx3-ubyte",
            "t10k-labels-idx1-ubyte",
        ):
            (folder / name).write_bytes(content)
        return ["datasets", "make", "multi-mnist", "--source", folder, "-n", 4, "--out", place.out]

    return build


def put(key: str, value: object, of: str = "annotations") -> Callable[[dict[str, Any]], None]:
    return lambda content: content[of][0].update({key: value})


ROWS: dict[str, tuple[Callable[[Place], Words], tuple[str, ...]]] = {
    # data
    "missing folder": (lambda p: p.train(p.path / "none"), ("none", "no such file or folder")),
    "a system without a size, inspect": (
        lambda p: ["inspect", p.data(), "--system", "flow"],
        ("--system flow", "--size"),
    ),
    "a preset alone, inspect": (lambda p: ["inspect", p.data(), "--preset", "tiny"], ("tiny", "--size")),
    "crops without a size, inspect": (lambda p: ["inspect", p.data(), "--crop"], ("--crop", "--size")),
    "missing folder, inspect": (lambda p: ["inspect", p.path / "none"], ("none", "no such file or folder")),
    "no pairs": (empty_folder, ("nothing", "images/")),
    "image without label": (without("labels"), ("digits_000000",)),
    "label without image": (without("images"), ("digits_000000",)),
    "sizes differ": (with_image("labels", np.zeros((16, 32), np.uint8)), ("digits_000000", "image's size")),
    "colored label without colors": (without_classes_json, ("digits_000000", "classes.json", "colors")),
    "id not in the class list": (
        with_image("labels", np.full((32, 32), 77, np.uint8)),
        ("digits_000000", "77"),
    ),
    "truncated PNG": (with_bytes("images", lambda c: c[: len(c) // 2]), ("digits_000000.png",)),
    "truncated label": (with_bytes("labels", lambda c: c[: len(c) // 2]), ("digits_000000.png",)),
    "truncated JPEG": (truncated_jpeg, ("digits_000000.jpg",)),
    "text named .png": (with_bytes("images", lambda c: b"hello"), ("digits_000000.png",)),
    "decompression bomb": (with_bytes("images", bomb), ("digits_000000.png",)),
    "image smaller than the crop": (
        lambda p: p.train(p.data(), "--crop", "--size", "64"),
        ("32x32", "64x64", "smaller"),
    ),
    "fewer than 20 pairs": (few_pairs, ("8 pairs", "--force")),
    "unknown input format": (lambda p: p.train(p.data(), "--format-in", "xyz"), ("xyz", "folder", "coco")),
    "bad ignore": (lambda p: p.train(p.data(), "--ignore", "x"), ("--ignore x",)),
    "bad group": (lambda p: p.train(p.data(), "--group-by", "("), ("regular expression",)),
    # COCO
    "broken JSON": (broken_coco, ("instances.json", "line")),
    "unknown category": (coco(put("category_id", 9)), ("instances.json", "9")),
    "unknown image": (coco(put("image_id", 99)), ("instances.json", "99")),
    "file name that leaves the folder": (
        coco(put("file_name", "../../secret.png", "images")),
        ("../../secret.png", "leaves the folder"),
    ),
    "polygon outside": (coco(put("segmentation", [[-50, 0, 10, 0, 10, 10]])), ("instances.json", "-50")),
    # requests
    "unknown verb": (lambda p: ["trian"], ("trian",)),
    "missing option": (lambda p: ["train", p.data()], ("--out",)),
    "unknown system": (
        lambda p: p.train(p.data(), "--system", "msgnett"),
        ("msgnett", "did you mean 'msgnet'"),
    ),
    "unknown preset": (lambda p: p.train(p.data(), "--preset", "smal"), ("smal", "did you mean 'small'")),
    "unknown key": (
        lambda p: p.train(p.data(), "--set", "prior.chanels=9"),
        ("prior.chanels", "prior.channels"),
    ),
    "wrong type": (lambda p: p.train(p.data(), "--set", "prior.channels=many"), ("prior.channels=many",)),
    "no value": (lambda p: p.train(p.data(), "--set", "prior.channels"), ("KEY=VALUE",)),
    "size that does not divide": (lambda p: p.train(p.data(), "--size", "31x33"), ("31x33", "32x32")),
    "size that does not divide, inspect": (
        lambda p: ["inspect", p.data(), "--size", "31x33"],
        ("31x33", "32x32"),
    ),
    "size that is none": (lambda p: p.train(p.data(), "--size", "big"), ("--size big", "64x96")),
    "unknown augmentation": (
        lambda p: p.train(p.data(), "--augment", "spin"),
        ("spin", "flips, mirror, turns"),
    ),
    "no GPU": (lambda p: p.train(p.data(), "--device", "cuda"), ("--device cuda", "no GPU")),
    "unknown device": (lambda p: p.train(p.data(), "--device", "abacus"), ("abacus", "cpu")),
    "no time": (lambda p: p.train(p.data(), "--max-minutes", "0"), ("--max-minutes 0",)),
    "too much memory": (
        lambda p: p.train(p.data(), "--set", "tokenizer.batch_size=9999999"),
        ("memory", "tokenizer.batch_size"),
    ),
    # runs
    "not a run": (lambda p: p.synthesize(p.data()), ("not a run folder",)),
    "a newer run": (run_with("config.json", newer), ("config.json", "newer labelmint")),
    "a damaged configuration": (run_with("config.json", lambda c: c[:50]), ("config.json", "JSON")),
    "a damaged weight file": (
        run_with("prior/weights.safetensors", lambda c: c[:-9] + b"\0" * 9),
        ("weights.safetensors", "damaged"),
    ),
    "a truncated weight file": (
        run_with("tokenizer/weights.safetensors", lambda c: c[:99]),
        ("weights.safetensors", "damaged"),
    ),
    "a run of other options": (
        lambda p: ["train", p.data(), "--out", p.run(), "--seed", 5],
        ("another --out",),
    ),
    # synthesis
    "no pairs asked for": (lambda p: p.synthesize(p.run(), "-n", 0), ("-n 0",)),
    "negative start": (lambda p: p.synthesize(p.run(), "--start", -1), ("--start -1",)),
    "no batch": (lambda p: p.synthesize(p.run(), "--batch-size", 0), ("--batch-size 0",)),
    "temperature 0": (
        lambda p: p.synthesize(p.run(), "--temperature", 0),
        ("--temperature 0", "from 0.01 to 100"),
    ),
    "temperature nan": (
        lambda p: p.synthesize(p.run(), "--layout-temperature", "nan"),
        ("--layout-temperature nan",),
    ),
    "unknown precision": (
        lambda p: p.synthesize(p.run(), "--precision", "16"),
        ("--precision 16", "32 or bf16"),
    ),
    "unknown output format": (lambda p: p.synthesize(p.run(), "--format", "xyz"), ("xyz", "folder, coco")),
    "layouts that are missing": (
        lambda p: p.synthesize(p.run(), "--layouts", p.path / "none"),
        ("none", "no such file"),
    ),
    "a set inside of the run": (
        lambda p: ["synthesize", p.run(), "--out", p.run() / "new", "-n", 2],
        ("lies inside of",),
    ),
    "a set inside of given layouts": (
        lambda p: [
            "synthesize",
            p.run(),
            "--layouts",
            data := p.data(),
            "--out",
            data / "images" / "new",
            "-n",
            2,
        ],
        ("lies inside of",),
    ),
    "a set inside of the real data": (
        lambda p: [*("synthesize", p.run(), "--data", data := p.data(), "--out", data / "new", "-n", 2)],
        ("lies inside of",),
    ),
    "a sheet that is a folder": (
        lambda p: ["inspect", p.data(), "--sheet", p.path],
        ("--sheet", "is a folder"),
    ),
    "occupied output": (occupied, ("not an empty folder", "--out")),
    "half-done output": (half_done, ("--resume",)),
    "unwritable run": (below_a_file("train"), ("file", "not a folder")),
    "unwritable pairs": (below_a_file("synthesize"), ("file", "not a folder")),
    "unwritable data set": (below_a_file("datasets"), ("file", "in the way")),
    # data sets
    "unknown composition": (
        lambda p: ["datasets", "make", "digits", "--composition", "four", "-n", 4, "--out", p.out],
        ("four", "three"),
    ),
    "too few images": (lambda p: ["datasets", "make", "digits", "-n", 0, "--out", p.out], ("-n 0",)),
    "canvas too small": (
        lambda p: ["datasets", "make", "digits", "-n", 2, "--canvas", "4", "--out", p.out],
        ("4x4",),
    ),
    "no MNIST there": (
        lambda p: ["datasets", "make", "multi-mnist", "--source", p.path, "-n", 4, "--out", p.out],
        ("idx",),
    ),
    "garbage for MNIST": (idx(b"garbage"), ("train-images-idx3-ubyte",)),
    "no minutes": (lambda p: ["demo", "--out", p.out, "--minutes", 0], ("--minutes 0",)),
    "a demo in the wrong place": (lambda p: ["demo", "--out", p.data()], ("another --out",)),
}

NEEDS_RUN = {
    "a ",
    "no pairs a",
    "negative",
    "no batch",
    "temperature",
    "unknown output",
    "unknown precision",
    "layouts",
    "occupied",
    "half",
    "unwritable pairs",
}


@pytest.mark.parametrize("name", ROWS)
def test_bad_input(
    name: str,
    command: Any,
    digits_folder: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: Any,
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    run = request.getfixturevalue("tiny_run") if any(name.startswith(word) for word in NEEDS_RUN) else None
    build, said = ROWS[name]
    words = build(Place(tmp_path, digits_folder, run))
    before = listing(tmp_path)
    answer = command(*words)
    check(answer, said)
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    ("number", "said"), [(errno.ENOSPC, "disk is full"), (errno.EACCES, "permission denied")]
)
def test_full_and_forbidden_disks(
    command: Any, tiny_run: Path, tmp_path: Path, monkeypatch: Any, number: int, said: str
) -> None:
    def fail(path: Path, *args: object, **named: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr("labelmint.formats.folder.write_png", fail)
    check(command("datasets", "make", "digits", "-n", 2, "--out", tmp_path / "digits"), (said,))
    assert not list(tmp_path.iterdir())
    check(command("synthesize", tiny_run, "--out", tmp_path / "new", "-n", 2), (said,))
    assert [path.name for path in tmp_path.iterdir()] == ["new.partial"]  # from here --resume goes on
    monkeypatch.undo()
    assert command("synthesize", tiny_run, "--out", tmp_path / "new", "-n", 2, "--resume").code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def check(answer: Any, said: tuple[str, ...]) -> None:
    """One line that says these words, and exit code 2."""
    lines = [line for line in answer.err.splitlines() if line.startswith("labelmint: ")]
    assert answer.code == 2, answer.err
    assert len(lines) == 1
    assert answer.err.rstrip().splitlines()[-1] == lines[0]
    assert lines[0].startswith("labelmint: error: ")
    assert "Traceback" not in answer.err
    assert answer.out == ""
    for words in said:
        assert words in lines[0]


def listing(folder: Path) -> dict[str, bytes]:
    """All that lies in a folder, empty folders too."""
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else b"" for p in sorted(folder.rglob("*"))
    }
