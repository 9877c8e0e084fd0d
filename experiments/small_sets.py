"""A small labelled set in every format that is read natively, sound, to be damaged.

Formats that are written are written by labelmint: three pairs with boxes, outlines, run lengths, a map and parts. Those
that are read only are laid out here as their own programs lay them out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import savemat

from labelmint.formats import WRITABLE, write
from labelmint.formats.painting import objects_from_instances, paint
from labelmint.types import AnnotatedImage, Array, ClassInfo, ClassSet, DataSet, Layout, LayoutObject

__all__ = ["ALONE", "SETS", "small_set"]

ALONE = ("class-folders", "images")  # which are found only where images without labels are welcome

_SIZE = (12, 16)
_CLASSES = ClassSet(
    (
        ClassInfo(id=0, name="background"),
        ClassInfo(id=1, name="cell", color=(9, 8, 7)),
        ClassInfo(id=2, name="tube"),
    )
)
_IMAGE: Array = (np.arange(_SIZE[0] * _SIZE[1] * 3) % 251).astype(np.uint8).reshape(*_SIZE, 3)


def small_set(name: str, folder: Path) -> None:
    """Make the set of a name of SETS in a folder that does not exist."""
    if name in _LAID_OUT:
        _LAID_OUT[name](folder)
    else:
        write(_pairs(), folder, format=SETS[name], classes=_CLASSES)


# written by labelmint ---------------------------------------------------------------------------------------


def _pairs() -> DataSet:
    ring = np.zeros(_SIZE, dtype=np.uint8)
    ring[2:9, 3:12] = 1
    ring[4:6, 5:8] = 0
    (shaped,) = objects_from_instances(ring, ring.astype(np.uint16))
    outline = LayoutObject(class_id=2, box=(8, 1, 15, 10), polygons=((8.0, 1.0, 15.0, 1.0, 15.0, 10.0),))
    box = LayoutObject(class_id=1, box=(0.5, 0.25, 6.0, 7.0), attributes={"note": "seen"}, crowd=False)
    layouts = {}
    for name, objects in (("first", (shaped, box)), ("second", (outline, box))):
        label_map, instances = paint(objects, _SIZE)
        layouts[name] = Layout(label_map=label_map, instances=instances, objects=objects)
    layouts["third"] = Layout(label_map=ring, instances=ring.astype(np.uint16))
    pairs = {
        name: AnnotatedImage(name=name, image=_IMAGE, layout=layout, provenance={"seed": "4"})
        for name, layout in layouts.items()
    }
    return DataSet(
        source="memory",
        format="memory",
        classes=_CLASSES,
        names=tuple(pairs),
        load=pairs.__getitem__,
        train=("first", "third"),
        test=("second",),
    )


# laid out here ----------------------------------------------------------------------------------------------


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _json(path: Path, value: Any) -> None:
    _text(path, json.dumps(value))


def _picture(path: Path, pixels: Array = _IMAGE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _halves(left: int | Sequence[int], right: int | Sequence[int], dtype: type = np.uint8) -> Array:
    """A label of one value on the left and another on the right; values may be colors."""
    pixels = np.zeros((*_SIZE, *np.shape(left)), dtype=dtype)
    pixels[:, :8], pixels[:, 8:] = left, right
    return pixels


def _bbbc041(folder: Path) -> None:
    items = []
    for name in ("first", "second"):
        _picture(folder / "images" / f"{name}.png")
        low, high = {"r": 1, "c": 2}, {"r": 7, "c": 9.5}
        objects = [
            {"bounding_box": {"minimum": low, "maximum": high}, "category": category}
            for category in ("ring", "difficult", "other")
        ]
        shape = {"r": _SIZE[0], "c": _SIZE[1], "channels": 3}
        items.append({"image": {"pathname": f"/images/{name}.png", "shape": shape}, "objects": objects})
    _json(folder / "training.json", items)


def _cityscapes(folder: Path) -> None:
    for part, city in (("train", "aachen"), ("val", "ulm")):
        _picture(folder / "leftImg8bit" / part / city / f"{city}_000000_000019_leftImg8bit.png")
        start = folder / "gtFine" / part / city / f"{city}_000000_000019_gtFine_"
        _picture(Path(f"{start}labelIds.png"), _halves(26, 7))
        _picture(Path(f"{start}instanceIds.png"), _halves(26001, 7, np.uint16))


def _ade20k(folder: Path) -> None:
    for part, name in (("training", "ADE_train_00000001"), ("validation", "ADE_val_00000001")):
        _picture(folder / "images" / part / f"{name}.jpg")
        _picture(folder / "annotations" / part / f"{name}.png", _halves(0, 150))
    head = "Idx\tRatio\tTrain\tVal\tStuff\tName\n"
    _text(folder / "objectInfo150.txt", f"{head}1\t0.2\t1\t1\t1\twall\n150\t0\t1\t1\t0\tflag, banner\n")


def _ade20k_full(folder: Path) -> None:
    rows = (
        '001 # 0 # 0 # sky # sky # ""',
        '002 # 0 # 1 # person, individual # man # "tall"',
        '001 # 1 # 0 # rim # rim # ""',
    )
    for place, blues in (("training/a/abbey/first", (40, 90)), ("validation/second", (0, 7))):
        _picture(folder / f"{place}.jpg")
        _picture(folder / f"{place}_seg.png", _halves((1, 2, blues[0]), (3, 4, blues[1])))
        _text(folder / f"{place}_atr.txt", "\n".join(rows))


def _coco_stuff(folder: Path) -> None:
    for part, name in (("train2017", "000000000009"), ("val2017", "000000000139")):
        _picture(folder / "images" / part / f"{name}.jpg")
        _picture(folder / "stuffthingmaps" / part / f"{name}.png", _halves(0, 255))
    _text(folder / "labels.txt", "0: unlabeled\n1: person\n92: banner\n")


def _nnunet(folder: Path) -> None:
    for part, name in (("Tr", "first"), ("Tr", "second"), ("Ts", "third")):
        for channel in range(3):
            _picture(folder / f"images{part}" / f"{name}_000{channel}.png", _IMAGE[:, :, channel].copy())
        _picture(folder / f"labels{part}" / f"{name}.png", _halves(1, 2))
    document = {
        "channel_names": {"0": "r", "1": "g", "2": "b"},
        "labels": {"background": 0, "cell": 1, "ignore": 2},
        "numTraining": 2,
        "file_ending": ".png",
    }
    _json(folder / "dataset.json", document)


def _camvid(folder: Path) -> None:
    for part in ("train", "val"):
        _picture(folder / part / f"{part}1.png")
        _picture(folder / f"{part}annot" / f"{part}1.png", _halves((128, 64, 128), (0, 0, 0)))
    _text(folder / "label_colors.txt", "# r g b name\n0 0 0 Void\n128 64 128 Road\n")


def _common(folder: Path) -> None:
    for name in ("first", "second"):
        _picture(folder / "images" / f"{name}.png")
        _picture(folder / "masks" / f"{name}.png", _halves((1, 2, 3), (4, 5, 6)))
    meta = {"label_map": {"0": "Void", "5": "Road"}, "segmentation_colors": [[1, 2, 3], [4, 5, 6]]}
    _json(folder / "dataset_meta.json", meta)


def _kitti(folder: Path) -> None:
    for name in ("first", "second"):
        _picture(folder / "training" / "image_2" / f"{name}.png")
        _picture(folder / "training" / "instance" / f"{name}.png", _halves(26 * 256 + 1, 7 * 256, np.uint16))


def _gta5(folder: Path) -> None:
    palette = [level for i in range(256) for level in ((128, 64, 128) if i == 7 else (0, 0, i % 3))]
    for number in (1, 2, 101):
        _picture(folder / "images" / f"{number:05d}.png")
        drawn = Image.fromarray(_halves(7, 26)).convert("P")
        drawn.putpalette(palette)
        (folder / "labels").mkdir(exist_ok=True)
        drawn.save(folder / "labels" / f"{number:05d}.png")
    savemat(folder / "split.mat", {"trainIds": [[1]], "valIds": [[2]], "testIds": [[101]]})


def _synthia(folder: Path) -> None:
    for name in ("first", "second"):
        _picture(folder / "RGB" / f"{name}.png")
        _picture(folder / "GT" / f"{name}.png", _halves((128, 64, 128), (0, 172, 0)))


def _synthia_text(folder: Path) -> None:
    row = " ".join(["3"] * 8 + ["12"] * 8)
    for name in ("first", "second"):
        _picture(folder / "RGB" / f"{name}.png")
        _picture(folder / "GT" / f"{name}.png", _halves((128, 64, 128), (0, 172, 0)))
        _text(folder / "GTTXT" / f"{name}.txt", "\n".join([row] * _SIZE[0]))


def _dota(folder: Path) -> None:
    head = "imagesource:GoogleEarth\ngsd:0.15\n"
    for part, name in (("train", "first"), ("val", "second")):
        _picture(folder / part / "images" / f"{name}.png")
        lines = "1 1 9.5 2 8 10 0.5 9 large-vehicle 0\n4 4 20 4 20 11 4 11 plane 1\n"
        _text(folder / part / "labelTxt" / f"{name}.txt", head + lines)
    _text(
        folder / "data.yaml", "train: train/images\nval: val/images\nnc: 2\nnames: [plane, large-vehicle]\n"
    )


def _darknet(folder: Path) -> None:
    for name in ("first", "second"):
        _picture(folder / "obj_train_data" / f"{name}.jpg")
        _text(
            folder / "obj_train_data" / f"{name}.txt",
            "0 0.5 0.5 0.25 0.5\n1 0.2 0.1 0.8 0.1 0.8 0.9 0.2 0.7\n",
        )
    _text(folder / "train.txt", "data/obj_train_data/first.jpg\ndata/obj_train_data/second.jpg\n")
    _text(folder / "obj.names", "cell\ntube\n")
    _text(
        folder / "obj.data", "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n"
    )


def _roboflow(folder: Path) -> None:
    for part in ("train", "valid"):
        _picture(folder / part / "first_jpg.rf.0a.jpg")
        height, width = _SIZE
        image = {"id": 0, "file_name": "first_jpg.rf.0a.jpg", "height": height, "width": width}
        one = {"id": 0, "image_id": 0, "category_id": 1, "bbox": [1, 2, 7.5, 6], "area": 45.0, "iscrowd": 0}
        crowd = {"size": [height, width], "counts": [30, 5, 7, 5, 145]}
        document = {
            "info": {"version": "1"},
            "licenses": [{"id": 1, "name": "CC BY 4.0", "url": ""}],
            "categories": [
                {"id": 0, "name": "cells", "supercategory": "none"},
                {"id": 1, "name": "ring", "supercategory": "cells"},
            ],
            "images": [{**image, "license": 1, "date_captured": ""}],
            "annotations": [
                {**one, "segmentation": [[1, 2, 8.5, 2, 8.5, 8]]},
                {**one, "id": 1, "iscrowd": 1, "segmentation": crowd},
            ],
        }
        _json(folder / part / "_annotations.coco.json", document)


def _mvtec(folder: Path) -> None:
    _picture(folder / "train" / "good" / "000.png")
    for kind in ("crack", "hole"):
        _picture(folder / "test" / kind / "000.png")
        _picture(folder / "ground_truth" / kind / "000_mask.png", _halves(0, 255))
    _picture(folder / "test" / "good" / "000.png")


def _beside(folder: Path) -> None:
    for part in ("train", "valid"):
        _picture(folder / part / "first.jpg")
        _picture(folder / part / "first_mask.png", _halves(1, 0))
        _text(folder / part / "_classes.csv", "Pixel Value, Class\n0, background\n1, cell\n")


def _class_folders(folder: Path) -> None:
    for part, kind in (("train", "cell"), ("train", "tube"), ("test", "cell")):
        for number in (1, 2):
            _picture(folder / part / kind / f"{kind}{number}.png")
    _json(folder / "classes.json", {"names": {"0": "cell", "1": "tube"}})


def _images(folder: Path) -> None:
    for part in ("train", "val"):
        _picture(folder / part / "first.jpg")
        _picture(folder / part / "deep" / "second.png")


_LAID_OUT: Mapping[str, Callable[[Path], None]] = {
    "ade20k": _ade20k,
    "ade20k-full": _ade20k_full,
    "bbbc041": _bbbc041,
    "beside": _beside,
    "camvid": _camvid,
    "cityscapes": _cityscapes,
    "class-folders": _class_folders,
    "coco-roboflow": _roboflow,
    "coco-stuff": _coco_stuff,
    "common-segmentation": _common,
    "dota": _dota,
    "gta5": _gta5,
    "images": _images,
    "kitti-segmentation": _kitti,
    "mvtec": _mvtec,
    "nnunet": _nnunet,
    "synthia": _synthia,
    "synthia-text": _synthia_text,
    "yolo-darknet": _darknet,
}
_FORMS = {"ade20k-full": "ade20k", "coco-roboflow": "coco", "synthia-text": "synthia", "yolo-darknet": "yolo"}
# What can be damaged: a set of each format, and of some that have other forms; the format that each is read as.
SETS: Mapping[str, str] = {name: _FORMS.get(name, name) for name in dict.fromkeys((*WRITABLE, *_LAID_OUT))}
