"""Labelled images on disk: found, read and written.

data = read("my_images")                                  # finds the format itself
write(data, "converted", format="coco", classes=data.classes)
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from labelmint.errors import InputError
from labelmint.formats.bbbc041 import read_bbbc041
from labelmint.formats.coco import read_coco
from labelmint.formats.coco_write import write_coco
from labelmint.formats.files import new_folder, write_splits
from labelmint.formats.folder import read_folder, write_folder
from labelmint.formats.sniff import Found, choose
from labelmint.types import AnnotatedImage, ClassSet, DataSet, Finding

__all__ = ["FORMATS", "WRITABLE", "read", "write"]

FORMATS: Mapping[str, str] = {
    "folder": "images/ and label PNGs in labels/ (or masks/, annotations/) matched by name; read and written",
    "coco": "a COCO instances JSON with polygons, run lengths, boxes and crowds beside images/; read and "
    "written",
    "bbbc041": "the JSON of boxes of the malaria set BBBC041; read only",
}

_READERS = {"folder": read_folder, "coco": read_coco, "bbbc041": read_bbbc041}
_WRITERS: Mapping[str, Callable[[Iterable[AnnotatedImage], Path, ClassSet], list[str]]] = {
    "folder": write_folder,
    "coco": write_coco,
}

WRITABLE = tuple(_WRITERS)


def read(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    ignore: Sequence[int] = (),
    strict: bool = True,
) -> DataSet:
    """Open labelled images; each pair is loaded when it is asked for.

    Arguments:
        path: a folder, or the JSON file of a format that has one.
        format: one of FORMATS; None finds it out. Where several fit, `folder` is chosen and a finding names
            the others.
        ignore: class ids to ignore beside 255.
        strict: False (to inspect) turns what can be passed over into `DataSet.findings` instead of raising.

    Raises:
        InputError: naming the file that is bad, what was expected, and what mends it.
    """
    if format is not None and format not in FORMATS:
        raise InputError(f"unknown format {format!r}; expected one of {', '.join(FORMATS)}")
    if any(not 0 <= i <= 65535 for i in ignore):
        raise InputError(f"ids to ignore must lie in 0..65535, got {list(ignore)}")
    found, others = choose(Path(path), format)
    data = _READERS[found.format](found.path, ignore=tuple(ignore), strict=strict)
    return _with_finding(data, found, others) if others else data


def write(
    pairs: Iterable[AnnotatedImage], path: str | os.PathLike[str], *, format: str, classes: ClassSet
) -> Path:
    """Write labelled images as a new data set: whole or not at all, the same bytes for the same pairs.

    Arguments:
        pairs: taken one by one, never held together. A DataSet's train and test lists are written too.
        path: a folder that does not exist yet, or is empty.
        format: "folder" or "coco".
        classes: the classes of the labels.

    Returns:
        the folder.

    Raises:
        InputError: for a taken path, an unknown or read-only format, no pairs, doubled names, ids that are no
            classes.
    """
    if format not in _WRITERS:
        known = "is read only" if format in FORMATS else "is unknown"
        raise InputError(f"the format {format!r} {known}; expected {' or '.join(_WRITERS)} for writing")
    with new_folder(path) as folder:
        names = _WRITERS[format](pairs, folder, classes)
        if not names:
            raise InputError(f"no pairs to write to {path}")
        if isinstance(pairs, DataSet):
            write_splits(folder, names, pairs.train, pairs.test)
    return Path(path)


def _with_finding(data: DataSet, found: Found, others: Sequence[Found]) -> DataSet:
    choices = " or ".join(f"--format-in {other.format} ({other.path.name})" for other in others)
    text = f"{data.source}: read as {found.format}; other formats fit too, chosen by {choices}"
    return dataclasses.replace(data, findings=(Finding(kind="several formats", text=text), *data.findings))
