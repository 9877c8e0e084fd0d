"""The `yolo` format: a text of boxes or outlines for each image; read in the layouts of ultralytics, Roboflow, darknet
and LabelImg, written as ultralytics has it (`yolo_write`).

`yolo_layout` says where labels lie, `yolo_config` what classes and parts are, `yolo_lines` what a line means. Classes
count from 0: class k has the id k + 1, and 0 is "background", unless a class is called so. An image without a text, or
with an empty one, has no objects. Labels are read over once for errors and classes, and again when a pair is loaded,
so that memory holds names alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labelmint.errors import InputError
from labelmint.formats.format import AS_USUAL, KEPT, Carries, Format, Orientation, Reading
from labelmint.formats.odd import Odd
from labelmint.formats.yolo_config import Config, class_names, config_of, parts_of, sign_of
from labelmint.formats.yolo_layout import LABEL_WORDS, Tree, known_place, tree_of
from labelmint.formats.yolo_lines import Line, is_cut, is_line, keypoints_of, lines_of, object_of, reaches_out
from labelmint.formats.yolo_sources import (
    Bad,
    Loader,
    Source,
    check_labels,
    counted_from_zero,
    data_set,
    labelled,
    raised,
    skipped,
    sources_by_name,
)
from labelmint.types import DataSet, LayoutObject

__all__ = ["FORMAT", "read_yolo"]

_LOOKED_AT = 20  # label texts that are opened to find out the format
_HEAD = 4096  # bytes of each
_MOST = 0.9  # of the outlines of a set

Size = tuple[int, int]


def read_yolo(path: Path, reading: Reading = AS_USUAL) -> DataSet:
    """Read a data set from its folder, or from its data.yaml or obj.data."""
    odd = Odd(reading.strict)
    config = config_of(path)
    tree = tree_of(path if path.is_dir() else path.parent)
    sources = sources_by_name(labelled(tree, parts_of(tree, config, odd), _says, odd), tree)
    names = class_names(tree, config, odd)
    found = _check(tree, sources, names, config, reading.orientation, odd)
    if names is None:
        names = {number: f"class_{number}" for number in range(max(found.numbers, default=0) + 1)}
        odd.note(
            "classes without names", f"{tree.root}: nothing names the classes; write them into a classes.txt"
        )
    classes, ids, ground = counted_from_zero(names, reading.ignore, tree.root)
    bad = raised if reading.strict else skipped

    def objects(text: str, what: str, size: Size) -> tuple[LayoutObject, ...]:
        lines = lines_of(
            text, what, bad, config.keypoints, tracks=bool(found.tracks), points=bool(found.points)
        )
        return tuple(one for line in lines if (one := _object(line, ids, size, config, bad)))

    loader = Loader(tree.root, sources, objects, ground, reading.orientation)
    return data_set(tree, "yolo", sources, classes, loader, odd)


@dataclass
class _Found:
    """What the labels of a set hold: the numbers of classes; how many boxes have a track, and how many a whole number
    that is one where others are; how many end in a confidence and the track 0 or 1, and whether any track is above;
    how many lines are outlines, and how many of them may be keypoints of each shape; how many outlines of three points
    end as boxes with a track do.
    """

    numbers: set[int] = field(default_factory=set)
    tracks: int = 0
    whole: int = 0
    low: int = 0
    high: bool = False
    outlines: int = 0
    posed: Counter[tuple[int, int]] = field(default_factory=Counter)
    points: int = 0

    def add(self, line: Line) -> None:
        """Take a line in."""
        self.numbers.add(line.number)
        self.tracks += line.track is not None
        if line.track is not None:
            self.high |= line.track > 1
            self.low += line.confidence is not None and not line.keypoints and line.track <= 1
        self.whole += line.track is None and line.confidence is not None and line.confidence.is_integer()
        if len(line.shares) > 4:
            self.outlines += 1
            posed = keypoints_of(line.shares)
            self.posed.update([posed] if posed else [])

    def note(self, tree: Tree, odd: Odd) -> None:
        """Note what a person should know of how lines were read."""
        if self.points:
            text = f"{tree.root}: {self.points} lines of six numbers that end in 0 or 1 are read as outlines of three "
            odd.note("three points", f"{text}points, for the set has outlines and no track above 1")
        if self.tracks:
            text = f"{tree.root}: {self.tracks + self.whole} boxes end in the number of a track, read as their track_id"
            odd.note("track ids", text)
        for posed, count in self.posed.most_common(1):
            if count > self.outlines * _MOST:
                text = f"{tree.root}: {count} of {self.outlines} outlines look like a box with keypoints behind it; if "
                odd.note(
                    "outlines or keypoints", f"{text}they are, write kpt_shape: {[*posed]} into data.yaml"
                )


def _check(
    tree: Tree,
    sources: Mapping[str, Source],
    names: Mapping[int, str] | None,
    config: Config,
    orientation: Orientation,
    odd: Odd,
) -> _Found:
    """Read all labels for what is bad in them; what they hold."""
    trial = Odd(odd.strict)
    found = _looked(tree, sources, names, config, orientation, trial, points=0)
    if found.low and found.outlines and not found.high:
        trial = Odd(odd.strict)
        found = _looked(tree, sources, names, config, orientation, trial, points=found.low)
    odd.take(trial)
    found.note(tree, odd)
    return found


def _looked(
    tree: Tree,
    sources: Mapping[str, Source],
    names: Mapping[int, str] | None,
    config: Config,
    orientation: Orientation,
    odd: Odd,
    points: int,
) -> _Found:
    """`_check` where `points` lines of six numbers that may be boxes are outlines of three points, if any is."""
    found = _Found(points=points)

    def looks(text: str, what: str, size: Callable[[], Size], bad: Bad) -> int:
        cut = 0
        for line in lines_of(text, what, bad, config.keypoints, points=points > 0):
            found.add(line)
            if names is not None and line.number not in names:
                bad(_unknown(line, names))
            elif reaches_out(line):
                cut += _is_cut(line, size, config, bad)
        return cut

    check_labels(tree, sources, looks, "boxes", orientation, odd)
    return found


def _is_cut(line: Line, size_of: Callable[[], Size], config: Config, bad: Bad) -> bool:
    """Is an object cut at the border? `bad` is given the InputError of one that cannot be read."""
    try:
        size = size_of()
        object_of(line, 0, size, config.keypoints)
    except InputError as error:
        bad(error)
        return False
    return is_cut(line, size)


def _unknown(line: Line, names: Collection[int]) -> InputError:
    listed = f"{len(names)} classes are named, up to {max(names)}" if names else "no class is named"
    return InputError(
        f"{line.what} has the class {line.number}, but {listed}; add its name, or remove the line"
    )


def _object(line: Line, ids: Mapping[int, int], size: Size, config: Config, bad: Bad) -> LayoutObject | None:
    try:
        if line.number not in ids:
            raise _unknown(line, ids)
        return object_of(line, ids[line.number], size, config.keypoints)
    except InputError as error:
        bad(error)
        return None


def _says(label: Path) -> bool:
    """Has a text, where it begins, a line of YOLO's?"""
    try:
        with label.open("rb") as file:
            return any(map(is_line, file.read(_HEAD).decode("utf-8-sig", "ignore").splitlines()))
    except OSError:
        return False


def _recognizes(path: Path) -> bool:
    try:
        signs = sign_of(path)
        if not path.is_dir():
            return bool(signs)
        names = [file.name for file in path.iterdir() if not file.name.startswith(".") and file.is_file()]
        said = bool(signs) or any(name.endswith(".names") or name == "classes.txt" for name in names)
        tree = tree_of(path, all_of_it=False, usual=() if said else LABEL_WORDS)
        return _has_labels(tree, said)
    except (OSError, InputError, ValueError):
        return False


def _has_labels(tree: Tree, said: bool) -> bool:
    """Has an image in a usual place a label that looks like YOLO's? Where a file says what the set is, any image with
    a text will do, so that a bad label is told.
    """
    opened = 0
    for image in tree.images:
        if not said and not known_place(image):
            continue
        for label in tree.labels_of(image):
            if said or _says(tree.root / label):
                return True
            opened += bool((tree.root / label).stat().st_size)
        if opened > _LOOKED_AT:
            return False
    return False


FORMAT = Format(
    name="yolo",
    title="YOLO: boxes or outlines in a text an image, with ultralytics' data.yaml, darknet's obj.data, or loose",
    recognizes=_recognizes,
    reads=read_yolo,
    own_parts=True,
    shares_colors=True,
    carries=Carries(
        maps="kept as outlines of the pieces of each class where no object says it; ground under objects is lost",
        boxes="kept to a millionth of a pixel, inside the image; in a set that has outlines, as those of four corners",
        overlaps=KEPT,
        polygons="kept to a millionth of a pixel, inside the image",
        holes="joined to the outline over a line of no width, exact to the pixel",
        parts="joined into one outline over lines of no width, exact to the pixel",
        instances=KEPT,
        wide="kept by name: classes are numbered from 0 in the order of their ids",
    ),
)
