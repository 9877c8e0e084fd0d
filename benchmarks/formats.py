"""Converting and reading, side by side with other programs in one run.

    python -m benchmarks.formats [--images 10000] [--objects 10] [--size 64] [--pairs 2000] [--workers 2] [--out FILE]

    convert    a COCO set of many images, each with several polygons, to YOLO: labelmint, Datumaro and
               supervision, each in a process of its own, in turns; wall seconds and peak memory of each, and the count
               of lines of labels that each wrote. The goal: 10,000 images with 100,000 objects in at most 1.2 times the
               seconds of the faster of the two others, under 1 GiB
    read       pairs of 256x256 (a JPEG and a label PNG) with crop and collate against Pillow decoding the same two
               files alone, with as many processes; pairs a second of each. The goal: 0.8 of Pillow's

What is not installed is left out, and said. The set is made from a seed in a folder that is removed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from labelmint.formats import WRITABLE, read, write
from labelmint.types import AnnotatedImage, Layout

__all__ = ["convert", "main", "make_coco", "reading"]

TARGET = "yolo"
CROP = 224
MOST_TIME, MOST_MIB = 1.2, 1024  # to the faster of the others; of one conversion
LEAST_READ = 0.8  # pairs a second, to Pillow's


def make_coco(folder: Path, images: int, objects: int, size: int, seed: int = 0) -> None:
    """A COCO set of polygons, as other programs write one: `images` images of `size` pixels a side, JPEGs that share a
    few contents.
    """
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    for number in range(min(images, 16)):
        pixels = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"{number:06d}.jpg", quality=80)
    for number in range(16, images):
        shutil.copyfile(folder / "images" / f"{number % 16:06d}.jpg", folder / "images" / f"{number:06d}.jpg")
    corners = rng.uniform(0.05, 0.6, (images, objects, 2)) * size
    extents = rng.uniform(0.1, 0.35, (images, objects, 2)) * size
    kinds = rng.integers(1, 6, (images, objects))
    annotations: list[dict[str, Any]] = []
    for i in range(images):
        for j in range(objects):
            (x, y), (w, h) = corners[i, j].round(2).tolist(), extents[i, j].round(2).tolist()
            outline = [x, y, x + w, y, x + w, y + h, x + w / 2, y + h, x, y + h / 2]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": i + 1,
                    "category_id": int(kinds[i, j]),
                    "bbox": [x, y, w, h],
                    "area": w * h,
                    "iscrowd": 0,
                    "segmentation": [[round(number, 2) for number in outline]],
                }
            )
    document = {
        "images": [
            {"id": i + 1, "file_name": f"{i:06d}.jpg", "width": size, "height": size} for i in range(images)
        ],
        "annotations": annotations,
        "categories": [{"id": k, "name": f"kind {k}"} for k in range(1, 6)],
    }
    (folder / "annotations").mkdir()
    (folder / "annotations" / "instances_train.json").write_text(json.dumps(document), encoding="utf-8")


# converting -------------------------------------------------------------------------------------------------


def _labelmint(source: Path, out: Path) -> None:
    data = read(source)
    write(data, out, format=TARGET, classes=data.classes)


def _datumaro(source: Path, out: Path) -> None:
    import logging

    from datumaro.components.dataset import Dataset

    logging.disable(logging.CRITICAL)
    found = Dataset.import_from(str(source), "coco_instances")
    found.export(str(out), "yolo", save_media=True)


def _supervision(source: Path, out: Path) -> None:
    import supervision

    found = supervision.DetectionDataset.from_coco(
        images_directory_path=str(source / "images"),
        annotations_path=str(source / "annotations" / "instances_train.json"),
        force_masks=False,
    )
    found.as_yolo(
        images_directory_path=str(out / "images"),
        annotations_directory_path=str(out / "labels"),
        data_yaml_path=str(out / "data.yaml"),
    )


_SIDES: dict[str, Callable[[Path, Path], None]] = {
    "labelmint": _labelmint,
    "datumaro": _datumaro,
    "supervision": _supervision,
}


def convert(source: Path, scratch: Path, repeat: int = 3) -> dict[str, Any]:
    """Seconds, peak memory in MiB, and lines of labels of each side that is there; the first turn is not counted."""
    sides = [name for name in _SIDES if name == "labelmint" or find_spec(name) is not None]
    if TARGET not in WRITABLE:
        sides.remove("labelmint")
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    facts: dict[str, dict[str, Any]] = {}
    for turn in range(repeat + 1):
        for name in sides:
            out = scratch / f"out-{name}"
            shutil.rmtree(out, ignore_errors=True)
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                took, peak, error = pool.apply(_timed, (name, source, out))
            if error:
                facts[name] = {"error": error}
                continue
            seconds[name] += [took] if turn or repeat == 0 else []
            lines = sum(len(file.read_text().splitlines()) for file in out.glob("*/**/*.txt"))
            facts[name] = {"peak_mib": round(peak), "label_lines": lines}
    left_out = [name for name in _SIDES if name not in sides]
    medians = {name: statistics.median(times) for name, times in seconds.items() if times}
    ours, others = medians.get("labelmint"), [medians[name] for name in medians if name != "labelmint"]
    ratio = round(ours / min(others), 3) if ours is not None and others else None
    found = {name: {"seconds": round(medians[name], 2)} if name in medians else {} for name in sides}
    return {
        "left_out": left_out,
        **{name: found[name] | facts[name] for name in sides},
        "to_the_faster_other": ratio,
        "goal": {"to_the_faster_other": MOST_TIME, "peak_mib": MOST_MIB},
    }


def _timed(name: str, source: Path, out: Path) -> tuple[float, float, str]:
    """Seconds and peak MiB of one conversion in this process; imports are not counted, since a person waits for them
    once.
    """
    try:
        for module in (name, "datumaro.components.dataset" if name == "datumaro" else name):
            __import__(module)
        begin = time.perf_counter()
        _SIDES[name](source, out)
        took = time.perf_counter() - begin
    except Exception as error:  # a peer that cannot do it is reported
        return 0.0, 0.0, f"{type(error).__name__}: {error}"[:300]
    return took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, ""


# reading ----------------------------------------------------------------------------------------------------


def reading(folder: Path, workers: int, batch: int = 16, repeat: int = 3) -> dict[str, Any]:
    """Pairs a second with crop and collate, and of Pillow alone, in turns with as many processes; by the clock, and by
    the time of the processors, which other programs disturb less.
    """
    data = read(folder)
    chunks = [data.names[i : i + batch] for i in range(0, len(data.names), batch)]
    rates: dict[str, list[tuple[float, float]]] = {"labelmint": [], "pillow": []}
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, context, initializer=_open, initargs=(folder,)) as pool:
        for turn in range(repeat + 1):
            for name, work in (("labelmint", _crops), ("pillow", _decoded)):
                begin = time.perf_counter()
                seconds = sum(pool.map(partial(_took, work), chunks))
                rate = len(data) / (time.perf_counter() - begin), len(data) / seconds
                rates[name] += [rate] if turn else []
    (ours, ours_busy), (pillow, pillow_busy) = (
        [statistics.median(each) for each in zip(*rates[name], strict=True)] for name in rates
    )
    return {
        "pairs_per_second": round(ours),
        "pillow_pairs_per_second": round(pillow),
        "ratio": round(ours / pillow, 3),
        "ratio_of_processor_time": round(ours_busy / pillow_busy, 3),
        "goal": {"ratio": LEAST_READ},
    }


def _took(work: Callable[[Sequence[str]], None], names: Sequence[str]) -> float:
    """Seconds of the processor."""
    begin = time.process_time()
    work(names)
    return time.process_time() - begin


_OPENED: dict[str, Any] = {}


def _open(folder: Path) -> None:
    _OPENED["data"], _OPENED["folder"] = read(folder), folder


def _crops(names: Sequence[str]) -> None:
    """A batch of crops: images (B, CROP, CROP, C) and maps (B, CROP, CROP)."""
    shares = np.random.default_rng(len(names)).random((len(names), 2))
    images = np.empty((len(names), CROP, CROP, 3), np.uint8)
    maps = np.empty((len(names), CROP, CROP), np.uint8)
    for i, name in enumerate(names):
        pair = _OPENED["data"].load(name)
        height, width = pair.layout.size
        y, x = int(shares[i, 0] * (height - CROP + 1)), int(shares[i, 1] * (width - CROP + 1))
        images[i] = pair.image[y : y + CROP, x : x + CROP]
        maps[i] = pair.layout.label_map[y : y + CROP, x : x + CROP]


def _decoded(names: Sequence[str]) -> None:
    for name in names:
        for file in (f"images/{name}.jpg", f"labels/{name}.png"):
            with Image.open(_OPENED["folder"] / file) as picture:
                picture.load()


def _maps(folder: Path) -> Iterator[AnnotatedImage]:
    """The pairs of a set with their maps alone."""
    for pair in read(folder):
        yield replace(pair, layout=Layout(label_map=pair.layout.label_map))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure both, and print or write the figures as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--objects", type=int, default=10)
    parser.add_argument("--size", type=int, default=64, help="of the images that are converted")
    parser.add_argument("--pairs", type=int, default=2_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--out", type=Path)
    given: Any = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="labelmint-bench-") as scratch:
        home = Path(scratch)
        make_coco(home / "coco", given.images, given.objects, given.size)
        converted = convert(home / "coco", home, given.repeat)
        shutil.rmtree(home / "coco")
        make_coco(home / "small", given.pairs, 4, 256)
        classes = read(home / "small").classes
        write(_maps(home / "small"), home / "pairs", format="folder", classes=classes, image_format="jpg")
        found = {
            "images": given.images,
            "objects": given.images * given.objects,
            "cores": os.cpu_count(),
            "convert": converted,
            "read": reading(home / "pairs", given.workers, repeat=given.repeat),
        }
    text = json.dumps(found, indent=1)
    if given.out is not None:
        given.out.write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
