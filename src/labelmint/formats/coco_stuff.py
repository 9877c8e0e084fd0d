"""The `coco-stuff` format: COCO's images with the pixel maps of COCO-Stuff; written in `coco_stuff_write`.

    images/{train2017,val2017,test2017}/ID.jpg (or train2017/ itself)
    stuffthingmaps/{train2017,val2017}/ID.png (or annotations/, labels/): ids 0 to 181, 255 unlabelled and ignored
    labels.txt    optional: "N: NAME" a line; with "0: unlabeled" pixel value N - 1 is meant, as COCO-Stuff has it
    classes.json  optional: see `class_list`; it goes before

A pixel value is COCO's category id less 1: 0 to 90 are things, 91 to 181 stuff, and none is the ground.
"""

from __future__ import annotations

from pathlib import Path

from labelmint.errors import InputError
from labelmint.formats.format import AS_USUAL, Carries, Format, Reading, part_word
from labelmint.formats.maps import (
    MapFiles,
    MapLoader,
    as_data_set,
    classes_of_table,
    files_below,
    matched,
    own_classes,
    parts_of_folders,
)
from labelmint.formats.maps_write import SEMANTIC
from labelmint.formats.odd import Odd
from labelmint.formats.text_files import read_lines
from labelmint.types import DataSet

__all__ = ["FORMAT", "NAMES", "OTHER_MAPS", "read_coco_stuff"]

# by pixel value, as labels.txt of COCO-Stuff lists them
_LISTED = """
person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,street sign,stop sign,
parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,hat,backpack,umbrella,shoe,eye glasses,
handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,
tennis racket,bottle,plate,wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,
pizza,donut,cake,chair,couch,potted plant,bed,mirror,dining table,window,desk,toilet,door,tv,laptop,mouse,remote,
keyboard,cell phone,microwave,oven,toaster,sink,refrigerator,blender,book,clock,vase,scissors,teddy bear,hair drier,
toothbrush,hair brush,banner,blanket,branch,bridge,building-other,bush,cabinet,cage,cardboard,carpet,ceiling-other,
ceiling-tile,cloth,clothes,clouds,counter,cupboard,curtain,desk-stuff,dirt,door-stuff,fence,floor-marble,floor-other,
floor-stone,floor-tile,floor-wood,flower,fog,food-other,fruit,furniture-other,grass,gravel,ground-other,hill,house,
leaves,light,mat,metal,mirror-stuff,moss,mountain,mud,napkin,net,paper,pavement,pillow,plant-other,plastic,platform,
playingfield,railing,railroad,river,road,rock,roof,rug,salad,sand,sea,shelf,sky-other,skyscraper,snow,solid-other,
stairs,stone,straw,structural-other,table,tent,textile-other,towel,tree,vegetable,wall-brick,wall-concrete,wall-other,
wall-panel,wall-stone,wall-tile,wall-wood,water-other,waterdrops,window-blind,window-other,wood
"""
NAMES = tuple(name.strip() for name in _LISTED.split(","))

_SPLITS = ("train2017", "val2017", "test2017", "other")
_LABELS = ("stuffthingmaps", "annotations", "labels")
OTHER_MAPS = (
    "_labelTrainIds",
    "_instanceTrainIds",
)  # renumbered copies that a segmentation library leaves there


def read_coco_stuff(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    """Read a data set from its folder."""
    labels = _labels(path)
    if labels is None:
        raise InputError(
            f"{path}: no labelled images; expected images/train2017/ and stuffthingmaps/train2017/"
        )
    odd = Odd(reading.strict)
    photos = {split: _photos(path, split) for split in _SPLITS}
    pairs = matched(
        ((f"{split}/{file.stem}", file) for split, folder in photos.items() for file in files_below(folder)),
        (
            (f"{split}/{file.stem}", file)
            for split in _SPLITS
            for file in files_below(labels / split, (".png",))
            if not file.stem.endswith(OTHER_MAPS)
        ),
        path,
        odd,
    )
    names = {key: key.partition("/")[2] for key in pairs}
    if len(set(names.values())) < len(names):
        names = {key: key.replace("/", "__") for key in pairs}
    own = own_classes(path, reading)
    loader = MapLoader(
        orientation=reading.orientation,
        files={names[key]: MapFiles(image=image, label=label) for key, (image, label) in pairs.items()},
        classes=own
        or classes_of_table(((i, name, None) for i, name in _named(path).items()), reading.ignore),
        strict=reading.strict,
        mend="list them in classes.json" if own else "list it in labels.txt",
    )
    parts = parts_of_folders({names[key]: part_word(key.partition("/")[0]) for key in pairs})
    return as_data_set(path, "coco-stuff", loader, parts, odd)


def _named(path: Path) -> dict[int, str]:
    """Pixel value -> name, of labels.txt or as COCO-Stuff has them."""
    file = path / "labels.txt"
    if not file.is_file():
        return dict(enumerate(NAMES))
    listed = {}
    for line in read_lines(file):
        number, colon, name = line.partition(":")
        if not colon or not number.strip().isdecimal() or len(number) > 5 or not name.strip():
            raise InputError(f"{file}: the line {line[:60]!r}; expected NUMBER: NAME")
        listed[int(number)] = name.strip()
    shift = int(listed.get(0, "") == "unlabeled")
    return {i - shift: name for i, name in listed.items() if i >= shift}


def _photos(path: Path, split: str) -> Path:
    return path / "images" / split if (path / "images" / split).is_dir() else path / split


def _labels(path: Path) -> Path | None:
    """The folder of pixel maps."""
    return next(
        (path / name for name in _LABELS if any(_holds(path, name, split) for split in _SPLITS)), None
    )


def _holds(path: Path, name: str, split: str) -> bool:
    there = _photos(path, split).is_dir()
    return there and next(files_below(path / name / split, (".png",)), None) is not None


FORMAT = Format(
    name="coco-stuff",
    title="COCO-Stuff: images/train2017/ and pixel maps in stuffthingmaps/train2017/",
    recognizes=lambda path: _labels(path) is not None,
    reads=read_coco_stuff,
    own_parts=True,
    carries=Carries(**SEMANTIC, wide="kept by name: classes are numbered anew"),
)
