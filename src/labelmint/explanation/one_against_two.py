"""One path against two, for `explain`: with a run that is there, or with twins trained for it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast

import torch

from labelmint.errors import InputError
from labelmint.explanation.case import Case, held_out_of, open_run, paths_of
from labelmint.explanation.contestants import Contestant, contestant, difference, unlike
from labelmint.explanation.held_out import tokens_of
from labelmint.explanation.twins import (
    matched,
    parameters_of,
    prepare_again,
    steps_of,
    train_twin,
    twin_config,
    with_equal_bits,
)
from labelmint.hardware import Hardware
from labelmint.runs.config import RunConfig
from labelmint.runs.prepare import Prepared
from labelmint.runs.trained import TrainedSystem
from labelmint.tokenizers.dual_path import DualPathVQVAE
from labelmint.training.run_folder import RunFolder

__all__ = ["against_run", "against_twins", "prepared_for", "rival_of"]

_KINDS = {1: "one path", 2: "two paths"}


def rival_of(case: Case) -> TrainedSystem | None:
    """The run of --against; raises InputError when it can't be compared with."""
    if case.options.against is None:
        return None
    about = open_run(case.options.against, case.data, case.options)
    rival = cast(TrainedSystem, about.system)
    paths = len(paths_of(rival.part("tokenizer")))
    if paths == len(case.paths):
        raise InputError(
            f"--against {rival.path}: {rival.system} has as many paths as {case.system.system} ({paths}); "
            f"give a run with "
            f"{'one path, of no-comp-msgnet for one' if paths == 2 else 'two paths, of pre-msgnet for one'}"
        )
    # Not the digests: they hold the colors of touching instances, which depend on the layout grid of the
    # system.
    views = [
        (one.geometry.size, one.geometry.crop, one.geometry.scale, one.normalize)
        for one in (about, case.about)
    ]
    if views[0] != views[1] or about.parts != case.about.parts:
        raise InputError(
            f"--against {rival.path}: was trained on other names, or on other views of them, than "
            f"{case.system.path}; give a run of the "
            "same data, --size, --crop, --scale and --normalize"
        )
    return rival


def prepared_for(case: Case) -> Prepared | None:
    """The training pairs for a twin; None where none is trained."""
    wanted = (
        isinstance(case.tokenizer, DualPathVQVAE)
        and not case.options.skip_twin
        and case.options.against is None
    )
    return prepare_again(case.system, case.data, case.folder, case.tell) if wanted else None


def against_run(case: Case, rival: TrainedSystem | None, left_out: dict[str, str]) -> dict[str, Any]:
    if rival is None:
        left_out["comparison"] = (
            "it was not asked for (--skip-twin)"
            if case.options.skip_twin
            else f"{case.system.system} has one path; give a run of two paths and the same data as --against"
        )
        return {}
    views = held_out_of(rival, case.data, case.about.parts.test)
    sides = (
        (case.system, case.views, case.tokens),
        (rival, views, tokens_of(rival.part("tokenizer"), views, rival.device)),
    )
    by_paths = {}
    for system, seen, tokens in sides:
        tokenizer, steps = system.part("tokenizer"), steps_of(RunFolder(system.path))
        paths = len(paths_of(tokenizer))
        by_paths[paths] = contestant(
            _KINDS[paths], tokenizer, system.config, steps, seen, tokens, system.device, case.options.seed
        )
    return _comparison(case, [by_paths[2]], [[by_paths[1]]])


def against_twins(case: Case, prepared: Prepared, left_out: dict[str, str]) -> dict[str, Any]:
    """Train what is compared with, each kind from as many seeds."""
    one = matched(case.system)
    if one is None:
        left_out["comparison"] = (
            f"no widths give one path as many parameters as the {parameters_of(case.tokenizer):,} of "
            f"{case.system.path}, within 3 %"
        )
        return {}
    two = _kind(case, "two paths", "again", case.system.config, prepared)
    rivals = [_kind(case, "one path", "twin", one, prepared)]
    if case.options.equal_bits:
        rivals.append(
            _kind(
                case, "two paths of equal bits", "equal-bits", with_equal_bits(case.system.config), prepared
            )
        )
    return _comparison(case, two, rivals)


def _kind(case: Case, name: str, folder: str, config: RunConfig, prepared: Prepared) -> list[Contestant]:
    """One kind of tokenizer from each seed; the run's own tokenizer stands for itself."""
    system, made = case.system, steps_of(RunFolder(case.system.path))
    steps, first = case.options.steps or made, system.config.request.seed
    hardware = Hardware(str(case.device), system.config.precision, torch.get_num_threads())
    found = []
    for k in range(case.options.seeds):
        if config is system.config and k == 0 and steps == made:
            its, trained, tokens = config, case.tokenizer, case.tokens
        else:
            place = case.folder / (folder if k == 0 else f"{folder}-{k + 1}")
            its = twin_config(config, first + k, steps)
            trained = train_twin(
                place, its, prepared, hardware=hardware, stage=f"{name} ({place.name})", tell=case.tell
            )
            tokens = tokens_of(trained, case.views, case.device)
        found.append(
            contestant(name, trained, its, steps, case.views, tokens, case.device, case.options.seed)
        )
    return found


def _comparison(case: Case, two: list[Contestant], rivals: list[list[Contestant]]) -> dict[str, Any]:
    """Two paths over one path, and what else there is over one path: of as many bits."""
    one, *others = rivals
    pairs = [(two, one), *((other, one) for other in others)]
    return {
        "comparison": {
            "contestants": [each.to_json() for kind in (two, *rivals) for each in kind],
            "differences": [asdict(difference(a, b, case.views, case.options.seed)) for a, b in pairs],
            "unlike": unlike(two[0], one[0]),
        }
    }
