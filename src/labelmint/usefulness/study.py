"""`study`: do synthetic pairs help a segmenter on these data? The same segmenter in arms with and without
them, over seeds.

OUT/report.html, report.json     the answer          OUT/cells/      what was trained, kept for a call that
                                 goes on (`study_cells`)
OUT/*.png                        its pictures        OUT/request.json
"""

from __future__ import annotations

import hashlib
import shlex
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from labelmint.datasets.keeping import Disk, drop_cache
from labelmint.errors import InputError
from labelmint.evaluation.origin import machine, versions
from labelmint.formats import read
from labelmint.hardware import choose_device, choose_threads
from labelmint.nn.efficientnet import lite0
from labelmint.progress import Event, Report
from labelmint.protocols import Dial
from labelmint.reports.files import write_report
from labelmint.reports.results import Picture, Results
from labelmint.runs.config import Request
from labelmint.runs.request import make_request
from labelmint.runs.unlabelled import check_shares
from labelmint.runs.wire import shapes
from labelmint.segmenters.plateau import ArmConfig
from labelmint.storage import alone, is_unused, refuse_inside
from labelmint.systems.catalogue import SYSTEMS, check_mints
from labelmint.types import DataSet
from labelmint.usefulness.arm_training import train_arm
from labelmint.usefulness.cells import GENERATORS_POOL, INSTANCES, Claim, claim_study, refuse_other
from labelmint.usefulness.outcome import Outcome
from labelmint.usefulness.pictures import readings, sheet
from labelmint.usefulness.plan import REST, StudyOptions
from labelmint.usefulness.pool_images import PoolImages
from labelmint.usefulness.real import RealPairs, load_real
from labelmint.usefulness.report import study_results
from labelmint.usefulness.samples import FromGenerators, Given, Maker, dials_of_generators
from labelmint.usefulness.unlabelled import Unlabelled, open_unlabelled, read_unlabelled
from labelmint.usefulness.work import Study, TrainArm

__all__ = ["study"]


def study(
    data: DataSet | str | Path,
    out: str | Path,
    options: StudyOptions | None = None,
    *,
    maker: Maker | None = None,
    train_arm: TrainArm = train_arm,
    command: Sequence[str] = (),
    report: Report | None = None,
    **more: Any,
) -> Results:
    """Measure whether synthetic pairs help on a data set with a test part, and write the report.

    Arguments:
        data: the real data set or its path; its test part tests every arm and is used for nothing else.
        out: the folder of the report; new, or holding a study of the same data and settings, which is gone on
            with or extended.
        options: or `more`, the fields of `StudyOptions` by name.
        maker: of synthetic pairs, in place of the options' system or given pairs.
        train_arm: trains and tests one arm; another segmenter may stand in.
        command: told in the report. report: called with events.

    Raises InputError for bad input, a folder in use among it; KeyboardInterrupt when stopped: the same call goes on.
    """
    options, begin = options or StudyOptions(**more), time.perf_counter()
    tell: Report = report or (lambda event: None)
    tell(Event("arms", 1, 1, message=options.wanted_in_words))
    source, folder = (data if isinstance(data, DataSet) else read(data)), Path(out)
    _refuse_place(folder, source, options)
    request, device = _request(options), choose_device(options.device)
    trains = maker is None and options.draws and options.synthetic is None
    dials = dials_of_generators(request, options.dials) if trains else ()
    torch.set_num_threads(choose_threads(options.threads))
    given = read(options.synthetic) if options.synthetic is not None else None
    unlabelled = read_unlabelled(options.unlabelled)
    real = load_real(source, _size(options, request.size, given), options, tell, Disk(folder))
    pool = open_unlabelled(unlabelled, real, folder, tell)
    generators = _generators(real, options, request, dials, pool) if trains else None
    maker = generators or _maker(maker, real, given, options, tell)
    pieces = Study(folder, real, options, maker, train_arm, tell, _pool_images(folder, pool, options))
    real.check(pieces.cells(), generators=trains)
    pieces.check_pool()
    with alone(folder):
        claim_study(folder, _decisive(real, options), _claims(options, request, given, pool))
        outcome = pieces.run()
        results = study_results(
            outcome,
            real.classes,
            real.foreground,
            title=f"Does it help? A study of {source.source}",
            pictures=_pictures(folder, outcome, real, pieces.maker),
            origin={
                "command": shlex.join(command),
                **_origin(pieces, real, options, request, source.source, device),
                "seconds_of_this_call": round(time.perf_counter() - begin, 1),
            },
        )
        write_report(results, folder)
        drop_cache(folder)
    return results


def _refuse_place(folder: Path, data: DataSet, options: StudyOptions) -> None:
    """Raise InputError for a folder of something else, and for a new study inside of images that it reads, which would
    then hold its pictures, too.
    """
    refuse_other(folder)
    if not is_unused(folder):  # of a former version, which is gone on with
        return
    others = [one for one in (options.unlabelled, options.synthetic) if one is not None and one != REST]
    sources = [one.source if isinstance(one, DataSet) else one for one in (data, *others)]
    refuse_inside(folder, [one for one in sources if Path(one).is_dir()])


def _request(options: StudyOptions) -> Request:
    """What the generators are trained as, which refuses unknown names and values before anything long begins."""
    request = make_request(
        system=options.system,
        preset=options.preset,
        size=options.size,
        crop=options.crop,
        scale=options.scale,
        augment=options.augment,
        normalize=options.normalize,
        rebalance=options.rebalance,
        settings=options.settings,
        group_by=options.group_by,
        seed=options.seed,
        max_minutes=options.generator_minutes,
    )
    check_mints(request.system, f"--system {request.system}")
    if SYSTEMS[request.system].from_images:
        raise InputError(
            f"--system {request.system}: draws images without labels of pixels, which no segmenter learns from; take a "
            f"system that learns layouts with their images"
        )
    if SYSTEMS[request.system].of_pairs and options.share:
        raise InputError(
            f"--share: the pairs of {request.system} are training images, moved; they must not be shared in place of "
            f"these; take another --system"
        )
    if SYSTEMS[request.system].of_pairs and (options.filter, options.layouts) != ("off", "own"):
        asked, mend = ("filter", "off") if options.filter != "off" else ("layouts", "own")
        raise InputError(
            f"--{asked} {getattr(options, asked)}: {request.system} moves training pairs, layout and image alike, and "
            f"no search finds such copies; pass --{asked} {mend}"
        )
    if shapes(request).needs_references and options.layouts != "own":
        raise InputError(
            f"--layouts {options.layouts}: varied layouts have no images, which tokenizer.reference needs; "
            f"leave either out"
        )
    if options.draws and options.synthetic is None:
        check_shares(request, options.unlabelled)  # before the first arm, not the first generator
    return request


def _origin(
    pieces: Study, real: RealPairs, options: StudyOptions, request: Request, source: str, device: torch.device
) -> dict[str, Any]:
    """What another person needs to obtain the figures again."""
    given, pool = options.synthetic is not None, options.pool_in_words
    return {
        "data": source,
        **({} if pool is None else {"unlabelled": pool}),
        "data_sha256": real.digest,
        "pairs": {
            "training": pieces.pool,
            "validation": len(real.parts.validation),
            "test": len(real.parts.test),
            "test_views": len(real.test),
        },
        "validation": {"within": "none beside the n pairs", "extra": "as many as n, at least 4, at most all"}[
            options.validation
        ],
        "size": "x".join(map(str, real.geometry.size)),
        "groups": options.group_by or "every image its own",
        "seeds": list(options.all_seeds),
        "system": "given pairs" if given else request.system,
        "synthetic": str(options.synthetic) if given else None,
        "preset": options.preset,
        "settings": list(options.settings),
        "generator_minutes": options.generator_minutes,
        "segmenter": options.segmenter.model_dump(mode="json"),
        "judge": options.judge.model_dump(mode="json"),
        "budget_minutes": options.budget,
        "versions": versions(),
        "hardware": machine(device),
    }


def _size(options: StudyOptions, usual: tuple[int, int], given: DataSet | None) -> tuple[int, int]:
    """Size as asked for, else that of given pairs, else the preset's."""
    if given is None or options.size is not None:
        return usual
    if not given.names:
        raise InputError(f"{given.source}: holds no pairs")
    return given[0].layout.size


def _maker(
    maker: Maker | None, real: RealPairs, given: DataSet | None, options: StudyOptions, tell: Report
) -> Maker | None:
    """What was given to make pairs with, if anything."""
    if not options.draws:
        return None
    if maker is not None or given is None:
        return maker
    return Given.open(given, real, tell)


def _generators(
    real: RealPairs, options: StudyOptions, request: Request, dials: tuple[Dial, ...], pool: Unlabelled | None
) -> FromGenerators:
    """A generator for each cell; one that has a use for a pool learns from it, too."""
    beside = pool.data_of if pool is not None and SYSTEMS[request.system].from_pool else None
    return FromGenerators(real, options, dials, beside)


def _pool_images(folder: Path, pool: Unlabelled | None, options: StudyOptions) -> PoolImages | None:
    """The pool as the arms have it; arm TR has the system `transfer` as it is usually trained."""
    if pool is None:
        return None
    if "TR" not in options.wanted:
        return PoolImages(folder, pool, options, None)
    usual = replace(
        options,
        system="transfer",
        preset="small",
        settings=(),
        augment=tuple(one for one in options.augment if one != "zoom"),  # it zooms as it finds
        rebalance="none",  # it shows each pair by its area
        dials={},
        filter="off",
        layouts="own",
        generator_minutes=None,
        synthetic=None,
        share=False,
    )
    dials = dials_of_generators(_request(usual), {})
    return PoolImages(folder, pool, options, FromGenerators(pool.real, usual, dials, pool.data_of))


def _decisive(real: RealPairs, options: StudyOptions) -> dict[str, Any]:
    """All that decides a cell. Numbers of pairs, seeds, ratios, ways and the budget only say which cells
    there are; a higher step limit makes those again that a lower one had stopped (`study_run`).
    """
    return {
        "size": real.geometry.size,
        "crop": options.crop,
        "scale": options.scale,
        "augment": sorted(set(options.augment)),
        "group_by": options.group_by,
        "validation": options.validation,
        "segmenter": options.segmenter.model_dump(mode="json", exclude={"most_steps"}),
        "encoder_weights": _encoder_weights(options.segmenter),
        "data_sha256": real.digest,
        INSTANCES: real.instances,
    }


def _claims(
    options: StudyOptions, request: Request, given: DataSet | None, pool: Unlabelled | None
) -> tuple[Claim, ...]:
    """All that decides arms with synthetic pairs, and arms with a pool. The values are those of the preset, which may
    change between versions.
    """
    # where it stands, studies of former versions go on
    rebalanced = [] if options.rebalance == "none" else [f"rebalance={options.rebalance}"]
    generators = {
        "system": request.system,
        "preset": options.preset,
        "settings": sorted([*options.settings, *rebalanced]),
        "values": request.settings.model_dump(mode="json"),
        "generator_minutes": options.generator_minutes,
        "synthetic": None if given is None else _digest(given),
        "judge": options.judge.model_dump(mode="json"),
    }
    unlabelled = None if pool is None else pool.digest
    generators |= {GENERATORS_POOL: unlabelled} if given is None and SYSTEMS[request.system].from_pool else {}
    return (
        Claim.of_generators(generators if options.draws else None),
        Claim.of_samples(options.samples, options.draws or "TR" in options.wanted),
        Claim.of_pool(unlabelled),
    )


def _encoder_weights(segmenter: ArmConfig) -> str | None:
    """SHA-256 of the file that the encoder comes from, where there is one."""
    if segmenter.network == "lite0":
        return lite0().sha256
    weights = segmenter.encoder_weights
    return None if weights is None else hashlib.sha256(weights.read_bytes()).hexdigest()


def _digest(given: DataSet) -> str:
    digest = hashlib.sha256()
    for pair in given:
        for part in (
            pair.name.encode("utf-8", "surrogateescape"),
            pair.image.tobytes(),
            pair.layout.label_map.tobytes(),
        ):
            digest.update(part)
    return digest.hexdigest()


def _pictures(folder: Path, outcome: Outcome, real: RealPairs, maker: Maker | None) -> list[Picture]:
    found: list[Picture | None] = []
    for n in outcome.studied:
        point = outcome.at(n)
        found += [
            sheet(folder, point, outcome, real, maker) if maker is not None else None,
            readings(folder, point, outcome, real),
        ]
    return [picture for picture in found if picture is not None]
