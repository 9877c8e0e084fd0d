"""One path against two at equal parameters: the tokenizer of a run beside twins that differ in one thing.

    twin         one path in place of two, its widths chosen so that it has as many parameters
    again        the run's own tokenizer from another seed, or for another number of steps
    equal bits   two paths whose codebooks have sqrt(K) entries: two tokens a place carry the bits of one
                 token of the twin

All see the same training pairs in the same order of batches, for as many steps, with the same learning rate.
A twin is kept as a run folder of its own, so a stopped training goes on; where the run was trained by the
clock, the twin gets the steps that it made.

Two paths have twice the tokens, and so twice the bits, of one path at the same codebook size. A lower error
alone is then no merit of the second path; "equal bits" tells what is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from labelmint.datasets.keeping import Disk
from labelmint.datasets.pairs import Pairs
from labelmint.datasets.splits import Split
from labelmint.errors import InputError
from labelmint.hardware import Hardware, available_memory, open_fabric
from labelmint.progress import Event, Report
from labelmint.runs.config import RunConfig, read_run_config
from labelmint.runs.prepare import Prepared, prepare
from labelmint.runs.trained import TrainedSystem
from labelmint.runs.wire import wire
from labelmint.storage import write_json
from labelmint.systems.msgnet import reconstructing
from labelmint.systems.msgnet_sections import GivenSections, MSGNetSections, TokenizerSection
from labelmint.tokenizers.vqvae import VQVAE
from labelmint.training.regime import Bench, Stage
from labelmint.training.run_folder import RunFolder
from labelmint.types import DataSet

__all__ = [
    "matched",
    "parameters_of",
    "prepare_again",
    "sizes_of",
    "steps_of",
    "train_twin",
    "twin_config",
    "with_equal_bits",
]

ONE_PATH = "no-comp-msgnet"
CLOSE = 0.03


# Configurations ---------------------------------------------------------------------------------------------


def parameters_of(tokenizer: nn.Module) -> int:
    """All numbers that training decides, codebooks that move by averages included."""
    return sum(p.numel() for p in tokenizer.parameters())


def matched(system: TrainedSystem) -> RunConfig | None:
    """The configuration of a one-path run whose tokenizer has as many parameters; None where no widths come
    within 3 %.

    At each number of channels the residual width that comes nearest is taken; among these, the pair in whose
    proportion the run's own widths stand.
    """
    sizes = sizes_of(system.config)
    wanted, wide = parameters_of(system.part("tokenizer")), sizes.residual_channels / sizes.channels
    close = [one for one in _candidates(system, wanted) if abs(one[2] / wanted - 1) <= CLOSE]
    if not close:
        return None
    channels, residual, _ = min(close, key=lambda one: abs(math.log(one[1] / one[0] / wide)))
    return _changed(system.config, system=ONE_PATH, channels=channels, residual_channels=residual)


def _candidates(system: TrainedSystem, wanted: int) -> Iterator[tuple[int, int, int]]:
    """(channels, residual channels, parameters) of one-path tokenizers about as large: the count is linear in
    the second.
    """
    channels = 8
    while (least := _count(system, channels, 1)) <= wanted * (1 + CLOSE):
        slope = _count(system, channels, 2) - least
        residual = max(1 + round((wanted - least) / slope), 1) if slope else 1
        yield channels, residual, least + slope * (residual - 1)
        channels += 8


def _count(system: TrainedSystem, channels: int, residual: int) -> int:
    config = system.config
    sizes = sizes_of(config).model_copy(update={"channels": channels, "residual_channels": residual})
    with torch.device("meta"):  # shapes only
        return parameters_of(VQVAE(sizes, config.image_channels, config.request.size))


def sizes_of(config: RunConfig) -> TokenizerSection:
    """The section of the tokenizer of a run that `case.open_run` let in."""
    return _family(config).tokenizer


def _family(config: RunConfig) -> GivenSections:
    """The settings of a run that `case.open_run` let in."""
    settings = config.request.settings
    assert isinstance(settings, GivenSections)
    return settings


def with_equal_bits(config: RunConfig) -> RunConfig:
    """Two paths with round(sqrt(K)) entries each, at least 2."""
    return _changed(config, codebook_size=max(round(sizes_of(config).codebook_size ** 0.5), 2))


def twin_config(config: RunConfig, seed: int, steps: int) -> RunConfig:
    """The configuration of the same tokenizer, trained from a seed for n steps."""
    return _changed(config, seed=seed, steps=steps)


def steps_of(run: RunFolder) -> int:
    """Steps that the tokenizer of a run was trained for."""
    return int(run.read_json("tokenizer/part.json")["steps"])


def _changed(
    config: RunConfig, *, system: str | None = None, seed: int | None = None, **sizes: int
) -> RunConfig:
    settings, request = _family(config), config.request
    if system is not None and isinstance(settings, MSGNetSections):
        settings = settings.given()
    settings = settings.model_copy(update={"tokenizer": settings.tokenizer.model_copy(update=sizes)})
    update: dict[str, Any] = {"settings": settings, "max_minutes": None}
    update |= {"system": system} if system is not None else {}
    update |= {"seed": seed} if seed is not None else {}
    # No twin sees the images without labels that a run may have learned from.
    return config.model_copy(update={"request": request.model_copy(update=update), "pool_images": 0})


# Training ---------------------------------------------------------------------------------------------------


def prepare_again(system: TrainedSystem, data: DataSet, folder: Path, tell: Report) -> Prepared:
    """The pairs that the run was trained on, divided as it divided them, whatever else the data hold by now; raises
    InputError when these pairs have changed since.

    Arguments:
        folder: that takes pairs which memory does not hold, or the nearest one above it that is there.
    """
    config = system.config
    request = config.request
    prepared = prepare(
        data,
        request.geometry,
        normalize=request.normalize,
        cell=system.wired.reach,
        group_by=request.group_by,
        seed=request.seed,
        force=True,
        parts=_parts_of(system),
        available=available_memory(torch.device("cpu")),
        disk=Disk(folder, named=False),
        tell=lambda done, of: tell(Event("data", done, of)) if done % 50 == 0 or done == of else None,
    )
    if prepared.digest != config.data_digest:
        raise InputError(
            f"{data.source}: its training pairs are not those that {system.path} was trained on, so a twin "
            f"would learn something else; "
            "give the same data, or pass --skip-twin"
        )
    return prepared


def _parts_of(system: TrainedSystem) -> Split:
    """The names that a run trained on, validated on and left alone."""
    stored = RunFolder(system.path).read_json("split.json")
    training, validation, test = (tuple(stored.get(name, ())) for name in ("training", "validation", "test"))
    return Split(training, validation, test, stored.get("groups"))


def train_twin(
    folder: Path, config: RunConfig, prepared: Prepared, *, hardware: Hardware, stage: str, tell: Report
) -> nn.Module:
    """A trained tokenizer, from its run folder where it is finished there.

    Arguments:
        folder: of the twin, a run folder; new, stopped, or finished.
        config: its sizes and training.
        prepared: the pairs. hardware: where to compute. stage: what reports of progress call it.
    """
    run, tokenizer = RunFolder(folder), wire(config).stages[0].module
    if (folder / "config.json").is_file():
        before = read_run_config(run).difference(config)
        if before:
            raise InputError(
                f"{folder}: holds a twin made otherwise ({before}); give another --out, or remove it"
            )
    else:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "split.json", prepared.split.to_json())
        write_json(folder / "config.json", config.model_dump(mode="json"))
    if run.finished("tokenizer"):
        weights, _ = run.load_part("tokenizer")
        tokenizer.load_state_dict(weights)
        return tokenizer.to(hardware.device).eval()
    fabric = open_fabric(hardware)
    training, validation = _pairs_of(config, prepared)
    section = sizes_of(config)
    learning = Stage(name="tokenizer", module=tokenizer.to(fabric.device), regime=reconstructing(section))
    learning.regime.begin(tokenizer, training, learning.name)
    bench = Bench(
        fabric=fabric,
        run=run,
        training=training,
        validation=validation,
        seconds=None,
        report=lambda event: tell(replace(event, stage=stage)),
        accumulate=config.accumulate.get(learning.name, section.accumulate),
    )
    about = learning.regime.train(learning, bench)
    run.save_part(
        "tokenizer", tokenizer.state_dict(), {"part": "tokenizer", "config": section.model_dump(), **about}
    )
    return tokenizer.eval()


def _pairs_of(config: RunConfig, prepared: Prepared) -> tuple[Pairs, Pairs]:
    """Pairs to train and to validate on, viewed under the seed of a twin, and as often as the run views them."""
    training, validation = (
        Pairs(pairs.images, pairs.ids, pairs.geometry, config.request.seed, pairs.class_of)
        for pairs in (prepared.training, prepared.validation)
    )
    return training.rebalanced(config.request.rebalance), validation
