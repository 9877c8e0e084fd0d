"""How well a run enlarges images: held-out ones reduced, enlarged again, and compared with what they were.

    gain = mean over images of PSNR(network) - PSNR(bicubic),    in dB, with an interval over images

Beside it stand bicubic and Lanczos interpolation, and pixels as squares. Whole images are enlarged, cut to a multiple
of the factor where they are none.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labelmint.datasets.pair import digest_of
from labelmint.datasets.pairs import Pairs
from labelmint.datasets.scaling import EIGHT_BITS
from labelmint.errors import InputError
from labelmint.evaluation.options import Options
from labelmint.evaluation.origin import machine, versions
from labelmint.evaluation.subject import is_run, split_of_run
from labelmint.hardware import choose_threads
from labelmint.metrics.bootstrap import interval
from labelmint.metrics.restoration import psnr, ssim
from labelmint.progress import Event, Report
from labelmint.reports.files import write_report
from labelmint.reports.results import Figure, Picture, Results, Section, Table, Verdict
from labelmint.runs.config import read_run_config
from labelmint.runs.enlarged import beside_bicubic, enlarged_again
from labelmint.runs.trained import TrainedSystem, load
from labelmint.storage import alone, claim
from labelmint.systems.catalogue import SYSTEMS
from labelmint.training.run_folder import RunFolder
from labelmint.types import Array, DataSet

__all__ = ["evaluate_upscaler", "upscales"]

_MARK = "request.json"
_WAYS = {
    "network": "the run",
    "bicubic": "bicubic interpolation",
    "lanczos": "Lanczos interpolation",
    "low": "pixels as squares",
}
_ROWS = 6  # of the picture


def upscales(path: Path) -> bool:
    """True for a run whose system enlarges the images of other runs."""
    return is_run(path) and SYSTEMS[read_run_config(RunFolder(path)).request.system].role == "upscaler"


def evaluate_upscaler(
    path: Path,
    data: DataSet,
    folder: Path,
    options: Options,
    *,
    command: Sequence[str] = (),
    report: Report = lambda event: None,
) -> Results:
    """Measure a run on the test part of the data, or without one on its own validation part, and write the report.

    Raises InputError for options that are about drawn pairs, and for data that the run was not trained on.
    """
    begin = time.perf_counter()
    _refuse_options(path, options)
    system = load(path, device=options.device, threads=choose_threads(options.threads))
    parts = split_of_run(system, data)
    part = "test" if parts.test else "validation"
    names = getattr(parts, part)
    with alone(folder):
        claim(folder, _MARK, "evaluation", _request(system, data, options), _held(folder))
        pairs, flat = _showing_something(system.as_trained.pairs(data.subset(names)), data.source)
        found = _measured(system, pairs, report)
        assert system.wired.upscaler is not None
        spread = np.linspace(0, len(pairs) - 1, min(_ROWS, len(pairs))).astype(int)
        picture = pairs.take(spread).fixed(0, _ROWS).image.to(system.device)
        beside_bicubic(system.wired.upscaler, picture, folder / "enlarged.png")
        figures = _figures(found, pairs.groups, options)
        gain = figures[0]
        results = Results(
            title=f"Evaluation of {system.system} in {path} on {data.source}",
            verdict=_verdict(gain),
            headline=tuple(figure.name for figure in figures),
            sections=(_section(system, found, figures, f"{len(pairs)} images of the {part} part", flat),),
            origin={
                "command": shlex.join(command),
                "subject": str(path),
                "data": data.source,
                "data_sha256": digest_of(pairs),
                "part": part,
                "images": len(pairs),
                "system": system.system,
                "factor": system.wired.upscaler.factor,
                "weights_sha256": system.digest,
                "seed": options.seed,
                "versions": versions(),
                "hardware": machine(system.device),
                "seconds": round(time.perf_counter() - begin, 1),
            },
        )
        write_report(results, folder)
    return results


def _refuse_options(path: Path, options: Options) -> None:
    usual = Options()
    about_pairs = {
        "-n": options.n is not None,
        "--size": options.size is not None,
        "--crop": options.crop,
        "--scale": options.scale != usual.scale,
        "--augment": bool(options.augment),
        "--group-by": options.group_by is not None,
        "--normalize": options.normalize != usual.normalize,
        **{f"--dial {name}": True for name in options.dials},
        "--composition": options.composition is not None,
        "--fid-weights": options.fid_weights is not None,
        "--lpips-weights": options.lpips_weights is not None,
        "--features": options.features is not None,
    }
    wrong = [name for name, given in about_pairs.items() if given]
    if wrong:
        raise InputError(
            f"{path}: enlarges images, and its evaluation is about these alone; leave out {', '.join(wrong)}"
        )


def _request(system: TrainedSystem, data: DataSet, options: Options) -> dict[str, Any]:
    return {
        "evaluation": 1,
        "subject": str(system.path),
        "weights": system.digest,
        "data": data.source,
        "seed": options.seed,
    }


def _held(folder: Path) -> Any:
    def held(key: str, before: Mapping[str, Any]) -> str | None:
        begun = any(path.name != _MARK for path in folder.iterdir())
        return f"another evaluation ({key} differs)" if begun else None

    return held


def _showing_something(pairs: Pairs, source: str) -> tuple[Pairs, int]:
    """The pairs without those of one level a channel, and how many these are: interpolation gives them back without any
    error, so that a few of them would outweigh all others in a mean of PSNR. Raises InputError where all are such.
    """
    kept = [k for k, pair in enumerate(pairs) if bool(np.ptp(pair.image, axis=(0, 1)).any())]
    if not kept:
        raise InputError(f"{source}: all held-out images show one level alone, so nothing can be measured")
    return pairs.take(np.array(kept)), len(pairs) - len(kept)


def _measured(system: TrainedSystem, pairs: Pairs, report: Report) -> dict[str, dict[str, Array]]:
    """PSNR and SSIM of each image, (N,), by way and by measure."""
    upscaler = system.wired.upscaler
    assert upscaler is not None
    found: dict[str, dict[str, list[float]]] = {way: {"psnr": [], "ssim": []} for way in _WAYS}
    for done, pair in enumerate(pairs, start=1):
        height, width = (side // upscaler.factor * upscaler.factor for side in pair.size)
        image = EIGHT_BITS.to_unit(np.stack([pair.image[:height, :width]])).to(system.device)
        made = enlarged_again(upscaler, image)
        for way, of in found.items():
            of["psnr"].append(psnr(made[way][0], made["true"][0]))
            of["ssim"].append(ssim(made[way][0], made["true"][0]))
        report(Event("enlarge held-out images", done, len(pairs)))
    return {way: {name: np.array(of[name]) for name in of} for way, of in found.items()}


def _figures(
    found: Mapping[str, Mapping[str, Array]], groups: Sequence[str], options: Options
) -> list[Figure]:
    """The gain first, then the means."""
    ours, plain = found["network"], found["bicubic"]
    gains = ours["psnr"] - plain["psnr"]

    def over_images(values: Array) -> dict[str, float | None]:
        low, high = None, None
        if len(set(groups)) > 1:  # one patient says nothing about how patients differ
            low, high = interval(
                lambda chosen: float(values[chosen].mean()),
                len(values),
                options.resamples,
                options.seed,
                groups=groups,
            )
        return {"value": float(values.mean()), "low": low, "high": high}

    return [
        Figure(
            name="enlargement.gain",
            title="Gain over bicubic",
            **over_images(gains),
            better="higher",
            unit="dB",
            how="the mean over images of the PSNR of the run less that of bicubic interpolation",
        ),
        Figure(
            name="enlargement.psnr",
            title="PSNR",
            **over_images(ours["psnr"]),
            better="higher",
            unit="dB",
            how="10 log10(255^2 / mean squared error) of an image, over all channels and pixels; mean over images",
        ),
        Figure(
            name="enlargement.ssim",
            title="SSIM",
            **over_images(ours["ssim"]),
            better="higher",
            how="structural similarity by Gaussian windows of 11 pixels, over channels; mean over images",
        ),
    ]


def _verdict(gain: Figure) -> Verdict:
    assert gain.value is not None
    text = f"{abs(gain.value):.2f} dB {'nearer to' if gain.value > 0 else 'farther from'} the true images than bicubic"
    if gain.low is not None and gain.low > 0:
        return Verdict(level="good", text=f"The run enlarges better than interpolation: {text}.")
    if gain.high is not None and gain.high < 0:
        return Verdict(level="bad", text=f"The run enlarges worse than interpolation: {text}. Train longer.")
    return Verdict(level="mixed", text=f"No difference from interpolation is sure: {text}. Train longer.")


def _section(
    system: TrainedSystem,
    found: Mapping[str, Mapping[str, Array]],
    figures: Sequence[Figure],
    on: str,
    flat: int,
) -> Section:
    rows = tuple(
        (words, round(float(found[way]["psnr"].mean()), 2), round(float(found[way]["ssim"].mean()), 4))
        for way, words in _WAYS.items()
    )
    assert system.wired.upscaler is not None
    return Section(
        name="enlargement",
        title="Is an enlarged image the true one?",
        summary=f"{on} were reduced by {system.wired.upscaler.factor} and enlarged again."
        + (f" Left out: {flat} that show one level alone." if flat else ""),
        figures=tuple(figures),
        tables=(
            Table(
                title="Enlarged by",
                head=("way", "PSNR, dB", "SSIM"),
                rows=rows,
                note="Means over images. No edge is cut off, and all channels count.",
            ),
        ),
        pictures=(
            Picture(
                title="Reduced, and enlarged again",
                file="enlarged.png",
                note="A part of each of a few images: that in which bicubic interpolation errs most.",
            ),
        ),
    )
