"""Labelled images on disk: found, read and written.

data = read("my_images")                                  # finds the format itself
write(data, "converted", format="coco", classes=data.classes)
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import MappingProxyType

from labelmint.errors import InputError
from labelmint.formats import (
    ade20k,
    ade20k_write,
    bbbc041,
    beside,
    bridge,
    cityscapes,
    cityscapes_write,
    class_folders,
    coco,
    coco_panoptic,
    coco_panoptic_write,
    coco_stuff,
    coco_stuff_write,
    coco_write,
    cvat,
    cvat_write,
    dota,
    folder,
    gta5,
    imagefolder,
    imagefolder_write,
    images_alone,
    labelme,
    labelme_write,
    mvtec,
    nnunet,
    nnunet_write,
    trees,
    voc,
    voc_write,
    webdataset,
    webdataset_write,
    yolo,
    yolo_write,
)
from labelmint.formats.card import Contents, card
from labelmint.formats.checked import checked
from labelmint.formats.croissant import write_croissant
from labelmint.formats.files import Parts, new_folder, write_splits
from labelmint.formats.format import (
    ORIENTATIONS,
    Format,
    ImageFormat,
    Part,
    Reading,
    Writing,
    held_image_format,
)
from labelmint.formats.json_files import USUAL, first_sign
from labelmint.formats.losses import Losses, extras_lost, with_own_colors
from labelmint.formats.maps import files_below
from labelmint.formats.numbers import numbered
from labelmint.formats.seen import advice, images_seen
from labelmint.formats.text_files import no_files_told
from labelmint.formats.walk import passing_over
from labelmint.storage import refuse_inside, refuse_taken, write_text
from labelmint.types import AnnotatedImage, ClassSet, DataSet, Finding

__all__ = ["FORMATS", "WRITABLE", "check_labels", "check_target", "format_named", "read", "write"]

# In the order in which they are tried, those of one tree before the loose ones: where several fit, the first is read,
# and a finding names the others.
FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        trees.COMMON,
        dataclasses.replace(
            cityscapes.FORMAT, writes=cityscapes_write.write_cityscapes, numbers=cityscapes_write.numbers_of
        ),
        dataclasses.replace(ade20k.FORMAT, writes=ade20k_write.write_ade20k, numbers=ade20k_write.numbers_of),
        dataclasses.replace(
            coco_stuff.FORMAT, writes=coco_stuff_write.write_coco_stuff, numbers=coco_stuff_write.numbers_of
        ),
        dataclasses.replace(nnunet.FORMAT, writes=nnunet_write.write_nnunet, numbers=nnunet_write.numbers_of),
        gta5.FORMAT,
        folder.FORMAT,
        dataclasses.replace(coco.FORMAT, writes=coco_write.write_coco),
        dataclasses.replace(coco_panoptic.FORMAT, writes=coco_panoptic_write.write_panoptic),
        dataclasses.replace(yolo.FORMAT, writes=yolo_write.write_yolo),
        dota.FORMAT,
        dataclasses.replace(voc.FORMAT, writes=voc_write.write_voc),
        dataclasses.replace(labelme.FORMAT, writes=labelme_write.write_labelme),
        dataclasses.replace(cvat.FORMAT, writes=cvat_write.write_cvat),
        dataclasses.replace(imagefolder.FORMAT, writes=imagefolder_write.write_imagefolder),
        dataclasses.replace(webdataset.FORMAT, writes=webdataset_write.write_webdataset),
        *trees.FORMATS,
        mvtec.FORMAT,
        beside.FORMAT,
        bbbc041.FORMAT,
        bridge.FORMAT,
        class_folders.FORMAT,
        images_alone.FORMAT,
    )
}
WRITABLE = tuple(name for name, one in FORMATS.items() if one.writes is not None)

_EXPECTED = (
    "expected images/ with labels/ (label PNGs of the same names), a COCO JSON beside images/, or another format of "
    "`labelmint formats`"
)
_EXPECTED_ALONE = "expected a folder of images, or a data set in a format of `labelmint formats`"
_BROKEN = {b"{": "coco", b"[": "bbbc041"}  # a broken file of a usual name is better told than passed over


def format_named(name: str) -> Format:
    """A format by its name; raises InputError for an unknown one. Those of Datumaro are called "datumaro:NAME"."""
    if name.startswith(f"{bridge.NAME}:"):
        return bridge.named(name.removeprefix(f"{bridge.NAME}:"))
    if name not in FORMATS:
        raise InputError(f"unknown format {name!r}; expected one of {', '.join(FORMATS)}")
    return FORMATS[name]


def read(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    ignore: Sequence[int] = (),
    strict: bool = True,
    orientation: str = "auto",
    alone: bool = False,
) -> DataSet:
    """Open labelled images; each pair is loaded when it is asked for.

    Arguments:
        path: a folder, or the annotation file of a format that has one.
        format: one of FORMATS; None finds it out. Where several fit, the first is chosen and a finding names
            the others.
        ignore: class ids to ignore beside 255.
        strict: False (to inspect) turns what can be passed over into `DataSet.findings` instead of raising.
        orientation: "auto", "turned" or "stored", as in `format.Reading`.
        alone: whether images without labels are welcome: where no format of labels fits, folders of classes and images
            alone are read, too (`class_folders`, `images_alone`). Else they are refused: labels may have gone astray.

    Raises:
        InputError: naming the file that is bad, what was expected, and what mends it.
        OSError: for a folder that cannot be listed.
    """
    if any(not 0 <= i <= 65535 for i in ignore):
        raise InputError(f"ids to ignore must lie in 0..65535, got {list(ignore)}")
    chosen = next((one for one in ORIENTATIONS if one == orientation), None)
    if chosen is None:
        raise InputError(f"--orientation {orientation}: expected one of {', '.join(ORIENTATIONS)}")
    found, others = _choose(Path(path), format, alone)
    reads = format_named(found).reads
    if reads is None:
        raise InputError(f"{path}: the format {found} is only written")
    try:
        reading = Reading(ignore=tuple(ignore), strict=strict, orientation=chosen, images_alone=alone)
        passed: AbstractContextManager[list[OSError]] = nullcontext([]) if strict else passing_over()
        with no_files_told(path), passed as closed:
            data = reads(Path(path), reading)
    except InputError as error:
        text = str(error) if str(path) in str(error) else f"{path}: {error}"
        raise InputError(f"{text} (read as {found}; {_choices(others)})" if others else text) from None
    how = repr((found, tuple(ignore), strict, chosen, alone))
    data = dataclasses.replace(checked(data), origins=((os.path.abspath(path), how),))  # noqa: PTH100
    if closed:
        data = dataclasses.replace(data, findings=(*data.findings, _told_of_closed(closed)))
    if not others:
        return data
    text = f"{data.source}: read as {found}; {_choices(others)}"
    return dataclasses.replace(data, findings=(Finding(kind="several formats", text=text), *data.findings))


def write(
    pairs: Iterable[AnnotatedImage],
    path: str | os.PathLike[str],
    *,
    format: str,
    classes: ClassSet,
    image_format: str | None = None,
    parts: Mapping[str, Part] = MappingProxyType({}),
    tell: Callable[[Finding], None] = lambda finding: None,
    report: Callable[[int], None] = lambda done: None,
) -> Path:
    """Write labelled images as a new data set: whole or not at all, the same bytes for the same pairs.

    Arguments:
        pairs: taken one by one, never held together. The parts of a DataSet are written too, and the files of its
            images are copied where they may be (`undecoded`); no image is decoded and no map painted for nothing.
        path: a folder that does not exist yet, or is empty.
        format: one of WRITABLE.
        classes: the classes of the labels.
        image_format: "png", "jpg", "webp" or "tiff", in which images are encoded that are not in it; None leaves
            files that may be copied as they are, and makes PNG of all others.
        parts: of pairs that are no DataSet: the part of each name. It may be filled while they are taken, where the
            format has no parts of its own (`Format.own_parts`).
        tell: is told once, when all is written, of each feature that the format does not carry, with counts.
        report: is called with the number of pairs that were taken.

    Returns:
        the folder.

    Raises:
        InputError: for a taken path or one inside of the data set, an unknown or read-only format, no pairs, doubled
            names, ids that are no classes.
    """
    sources = [pairs.source] if isinstance(pairs, DataSet) and Path(pairs.source).is_dir() else []
    images = check_target(path, format=format, image_format=image_format, sources=sources, classes=classes)
    kind, lists, extras = FORMATS[format], None, None
    classes, dropped = with_own_colors(kind, classes)
    losses = Losses(kind, classes, report)
    if isinstance(pairs, DataSet):
        extras = pairs.extras if pairs.format == format else None
        dropped += extras_lost(pairs, kind)
        lists, pairs = Parts(pairs.train, pairs.validation, pairs.test), map(pairs.undecoded, pairs.names)
        parts = lists.of_each()
    writing = Writing(
        parts=parts, image_format=images, extras=extras, tell=dropped.append, change=losses.change
    )
    contents = Contents(writing)
    with new_folder(path) as target:
        assert kind.writes is not None
        names = kind.writes(contents.counted(losses.counted(pairs)), target, classes, writing)
        if not names:
            raise InputError(f"no pairs to write to {path}")
        if not kind.own_parts:
            write_splits(target, names, lists or Parts.of(parts))
        lost = [*losses.findings(), *dropped]
        _describe(target, names, kind, classes, contents, writing, lost)
    for finding in lost:
        tell(finding)
    return Path(path)


def check_target(
    path: str | os.PathLike[str],
    *,
    format: str,
    image_format: str | None = None,
    sources: Iterable[str | os.PathLike[str]] = (),
    classes: ClassSet | None = None,
) -> ImageFormat | None:
    """The format of images, where all is as `write` needs it before it takes a pair.

    Raises InputError for a format that is unknown or read only, one that needs labels where the classes say that there
    are none, a format of images that is unknown or that it does not hold, a taken path, and one inside of a source that
    is a folder, or of the folder of one that is a file.
    """
    if format not in WRITABLE:
        known = "is read only" if format in FORMATS else "is unknown"
        raise InputError(f"the format {format!r} {known}; expected {' or '.join(WRITABLE)} for writing")
    if classes is not None:
        check_labels(format, classes)
    images = held_image_format(FORMATS[format], image_format)
    refuse_inside(path, sources)
    refuse_taken(Path(path).resolve())
    return images


def check_labels(format: str, classes: ClassSet) -> None:
    """Raise InputError for a format that needs labels where there are none."""
    if not classes.labelled and not FORMATS[format].images_alone:
        fitting = [name for name, one in FORMATS.items() if one.images_alone and one.writes]
        raise InputError(
            f"--format {format}: needs labels, and these are images without; take {', '.join(fitting[:-1])} or "
            f"{fitting[-1]}"
        )


def _describe(
    target: Path,
    names: Sequence[str],
    kind: Format,
    classes: ClassSet,
    contents: Contents,
    writing: Writing,
    lost: Sequence[Finding],
) -> None:
    """The data-set card and croissant.json, which say nothing that the pairs do not."""
    in_parts = {name: part for name in names if (part := writing.parts.get(name))}
    numbers = kind.numbers(classes) if kind.numbers else {}
    text = card(kind, classes, contents, in_parts, lost, numbers)
    own = target / "README.md"  # Hugging Face's, say, whose head programs read
    write_text(own, f"{own.read_text(encoding='utf-8')}\n{text}" if own.is_file() else text)
    labels = f"with labels of {len(classes)} classes" if classes.labelled else "without labels"
    about = f"{len(names)} images {labels}, in the format {kind.name}."
    write_croissant(
        target, names, numbered(classes, numbers), name=f"labelmint-{kind.name}", description=about
    )


def _choose(path: Path, format: str | None, alone: bool) -> tuple[str, Sequence[str]]:
    """The format to read `path` as, and the others that fit (none where it is given); `alone` as in `read`."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; {_EXPECTED_ALONE if alone else _EXPECTED}")
    if format is not None:
        format_named(format)
        return format, ()
    found = _fitting(path)
    if not found:
        named = [path] if path.is_file() else [file for name in USUAL if (file := path / name).is_file()]
        found = [_BROKEN[sign] for file in named if (sign := first_sign(file)) in _BROKEN]
    if not found and (bridged := bridge.detect(path)) is not None:
        found = [f"{bridge.NAME}:{bridged}"]
    if not found and alone:
        found = _without_labels(path)
    if not found:
        raise InputError(f"{path}: {_no_format(path, alone)}")
    return found[0], found[1:]


def _fitting(path: Path) -> list[str]:
    """The formats of labels that fit a path. Raises OSError where none does and a folder cannot be listed: the labels
    may lie there.
    """
    found, closed = list[str](), None
    for name, one in FORMATS.items():
        try:
            if one.reads and one.recognizes(path):
                found.append(name)
        except OSError as error:
            closed = closed or error
    if closed is not None and not found:
        raise closed
    return found


def _without_labels(path: Path) -> list[str]:
    """The formats of images with one class each, or none."""
    if webdataset.holds_images(path):
        return [webdataset.FORMAT.name]
    if not path.is_dir() or next(files_below(path), None) is None:
        return []
    names = [class_folders.FORMAT.name, images_alone.FORMAT.name]
    with passing_over():  # what is closed is told by reading
        return names if class_folders.fits(path) else names[::-1][: 1 + class_folders.possible(path)]


def _told_of_closed(closed: Sequence[OSError]) -> Finding:
    folders = list(dict.fromkeys(str(error.filename) for error in closed))
    text = f"{len(folders)} folders cannot be listed ({closed[0].strerror}), first {folders[0]}; they are not read"
    return Finding(kind="closed folders", text=text, names=tuple(folders))


def _choices(others: Sequence[str]) -> str:
    """How other formats that fit are chosen."""
    return f"other formats fit too, chosen by {' or '.join(f'--format-in {name}' for name in others)}"


def _no_format(path: Path, alone: bool) -> str:
    """Why no format fits a path: what lies there instead, and what was expected; `alone` as in `read`."""
    what, expected = ("images", _EXPECTED_ALONE) if alone else ("labelled images", _EXPECTED)
    near = _nearby(path)
    told = "" if near else advice(path)
    if told:
        return f"no {what} found: {told}"
    seen = "" if near else images_seen(path)
    more = "" if bridge.is_installed() else f"; others are read with {bridge.INSTALL}"
    return f"no {what} found{near}{f': {seen}' if seen else ''}; {expected}{more}"


def _nearby(path: Path) -> str:
    """Folders just below in which a format lies, for who passed the folder above."""
    folders = path.iterdir() if path.is_dir() else ()
    below = sorted(one for one in folders if one.is_dir() and not one.is_symlink())
    fits = [str(sub) for sub in below if any(one.fits(sub) for one in FORMATS.values())]
    return f" (did you mean {' or '.join(fits[:3])}?)" if fits else ""
