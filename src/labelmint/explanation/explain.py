"""`explain`: why the double-path VQ-VAE works, in pictures and figures, on images that it was never trained
on.

OUT/paths.png        held-out images as both paths reconstruct them, and as each path does alone (Figure 3 of
                     the long MSGNet paper)
OUT/attention.png    where the decoder's last self-attention module looks from chosen pixels (Figure 4)
OUT/codes.png        how evenly each codebook is used, and what the two paths' tokens say twice
OUT/explain.json     every figure, also of one path against two at equal parameters
OUT/twin, ...        the tokenizers trained to compare with: run folders that a stopped command goes on with

What does not apply to a run is left out, and "left_out" says why.
"""

from __future__ import annotations

import hashlib
import platform
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.errors import InputError
from labelmint.evaluation.subject import Subject
from labelmint.explanation.attention_maps import (
    LastAttention,
    Pixel,
    attended,
    choose_pixels,
    last_attention,
    maps_of,
    regions,
)
from labelmint.explanation.case import Case, ExplainOptions, held_out_of, open_run, thinned
from labelmint.explanation.held_out import views_of
from labelmint.explanation.one_against_two import against_run, against_twins, prepared_for, rival_of
from labelmint.explanation.paths_alone import contributions, mean_vectors, pictures_alone
from labelmint.explanation.pictures import AttendedImage, draw_attention, draw_codes, draw_columns
from labelmint.explanation.twins import parameters_of, sizes_of, steps_of
from labelmint.formats import read
from labelmint.hardware import choose_threads
from labelmint.metrics.codes import CodeUse, code_use, shared_bits
from labelmint.progress import Event, Report
from labelmint.protocols import Tokenizer
from labelmint.reports.words import number
from labelmint.runs.prepare import Prepared
from labelmint.runs.trained import TrainedSystem
from labelmint.storage import alone, claim, read_mark, write_json
from labelmint.tokenizers.dual_path import DualPathVQVAE
from labelmint.training.run_folder import RunFolder
from labelmint.types import Array, Batch, DataSet, Layout, LayoutBatch
from labelmint.version import __version__

__all__ = ["ExplainOptions", "explain"]

REFERENCE_IMAGES, REFERENCE_VIEWS = 256, 1000
_MARK = "request.json"
ROWS_OF_PATHS, ROWS_OF_ATTENTION = 6, 4


def explain(
    run: str | Path,
    data: DataSet | str | Path,
    out: str | Path,
    options: ExplainOptions | None = None,
    *,
    command: Sequence[str] = (),
    report: Report | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Explain the tokenizer of a run and return what explain.json holds.

    Arguments:
        run: a trained run folder.
        data: the data that it was trained on, with a test part.
        out: the folder to write; new, or holding an explanation of the same run, which is gone on with.
        options: or `more`, the fields of `ExplainOptions` by name.
        command: told in the JSON. report: called with events.

    Raises InputError for bad input of any kind, before anything is written, and where another command works in
    that folder; KeyboardInterrupt after saving when stopped.
    """
    options, begin = options or ExplainOptions(**more), time.perf_counter()
    tell: Report = report or (lambda event: None)
    source, folder = (data if isinstance(data, DataSet) else read(data)), Path(out)
    about = open_run(Path(run), source, options)
    system = cast(TrainedSystem, about.system)
    torch.set_num_threads(choose_threads(options.threads or system.config.threads))
    _check_shown(about, source, options)
    views = held_out_of(system, source, about.parts.test)
    gallery = held_out_of(system, source, tuple(dict.fromkeys(options.show))) if options.show else views
    case = Case(
        about=about,
        system=system,
        tokenizer=system.part("tokenizer"),
        data=source,
        views=views,
        gallery=gallery,
        folder=folder,
        options=options,
        tell=tell,
    )
    rival, prepared = rival_of(case), prepared_for(case)
    with alone(folder):
        _claim(case, trains=prepared is not None)
        found = _explained(case, rival, prepared)
        found["origin"] = _origin(case, command, time.perf_counter() - begin)
        write_json(folder / "explain.json", found)
    return found


def _explained(case: Case, rival: TrainedSystem | None, prepared: Prepared | None) -> dict[str, Any]:
    """What explain.json holds, but for its origin; draws the pictures."""
    left_out: dict[str, str] = {}
    found: dict[str, Any] = {"format_version": 1, "run": _about_run(case), "held_out": _about_views(case)}
    shown = _worth_showing(case)
    found |= _paths_alone(case, shown, left_out) | _attention(case, shown, left_out) | _codes(case, left_out)
    found |= (
        against_run(case, rival, left_out) if prepared is None else against_twins(case, prepared, left_out)
    )
    return found | {"left_out": left_out}


# What is looked at ------------------------------------------------------------------------------------------


def _check_shown(about: Subject, data: DataSet, options: ExplainOptions) -> None:
    height, width = about.geometry.size
    outside = next(((y, x) for y, x in options.pixels if not (0 <= y < height and 0 <= x < width)), None)
    if outside:
        raise InputError(
            f"--pixel {outside[0]},{outside[1]}: lies outside the images of {about.path}, whose rows are 0 "
            f"to {height - 1} and columns 0 "
            f"to {width - 1}"
        )
    strange = sorted(set(options.show) - {*about.parts.test})
    if strange:
        raise InputError(
            f"--show {', '.join(strange)}: {'is no name' if len(strange) == 1 else 'are no names'} of the "
            f"test part of {data.source}, "
            f"of which {about.parts.test[0]!r} is one"
        )


def _claim(case: Case, trains: bool) -> None:
    """Mark the folder as this explanation's; raise InputError when it holds something else."""
    folder = case.folder
    steps = (case.options.steps or steps_of(RunFolder(case.system.path))) if trains else None
    steps = steps or read_mark(folder / _MARK).get("steps")  # what trains none leaves the twins as they are

    def held(key: str, before: Mapping[str, Any]) -> str | None:
        if "explanation" not in before:
            return "something else than an explanation"
        if key != "steps":
            return "the explanation of another run, or of other data"
        begun = any((folder / name).is_dir() for name in ("again", "twin"))
        made = before.get("steps")
        return (
            f"twins of {made} steps, with which --steps {made} goes on"
            if begun and made is not None
            else None
        )

    wanted = {"explanation": 1, "weights": case.system.digest, "data": case.data.source, "steps": steps}
    claim(folder, _MARK, "explanation", wanted, held)


def _about_run(case: Case) -> dict[str, Any]:
    sizes = sizes_of(case.system.config)
    return {
        "path": str(case.system.path),
        "system": case.system.system,
        "weights_sha256": case.system.digest,
        "size": list(case.system.size),
        "paths": list(case.paths),
        "parameters": parameters_of(case.tokenizer),
        "steps": steps_of(RunFolder(case.system.path)),
        "tokenizer": sizes.model_dump(mode="json"),
    }


def _about_views(case: Case) -> dict[str, Any]:
    pixels = np.stack(list(case.views.images))
    return {
        "data": case.data.source,
        "images": len(set(case.views.names)),
        "groups": len(set(case.views.groups)),
        "views": len(case.views),
        "variance": float(pixels.var(dtype=np.float64)) / EIGHT_BITS.half**2,
        "sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
    }


def _origin(case: Case, command: Sequence[str], seconds: float) -> dict[str, Any]:
    return {
        "command": shlex.join(command),
        "seed": case.options.seed,
        "device": str(case.device),
        "threads": torch.get_num_threads(),
        "versions": {
            "labelmint": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "numpy")},
        },
        "seconds": round(seconds, 1),
    }


def _worth_showing(case: Case) -> list[int]:
    """Places in the gallery, one an image: its view that holds most of what pixels are chosen in; of the
    images that have all of it, or of those asked for.
    """
    richness = [_richness(case, i) for i in range(len(case.gallery))]
    best: dict[str, int] = {}
    for i, name in enumerate(case.gallery.names):
        if name not in best or richness[i] > richness[best[name]]:
            best[name] = i
    if case.options.show:
        return [best[name] for name in dict.fromkeys(case.options.show)]
    most = max(there for there, _ in richness)
    return [i for i in best.values() if richness[i][0] == most]


def _some(case: Case, shown: list[int], count: int) -> list[int]:
    """The views to draw: all that were asked for, or n, evenly spread."""
    if case.options.show:
        return shown
    return list(
        dict.fromkeys(shown[round(k)] for k in np.linspace(0, len(shown) - 1, min(count, len(shown))))
    )


def _richness(case: Case, place: int) -> tuple[int, int]:
    """How many of two objects and background a view holds, and the pixels of the smallest of them."""
    found = regions(_layout(case, place), case.data.classes.without_objects, case.data.classes)
    return len(found), min((int(region.mask.sum()) for region in found), default=0)


def _layout(case: Case, place: int) -> Layout:
    config = case.system.config
    return config.symbol_table.layout(case.gallery.ids[place], config.has_instances)


def _batch_of(case: Case, chosen: Sequence[int]) -> Batch:
    batches = [case.gallery.fixed(i, 1) for i in chosen]
    layouts = LayoutBatch(torch.cat([batch.layouts.ids for batch in batches]))
    return Batch(torch.cat([batch.image for batch in batches]), layouts).to(case.device)


# The paths, the attention, the codes ------------------------------------------------------------------------


def _paths_alone(case: Case, shown: list[int], left_out: dict[str, str]) -> dict[str, Any]:
    if not isinstance(case.tokenizer, DualPathVQVAE):
        left_out["paths"] = f"{case.system.system} has one path: there is no other one to take away"
        return {}
    case.tell(Event("paths", 0, 1))
    names = thinned([*case.about.parts.training, *case.about.parts.validation], REFERENCE_IMAGES)
    reference = views_of(case.system, case.data, names, REFERENCE_VIEWS)
    means = mean_vectors(case.tokenizer, reference, case.device)
    found = contributions(
        case.tokenizer, case.views, case.tokens, means, len(reference), case.device, case.options.seed
    )
    chosen = _some(case, shown, ROWS_OF_PATHS)
    errors = {"both paths": found.both, "neither": found.neither}
    for one, short in zip(found.alone, ("attention", "convolution"), strict=True):
        errors |= {one.path: one.mean, f"{short}, zeros": one.zeros}
    notes = {title: f"MSE {number(mean.value)}" for title, mean in errors.items()}
    draw_columns(
        pictures_alone(case.tokenizer, _batch_of(case, chosen), means), notes, case.folder / "paths.png"
    )
    case.tell(Event("paths", 1, 1))
    return {"paths": asdict(found) | {"shown": [case.gallery.names[i] for i in chosen]}}


@torch.no_grad()
def _attention(case: Case, shown: list[int], left_out: dict[str, str]) -> dict[str, Any]:
    case.tell(Event("attention", 0, 1))
    symbols = np.array([class_id for class_id, _ in case.system.config.symbols])
    found = attended(case.tokenizer, case.views, case.tokens, symbols, case.data.classes, case.device)
    if found is None:
        left_out["attention"] = (
            f"the decoder of {case.system.path} has no self-attention: {case.system.system} keeps it to maps "
            f"narrower than "
            f"tokenizer.attention_below={sizes_of(case.system.config).attention_below}"
            + (", and cvq-vae never has any" if case.system.system == "cvq-vae" else "")
        )
        return {}
    chosen = _some(case, shown, ROWS_OF_ATTENTION)
    batch = _batch_of(case, chosen)
    (tokens,) = cast(Tokenizer, case.tokenizer).encode(batch).values()
    last = cast(LastAttention, last_attention(case.tokenizer, tokens, batch.layouts))
    drawn, told = [], []
    for row, i in enumerate(chosen):
        pixels = _pixels(case, _layout(case, i))
        maps = maps_of(last, row, pixels, case.system.size)
        drawn.append(AttendedImage(image=case.gallery.images[i], pixels=pixels, maps=maps))
        told += [
            {"image": case.gallery.names[i], **pixel._asdict(), "strongest": float(weights.max())}
            for pixel, weights in zip(pixels, maps, strict=True)
        ]
    draw_attention(drawn, case.folder / "attention.png")
    case.tell(Event("attention", 1, 1))
    return {"attention": asdict(found) | {"pixels": told}}


def _pixels(case: Case, layout: Layout) -> list[Pixel]:
    if not case.options.pixels:
        return choose_pixels(layout, case.data.classes.without_objects, case.data.classes)
    return [
        Pixel(y, x, case.data.classes.name_of(int(layout.label_map[y, x]))) for y, x in case.options.pixels
    ]


def _codes(case: Case, left_out: dict[str, str]) -> dict[str, Any]:
    case.tell(Event("codes", 0, 1))
    (stream,) = cast(Tokenizer, case.tokenizer).streams
    halves: list[Array] = np.split(case.tokens.numpy(), len(case.paths), axis=1)
    uses: dict[str, CodeUse] = {
        name: code_use(half, stream.codebook_size) for name, half in zip(case.paths, halves, strict=True)
    }
    shared = shared_bits(*halves, seed=case.options.seed) if len(halves) == 2 else None
    if shared is None:
        left_out["shared"] = (
            f"{case.system.system} has one path: there are no two tokens at a place to share anything"
        )
    draw_codes(uses, shared, case.folder / "codes.png")
    case.tell(Event("codes", 1, 1))
    return {
        "codes": {name: asdict(use) for name, use in uses.items()},
        **({"shared": asdict(shared)} if shared is not None else {}),
    }
