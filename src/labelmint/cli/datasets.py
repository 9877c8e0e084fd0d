"""`labelmint datasets make ...`: data sets that can be made; `labelmint datasets prepare ...`: published
ones, from their originals.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from labelmint.cli.errors import interruptible
from labelmint.cli.options import AsJson, Seed, parse_size
from labelmint.cli.prepare import prepare
from labelmint.cli.printing import print_json, quoted
from labelmint.cli.progress import Progress
from labelmint.errors import InputError

if TYPE_CHECKING:
    from labelmint.types import AnnotatedImage

__all__ = ["app", "write_digits"]

app = typer.Typer(
    help="Data sets that can be made, and published ones that can be prepared.", no_args_is_help=True
)
make = typer.Typer(help="Make a data set of labelled images.", no_args_is_help=True)
app.add_typer(make, name="make")
app.add_typer(prepare, name="prepare")

Count: TypeAlias = Annotated[int, typer.Option("-n", metavar="N", help="How many images.")]
Out: TypeAlias = Annotated[Path, typer.Option(help="The folder to write; it must be new or empty.")]
Composition: TypeAlias = Annotated[
    str, typer.Option(help="three, pairs or upper: how digits lie on the canvas.")
]

PictureSize: TypeAlias = Annotated[str, typer.Option("--size", metavar="HxW", help="Size of the images.")]
Samples: TypeAlias = Annotated[
    int, typer.Option(min=1, help="Light paths a pixel: more is less grainy and slower.")
]
Processes: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="Rendered at once; all cores unless given.", show_default=False)
]


@make.command("digits")
def digits(
    out: Out,
    n: Count,
    composition: Composition = "three",
    canvas: Annotated[str, typer.Option(metavar="HxW", help="Size of the images.")] = "32x32",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Real handwritten digits (8x8, shipped) on a canvas; the label is each digit's filled cell."""
    from labelmint.datasets.digits import make_digits

    _check_count(n)
    pairs = make_digits(composition, n, canvas=parse_size(canvas, "--canvas"), seed=seed)
    _make(pairs, out, n, as_json)


@make.command("multi-mnist")
def multi_mnist(
    source: Annotated[Path, typer.Option(help="Folder with the original MNIST idx files.")],
    out: Out,
    n: Count,
    composition: Composition = "three",
    canvas: Annotated[str, typer.Option(metavar="HxW", help="Size of the images.")] = "64x64",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """MNIST digits on a canvas, the Multi-MNIST of the MSGNet paper."""
    from labelmint.datasets.multi_mnist import make_multi_mnist

    _check_count(n)
    pairs = make_multi_mnist(source, composition, n, canvas=parse_size(canvas, "--canvas"), seed=seed)
    _make(pairs, out, n, as_json)


@make.command("clevr-64")
def clevr_64(
    out: Out,
    n: Count,
    size: PictureSize = "64x64",
    samples: Samples = 100,
    processes: Processes = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """CLEVR, rendered: 2 to 4 objects of 24 classes with their shadows, exact label maps, instances, boxes
    and scenes.

    Can be stopped and run again. Needs the extra `clevr` (Mitsuba 3).
    """
    _make_clevr("clevr-64", out, n, size, samples, processes, seed, as_json)


@make.command("clevr-192")
def clevr_192(
    out: Out,
    n: Count,
    size: PictureSize = "192x192",
    samples: Samples = 100,
    processes: Processes = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """CLEVR, rendered: a metal object in the center, and for most a second one around it that it mirrors when
    they are near.

    Can be stopped and run again. Needs the extra `clevr` (Mitsuba 3).
    """
    _make_clevr("clevr-192", out, n, size, samples, processes, seed, as_json)


def _make_clevr(
    kind: str, out: Path, n: int, size: str, samples: int, processes: int | None, seed: int, as_json: bool
) -> None:
    from labelmint.datasets.clevr.make import make_clevr

    _check_count(n)
    with (
        interruptible(f"stopped; run the same command again to go on from what is in {out}.partial"),
        Progress() as progress,
    ):
        made = make_clevr(
            kind,
            n,
            out,
            size=parse_size(size),
            samples=samples,
            seed=seed,
            processes=processes,
            tell=_timed(progress),
        )
    _tell_made(made, n, as_json)


def _timed(progress: Progress) -> Callable[[int, int], None]:
    """Reports pictures done with their speed; those that were there at the start do not count."""
    from labelmint.progress import Event

    begin: list[tuple[float, int]] = []

    def tell(done: int, of: int) -> None:
        if not begin:
            begin.append((time.monotonic(), done))
        spent, fresh = time.monotonic() - begin[0][0], done - begin[0][1]
        speed = fresh / spent if spent > 0 else 0.0
        progress.report(Event("images", done, of, speed, (of - done) / speed if speed else 0.0))

    return tell


def write_digits(pairs: Iterator[AnnotatedImage], out: Path, n: int) -> None:
    """Write digit canvases as a folder with train.txt and test.txt, whole or not at all."""
    from labelmint.datasets.digits import DIGIT_CLASSES, split
    from labelmint.formats import write
    from labelmint.formats.files import Parts

    train, test = split(n)
    parts = Parts(train=tuple(train), test=tuple(test)).of_each()
    with Progress() as progress:
        write(_told(pairs, n, progress), out, format="folder", classes=DIGIT_CLASSES, parts=parts)


def _make(pairs: Iterator[AnnotatedImage], out: Path, n: int, as_json: bool) -> None:
    with interruptible("stopped; nothing was written"):
        write_digits(pairs, out, n)
    _tell_made(out, n, as_json)


def _tell_made(out: Path, n: int, as_json: bool) -> None:
    if as_json:
        print_json({"out": str(out), "pairs": n, "format": "folder"})
    else:
        print(f"wrote {n} labelled images to {out}\nnext: labelmint inspect {quoted(out)}")


def _told(pairs: Iterator[AnnotatedImage], n: int, progress: Progress) -> Iterator[AnnotatedImage]:
    from labelmint.progress import Event

    for done, pair in enumerate(pairs, 1):
        yield pair
        if done % 100 == 0 or done == n:
            progress.report(Event("images", done, n))


def _check_count(n: int) -> None:
    if n < 2:
        raise InputError(f"-n {n}: expected at least 2, one to train on and one to test on")
