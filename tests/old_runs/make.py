"""Runs of one version for the next ones to open: five systems trained at test size, and what they draw.

    python tests/old_runs/make.py OUT [SYSTEM ...]

It writes OUT/SYSTEM, a run folder without its pictures, and prints one line of JSON a system: SHA-256 of the
weights of each part and of the pixels of 16 samples. Floats differ between processors, so every command runs with
one thread under instructions that all of today's processors have (`PORTABLE`). Two versions are compared by
running this file with each of them on one machine; `tests/runs/test_old_runs.py` holds the samples of the run
folders that are kept here to `digests.json`.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

__all__ = ["PORTABLE", "SETTINGS", "digests_of", "draw", "train", "weights_of"]

PORTABLE = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_CBWR": "COMPATIBLE",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
SAMPLES = 16
_SNAIL = (
    "prior.condition_channels=16",
    "prior.condition_residual_channels=16",
    "prior.condition_embedding=8",
    "prior.channels=16",
    "prior.residual_channels=16",
    "prior.blocks=1",
)
_SNAIL_OF_LAYOUTS = ("layout_prior.channels=16", "layout_prior.residual_channels=16", "layout_prior.blocks=1")
_PRIORS = ("prior.epochs=3", "prior.batch_size=8", "prior.evaluate_every=4")
_LAYOUTS = ("layout_prior.epochs=2", "layout_prior.batch_size=8", "layout_prior.evaluate_every=4")
_VQ = (
    "tokenizer.channels=8",
    "tokenizer.multipliers=1,1",
    "tokenizer.code_dim=8",
    "tokenizer.codebook_size=16",
    "tokenizer.steps=40",
    "tokenizer.batch_size=8",
    "tokenizer.evaluate_every=20",
    *_PRIORS,
)
_MSGNET = (
    "tokenizer.channels=16",
    "tokenizer.residual_channels=8",
    "tokenizer.codebook_size=16",
    "tokenizer.steps=40",
    "tokenizer.batch_size=8",
    "tokenizer.evaluate_every=20",
    *_PRIORS,
)
_TRANSFORMER = ("prior.width=32", "prior.layers=1", "prior.heads=2")
SETTINGS: dict[str, tuple[str, ...]] = {
    "msgnet": (*_MSGNET, *_LAYOUTS, *_SNAIL, *_SNAIL_OF_LAYOUTS),
    "cvq-vae": (*_MSGNET, *_SNAIL),
    "vqgan-t": (
        *_VQ,
        *_TRANSFORMER,
        "layout_tokenizer.steps=20",
        "layout_tokenizer.batch_size=8",
        "layout_tokenizer.channels=8",
        "layout_tokenizer.multipliers=1,1",
        "layout_tokenizer.code_dim=8",
        "layout_tokenizer.semantic_codebook_size=16",
        "tokenizer.discriminator_channels=8",
        "tokenizer.adversary_from=0.5",
    ),
    "svqvae-t": (*_VQ, *_TRANSFORMER, "tokenizer.semantic_codebook_size=16", "tokenizer.reference=true"),
    "mint": (*_VQ, "tokenizer.semantic_codebook_size=96", *_LAYOUTS, *_SNAIL, *_SNAIL_OF_LAYOUTS),
}


def train(system: str, data: Path, run: Path) -> None:
    """Train a system on the data at `data`, and leave its run without pictures."""
    options = [word for setting in SETTINGS[system] for word in ("--set", setting)]
    same = ("--preset", "tiny", "--precision", "32", "--threads", "1")
    _labelmint(("train", data, "--out", run, "--system", system, *same, *options))
    for picture in run.glob("*.png"):
        picture.unlink()


def draw(runs: Mapping[Path, Path]) -> None:
    """Draw samples of runs into data sets, each run into the folder beside it, in one process."""
    words = ("-n", SAMPLES, "--batch-size", SAMPLES, "--filter", "off", "--threads", "1")
    _labelmint(*(("synthesize", run, "--out", out, *words) for run, out in runs.items()))


def digests_of(samples: Path) -> dict[str, str]:
    """SHA-256 of the pixels of samples: images and labels, by the path of their file."""
    return {
        file.relative_to(samples).as_posix(): _pixels_of(file) for file in sorted(samples.rglob("*_0*.png"))
    }


def weights_of(run: Path) -> dict[str, str]:
    """SHA-256 of the weights of a run, by the path of their file."""
    files = sorted(run.rglob("*.safetensors"))
    return {file.relative_to(run).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _pixels_of(file: Path) -> str:
    """Pixels alone: the texts of a PNG name the version that wrote it."""
    with Image.open(file) as image:
        return hashlib.sha256(f"{image.mode} {image.size}".encode() + image.tobytes()).hexdigest()


def _labelmint(*commands: Sequence[object]) -> None:
    """Run commands of labelmint in a process of their own."""
    words = json.dumps([[str(word) for word in command] for command in commands])
    code = "import json, sys; from labelmint.cli import main; sys.exit(any([main(c) for c in json.loads(sys.argv[1])]))"
    subprocess.run(
        [sys.executable, "-c", code, words], env=os.environ | PORTABLE, check=True, stdout=sys.stderr
    )


def main(words: Sequence[str]) -> None:
    """Train the systems that are named, or all, into the folder that is named first."""
    out, systems = Path(words[0]), words[1:] or list(SETTINGS)
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "digits"
        _labelmint(("datasets", "make", "digits", "--out", data, "-n", "40"))
        for system in systems:
            run, samples = out / system, Path(scratch) / system
            train(system, data, run)
            draw({run: samples})
            print(json.dumps({"system": system, **weights_of(run), **digests_of(samples)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
