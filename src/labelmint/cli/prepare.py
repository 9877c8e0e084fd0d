"""`labelmint datasets prepare NAME --source DIR --out DIR`: the papers' data sets, from a local copy in its
original layout.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from labelmint.cli.errors import interruptible
from labelmint.cli.options import AsJson, Seed, parse_size
from labelmint.cli.printing import print_json, quoted
from labelmint.cli.progress import Progress, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from labelmint.datasets.prepared import Prepared

__all__ = ["prepare"]

prepare = typer.Typer(
    help="Prepare a data set of the papers from a local copy of the original.", no_args_is_help=True
)

Source: TypeAlias = Annotated[
    Path, typer.Option(metavar="DIR", help="The original, in its own layout; it is only read.")
]
Out: TypeAlias = Annotated[
    Path, typer.Option(metavar="DIR", help="The folder to write; it must be new or empty.")
]


@prepare.command("malaria")
def malaria(
    source: Source,
    out: Out,
    keep_cells: Annotated[
        bool,
        typer.Option("--keep-cells", help="Uninfected cells as a class of their own instead of background."),
    ] = False,
    only_infected: Annotated[
        bool,
        typer.Option("--only-infected/--all", help="Patches that touch an infected cell, or all patches."),
    ] = True,
    n: Annotated[
        int | None,
        typer.Option(
            "-n",
            metavar="N",
            min=1,
            help="At most N training patches, drawn by --seed; test ones alike.",
            show_default=False,
        ),
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """BBBC041's blood smears: scaled to 256x256, patches of 96x96 at 60 % overlap, infected cells against all
    else.
    """
    from labelmint.datasets.malaria import prepare_malaria

    def build() -> Prepared:
        return prepare_malaria(source, keep_cells=keep_cells, only_infected=only_infected, n=n, seed=seed)

    _prepare(build, out, "--preset malaria", as_json)


@prepare.command("brats")
def brats(
    source: Source,
    out: Out,
    modes: Annotated[
        str,
        typer.Option(
            help="apart: a grey image a mode, each with its own background; together: one RGB image a slice."
        ),
    ] = "apart",
    as_json: AsJson = False,
) -> None:
    """BraTS 2017 to 2021 (NIfTI): even axial slices with tumor, in FLAIR and T1Gd, split by patient."""
    from labelmint.datasets.brats import prepare_brats

    _prepare(lambda: prepare_brats(source, modes=modes), out, "--preset brats", as_json)


@prepare.command("cityscapes")
def cityscapes(
    source: Source,
    out: Out,
    size: Annotated[str, typer.Option(metavar="HxW", help="Size of the images.")] = "128x256",
    as_json: AsJson = False,
) -> None:
    """Cityscapes with its fine labels: shrunk, 19 classes, val for testing."""
    from labelmint.datasets.cityscapes import prepare_cityscapes

    height_width = parse_size(size)
    preset = (
        f"--system pre-msgnet --preset "
        f"cityscapes-128x256{'' if height_width == (128, 256) else f' --size {size}'}"
    )
    _prepare(lambda: prepare_cityscapes(source, size=height_width), out, preset, as_json)


@prepare.command("gta5")
def gta5(
    source: Source,
    out: Out,
    size: Annotated[str, typer.Option(metavar="HxW", help="Size of the images.")] = "256x512",
    as_json: AsJson = False,
) -> None:
    """GTA-5's game scenes ("Playing for Data"): shrunk, Cityscapes' 19 classes, the parts of split.mat."""
    from labelmint.datasets.gta5 import prepare_gta5

    height_width = parse_size(size)
    preset = f"--preset gta5-256x512{'' if height_width == (256, 512) else f' --size {size}'}"
    _prepare(lambda: prepare_gta5(source, size=height_width), out, preset, as_json)


@prepare.command("clevr")
def clevr(source: Source, out: Out, as_json: AsJson = False) -> None:
    """CLEVR's own pictures: exact labels of 24 classes, found from the scene files."""
    from labelmint.datasets.clevr.original import prepare_clevr

    _prepare(lambda: prepare_clevr(source), out, "--preset clevr-64 --size 48x64", as_json)


def _prepare(build: Callable[[], Prepared], out: Path, preset: str, as_json: bool) -> None:
    from labelmint.datasets.prepared import write_prepared
    from labelmint.progress import Event

    with interruptible("stopped; nothing was written"), Progress() as progress:
        prepared = build()
        say(prepared.findings)
        written = write_prepared(
            prepared, out, lambda done, of: progress.report(Event(prepared.name, done, of))
        )
    if as_json:
        facts = {
            "out": str(out),
            "data_set": prepared.name,
            "format": "folder",
            "group_by": prepared.group_by,
        }
        counts = {"pairs": written.pairs, "train": written.train, "test": written.test}
        counts |= {"validation": written.validation} if written.validation else {}
        print_json(facts | counts | {"choices": dict(prepared.choices)})
        return
    group = f" --group-by {quoted(prepared.group_by)}" if prepared.group_by else ""
    validating = f"{written.validation} to validate on, " if written.validation else ""
    print(
        f"wrote {written.pairs} labelled images to {out}: {written.train} to train on, {validating}{written.test} to "
        f"test on"
    )
    print(f"next: labelmint inspect {quoted(out)}{group}")
    print(f"then: labelmint train {quoted(out)} --out RUN {preset}{group}")
