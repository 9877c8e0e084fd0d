"""`evaluate`: is the label true, is it a copy, is it coherent? One pass over all questions, and a report.

OUT/report.html, report.json     the answers                 OUT/synthetic/   the samples of a run
OUT/*.png                        pictures of the report      OUT/judge/       the judge of a set of pairs (a
                                 run keeps its own)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from labelmint.datasets.canvas import DIGIT_CLASSES
from labelmint.datasets.keeping import Disk, drop_cache
from labelmint.datasets.pair import Pair
from labelmint.dials import DIALS, LAYOUT_TEMPERATURE, TEMPERATURE
from labelmint.errors import InputError
from labelmint.evaluation.coherent import coherent
from labelmint.evaluation.copied import copied, scored
from labelmint.evaluation.enlargement import evaluate_upscaler, upscales
from labelmint.evaluation.fidelity import fidelity
from labelmint.evaluation.gathering import Real, judge_for, load_real, material_of
from labelmint.evaluation.judging import refuse_one_class
from labelmint.evaluation.likelihood import AT_MOST, LAYOUTS, likelihood, not_measured, same_layout
from labelmint.evaluation.loading import room
from labelmint.evaluation.material import Material, teller
from labelmint.evaluation.obedience import obedience
from labelmint.evaluation.options import Options
from labelmint.evaluation.origin import Known, origin_of
from labelmint.evaluation.rejects import rejects
from labelmint.evaluation.subject import Subject, open_subject, refuse_overlap, refuse_views
from labelmint.evaluation.verdict import verdict
from labelmint.evaluation.views import views_of_samples
from labelmint.formats import read
from labelmint.formats.images_alone import UNLABELLED
from labelmint.hardware import choose_threads
from labelmint.pictures import side_by_side
from labelmint.progress import Event, Report
from labelmint.reports.files import write_report
from labelmint.reports.results import Figure, Picture, Results, Section
from labelmint.storage import CACHE, alone, claim
from labelmint.synthesis import mint
from labelmint.types import DataSet

if TYPE_CHECKING:
    from labelmint.evaluation.known_weights import Vgg
    from labelmint.runs.trained import TrainedSystem

__all__ = ["HEADLINE", "evaluate"]

HEADLINE = (
    "obedience.ratio",
    "memorization.copies_per_1000",
    "fidelity.precision",
    "fidelity.coverage",
    "coherence.learned_layouts",
)
SAMPLES = 500
_MARK = "request.json"


def evaluate(
    subject: str | Path,
    data: DataSet | str | Path,
    out: str | Path,
    options: Options | None = None,
    *,
    command: Sequence[str] = (),
    report: Report | None = None,
    **more: Any,
) -> Results:
    """Evaluate a run, or pairs made by any program, against real data, and write the report.

    Arguments:
        subject: a run folder, or labelled images. Of a run that enlarges images that is measured
            (`evaluation.enlargement`).
        data: the real data, with a test part that was never trained on.
        out: the folder of the report; new, or holding an evaluation of the same subject and options, which is
            gone on with.
        options: or `more`, the fields of `Options` by name.
        command: told in the report. report: called with events.

    Raises InputError for bad input of any kind, and where another evaluation works in that folder.
    """
    options, begin = options or Options(**more), time.perf_counter()
    tell: Report = report or (lambda event: None)
    enlarges = upscales(Path(subject))
    source, folder = (data if isinstance(data, DataSet) else read(data, alone=enlarges)), Path(out)
    torch.set_num_threads(choose_threads(options.threads))
    if enlarges:
        return evaluate_upscaler(Path(subject), source, folder, options, command=command, report=tell)
    refuse_one_class(source)  # before anything is drawn
    known = _known_weights(options)
    about = _subject(Path(subject), source, options)
    with alone(folder):
        _claim(folder, about, source, options)
        results = _results(about, source, folder, options, known, command, tell, begin)
        write_report(results, folder)
        drop_cache(folder)
    return results


def _results(
    about: Subject,
    source: DataSet,
    folder: Path,
    options: Options,
    known: Known,
    command: Sequence[str],
    tell: Report,
    begin: float,
) -> Results:
    """All that is measured; pictures and samples lie in the folder."""
    samples = about.pairs if about.pairs is not None else _drawn(about, folder / "synthetic", options, tell)
    real = load_real(about, source, options.fid_weights is not None, Disk(folder), tell)
    material = _material(about, source, real, samples, folder, options, tell)
    if samples.classes.labelled:
        sections = _sections(about, source, real.tested, material, options, known, tell)
    else:
        sections = _sections_of_images(about, material, known, tell)
    figures = {figure.name: figure for section in sections for figure in section.figures}
    overview = _overview(material, samples.classes.labelled)
    return Results(
        title=f"Evaluation of {about.title} on {source.source}",
        verdict=verdict(figures),
        headline=tuple(name for name in HEADLINE if name in figures),
        overview=overview,
        sections=tuple(sections),
        origin=origin_of(
            about, source, samples, material, options, known, command, time.perf_counter() - begin
        ),
    )


def _subject(path: Path, source: DataSet, options: Options) -> Subject:
    """What is evaluated; raises InputError for options that have no meaning with it."""
    about = open_subject(
        path,
        source,
        size=options.size,
        crop=options.crop,
        scale=options.scale,
        augment=options.augment,
        group_by=options.group_by,
        device=options.device,
        threads=options.threads,
        normalize=options.normalize,
    )
    if about.pairs is not None:
        refuse_overlap(source, about.pairs)
        _refuse_options_of_runs(options, about.path)
    if about.system is not None:
        about.system.resolve(options.dials)
    if options.composition not in (None, "center") and not set(DIGIT_CLASSES.ids) <= set(source.classes.ids):
        raise InputError(
            f"--composition {options.composition}: is about digits, whose class ids are 1 to 10, and "
            f"{source.source} has other classes; "
            "leave it out"
        )
    return about


def _known_weights(options: Options) -> Known:
    """Load what was asked for before anything long begins: a wrong file is told at once."""
    from labelmint.evaluation.known_weights import Inception, Vgg
    from labelmint.nn.efficientnet import lite0

    return (
        Inception(options.fid_weights) if options.fid_weights is not None else None,
        Vgg(options.lpips_weights) if options.lpips_weights is not None else None,
        lite0() if options.features is not None else None,
    )


def _refuse_options_of_runs(options: Options, path: Path) -> None:
    given = {
        "-n": options.n,
        **{DIALS[name].option if name in DIALS else f"--dial {name}": x for name, x in options.dials.items()},
        "--lpips-weights": options.lpips_weights,
    }
    wrong = [name for name, value in given.items() if value is not None]
    if wrong:
        raise InputError(
            f"{path}: holds pairs and is no run; leave out what only has a meaning with a run: "
            f"{', '.join(wrong)}"
        )


def _claim(folder: Path, about: Subject, data: DataSet, options: Options) -> None:
    """Mark the folder as this evaluation's; raise InputError when it holds something else."""

    def held(key: str, before: object) -> str | None:
        begun = any(path.name not in (_MARK, CACHE) for path in folder.iterdir())
        return f"another evaluation ({key} differs)" if begun else None

    claim(folder, _MARK, "evaluation", {"evaluation": 1, **_request(about, data, options)}, held)


def _request(about: Subject, data: DataSet, options: Options) -> dict[str, Any]:
    fields = {
        name: getattr(options, name)
        for name in Options.__dataclass_fields__
        if name not in ("dials", "judge", "device", "precision", "threads", "resamples")
    }
    # as the first version wrote them, so that its evaluations are gone on with
    dials = {**dict.fromkeys((TEMPERATURE.name, LAYOUT_TEMPERATURE.name)), **options.dials}
    for name, usual in (("normalize", "none"), ("features", None)):
        if fields[name] == usual:
            fields.pop(name)  # which evaluations made before did not know
    weights = about.system.digest if about.system else None
    return {
        "subject": str(about.path),
        "weights": weights,
        "data": data.source,
        **fields,
        **dials,
        "judge": options.judge.model_dump(mode="json"),
    }


def _drawn(about: Subject, folder: Path, options: Options, tell: Report) -> DataSet:
    """The samples of a run, drawn once; what a stopped evaluation left is gone on with."""
    assert about.system is not None
    mint(
        about.system,
        folder,
        n=options.n or SAMPLES,
        seed=options.seed,
        dials=options.dials,
        filter="off",
        resume=True,
        report=tell,
    )
    return read(folder, format="folder" if about.system.classes.labelled else "images")


# Material ---------------------------------------------------------------------------------------------------


def _material(
    about: Subject, data: DataSet, real: Real, samples: DataSet, folder: Path, options: Options, tell: Report
) -> Material:
    """All that is measured with."""
    synthetic = views_of_samples(
        samples,
        data.classes,
        about.geometry.size,
        real.channels,
        teller(tell, "load synthetic"),
        room(),
        about.normalize,
    )
    refuse_views(synthetic, real.test, samples.source)
    if about.system is None:
        judge = judge_for(folder, about, data, real, options, tell)
    else:  # the run keeps it, for every evaluation of it
        busy = Event("judge", 0, 1, message="another command trains it; waiting")
        with alone(about.path, lambda: tell(busy)):
            judge = judge_for(about.path, about, data, real, options, tell)
    drawn = about.system is None or about.system.has_layout_prior
    return material_of(data, real, synthetic, judge, folder, options, drawn_layouts=drawn, report=tell)


# Sections ---------------------------------------------------------------------------------------------------


def _sections(
    about: Subject,
    data: DataSet,
    tested: Sequence[Pair],
    material: Material,
    options: Options,
    known: Known,
    tell: Report,
) -> list[Section]:
    copies_section, copies = copied(material, validation_is_held_out=about.system is not None)
    kept = scored(copies)
    tell(Event("figures", 1, 4))
    obedient = obedience(material, kept)
    tell(Event("figures", 2, 4))
    faithful = fidelity(material, kept, known[0], known[2])
    tell(Event("figures", 3, 4))
    coherence_section, incoherent = coherent(
        material, options.composition, _grain(about), options.reader_steps
    )
    found = [obedient, copies_section, faithful, coherence_section, rejects(material, incoherent)]
    if about.system is not None:
        found.append(_likelihood(about.system, data, tested, material, known[1]))
        found.append(_same_layout(about.system, data, tested, material, options, known[1]))
    tell(Event("figures", 4, 4))
    return found


def _sections_of_images(about: Subject, material: Material, known: Known, tell: Report) -> list[Section]:
    """What can be said of images without labels: whether they are copies, and whether they look real."""
    copies_section, copies = copied(material, validation_is_held_out=about.system is not None)
    tell(Event("figures", 2, 4))
    found = [copies_section, fidelity(material, scored(copies), known[0], known[2])]
    tell(Event("figures", 4, 4))
    return found


def _grain(about: Subject) -> float:
    """The cell of a run's layout grid in shares of its side; 0 for pairs of unknown making."""
    return about.system.grain if about.system else 0.0


def _likelihood(
    system: TrainedSystem, data: DataSet, tested: Sequence[Pair], material: Material, net: Vgg | None
) -> Section:
    try:
        pairs = system.as_trained.seen(data, tested[:AT_MOST])
    except InputError as error:  # classes that the run does not know
        return not_measured(error)
    return likelihood(system, pairs, material.folder, net)


def _same_layout(
    system: TrainedSystem,
    data: DataSet,
    tested: Sequence[Pair],
    material: Material,
    options: Options,
    net: Vgg | None,
) -> Section:
    try:
        return same_layout(
            system,
            system.as_trained.seen(data, tested[:LAYOUTS]),
            material.folder,
            net,
            dials=options.dials,
            seed=options.seed,
        )
    except InputError as error:  # layouts of classes that the run does not know
        refused = Figure(
            name="diversity.same_layout_ssim",
            title="1 - SSIM among images of one layout",
            value=None,
            refused=str(error),
        )
        return Section(
            name="diversity",
            title="How different are images of one layout?",
            summary=str(error),
            figures=(refused,),
        )


def _overview(material: Material, labelled: bool) -> Picture:
    classes = material.classes if labelled else UNLABELLED
    rng = np.random.default_rng(material.seed)
    real, synthetic = (
        [views.pair(int(i), material.classes) for i in sorted(rng.permutation(len(views))[:12])]
        for views in (material.real, material.synthetic)
    )
    side_by_side(real, synthetic, classes, material.folder / "overview.png", columns=2)
    return Picture(
        title="Real and synthetic",
        file="overview.png",
        note=f"Test {'pairs' if labelled else 'images'} on the left, samples on the right, both drawn at random.",
    )
