"""Measuring the samples of an entrant by the sections of `evaluate`, beside the real pairs, by one judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from labelmint.comparison.diversity import diversity
from labelmint.comparison.effort import effort
from labelmint.comparison.entrants import Entrant
from labelmint.comparison.ground import Ground
from labelmint.comparison.making import samples_folder
from labelmint.comparison.measured import Measured, Values, report_folder
from labelmint.comparison.options import ComparisonOptions
from labelmint.evaluation.copied import copied, scored
from labelmint.evaluation.fidelity import fidelity
from labelmint.evaluation.gathering import material_of
from labelmint.evaluation.loading import room
from labelmint.evaluation.material import Material, teller
from labelmint.evaluation.obedience import obedience
from labelmint.evaluation.options import Options
from labelmint.evaluation.origin import machine, versions
from labelmint.evaluation.subject import refuse_views
from labelmint.evaluation.verdict import verdict
from labelmint.evaluation.views import views_of_samples
from labelmint.metrics.overlap import confusion
from labelmint.nn.efficientnet import EfficientNetLite0
from labelmint.progress import Report
from labelmint.reports.results import Results, Section
from labelmint.runs.trained import TrainedSystem
from labelmint.segmenters.judge import Judge
from labelmint.types import DataSet

__all__ = ["Measuring", "of_judge"]


def of_judge(options: ComparisonOptions) -> Options:
    """How the judge is trained and figures are computed, as `evaluate` has it."""
    return Options(
        seed=options.seed,
        judge=options.judge,
        resamples=options.resamples,
        device=options.device,
        precision=options.precision,
        threads=options.threads,
    )


class Measuring:
    """Measures one entrant after the other; what the judge reads from real images is kept.

    Arguments:
        out: the folder of the comparison. judge: of the real pairs.
        encoder: for a Fréchet distance of its features; None for none.
    """

    def __init__(
        self,
        out: Path,
        ground: Ground,
        judge: Judge,
        options: ComparisonOptions,
        encoder: EfficientNetLite0 | None = None,
    ) -> None:
        self.out, self.ground, self.judge, self.options = out, ground, judge, options
        self.encoder = encoder
        self._last: Material | None = None

    def measure(self, entrant: Entrant, system: TrainedSystem, samples: DataSet, report: Report) -> Measured:
        """The report of an entrant and its values."""
        material = self._material(entrant, samples, report)
        sections, values = self._sections(entrant, system, material)
        figures = {figure.name: figure for section in sections for figure in section.figures}
        results = Results(
            title=f"{entrant.words}, on {self.ground.data.source}",
            verdict=verdict(figures),
            headline=("obedience.ratio", "fidelity.frechet_distance", "fidelity.coverage"),
            sections=tuple(sections),
            origin=self._origin(system, material),
        )
        return Measured(entrant=entrant, results=results, values=values)

    def _material(self, entrant: Entrant, samples: DataSet, report: Report) -> Material:
        real, about = self.ground.real, self.ground.about
        views = views_of_samples(
            samples,
            self.ground.data.classes,
            about.geometry.size,
            real.channels,
            teller(report, "load synthetic"),
            room(),
            about.normalize,
        )
        refuse_views(views, real.test, samples.source)
        folder = report_folder(self.out, entrant)
        folder.mkdir(parents=True, exist_ok=True)
        found = material_of(
            self.ground.data,
            real,
            views,
            self.judge,
            folder,
            of_judge(self.options),
            drawn_layouts=False,
            report=report,
        )
        if self._last is not None:
            found = self._last.beside(found.synthetic, folder)
            found.report = report
        self._last = found
        return found

    def _sections(
        self, entrant: Entrant, system: TrainedSystem, material: Material
    ) -> tuple[list[Section], Values]:
        copies_section, copies = copied(material)
        kept, classes = scored(copies), len(material.classes)
        samples = samples_folder(self.out, entrant)
        sections = [
            obedience(material, kept),
            copies_section,
            fidelity(material, kept, None, self.encoder),
            diversity(system, self.ground, material, entrant.seed),
            effort(system, self.ground, samples),
        ]
        values = Values(
            counts=confusion(material.synthetic.labels, material.reading("synthetic"), classes),
            real_counts=confusion(material.real.labels, material.reading("real"), classes),
            features=material.features("synthetic"),
            real_features=material.features("real"),
            kept=kept,
        )
        return sections, values

    def _origin(self, system: TrainedSystem, material: Material) -> dict[str, Any]:
        judge = {
            name: material.judge.about[name]
            for name in ("sha256", "steps", "best_step", "held_out_dice", "precision")
        }
        return {
            "system": system.system,
            "weights_sha256": system.digest,
            "data": self.ground.data.source,
            "data_sha256": self.ground.digest,
            "samples": len(material.synthetic),
            "judge": judge,
            "versions": versions(),
            "hardware": machine(system.device),
        }
