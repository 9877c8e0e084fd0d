"""The `datumaro` format: all formats without a reader of their own, read by the library Datumaro (MIT); read only.

    labelmint inspect DATA --format-in datumaro:mots     # or found out, where no format of ours lies there
    pip install 'labelmint[formats]'

One bridge leads from its annotation types to objects (`bridge_annotations`). Datumaro parses the files of labels;
images are decoded here, once, and masks when their pair is loaded. Importers that unpickle, or that hold no labels of
places, are left out.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from labelmint.errors import InputError
from labelmint.formats.bridge_annotations import (
    Labels,
    ignored_of,
    is_semantic,
    label_map_of,
    objects_of,
    size_of_masks,
)
from labelmint.formats.files import Parts
from labelmint.formats.format import AS_USUAL, Format, Orientation, Reading, part_word
from labelmint.formats.image_files import Read, read_labelled
from labelmint.formats.odd import Odd, first_of
from labelmint.formats.painting import PaintedLayout, Paints, painted
from labelmint.formats.records import names_of
from labelmint.formats.undecoded import undecoded
from labelmint.types import AnnotatedImage, Array, DataSet, Layout

__all__ = ["FORMAT", "INSTALL", "NAME", "detect", "is_installed", "named", "read_by"]

NAME = "datumaro"
INSTALL = "pip install 'labelmint[formats]'"

# Importers that read labels of places from text, XML, JSON and images alone; the first of those that fit is taken.
_IMPORTERS = (
    *("ade20k2017", "ade20k2020", "camvid", "cityscapes"),
    *("coco", "coco_instances", "coco_panoptic", "coco_stuff", "mmdet_coco"),
    *(
        "common_semantic_segmentation",
        "common_semantic_segmentation_with_subset_dirs",
        "cvat",
        "datumaro",
        "dota",
    ),
    *("icdar_text_segmentation", "icdar_text_localization", "kitti", "kitti_detection", "kitti_segmentation"),
    *(
        "label_me",
        "mapillary_vistas",
        "mapillary_vistas_instances",
        "mapillary_vistas_panoptic",
        "mot_seq",
        "mots",
    ),
    *("mvtec_segmentation", "mvtec_detection", "open_images"),
    *("roboflow_coco", "roboflow_voc", "roboflow_yolo", "roboflow_yolo_obb", "segment_anything"),
    *(
        "synthia_al",
        "synthia_rand",
        "synthia_sf",
        "voc",
        "voc_detection",
        "voc_segmentation",
        "vott_csv",
        "vott_json",
    ),
    *("wider_face", "yolo"),
)


def is_installed() -> bool:
    """Return True where Datumaro is there."""
    from importlib.util import find_spec

    return find_spec("datumaro") is not None


def detect(path: Path) -> str | None:
    """The name of the first importer that recognizes what lies at a path; None where there is none, or no Datumaro."""
    if not is_installed():
        return None
    with _quiet():
        from datumaro.components.environment import Environment
        from datumaro.components.format_detection import detect_dataset_format

        known = Environment().importers
        found = {str(one) for one in detect_dataset_format(list(_detectors(known)), str(path))}
    return next((name for name in _IMPORTERS if name in found), None)


def _detectors(known: Any) -> Iterator[tuple[str, Any]]:
    """The detectors of the importers that are left in; one whose own requirements are missing has none."""
    for name in _IMPORTERS:
        try:
            importer = known[name]
            importer = importer.get_plugin_cls() if hasattr(importer, "get_plugin_cls") else importer
        except Exception:  # of any kind, as the requirements are: the format is not offered then
            continue
        yield name, partial(_asked, importer.detect)


def _asked(detector: Any, context: Any) -> Any:
    """What a detector says; one that falls over a file that is not its own rejects it."""
    try:
        return detector(context)
    except Exception as error:
        context.fail(_in_a_line(error))


def read_by(path: Path, reading: Reading = AS_USUAL, *, name: str | None = None) -> DataSet:
    """Read a data set by an importer of Datumaro, or by the first that recognizes it."""
    if not is_installed():
        raise InputError(f"{path}: this format is read by Datumaro, which is not installed; {INSTALL}")
    if name is not None and name not in _IMPORTERS:
        raise InputError(f"--format-in {NAME}:{name}: expected one of {', '.join(_IMPORTERS)}")
    name = name or detect(path)
    if name is None:
        raise InputError(
            f"{path}: Datumaro recognizes no format there; name one, as in --format-in {NAME}:mots"
        )
    odd = Odd(reading.strict)
    items, labels = _imported(path, name, reading.ignore)
    _note_ignored(items, path, odd)
    files = _files(items, path, odd)
    records = {one: item for one, item in _named(items, path).items() if one in files}
    if not records:
        raise InputError(f"{path}: no labelled images; Datumaro ({name}) found none whose files are there")
    semantic = is_semantic([item.annotations for item in records.values()])
    names = tuple(sorted(records))
    return DataSet(
        source=str(path),
        format=f"{NAME}:{name}",
        classes=labels.classes,
        names=names,
        load=_Loader(
            {one: records[one] for one in names}, files, labels, semantic, str(path), reading.orientation
        ),
        **Parts.of({one: part_word(records[one].subset) for one in names})._asdict(),
        findings=odd.findings,
    )


def _imported(path: Path, name: str, ignore: Sequence[int]) -> tuple[list[Any], Labels]:
    """The items of a data set, and its labels. Whatever goes wrong in the library becomes InputError."""
    try:
        with _quiet():
            from datumaro.components.annotation import AnnotationType
            from datumaro.components.dataset import Dataset

            found = Dataset.import_from(str(path), name)
            items = list(found)
            categories = found.categories()
        listed = categories.get(AnnotationType.label)
        masks = categories.get(AnnotationType.mask)
        names = [str(one.name) for one in listed.items] if listed is not None else []
        colors = dict(masks.colormap) if masks is not None else {}
    except Exception as error:
        raise InputError(f"{path}: Datumaro cannot read it as {name}: {_in_a_line(error)}") from None
    unnamed = any(getattr(one, "label", 0) is None for item in items for one in item.annotations)
    try:
        return items, Labels.of(names, colors, ignore, unnamed)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _named(items: Sequence[Any], path: Path) -> dict[str, Any]:
    """A name for each item: its own, with the part before it where two parts have the same."""
    ids = [PurePosixPath(str(item.id)) for item in items]
    alone = [f"{one}.image" for one in ids]
    if len({one.name for one in ids}) < len(ids):
        alone = [f"{item.subset}/{one}" for item, one in zip(items, alone, strict=True)]
    return dict(zip(names_of(alone, str(path)), items, strict=True))


def _files(items: Sequence[Any], path: Path, odd: Odd) -> dict[str, Any]:
    """The image of each name: the path of its file, or pixels where the library holds them alone."""
    found: dict[str, Any] = {}
    missing = []
    for name, item in _named(items, path).items():
        file = getattr(item.media, "path", None)
        if file and Path(file).is_file():
            found[name] = Path(file)
        elif item.media is not None and not file:
            found[name] = item.media
        else:
            missing.append(name)
    text = f"{path}: {len(missing)} of its images are missing, first {first_of(missing)}; put them where the labels say"
    odd.refuse("missing image", text, missing)
    return found


def _note_ignored(items: Sequence[Any], path: Path, odd: Odd) -> None:
    """Say once which annotations have no place in a layout. Raises InputError where nothing else is there."""
    counts: Counter[str] = Counter()
    taken = 0
    for item in items:
        ignored = ignored_of(item.annotations)
        counts.update(ignored)
        taken += len(item.annotations) - sum(ignored.values())
    said = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "no annotations"
    if not taken:
        raise InputError(
            f"{path}: holds no labels that say where something is ({said}), so there is nothing to train on"
        )
    if counts:
        odd.note("annotations not read", f"{path}: annotations that say no region are not read: {said}")


@dataclass(frozen=True)
class _Loader:
    """name -> AnnotatedImage; masks are decoded here."""

    items: dict[str, Any]
    files: dict[str, Any]
    labels: Labels
    semantic: bool
    source: str
    orientation: Orientation

    def __call__(self, name: str) -> AnnotatedImage:
        file = self.files[name]
        if isinstance(file, Path):
            read = read_labelled(file, self._stated(name), self.orientation)
        else:
            read = Read(_pixels(file, name), {})
        layout = self._layout(name, (read.pixels.shape[0], read.pixels.shape[1]))
        return AnnotatedImage(
            name=name, image=read.pixels, layout=layout, provenance=read.text, notes=read.notes
        )

    def _stated(self, name: str) -> tuple[int, int] | None:
        """(H, W) of the masks of an image, None where there are none; `_layout` tells what is wrong with them."""
        try:
            return size_of_masks(self.items[name].annotations)
        except Exception:
            return None

    def undecoded(self, name: str) -> AnnotatedImage:
        """The pair, decoded and painted when that is asked for, where its file may be copied."""
        file = self.files[name]
        if not isinstance(file, Path):
            return self(name)
        return undecoded(name, file, lambda size: self._layout(name, size, PaintedLayout)) or self(name)

    def _layout(self, name: str, size: tuple[int, int], paints: Paints = painted) -> Layout:
        annotations, what = self.items[name].annotations, f"{self.source}: {name!r}"
        try:
            if self.semantic:
                return Layout(label_map=label_map_of(annotations, self.labels, size, what))
            objects = objects_of(annotations, self.labels, size, what)
        except InputError:
            raise
        except Exception as error:  # masks are decoded by the library
            raise InputError(f"{what}: its labels cannot be read: {_in_a_line(error)}") from None
        return paints(objects, size, self.labels.ground)


def _pixels(media: Any, name: str) -> Array:
    """An image that the library holds in memory, as RGB."""
    try:
        pixels = np.asarray(media.data)
    except Exception as error:
        raise InputError(f"{name!r}: its image cannot be read: {_in_a_line(error)}") from None
    if pixels.ndim == 3 and pixels.shape[2] >= 3:
        return np.ascontiguousarray(
            pixels[:, :, 2::-1].clip(0, 255).astype(np.uint8)
        )  # the library's order is BGR
    return np.ascontiguousarray(pixels.reshape(*pixels.shape[:2], -1)[:, :, :1].clip(0, 255).astype(np.uint8))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Nothing that the library says reaches a person, and no log entry, but for errors as they are raised."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _in_a_line(error: BaseException) -> str:
    """What went wrong first, without line breaks."""
    while error.__cause__ is not None:
        error = error.__cause__
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words[:200]}" if words else type(error).__name__


def named(name: str) -> Format:
    """The format `datumaro:NAME`."""
    return replace(FORMAT, reads=partial(read_by, name=name))


FORMAT = Format(
    name=NAME,
    title=f"Mapillary, KITTI, MOTS, SYNTHIA, Open Images and others by the library Datumaro ({INSTALL})",
    recognizes=lambda path: False,  # asked last, by `detect`, since the library takes a second to load
    reads=read_by,
)
