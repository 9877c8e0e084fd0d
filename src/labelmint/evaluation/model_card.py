"""README.md of a run: what it is, what it learned from, how well it draws, and how to draw with it.

It holds no date and no path, so that a run can be handed on with it. What labelmint can't know, the licenses, is asked
for or left to fill in.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence

from labelmint.evaluation.known_runs import Known
from labelmint.formats.card import in_a_cell
from labelmint.reports.results import Figure
from labelmint.systems.catalogue import SYSTEMS

__all__ = ["model_card"]

_UNKNOWN = "not said; fill it in before you hand the run on"
_DOES = {
    "images": "it draws new images of {size} pixels ({color}){labels}.",
    "layouts": "it draws layouts of boxes, for images of {size} pixels that other runs draw.",
    "upscaler": "it enlarges the images ({color}) of other runs.",
}
_COME_FROM = {
    "images": "Images come from what the training images show, and can\ncome close to single ones",
    "layouts": "Its layouts can come close to single ones that it learned\nfrom",
    "upscaler": "The detail that it adds comes from what the\ntraining images show",
}
_DRAWN_WITH = {
    "images": "labelmint synthesize {run} --out new-data -n 1000",
    "layouts": "labelmint synthesize OTHER_RUN --layouts-from {run} --out new-data -n 1000",
    "upscaler": "labelmint synthesize OTHER_RUN --upscale {run} --out new-data -n 1000",
}


def model_card(known: Known, *, license: str | None = None, data_license: str | None = None) -> str:
    """The text of the card, in Markdown with the head that Hugging Face reads.

    Arguments:
        license: of the weights, as in "apache-2.0". data_license: of the training images and labels.
    """
    request, system = known.config.request, SYSTEMS[known.config.request.system]
    (height, width), channels = request.size, known.config.image_channels
    name = known.path.resolve().name
    color = {1: "grey", 3: "color"}.get(channels, f"{channels} channels")
    labels = ", each with its label" if known.config.classes else ""
    does = _DOES[system.role].format(size=f"{height}x{width}", color=color, labels=labels)
    lines = [
        "---",
        f"license: {license or 'other'}",
        "library_name: labelmint",
        "tags: [synthetic-data, image-generation]",
        "---",
        "",
        f"# {name}",
        "",
        f"A run of labelmint's `{request.system}`: " + does,
        "",
        f"- System: `{request.system}`, preset `{request.preset}`; {system.source}",
        f"- Layouts: {system.layout_source}",
        f"- Images: {system.image_generator}",
        f"- Weights: SHA-256 `{known.digest}`; written by labelmint {known.config.labelmint_version}",
        f"- License of the weights: {license or _UNKNOWN}",
        "",
        *_data(known, data_license),
        *_training(known),
        *_figures(known),
        "## To draw with it",
        "",
        "```sh",
        _DRAWN_WITH[system.role].format(run=shlex.quote(name)),
        "```",
        "",
        f"Every image that is drawn with it is synthetic and says so. {_COME_FROM[system.role]}: the terms of the "
        "training data may bind what is done with them.",
        "",
        "## Settings",
        "",
        "```json",
        json.dumps(request.model_dump(mode="json"), indent=1),
        "```",
    ]
    return "\n".join(lines) + "\n"


def _data(known: Known, license: str | None) -> list[str]:
    parts = [
        f"{len(names):,} {part}" for part, names in known.split.items() if isinstance(names, list) and names
    ]
    config = known.config
    rows = [[in_a_cell(info.name), str(info.id)] for info in config.class_set.classes]
    ignored = (
        [f"Ignored in labels: {', '.join(map(str, config.ignore))}.", ""] if config.ignore and rows else []
    )
    return [
        "## Data",
        "",
        f"- Pairs: {', '.join(parts)}",
        f"- Digest of what it learned from: `{config.data_digest}`",
        f"- License of the data: {license or _UNKNOWN}",
        "",
        *(_table(("class", "id"), rows) if rows else []),
        *ignored,
    ]


def _training(known: Known) -> list[str]:
    rows = [
        [one.stage, f"{one.steps:,}", f"{one.seconds / 60:.1f}", _held_out(one.held_out)]
        for one in known.learned
    ]
    config = known.config
    return [
        "## Training",
        "",
        f"On {config.device}, precision {config.precision}, seed {config.request.seed}.",
        "",
        *_table(("stage", "steps", "minutes", "held-out figures at its end"), rows),
    ]


def _held_out(figures: dict[str, float]) -> str:
    return ", ".join(
        f"{name.removeprefix('held_out_')} {value:.4g}" for name, value in sorted(figures.items())
    )


def _figures(known: Known) -> list[str]:
    """The headline of the newest evaluation."""
    head = ["## How well it draws", ""]
    if known.report is None:
        return [*head, "Nobody has measured it: `labelmint evaluate` does.", ""]
    found = known.report.figures
    wanted = [found[name] for name in known.report.headline if name in found and not found[name].refused]
    rows = [[one.title, _value(one.value, one), _interval(one), _value(one.real, one)] for one in wanted]
    upscales = SYSTEMS[known.config.request.system].role == "upscaler"
    judged = (
        ", on images held out of the training" if upscales else ", by a judge trained on real pairs alone"
    )
    return [
        *head,
        known.report.verdict.text,
        "",
        *_table(("figure", "synthetic", "95 % interval", "real, held out"), rows),
        f"Measured by `labelmint evaluate`{judged}.",
        "",
    ]


def _value(value: float | None, figure: Figure) -> str:
    return "" if value is None else f"{value:.3g} {figure.unit}".strip()


def _interval(figure: Figure) -> str:
    known = figure.low is not None and figure.high is not None
    return f"{figure.low:.3g} to {figure.high:.3g}" if known else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table of Markdown, and an empty line."""
    lines = [head, ["---"] * len(head), *rows]
    return [*(f"| {' | '.join(line)} |" for line in lines), ""]
