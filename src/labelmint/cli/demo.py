"""`labelmint demo`: from nothing to new labelled images of handwritten digits, judged against real ones."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelmint.cli.datasets import write_digits
from labelmint.cli.errors import interruptible
from labelmint.cli.options import AsJson, Seed, ThreadsToTrain
from labelmint.cli.printing import print_json, quoted
from labelmint.cli.progress import Progress, duration
from labelmint.errors import InputError
from labelmint.storage import claim

if TYPE_CHECKING:
    from labelmint.runs.trained import TrainedSystem
    from labelmint.types import Array, DataSet

__all__ = ["Sizes", "demo", "run_demo"]

# After minutes of training the priors are unsure; a little below their own odds they err less, and still
# vary.
DIALS = {"temperature": 0.7, "layout_temperature": 0.9}
SYSTEM = "mint"  # the default of `tiny` by name: the demo stays what it says it is


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much of everything the demo makes; tests make less."""

    pairs: int = 12000  # four fifths for training; with fewer the image prior overfits
    new: int = 200
    reader_steps: int = 400
    settings: tuple[str, ...] = ()


@dataclass
class _Stages:
    """Seconds of each stage, in order."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - begin, 1)


def demo(
    out: Annotated[
        Path, typer.Option(help="The folder to write. The same command again does what is missing there.")
    ] = Path("demo"),
    minutes: Annotated[float, typer.Option(metavar="M", help="Minutes of training.")] = 7.5,
    threads: ThreadsToTrain = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Make digits, train on them, mint 200 new labelled images, and say how good they are."""
    with interruptible("stopped; run the same command again to go on"):
        facts = run_demo(out, minutes=minutes, threads=threads, seed=seed, sizes=Sizes())
    print_json(facts) if as_json else print(_text(facts, out))


def run_demo(out: Path, *, minutes: float, threads: int | None, seed: int, sizes: Sizes) -> dict[str, Any]:
    """The demo; answers what it found. Raises InputError when `out` holds something else."""
    if not 0 < minutes <= 24 * 60:
        raise InputError(f"--minutes {minutes:g}: expected more than 0 and at most {24 * 60}")
    _claim(out, {"demo": 1, "minutes": minutes, "seed": seed, "pairs": sizes.pairs, "new": sizes.new})
    stages = _Stages()
    with stages("data"):
        data = _data(out / "data", sizes.pairs, seed)
    with stages("training"):
        system = _train(data, out / "run", minutes, threads, seed, sizes)
    with stages("synthesis"):
        new = _synthesize(system, out, sizes.new, seed)
    with stages("judging"):
        judged = _judge(data, new, sizes.reader_steps)
    with stages("contact sheet"):
        _draw(data, new, out / "contact_sheet.png")
    facts = {
        "out": str(out),
        "system": system.system,
        "preset": "tiny",
        "training_pairs": len(data.train or ()),
        "parameters": _parameters(out / "run"),
        "new_pairs": len(new),
        **judged,
        "seconds": stages.seconds,
        "peak_memory_gib": _peak_memory(),
    }
    (out / "results.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return facts


def _claim(out: Path, request: dict[str, Any]) -> None:
    """Mark a new folder as this demo's; raise InputError when it is something else, or a demo of other
    options.
    """

    def held(key: str, before: Mapping[str, Any]) -> str:
        return f"a demo with {key} {before.get(key)}, now it is {request[key]}"

    claim(out, "demo.json", "demo", request, held)


def _data(folder: Path, n: int, seed: int) -> DataSet:
    from labelmint.datasets.digits import make_digits
    from labelmint.formats import read

    if not folder.exists():
        _say(f"1/4 making {n} images of real handwritten digits in {folder}")
        write_digits(make_digits("pairs", n, seed=seed), folder, n)
    return read(folder, format="folder")


def _train(
    data: DataSet, run: Path, minutes: float, threads: int | None, seed: int, sizes: Sizes
) -> TrainedSystem:
    from labelmint.runs.train import train

    _say(f"2/4 training {SYSTEM} on them for at most {duration(60 * minutes)}, into {run}")
    with Progress() as progress:
        return train(
            data,
            run,
            system=SYSTEM,
            preset="tiny",
            size=(32, 32),
            settings=sizes.settings,
            threads=threads,
            seed=seed,
            max_minutes=minutes,
            report=progress.report,
        )


def _synthesize(system: TrainedSystem, out: Path, n: int, seed: int) -> DataSet:
    """The new pairs in both formats, drawn once; what is there already is kept."""
    from labelmint.formats import read
    from labelmint.synthesis import mint

    targets = {"folder": out / "folder", "coco": out / "coco"}
    missing = {name: path for name, path in targets.items() if not _is_by(path, system)}
    if missing:
        _say(f"3/4 drawing {n} new labelled images into {' and '.join(map(str, missing.values()))}")
        first, *others = missing.items()
        with Progress() as progress:
            mint(
                system,
                first[1],
                n=n,
                seed=seed,
                format=first[0],
                dials=DIALS,
                copies=dict(others),
                resume=True,
                report=progress.report,
            )
    return read(targets["folder"], format="folder")


def _is_by(folder: Path, system: TrainedSystem) -> bool:
    """True if a folder holds pairs of these weights; raises InputError when it holds those of others."""
    file = folder / "settings.json"
    if not file.is_file():
        return False
    if json.loads(file.read_text(encoding="utf-8")).get("weights") != system.digest:
        raise InputError(
            f"{folder}: was made by other weights than those of the run beside it; remove it, or give "
            f"another --out"
        )
    return True


def _judge(data: DataSet, new: DataSet, reader_steps: int) -> dict[str, Any]:
    """Do the new digits read as their labels say, and are they new? The same figures of real test digits
    stand beside them.
    """
    import numpy as np

    from labelmint.evaluation.object_reader import ObjectReader, cut
    from labelmint.metrics.copies import copy_threshold, near_copies

    _say("4/4 judging them by a digit reader trained on the real training digits")
    training, training_digits = cut(data.subset(data.train or ()))
    test, test_digits = cut(data.subset(data.test or ()))
    synthetic, synthetic_digits = cut(new)
    reader = ObjectReader.train(training, training_digits, steps=reader_steps)
    seen: Array = np.unique(training, axis=0)
    # The threshold comes from one half of the test digits, the figure to compare with from the other.
    threshold = copy_threshold(test[::2], seen)
    return {
        "digits": len(synthetic),
        "read_as_labelled": reader.accuracy(synthetic, synthetic_digits),
        "read_as_labelled_real": reader.accuracy(test, test_digits),
        "near_copies": len(near_copies(synthetic, seen, threshold)[0]),
        "real_digits": len(test[1::2]),
        "near_copies_real": len(near_copies(test[1::2], seen, threshold)[0]),
    }


def _draw(data: DataSet, new: DataSet, path: Path) -> None:
    from labelmint.pictures import side_by_side

    real = data.subset((data.test or data.names)[:16])
    side_by_side(real, new.subset(new.names[:16]), data.classes, path)


def _parameters(run: Path) -> int:
    """Numbers in the weight files of the parts, by the headers of the files alone."""
    from safetensors import safe_open

    total = 0
    for part in ("tokenizer", "prior", "layout_prior"):
        with safe_open(run / part / "weights.safetensors", framework="np") as file:
            for name in file.keys():  # noqa: SIM118 - not a mapping
                size = 1
                for side in file.get_slice(name).get_shape():
                    size *= side
                total += size
    return total


def _peak_memory() -> float | None:
    """GiB that this process held at most; None where nothing tells."""
    try:
        import resource
    except ImportError:
        return None
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / 2 ** (30 if sys.platform == "darwin" else 20), 2)


def _say(text: str) -> None:
    import sys

    print(text, file=sys.stderr, flush=True)


def _text(facts: dict[str, Any], out: Path) -> str:
    total = sum(facts["seconds"].values())
    times = ", ".join(f"{name} {duration(seconds)}" for name, seconds in facts["seconds"].items())
    share, real_share = (
        facts[f"near_copies{end}"] / max(facts[f"{kind}digits"], 1)
        for end, kind in (("", ""), ("_real", "real_"))
    )
    memory = f", {facts['peak_memory_gib']} GiB of memory at most" if facts["peak_memory_gib"] else ""
    run, folder = out / "run", out / "folder"
    return "\n".join(
        [
            f"{facts['system']} (preset {facts['preset']}, {facts['parameters']:,} parameters) learned from",
            f"{facts['training_pairs']} images of real handwritten digits and drew {facts['new_pairs']} new "
            f"ones with their labels:",
            f"first the layout (at temperature {DIALS['layout_temperature']}), then the image for it (at "
            f"{DIALS['temperature']}).",
            "",
            f"  read as their label says   {100 * facts['read_as_labelled']:.1f} % of {facts['digits']} "
            f"synthetic digits "
            f"(real test digits: {100 * facts['read_as_labelled_real']:.1f} %)",
            f"  near-copies of training    {facts['near_copies']} of {facts['digits']}, {100 * share:.1f} % "
            f"(real test digits: {facts['near_copies_real']} of {facts['real_digits']}, "
            f"{100 * real_share:.1f} %)",
            f"  time                       {duration(total)}: {times}{memory}",
            "",
            "The results:",
            f"  {out / 'contact_sheet.png'}   real and synthetic side by side: look at this first",
            f"  {folder}   new pairs as images/ and labels/;  {out / 'coco'}   the same pairs as COCO",
            f"  {run}   the trained system",
            "",
            "What to do next:",
            f"  labelmint synthesize {quoted(run)} --out {quoted(out / 'more')} -n 1000 --seed 1",
            f"  labelmint evaluate {quoted(run)} {quoted(out / 'data')} --out {quoted(out / 'report')} "
            f"--composition pairs",
            "  labelmint inspect YOUR_DATA      and then      labelmint train YOUR_DATA --out YOUR_RUN",
        ]
    )
