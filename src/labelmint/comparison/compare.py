"""`compare`: which system draws the best images for the labels of these data, after equal minutes of training?

OUT/report.html, report.json     the answer          OUT/runs/flow-0/      a run for each system and seed
OUT/compare.png                  its picture         OUT/samples/flow-0/   its samples
OUT/judge/                       the one judge       OUT/reports/flow-0/   what it was found to be

What is there is not made again, so the same call goes on, and one with more systems or seeds adds to it.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from labelmint.comparison.differences import differences
from labelmint.comparison.entrants import Entrant, entrants
from labelmint.comparison.ground import Ground, checked, load_ground
from labelmint.comparison.making import drawn, run_folder, samples_folder, trained
from labelmint.comparison.measured import Measured, read_measured, report_folder, write_measured
from labelmint.comparison.measuring import Measuring, of_judge
from labelmint.comparison.options import ComparisonOptions
from labelmint.comparison.pictures import picture
from labelmint.comparison.report import comparison_results
from labelmint.datasets.keeping import Disk, drop_cache
from labelmint.errors import InputError
from labelmint.evaluation.gathering import judge_for
from labelmint.evaluation.origin import machine, versions
from labelmint.formats import read
from labelmint.hardware import Hardware, choose_hardware, choose_threads
from labelmint.nn.efficientnet import lite0
from labelmint.progress import Report
from labelmint.reports.files import write_report
from labelmint.reports.results import Results
from labelmint.runs.config import Request, read_run_config
from labelmint.runs.request import stored_config
from labelmint.storage import Held, alone, check_claim, claim
from labelmint.synthesis.space import check_space
from labelmint.training.run_folder import RunFolder
from labelmint.types import DataSet

__all__ = ["compare"]

_MARK, _KIND = "request.json", {"comparison": 1}


def compare(
    data: DataSet | str | Path,
    out: str | Path,
    options: ComparisonOptions | None = None,
    *,
    command: Sequence[str] = (),
    report: Report | None = None,
    **more: Any,
) -> Results:
    """Train systems for equal minutes, measure all of them by one judge, and write the report.

    Arguments:
        data: the real data set or its path; no system sees its test part but for the layouts that it draws for.
        out: the folder of the report; new, or holding a comparison of the same data and settings, which is gone on
            with or extended.
        options: or `more`, the fields of `ComparisonOptions` by name.
        command: told in the report. report: called with events.

    Raises InputError for bad input of any kind, and where another comparison works in that folder; KeyboardInterrupt
    when stopped, after which the same call goes on.
    """
    options, begin = options or ComparisonOptions(**more), time.perf_counter()
    tell: Report = report or (lambda event: None)
    source, folder = (data if isinstance(data, DataSet) else read(data)), Path(out)
    wanted = checked(source, options)
    check_claim(folder, _MARK, "comparison", _KIND, _held(folder))  # nor may a cache be written elsewhere
    missing = [entrant for entrant in wanted if not _is_drawn(folder, entrant)]
    check_space(folder, options.n * len(missing), n=options.n, labelled=True)
    size = next(iter(wanted.values())).size
    torch.set_num_threads(choose_threads(options.threads))
    ground = load_ground(source, size, options, Disk(folder), tell)
    with alone(folder):
        _claim(folder, ground, options)
        hardware = _hardware(folder, wanted, options)
        found = _measured(folder, ground, options, hardware, tell)
        origin = {
            "command": shlex.join(command),
            **_origin(ground, options, found),
            "versions": versions(),
            "hardware": machine(torch.device(hardware.device)),
            "seconds_of_this_call": round(time.perf_counter() - begin, 1),
        }
        results = _results(folder, ground, options, found, origin)
        write_report(results, folder)
        drop_cache(folder)
    return results


def _results(
    folder: Path,
    ground: Ground,
    options: ComparisonOptions,
    found: Sequence[Measured],
    origin: dict[str, Any],
) -> Results:
    """The answer, with its picture."""
    by_system = {system: [one for one in found if one.entrant.system == system] for system in options.systems}
    apart = differences(
        by_system,
        ground.views.groups,
        ground.real.views.groups,
        ground.real.foreground,
        repeats=options.resamples,
        seed=options.seed,
    )
    return comparison_results(
        by_system,
        apart,
        minutes=options.minutes,
        picture=_picture(folder, ground, options),
        title=f"{', '.join(options.systems)}: a comparison on {ground.data.source}",
        origin=origin,
    )


def _claim(folder: Path, ground: Ground, options: ComparisonOptions) -> None:
    """Mark the folder as this comparison's; raise InputError when it holds something else. More systems and seeds
    add to it; a run refuses settings that differ from its own.
    """
    decisive: dict[str, Any] = {
        **_KIND,
        "minutes": options.minutes,
        "clock": options.clock,
        "endless": options.endless,
        "n": options.n,
        "preset": options.preset,
        "size": ground.about.geometry.size,
        "crop": options.crop,
        "scale": options.scale,
        "augment": sorted(set(options.augment)),
        "normalize": options.normalize,
        "rebalance": options.rebalance,
        "group_by": options.group_by,
        "seed": options.seed,
        "judge": options.judge.model_dump(mode="json"),
        "data_sha256": ground.digest,
        "features": options.features,
    }
    claim(folder, _MARK, "comparison", decisive, _held(folder))


def _held(folder: Path) -> Held:
    """What a folder holds that another mark would belie."""

    def held(key: str, before: Mapping[str, Any]) -> str | None:
        if "comparison" not in before:
            return "something else than a comparison"
        begun = any((folder / name).exists() for name in ("judge", "runs", "samples", "reports"))
        why = "the data have changed" if key == "data_sha256" else f"{key.replace('_', ' ')} differs"
        return f"another comparison ({why})" if begun else None

    return held


def _hardware(folder: Path, wanted: Mapping[Entrant, Request], options: ComparisonOptions) -> Hardware:
    """Return the device, precision and threads of all trainings: as asked for, else as a run that is there has them,
    else what is found here. Raises InputError where a run was made otherwise.
    """
    runs = [RunFolder(run_folder(folder, entrant)) for entrant in wanted]
    for run, request in zip(runs, wanted.values(), strict=True):
        stored_config(run, request)
    begun = next((run for run in runs if (run.path / "config.json").is_file()), None)
    stored = None if begun is None else read_run_config(begun)
    return choose_hardware(options.device, options.precision, options.threads, stored)


def _measured(
    folder: Path, ground: Ground, options: ComparisonOptions, hardware: Hardware, tell: Report
) -> list[Measured]:
    """All trainings; those that are not there are made, one after the other."""
    each = {entrant: _known(folder, entrant) for entrant in entrants(options)}
    if all(each.values()):
        return [one for one in each.values() if one is not None]
    judge = judge_for(folder, ground.about, ground.data, ground.real, of_judge(options), tell)
    measuring = Measuring(folder, ground, judge, options, None if options.features is None else lite0())
    for entrant, known in each.items():
        if known is None:
            telling = _telling(entrant, tell)
            system = trained(folder, entrant, ground, options, hardware, telling)
            samples = drawn(folder, entrant, system, ground, options, telling)
            each[entrant] = found = measuring.measure(entrant, system, samples, telling)
            write_measured(folder, found)
    return [one for one in each.values() if one is not None]


def _is_drawn(folder: Path, entrant: Entrant) -> bool:
    """Return True if all samples of an entrant are there."""
    return (samples_folder(folder, entrant) / "manifest.jsonl").is_file()


def _known(folder: Path, entrant: Entrant) -> Measured | None:
    """What is stored of an entrant, None where nothing is.

    Raises InputError for a report whose run or samples are gone: only they show that it is about what is asked for.
    """
    found, samples = read_measured(folder, entrant), samples_folder(folder, entrant)
    if found is None:
        return None
    run = run_folder(folder, entrant)
    trained, drawn = (run / "config.json").is_file(), _is_drawn(folder, entrant)
    if trained and drawn:
        return found
    left = [each for each in (report_folder(folder, entrant), samples) if each.is_dir()]
    raise InputError(
        f"{samples if trained else run}: is gone, and the report about it is left; remove "
        f"{' and '.join(map(str, left))}, and the same command makes all anew"
    )


def _telling(entrant: Entrant, tell: Report) -> Report:
    """A report that names the training."""
    return lambda event: tell(replace(event, stage=f"{entrant.words}: {event.stage}"))


def _picture(folder: Path, ground: Ground, options: ComparisonOptions) -> Any:
    samples = {
        system: read(samples_folder(folder, Entrant(system, options.seed)), format="folder")
        for system in options.systems
    }
    return picture(folder, ground, samples, options.seed)


def _origin(ground: Ground, options: ComparisonOptions, found: Sequence[Measured]) -> dict[str, Any]:
    """What another person needs to obtain the figures again, apart from the machine."""
    parts = ground.about.parts
    return {
        "data": ground.data.source,
        "data_sha256": ground.digest,
        "pairs": {
            "training": len(parts.training),
            "validation": len(parts.validation),
            "test": len(parts.test),
            "test_views": len(ground.real.views),
            "layouts": len(ground.layouts),
            "test_views_of_unknown_classes": ground.left_out,
            "samples_of_each_training": options.n,
        },
        "size": "x".join(map(str, ground.about.geometry.size)),
        "groups": options.group_by or "every image its own",
        "minutes": options.minutes,
        "clock": options.clock,
        "endless": options.endless,
        "seeds": list(options.all_seeds),
        "preset": options.preset,
        "settings": list(options.settings),
        "judge": found[0].results.origin["judge"],
        "weights_sha256": {one.entrant.key: one.results.origin["weights_sha256"] for one in found},
    }
