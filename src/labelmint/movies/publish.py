"""Movies on disk: whole or not at all.

    movie.gif                     each label beside its image
    movie.gif.json                what was shown, and how much neighboring frames differ
    movie.gif.smoothness.png      the same as curves, and where they differ

or, where the path names a folder, the frames as a data set in the format `folder`, with manifest.jsonl, movie.json,
smoothness.png and README.md.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from labelmint import pictures
from labelmint.datasets.enlarged_layouts import repeated
from labelmint.errors import InputError
from labelmint.formats.files import new_folder
from labelmint.formats.folder import write_folder
from labelmint.movies.encode import ENCODERS, check_encoder
from labelmint.movies.smoothness import Differences, draw_smoothness
from labelmint.protocols import in_digits
from labelmint.runs.origin import SOURCE_TYPE
from labelmint.storage import (
    refuse_inside,
    refuse_taken,
    refuse_unwritable,
    write_json,
    write_text,
    write_together,
)
from labelmint.synthesis.provenance import contents
from labelmint.types import AnnotatedImage, Array, ClassSet, Layout

__all__ = ["beside", "bytes_of_frames", "check_out", "files_of", "write_frames", "write_movie"]

_CELL, _GAP = 192, 4  # pixels about which an image is wide, and between label and image
_FRAME_BYTES = 8  # of a pixel of an image, its label and its instances


def files_of(out: Path) -> tuple[Path, ...]:
    """What is written for a movie: the movie, its facts, and the picture of its smoothness."""
    if out.suffix.lower() not in ENCODERS:
        return out, out / "movie.json", out / "smoothness.png"
    return out, out.with_name(f"{out.name}.json"), out.with_name(f"{out.name}.smoothness.png")


def check_out(out: Path, sources: Iterable[str] = ()) -> None:
    """Raise InputError for a path that is taken, inside of a source, or where nothing may be written; an ending that is
    none of a movie, and one that needs a program which is not there.
    """
    suffix = out.suffix.lower()
    refuse_inside(out, sources)
    if suffix not in ENCODERS:
        bare = out.name.lower() in ENCODERS  # ".gif" is a name without an ending
        if (suffix or bare) and not out.is_dir():
            raise InputError(
                f"--out {out}: expected a name that ends in {', '.join(ENCODERS)}, or that of a folder, without an "
                f"ending"
            )
        refuse_taken(out)
        refuse_unwritable(out)
        return
    check_encoder(suffix)
    taken = next((file for file in files_of(out) if os.path.lexists(file)), None)
    if taken is not None:
        raise InputError(f"{taken}: exists already; give another --out, or remove it")
    if not out.parent.is_dir():
        raise InputError(f"{out}: there is no folder {out.parent}; make it, or give another --out")
    refuse_unwritable(out)


def bytes_of_frames(count: int, size: tuple[int, int], out: Path) -> int:
    """Memory that frames of (H, W) take until they are written, in bytes: image, label and instances; of a movie also
    the picture of both, once more as it is encoded.
    """
    pictured = 2 * 2 * 3 * _factor(size) ** 2 if out.suffix.lower() in ENCODERS else 0
    return count * size[0] * size[1] * (_FRAME_BYTES + pictured)


def beside(pair: AnnotatedImage, classes: ClassSet) -> Array:
    """The label of a frame, painted, and its image to the right of it, (H, W, 3) uint8, enlarged by a whole factor
    where they are small; the image alone where there are no labels.
    """
    factor = _factor(pair.layout.size)
    image = repeated(pair.image, factor)
    image = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
    if not classes.labelled:
        return image
    instances = pair.layout.instances
    layout = Layout(
        label_map=repeated(pair.layout.label_map, factor),
        instances=None if instances is None else repeated(instances, factor),
    )
    gap = np.full((image.shape[0], _GAP, 3), 255, np.uint8)
    return np.concatenate([pictures.painted(layout, classes), gap, image], axis=1)


def _factor(size: tuple[int, int]) -> int:
    return max(round(_CELL / max(size)), 1)


def write_movie(
    frames: Sequence[Array],
    out: Path,
    facts: Mapping[str, Any],
    shown: Mapping[str, Differences],
    per_second: float,
) -> None:
    """Write a movie of pictures (H, W, 3) and what belongs to it, all at once as far as that can be: all are written
    aside, and named one right after the other, the movie last (`storage.write_together`).
    """
    text = {
        "generator": "labelmint",
        "synthetic": "true",
        "DigitalSourceType": SOURCE_TYPE,
        "weights": facts["weights"],
    }
    with write_together(*files_of(out)) as (movie, about, picture):
        ENCODERS[out.suffix.lower()](frames, movie, per_second, text)
        write_json(about, facts)
        draw_smoothness(shown, picture)


def write_frames(
    pairs: Sequence[AnnotatedImage],
    out: Path,
    classes: ClassSet,
    facts: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    shown: Mapping[str, Differences],
) -> None:
    """Write frames as a data set in the format `folder`.

    Arguments:
        facts: of the movie. rows: of each frame, for its line of manifest.jsonl and its image's text.
    """
    texts = [{key: _text(value) for key, value in row.items() if value is not None} for row in rows]
    frames = [replace(pair, provenance=text) for pair, text in zip(pairs, texts, strict=True)]
    with new_folder(out) as folder:
        write_folder(frames, folder, classes)
        lines = (
            json.dumps({**row, **contents(pair.layout, classes)}, ensure_ascii=False) + "\n"
            for row, pair in zip(rows, frames, strict=True)
        )
        write_text(folder / "manifest.jsonl", "".join(lines))
        write_json(folder / "movie.json", facts)
        draw_smoothness(shown, folder / "smoothness.png")
        write_text(folder / "README.md", _card(facts, len(frames)))


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return in_digits(value) if isinstance(value, float) else json.dumps(value)


def _card(facts: Mapping[str, Any], frames: int) -> str:
    return (
        f"# {frames} synthetic frames of a movie\n\n"
        "**Every image of this data set is synthetic**: it was generated for its label, and shows nothing that exists. "
        "How faithfully\nthe images obey their labels was not measured here, and frames resemble their neighbors: they "
        "are no independent samples.\n\n"
        f"- Made by: labelmint {facts['version']}, system `{facts['system']}`, weights SHA-256 `{facts['weights']}`\n"
        "- `manifest.jsonl`: one line a frame\n"
        "- `movie.json`: everything that decides the frames, and how much neighbors differ\n"
        "- `smoothness.png`: how much, and where\n"
    )
