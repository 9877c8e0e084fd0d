"""What `label` writes: the data set, and beside it

    settings.json    how the labels were minted, and by class the threshold, the share of pixels that is kept, and the
                     precision, recall and Dice expected of them
    doubt.csv        a line an image, the most doubtful first: share of pixels kept, mean doubt, objects refused
    doubt.png        the most doubtful images, their labels, and where the doubt lies
    README.md        the data-set card, with what the labels are

Everything takes its place at once, when all is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from labelmint import pictures
from labelmint.formats import write
from labelmint.formats.files import new_folder
from labelmint.pool.doubtful import DOUBT, Row, write_rows
from labelmint.pool.images import Pool
from labelmint.pool.labelled import Labelled
from labelmint.pool.minting import Minted, Minter
from labelmint.pool.options import LabelOptions
from labelmint.pool.rounds import Taught
from labelmint.pool.sheet import write_sheet
from labelmint.pool.thresholds import LEVELS, Agreement, agreement, cuts_keeping
from labelmint.progress import Event, Report
from labelmint.storage import write_json, write_text
from labelmint.types import AnnotatedImage, Array, DataSet
from labelmint.version import __version__

__all__ = ["SHARES", "write_outcome"]

SHARES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)  # of the pixels of each class, of the curve
_ON_THE_SHEET = 32


class _Loader:
    """name -> AnnotatedImage of the pool with its minted label; what was minted is noted in `rows`."""

    def __init__(self, pool: Pool, minter: Minter) -> None:
        self._data, self._minter = pool.data, minter
        self._images = {pair.name: pair.image for pair in pool.pairs}
        self.rows: dict[str, Row] = {}
        self.pixels: dict[str, int] = {}
        self.refused: Counter[str] = Counter()

    def __call__(self, name: str) -> AnnotatedImage:
        return self._with_label(self._data.load(name))

    def undecoded(self, name: str) -> AnnotatedImage:
        """The pair, whose image is decoded when that is asked for."""
        return self._with_label(self._data.undecoded(name))

    def minted(self, name: str, size: tuple[int, int]) -> Minted:
        """The label of an image."""
        return self._minter.at(self._images[name], size)

    def _with_label(self, pair: AnnotatedImage) -> AnnotatedImage:
        minted = self.minted(pair.name, pair.layout.size)
        self.pixels[pair.name] = minted.doubt.size
        self.refused.update(minted.refused)
        self.rows[pair.name] = Row(
            pair.name, minted.kept, float(minted.doubt.mean()), sum(minted.refused.values())
        )
        return pair.with_layout(minted.layout)


def write_outcome(
    out: Path,
    labelled: Labelled,
    pool: Pool,
    taught: Taught,
    options: LabelOptions,
    say: Callable[[str], None],
    tell: Report,
) -> Path:
    """Mint the labels and write all of it."""
    loader, lost = _Loader(pool, taught.minter), list[str]()
    # whoever reads the labels trains on all of them: parts of the pool are none of theirs
    minted = replace(
        pool.data,
        classes=labelled.classes,
        load=loader,
        train=None,
        validation=None,
        test=None,
        findings=(),
        extras=None,
        origins=(),
    )
    with new_folder(out) as folder:
        write(
            minted,
            folder,
            format=options.format,
            classes=labelled.classes,
            image_format=options.image_format,
            tell=lambda finding: lost.append(finding.text),
            report=lambda done: tell(Event("write labels", done, len(minted))),
        )
        rows = sorted(loader.rows.values(), key=lambda row: (-row.doubt, row.name))
        facts = _facts(labelled, pool, taught, options, rows, loader)
        write_json(folder / "settings.json", facts)
        write_rows(folder / DOUBT, rows)
        _write_sheet(folder / "doubt.png", rows[:_ON_THE_SHEET], minted, loader)
        card = folder / "README.md"
        write_text(card, f"{card.read_text(encoding='utf-8')}\n{_section(facts)}")
    for line in lost:
        say(line)
    return out


def _facts(
    labelled: Labelled, pool: Pool, taught: Taught, options: LabelOptions, rows: list[Row], loader: _Loader
) -> dict[str, Any]:
    names = labelled.classes.names
    settings = {
        name: value for name, value in asdict(options).items() if name not in ("segmenter", "ensemble")
    }
    pixels = [loader.pixels[row.name] for row in rows]
    return {
        "made_by": f"labelmint {__version__}, label",
        "settings": {**settings, "segmenter": options.segmenter.model_dump(mode="json")},
        "hardware": dict(zip(("device", "precision", "threads"), taught.hardware, strict=True)),
        "labelled_images": len(labelled.pairs),
        "held_out_images": sum(bool(readers) for readers in labelled.readers),
        "images": len(rows),
        "left_out": list(pool.left_out),
        "kept": float(np.average([row.kept for row in rows], weights=pixels)),
        "doubt": float(np.average([row.doubt for row in rows], weights=pixels)),
        "refused_objects": dict(sorted(loader.refused.items())),
        "expected": _by_class(names, agreement(taught.tally, taught.cuts), taught.cuts / LEVELS),
        "curve": [
            {"share": share, "dice": dict(zip(names, _plain(_at(taught, share).dice), strict=True))}
            for share in SHARES
        ],
    }


def _at(taught: Taught, share: float) -> Agreement:
    return agreement(taught.tally, cuts_keeping(taught.tally, share))


def _by_class(
    names: tuple[str, ...], found: Agreement, thresholds: Array
) -> dict[str, dict[str, float | None]]:
    columns = {
        "threshold": _plain(thresholds),
        "kept": _plain(found.kept),
        "precision": _plain(found.precision),
        "recall": _plain(found.recall),
        "dice": _plain(found.dice),
    }
    return {name: {key: values[k] for key, values in columns.items()} for k, name in enumerate(names)}


def _plain(values: Array) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 6) for value in values]


def _write_sheet(file: Path, rows: list[Row], data: DataSet, loader: _Loader) -> None:
    """Image, label and doubt of each row, two rows side by side."""
    cells, captions = list[Array](), list[str]()
    for image, row in zip(_images(data, rows), rows, strict=True):
        minted = loader.minted(row.name, (image.shape[0], image.shape[1]))
        doubt = (minted.doubt * 2).clip(0, 1)[..., None] * 255
        cells += [image, pictures.overlay(image, minted.layout, data.classes), doubt.astype(np.uint8)]
        captions += [row.name, f"{row.kept:.0%} kept", f"doubt {row.doubt:.3f}"]
    write_sheet(file, cells, captions, columns=6)


def _images(data: DataSet, rows: list[Row]) -> Iterator[Array]:
    source = data.load
    assert isinstance(source, _Loader)
    return (source._data.load(row.name).image for row in rows)


def _section(facts: Mapping[str, Any]) -> str:
    """What the labels are, for the data-set card."""
    lines = [
        "## Minted labels",
        "",
        f"**The images are real and their labels are not a person's**: {facts['settings']['members']} segmenters read "
        f"them that were trained on",
        f"{facts['labelled_images']} labelled images in {facts['settings']['rounds']} round(s). Pixels that they doubt "
        "are ignored; correct the first lines of `doubt.csv`, which are the most doubtful.",
        "",
        "Expected of the pixels that are kept, by labelled images that the segmenters held out:",
        "",
        "| class | kept | precision | recall | Dice |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, row in facts["expected"].items():
        shown = (
            ("-" if row[key] is None else f"{row[key]:.3f}")
            for key in ("kept", "precision", "recall", "dice")
        )
        lines.append(f"| {' '.join(name.replace('|', '/').split())} | {' | '.join(shown)} |")
    if facts["held_out_images"] == facts["labelled_images"]:
        lines += [
            "",
            "Thresholds and figures are those of the segmenters that had not learned from an image, mostly one; the "
            "images here were read by the mean of all, so that the figures are on the careful side.",
        ]
    if facts["settings"]["rounds"] > 1:
        lines += [
            "",
            "From the second round on the labelled images are not quite unseen by those that held them out: the minted "
            "labels that these learned from were read by segmenters that had seen them.",
        ]
    if facts["refused_objects"]:
        counted = ", ".join(f"{count} by {rule}" for rule, count in facts["refused_objects"].items())
        lines += ["", f"Objects that no labelled image shows alike, ignored: {counted}."]
    return "\n".join([*lines, "", f"Made by {facts['made_by']}; `settings.json` has all settings.", ""])
