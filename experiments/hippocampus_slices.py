"""Slices of the Medical Segmentation Decathlon's hippocampus (Task04), for `labelmint study`: one labelled
slice of each scan.

    python -m experiments.hippocampus_slices --data Task04_Hippocampus --out DIR

The data are a folder with images/NAME.nii.gz, labels/NAME.nii.gz (0 background, 1 anterior, 2 posterior),
train.txt and test.txt. A slice counts that shows at least half of what the scan's fullest slice shows; of a
training scan one of them is taken, by the hash of its name, of a test scan all. Each scan's values are scaled
from their 0.5 to their 99.8 percentile.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from labelmint.datasets.volumes import read_volume

__all__ = ["main"]

_CLASSES = ("background", "anterior", "posterior")


def main(arguments: list[str] | None = None) -> int:
    """Write the data set; answers the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    parts = {name: given.data / f"{name}.txt" for name in ("train", "test")}
    if not all(part.is_file() for part in parts.values()):
        print(f"{given.data}: expected train.txt and test.txt beside images/ and labels/", file=sys.stderr)
        return 2
    if given.out.exists():
        print(f"{given.out}: exists; give another --out", file=sys.stderr)
        return 2
    aside = given.out.with_name(f"{given.out.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    for folder in ("images", "masks"):
        (aside / folder).mkdir(parents=True)
    for part, names in parts.items():
        written = [
            slice_name
            for name in names.read_text(encoding="utf-8").split()
            for slice_name in _write(given.data, name, part == "train", aside)
        ]
        (aside / f"{part}.txt").write_text("\n".join(written) + "\n", encoding="utf-8")
    (aside / "classes.json").write_text(json.dumps({"names": _CLASSES}) + "\n", encoding="utf-8")
    aside.rename(given.out)
    return 0


def _write(data: Path, name: str, one: bool, out: Path) -> list[str]:
    """The slices of a scan that count, or one of them; their names."""
    image = read_volume(data / "images" / f"{name}.nii.gz")
    label = read_volume(data / "labels" / f"{name}.nii.gz")
    image.check_same_place(label)
    shown = (label.values > 0).sum(axis=(1, 2))
    counting = np.flatnonzero(shown >= shown.max() / 2)
    if one:
        counting = counting[int(hashlib.sha256(name.encode()).hexdigest(), 16) % len(counting), None]
    low, high = np.percentile(image.values, (0.5, 99.8))
    scaled = np.clip((image.values - low) / (high - low) * 255, 0, 255).round().astype(np.uint8)
    names = [f"{name}_z{index:02d}" for index in counting]
    for slice_name, index in zip(names, counting, strict=True):
        Image.fromarray(scaled[index]).save(out / "images" / f"{slice_name}.png")
        Image.fromarray(label.values[index].round().astype(np.uint8)).save(
            out / "masks" / f"{slice_name}.png"
        )
    return names


if __name__ == "__main__":
    sys.exit(main())
