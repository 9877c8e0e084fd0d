"""Tiny data sets in the layouts of the originals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from PIL import Image
from scipy.io import savemat

from labelmint.formats.gta5 import GTA5_LABELS

Box = tuple[str, int, int, int, int]  # category, x0, y0, x1, y1

LPS = np.array([[-1.0, 0, 0, 0], [0, -1.0, 0, 7], [0, 0, 1.0, 0], [0, 0, 0, 1]])  # the axes of BraTS


def malaria_item(
    folder: Path, name: str, boxes: list[Box], size: tuple[int, int] = (512, 768)
) -> dict[str, Any]:
    """An item of BBBC041's JSON; its image is written too, horizontally and vertically graded."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[: size[0], : size[1]]
    pixels = np.stack([rows * 255 // size[0], columns * 255 // size[1], np.full(size, 9)], axis=-1).astype(
        np.uint8
    )
    Image.fromarray(pixels).save(folder / "images" / f"{name}.png")
    objects = [
        {"bounding_box": {"minimum": {"r": y0, "c": x0}, "maximum": {"r": y1, "c": x1}}, "category": category}
        for category, x0, y0, x1, y1 in boxes
    ]
    return {
        "image": {"pathname": f"/images/{name}.png", "shape": {"r": size[0], "c": size[1], "channels": 3}},
        "objects": objects,
    }


def malaria(folder: Path) -> Path:
    """Two training images and one to test on."""
    ring: Box = ("ring", 30, 40, 60, 80)  # scaled by 1/3 across and 1/2 down: columns 10..20, rows 20..40
    train = [
        malaria_item(
            folder, "a", [ring, ("red blood cell", 600, 400, 660, 440), ("difficult", 300, 40, 330, 80)]
        ),
        malaria_item(folder, "b", [("red blood cell", 30, 40, 60, 80)]),
    ]
    test = [malaria_item(folder, "c", [("schizont", 360, 240, 420, 280), ("leukocyte", 0, 0, 90, 90)])]
    (folder / "training.json").write_text(json.dumps(train))
    (folder / "test.json").write_text(json.dumps(test))
    return folder


def save_volume(path: Path, values: np.ndarray[Any, Any], affine: np.ndarray[Any, Any] = LPS) -> None:
    """One NIfTI file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.nifti1.Nifti1Image(values, affine).to_filename(path)


def brats_volumes() -> dict[str, np.ndarray[Any, Any]]:
    """Modes and labels of 8 x 8 x 6 voxels: the brain is 1..6 across, the tumor lies in slices 1 to 4, off
    the middle.
    """
    flair, t1gd = np.zeros((2, 8, 8, 6), np.int16)
    flair[1:7, 1:7] = np.arange(100, 136).reshape(6, 6, 1)
    t1gd[1:7, 1:7] = np.arange(400, 364, -1).reshape(6, 6, 1)
    seg = np.zeros((8, 8, 6), np.uint8)
    seg[2, 5, 1:5], seg[2, 4, 1:5], seg[3, 5, 1:5] = 1, 2, 4
    return {"flair": flair, "t1ce": t1gd, "seg": seg}


def brats(folder: Path, patients: int = 3, ending: str = ".nii.gz") -> Path:
    """Patients as BraTS 2017 has them."""
    for index in range(patients):
        name = f"Brats17_TCIA_{index:03d}_1"
        for role, values in brats_volumes().items():
            save_volume(folder / ("HGG" if index % 2 else "LGG") / name / f"{name}_{role}{ending}", values)
    return folder


def cityscapes(folder: Path, kind: str = "labelIds") -> Path:
    """Three images of 16 x 32 pixels of two cities to train on and one to test on: road on the left, half a
    car, half a pole.
    """
    ids = (
        {"road": 7, "car": 26, "pole": 17, "void": 4}
        if kind == "labelIds"
        else {"road": 0, "car": 13, "pole": 5, "void": 255}
    )
    label = np.full((16, 32), ids["road"], np.uint8)
    label[:8, 16:], label[8:, 16:] = ids["car"], ids["pole"]
    label[0:4, 0:4] = ids["void"]
    for part, city, number in (
        ("train", "aachen", 0),
        ("train", "aachen", 1),
        ("train", "bochum", 0),
        ("val", "lindau", 0),
    ):
        name = f"{city}_{number:06d}_000019"
        for place, end, pixels in (
            (folder / "leftImg8bit", "leftImg8bit", np.repeat(label[..., None], 3, axis=-1)),
            (folder / "gtFine", f"gtFine_{kind}", label),
        ):
            (place / part / city).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(place / part / city / f"{name}_{end}.png")
    return folder


def gta5(folder: Path, *, split: bool = False) -> Path:
    """Five scenes of 16 x 32 pixels as palette PNGs, of three hundreds of frames, and a sixth whose label is smaller:
    road on the left, a license plate on half a car, what is static (black in the palette, as much is).
    """
    colors = {i: color for i, (_, color) in enumerate(GTA5_LABELS) if color is not None}
    palette = [level for i in range(256) for level in colors.get(i, (0, 0, 0))]
    label = np.full((16, 32), 7, np.uint8)
    label[:8, 16:], label[8:, 16:], label[4:8, 20:24] = 26, 17, 34
    label[0:4, 0:4] = 4
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for number in (1, 2, 101, 102, 201, 202):
        Image.fromarray(np.repeat(label[..., None], 3, axis=-1)).save(folder / "images" / f"{number:05d}.png")
        drawn = Image.fromarray(label[:8] if number == 202 else label).convert("P")
        drawn.putpalette(palette)
        drawn.save(folder / "labels" / f"{number:05d}.png")
    if split:
        parts = {"trainIds": [1, 2, 102, 202], "valIds": [101], "testIds": [201, 24966]}
        savemat(folder / "split.mat", {key: np.array(ids)[:, None] for key, ids in parts.items()})
    return folder
