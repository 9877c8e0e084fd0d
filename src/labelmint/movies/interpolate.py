"""A movie of a trained system, from the run to the files."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from labelmint.errors import InputError
from labelmint.hardware import available_memory
from labelmint.movies.encode import ENCODERS
from labelmint.movies.film import Film
from labelmint.movies.options import MovieOptions
from labelmint.movies.publish import beside, bytes_of_frames, check_out, files_of, write_frames, write_movie
from labelmint.movies.scenes import Scenes, scenes_of
from labelmint.movies.smoothness import Differences
from labelmint.progress import Report
from labelmint.runs.draw import Draw
from labelmint.runs.origin import SOURCE_TYPE, Origin, origin_of
from labelmint.types import AnnotatedImage

if TYPE_CHECKING:
    from labelmint.runs.trained import TrainedSystem

__all__ = ["interpolate"]

_ONE_CODE, _ON_ITS_WAY, _FRESH = "one code", "a code on its way", "fresh codes"


def interpolate(
    system: TrainedSystem,
    out: str | Path,
    options: MovieOptions | None = None,
    *,
    report: Report | None = None,
    warn: Callable[[str], None] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Draw a movie: a layout while its code goes from one seed to another, or layouts that change.

    Arguments:
        system: as `labelmint.load` returns it, whose images have a code.
        out: a file that ends in .gif, .png, .apng or .mp4, or a new or empty folder for the frames as a data set.
        options: or `more`, the fields of `MovieOptions` by name.
        report: called with an `Event` after each chunk.
        warn: called with a line when memory holds fewer frames at a time than usual; Python's `warnings.warn` unless
            given.

    Returns:
        what is written to the JSON file: what was shown, and of neighboring frames how much they differ in levels of
        255, beside the same layouts under a fresh code each.

    Raises InputError for bad values, a path that is taken or lies in the data, layouts that the system cannot take, and
    a system whose images have no code.
    """
    options, tell, path = options or MovieOptions(**more), report or (lambda event: None), Path(out)
    shown_data = [data.source for data in (options.layouts, options.sequence) if data is not None]
    check_out(path, [source for source in shown_data if Path(source).is_dir()])
    system.resolve(options.dials)
    film, origin = _film(system, options, warn or _warn)
    _check_memory(len(film.scenes), system.size, path)
    found, pairs = Differences(), list[AnnotatedImage]()
    for pair in film.frames("frames", tell):
        found.add(pair.image)
        pairs.append(pair)
    shown = {_ONE_CODE if film.scenes.to_seed is None else _ON_ITS_WAY: found}
    if system.images.random:
        fresh = Differences()
        for pair in replace(film, fresh=True).frames("frames under fresh codes", tell):
            fresh.add(pair.image)
        shown[_FRESH] = fresh
    facts = _facts(film.scenes, options, origin, shown)
    if path.suffix.lower() in ENCODERS:
        sheets = [beside(pair, system.classes) for pair in pairs]
        write_movie(sheets, path, facts, shown, options.per_second)
    else:
        write_frames(pairs, path, system.classes, facts, _rows(film.scenes, origin, found), shown)
    return {**facts, "out": str(path), "files": [str(one) for one in files_of(path)]}


def _film(system: TrainedSystem, options: MovieOptions, warn: Callable[[str], None]) -> tuple[Film, Origin]:
    """What draws the frames, and all that decides them apart from the frame."""
    system.resolve(options.dials)
    scenes = scenes_of(system, options)
    batch_size = options.batch_size or system.usual_batch(warn, options.dials)
    system.check_batch(batch_size, options.dials)
    own = options.layouts is None and options.sequence is None
    draw = Draw(
        seed=options.from_seed,
        batch_size=batch_size,
        dials=options.dials,
        layouts=None if own else scenes.given,
    )
    origin = origin_of(system, draw, torch.get_num_threads())
    film = Film(
        system=system, scenes=scenes, seed=options.from_seed, dials=origin.dials, batch_size=batch_size
    )
    return film, origin


def _check_memory(frames: int, size: tuple[int, int], path: Path) -> None:
    """Raise InputError for more frames than memory holds until they are written."""
    needed, free = bytes_of_frames(frames, size, path), available_memory(torch.device("cpu"))
    if needed > free:
        raise InputError(
            f"{frames} frames of {size[0]}x{size[1]} pixels take {needed / 2**30:.1f} GiB of memory, and "
            f"{free / 2**30:.1f} are free; take --frames {max(int(frames * free / needed), 2)} or fewer"
        )


def _facts(
    scenes: Scenes, options: MovieOptions, origin: Origin, shown: Mapping[str, Differences]
) -> dict[str, Any]:
    """All that decides a movie, and its smoothness."""
    path = {"move": options.move, "by": list(options.by), "zoom": options.zoom} if options.move else {}
    means = [found.mean for found in shown.values()]
    share = round(means[0] / means[1], 4) if len(means) == 2 and means[1] > 0 else None
    return {
        "version": origin.version,
        "system": origin.system,
        "weights": origin.weights,
        "kind": scenes.kind,
        "layouts": list(dict.fromkeys(scenes.names)),
        **({"layouts_digest": origin.layouts_digest} if origin.layouts_digest else {}),
        **path,
        "from_seed": origin.seed,
        "to_seed": scenes.to_seed,
        "index": scenes.index,
        "frames": len(scenes),
        "frames_per_second": options.per_second,
        "dials": dict(origin.dials),
        "batch_size": origin.batch_size,
        "device": origin.device,
        "precision": origin.precision,
        "threads": origin.threads,
        "difference_to_the_frame_before": {
            "unit": "mean over pixels and channels, levels of 255",
            **{name: found.to_json() for name, found in shown.items()},
            "share_of_fresh_codes": share,
        },
    }


def _rows(scenes: Scenes, origin: Origin, found: Differences) -> list[dict[str, Any]]:
    """What decides each frame, for manifest and text."""
    about = {
        "generator": "labelmint",
        "version": origin.version,
        "system": origin.system,
        "weights": origin.weights,
        "from_seed": origin.seed,
        "to_seed": scenes.to_seed,
        "index": scenes.index,
        "batch_size": origin.batch_size,
        "device": origin.device,
        "precision": origin.precision,
        "threads": origin.threads,
        "dials": dict(origin.dials),
        "synthetic": "true",
        "DigitalSourceType": SOURCE_TYPE,
    }
    differences = [None, *found.each]
    return [
        {
            "name": f"frame_{frame:06d}",
            "frame": frame,
            "layout": scenes.names[frame],
            "place": round(scenes.places[frame], 6),
            "difference_to_the_frame_before": differences[frame],
            **about,
        }
        for frame in range(len(scenes))
    ]


def _warn(line: str) -> None:
    warnings.warn(line, UserWarning, stacklevel=3)
