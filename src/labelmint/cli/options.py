"""Options that several verbs share, and how their texts are read."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from labelmint.cli.progress import say
from labelmint.errors import InputError

if TYPE_CHECKING:
    from labelmint.types import DataSet

__all__ = [
    "AsJson",
    "Augment",
    "BatchSize",
    "Clock",
    "Crop",
    "Data",
    "DataSets",
    "Device",
    "DrawIn",
    "FormatIn",
    "GroupBy",
    "Ignore",
    "ImageFormat",
    "Merge",
    "Normalize",
    "Orientation",
    "Quiet",
    "Rebalance",
    "Scale",
    "Seed",
    "Settings",
    "System",
    "Threads",
    "ThreadsToDraw",
    "ThreadsToMeasure",
    "ThreadsToTrain",
    "keep_merge",
    "merge_of",
    "open_data",
    "open_merged",
    "parse_batch",
    "parse_counts",
    "parse_ids",
    "parse_numbers",
    "parse_reseed",
    "parse_size",
    "parse_words",
    "sets_of",
]

_MERGE_FILE, _SETS_FILE = "merge.json", "sets.json"

Data: TypeAlias = Annotated[
    Path, typer.Argument(help="Labelled images: a folder, or an annotation file.", show_default=False)
]
DataSets: TypeAlias = Annotated[
    list[Path],
    typer.Argument(
        metavar="DATA...",
        help="Labelled images: a folder, or an annotation file. Several are taken as one set.",
        show_default=False,
    ),
]
Merge: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="MAPPING",
        help="Which classes of the data become one: a mapping.json, or scenes-243 (Cityscapes, ADE20K and "
        "COCO-Stuff). Left out, classes of one name are one: `convert` takes all of them, and for the other verbs "
        "every DATA must have the same.",
        show_default=False,
    ),
]
FormatIn: TypeAlias = Annotated[
    str | None,
    typer.Option("--format-in", metavar="NAME", help="Read the data in this format instead of detecting it."),
]
ImageFormat: TypeAlias = Annotated[
    str, typer.Option("--image-format", metavar="NAME", help="Of the images: png, jpg, webp or tiff.")
]
Ignore: TypeAlias = Annotated[
    str, typer.Option(metavar="IDS", help='Label ids that mean "ignore", beside 255; as in 254,0.')
]
Orientation: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="HOW",
        help="Of photographs with an orientation tag: turned as viewers show them, stored as the pixels lie; auto "
        "decides by the size of their labels, and takes them turned where both fit.",
    ),
]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", help="Don't say what is odd about the data.")]
GroupBy: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="REGEX",
        help="Names in which this finds the same text (its first group) stay on one side of the split.",
    ),
]
Device: TypeAlias = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
BatchSize: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="B",
        help="Pairs drawn at a time; another number gives slightly other pixels. auto: the largest power of two that "
        "memory holds, up to 32 (on a GPU 256); with --resume that of the stopped command.",
    ),
]
Threads: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="CPU threads; all cores unless given.", show_default=False)
]
ThreadsToTrain: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="CPU threads; unless given the fastest of one, half and all cores here, kept in the run.",
        show_default=False,
    ),
]
ThreadsToMeasure: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=1, help="CPU threads; unless given those of the run, and all cores for pairs.", show_default=False
    ),
]
ThreadsToDraw: TypeAlias = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="CPU threads; unless given the run's, or where there are more or fewer cores than it was "
        "trained with, the fastest here.",
        show_default=False,
    ),
]
System: TypeAlias = Annotated[
    str | None,
    typer.Option(
        help="Which system; `labelmint systems` lists them. The preset's unless given: mint with tiny "
        "and small.",
        show_default=False,
    ),
]
Crop: TypeAlias = Annotated[
    bool, typer.Option("--crop", help="Take crops of that size instead of resizing images.")
]
Scale: TypeAlias = Annotated[
    float, typer.Option(metavar="F", help="With --crop: resize by this factor before cropping.")
]
Augment: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="WORDS",
        help="Any of flips,mirror,turns,zoom: what may be done to images without making their labels false.",
    ),
]
Normalize: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="HOW",
        help="none, or image: stretch each image from its own range of levels to the full range.",
    ),
]
Rebalance: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="HOW",
        help="What training shows more often: none, classes (each as often as the others) or appearance (rare looks of "
        "the largest classes).",
    ),
]
Settings: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set one value, as in prior.channels=96; repeatable."),
]
Clock: TypeAlias = Annotated[
    str,
    typer.Option(
        "--clock",
        metavar="WHICH",
        help="Which clock counts the minutes: wall, or processor, the work of each thread, which is fair on a machine "
        "that does other work too.",
    ),
]
DrawIn: TypeAlias = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="P",
        help="32, or bf16: priors in bfloat16, faster where the processor has it, with slightly other pixels.",
    ),
]


Seed: TypeAlias = Annotated[int, typer.Option(min=0, help="Seed of every random draw.")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


def parse_size(text: str, option: str = "--size") -> tuple[int, int]:
    """ "64x96" -> (64, 96), height first; "64" -> (64, 64). Raises InputError for anything else."""
    found = re.fullmatch(r"\s*(\d{1,5})(?:\s*[xX×]\s*(\d{1,5}))?\s*", text)
    if found is None:
        raise InputError(
            f"{option} {text}: expected HEIGHTxWIDTH in pixels, as in 64x96, or one number for a square"
        )
    size = int(found[1]), int(found[2] or found[1])
    if min(size) < 1:
        raise InputError(f"{option} {text}: expected at least 1 pixel a side")
    return size


def parse_batch(text: str) -> int | None:
    """ "auto" -> None, "32" -> 32. Raises InputError for anything else."""
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"--batch-size {text}: expected auto, or how many pairs to draw at a time, as in 32")
    return int(text)


def parse_ids(text: str, option: str = "--ignore") -> tuple[int, ...]:
    """ "254,0" -> (254, 0); "" -> (). Raises InputError for what is no label id."""
    words = parse_words(text)
    for word in words:
        if not word.isdecimal() or int(word) > 65535:
            raise InputError(
                f"{option} {text}: expected label ids between 0 and 65535 with commas between them, as in "
                f"254,0"
            )
    return tuple(int(word) for word in words)


def parse_words(text: str) -> tuple[str, ...]:
    """ "flips, turns" -> ("flips", "turns")."""
    return tuple(word for word in re.split(r"[,\s]+", text) if word)


def parse_numbers(text: str, option: str) -> tuple[float, ...]:
    """ "0.5,1" -> (0.5, 1.0). Raises InputError for what is no number."""
    try:
        return tuple(float(word) for word in parse_words(text))
    except ValueError:
        raise InputError(f"{option} {text}: expected numbers with commas between them, as in 0.5,1") from None


def parse_reseed(texts: Sequence[str]) -> dict[str, int]:
    """["image=7"] -> {"image": 7}. Raises InputError for anything else, and for a name that comes twice."""
    found: dict[str, int] = {}
    for text in texts:
        name, _, seed = (part.strip() for part in text.partition("="))
        if not name or not re.fullmatch(r"\d{1,18}", seed, re.ASCII):
            raise InputError(
                f"--reseed {text}: expected NAME=SEED, as in image=7, with a seed of at most 18 digits"
            )
        if name in found:
            raise InputError(f"--reseed {text}: {name} is given twice")
        found[name] = int(seed)
    return found


def parse_counts(text: str, option: str) -> tuple[int | None, ...]:
    """ "10,all" -> (10, None). Raises InputError for anything else."""
    words = parse_words(text)
    if not all(word == "all" or word.isdecimal() for word in words):
        raise InputError(
            f"{option} {text}: expected whole numbers with commas between them, or all, as in 10,25,all"
        )
    return tuple(None if word == "all" else int(word) for word in words)


def open_data(
    path: Path,
    format_in: str | None,
    ignore: str,
    *,
    strict: bool = True,
    orientation: str = "auto",
    quiet: bool = True,
    alone: bool = False,
) -> DataSet:
    """The data set at a path, as the shared options say; with `strict` = False what is odd becomes findings. Unless
    `quiet` they are said, and those of its pairs when these have been loaded. With `alone` images without labels are
    welcome.
    """
    from labelmint.formats import read

    ids = parse_ids(ignore)
    data = read(path, format=format_in, ignore=ids, strict=strict, orientation=orientation, alone=alone)
    return data if quiet else _aloud(data)


def _aloud(data: DataSet) -> DataSet:
    """Say what is odd about the data set, and once its pairs have been loaded what is odd about these."""
    from labelmint.datasets.watching import watched

    say(data.findings)
    return watched(data, lambda finding: say([finding]))


def open_merged(
    paths: Sequence[Path],
    merge: str | Path | None,
    format_in: str | None,
    ignore: str,
    *,
    strict: bool = True,
    orientation: str = "auto",
    quiet: bool = True,
    union: bool = False,
    alone: bool = False,
) -> DataSet:
    """The data sets at some paths as one, under the merged classes of a mapping if one is named; a single one
    without is as it is. With `union` classes that some set lacks are taken as well; `alone` as `open_data` has it.
    """
    how: dict[str, Any] = {"strict": strict, "orientation": orientation, "alone": alone}
    if len(paths) == 1 and merge is None:
        return open_data(paths[0], format_in, ignore, quiet=quiet, **how)
    from labelmint.datasets.class_mapping import read_mapping
    from labelmint.datasets.merged import merge as merged

    mapping = None if merge is None else read_mapping(merge)
    sets = [open_data(path, format_in, ignore, **how) for path in paths]
    data = merged(sets, mapping, union=union)
    return data if quiet else _aloud(data)


def keep_merge(merge: str | None, paths: Sequence[Path], run: Path) -> None:
    """Leave the mapping, and where several sets lie, in the run that was trained with them; `merge_of` and
    `sets_of` find these.
    """
    from labelmint.storage import write_text

    if merge is not None:
        from labelmint.datasets.class_mapping import read_mapping

        write_text(run / _MERGE_FILE, read_mapping(merge).model_dump_json(indent=1) + "\n")
    if len(paths) > 1:
        write_text(run / _SETS_FILE, json.dumps([str(path.resolve()) for path in paths], indent=1) + "\n")


def merge_of(run: Path) -> Path | None:
    """The mapping that a run was trained with, if any."""
    file = run / _MERGE_FILE
    return file if file.is_file() else None


def sets_of(run: Path) -> list[Path]:
    """Where the several sets lie that a run was trained on; none where it was one, or where they have moved."""
    try:
        listed = json.loads((run / _SETS_FILE).read_text(encoding="utf-8"))
        found = [Path(one) for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
        return found if all(one.exists() for one in found) else []
    except (OSError, ValueError, RecursionError):
        return []
