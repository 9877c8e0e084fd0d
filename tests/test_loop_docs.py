"""The pages on training loops and on scale tell the truth: their Python runs, and their job scripts parse."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import labelmint
from tests.test_docs import ROOT, _check_command, blocks

LOOP, SCALE = (ROOT / "docs" / name for name in ("training-loop.md", "scale.md"))


@pytest.fixture
def place(digits_folder: Path, mint_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the data and the run that the page names."""
    shutil.copytree(digits_folder, tmp_path / "my-data")
    shutil.copytree(mint_run, tmp_path / "my-run")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def example(word: str) -> str:
    """The one block of Python that holds a word."""
    (found,) = [code for code in blocks(LOOP, "python") if word in code]
    return found


def few(code: str) -> str:
    """The same with fewer pairs and no processes, which cost seconds each."""
    code = re.sub(r"num_workers=\d", "num_workers=0", code)
    return re.sub(r"(SyntheticPairs\(.my-run., )\d+", r"\g<1>8", code)


def test_the_loop_trains_a_network(place: Path) -> None:
    import torch

    found: dict[str, Any] = {}
    exec(few(example("pairs.sampler")), found)
    network = torch.nn.Conv2d(1, max(found["pairs"].classes.ids) + 1, 3, padding=1)
    torch.nn.functional.cross_entropy(network(found["images"]), found["labels"]).backward()
    assert network.weight.grad is not None


def test_real_pairs_and_those_of_monai_batch_alike(place: Path) -> None:
    found: dict[str, Any] = {}
    exec(few(example("ConcatDataset")), found)
    assert found["batch"]["image"].shape == (8, 1, 32, 32) and len(found["both"]) == 68
    exec(few(example("monai")), found)
    assert found["batch"]["image"].shape == found["batch"]["label"].shape == (8, 1, 32, 32)
    assert 0 <= float(found["batch"]["image"].min()) <= float(found["batch"]["image"].max()) <= 1


def test_files_read_back_as_arrays(place: Path) -> None:
    shutil.copytree(place / "my-data", place / "new-data")
    found: dict[str, Any] = {}
    exec(example("np.stack"), found)
    assert found["images"].shape == (60, 32, 32, 1) and found["masks"].shape == (60, 32, 32)


@pytest.mark.skipif(importlib.util.find_spec("datasets") is None, reason="needs Hugging Face's datasets")
@pytest.mark.filterwarnings("ignore")
def test_hugging_face_reads_the_imagefolder(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(place / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    data = labelmint.read("my-data")
    labelmint.write(iter(data), "new-data-hf", format="imagefolder", classes=data.classes)
    found: dict[str, Any] = {}
    exec(example("load_dataset"), found)
    assert len(found["data"]) == 60


def scripts() -> list[str]:
    """The job scripts of the page."""
    return [code for code in blocks(SCALE, "sh") if code.startswith("#!/bin/bash")]


def test_job_scripts_parse_and_their_verbs_take_these_options(tmp_path: Path) -> None:
    assert len(scripts()) == 3
    for text in scripts():
        file = tmp_path / "job.sh"
        file.write_text(text)
        subprocess.run(["bash", "-n", file], check=True)
        lines = text.splitlines()
        flags = [line for line in lines if line.startswith("#SBATCH")]
        assert flags and all(re.fullmatch(r"#SBATCH --[a-z-]+(=\S+)?", line) for line in flags)
        assert lines[1 : 1 + len(flags)] == flags  # SLURM reads them before the first command alone
        joined = text.replace("\\\n", " ")
        (verb,) = re.findall(r"^(?:.* -m labelmint\.cli|labelmint) (.*)$", joined, flags=re.MULTILINE)
        _check_command(f"labelmint {verb}")


def test_an_array_draws_all_the_shards_that_its_tasks_count() -> None:
    draws = next(text for text in scripts() if "--array" in text)
    (last,), (of,) = re.findall(r"--array=0-(\d+)", draws), re.findall(r"SLURM_ARRAY_TASK_ID/(\d+)", draws)
    assert int(of) == int(last) + 1
