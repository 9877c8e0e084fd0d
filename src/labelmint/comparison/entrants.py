"""Who is compared: a training for each system and seed, all asked for alike but for single settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labelmint.comparison.options import ComparisonOptions, system_of
from labelmint.errors import InputError
from labelmint.runs.config import Request
from labelmint.runs.request import Asked, make_request
from labelmint.runs.wire import shapes
from labelmint.systems.catalogue import SYSTEMS, check_mints

__all__ = ["Entrant", "asked", "entrants", "requests"]


@dataclass(frozen=True)
class Entrant:
    """One training of a system, as it is or in a variant, "spade@plain"."""

    system: str
    seed: int

    @property
    def key(self) -> str:
        """The name of its folders: "flow-0"."""
        return f"{self.system}-{self.seed}"

    @property
    def words(self) -> str:
        """For people."""
        return f"{self.system} seed {self.seed}"


def entrants(options: ComparisonOptions) -> list[Entrant]:
    """All of them, each system once before any is trained again."""
    return [Entrant(system, seed) for seed in options.all_seeds for system in options.systems]


def asked(options: ComparisonOptions, entrant: Entrant) -> Asked:
    """What `train` is asked for."""
    return {
        "system": system_of(entrant.system),
        "preset": options.preset,
        "size": options.size,
        "crop": options.crop,
        "scale": options.scale,
        "augment": options.augment,
        "normalize": options.normalize,
        "rebalance": options.rebalance,
        "settings": _settings_of(entrant.system, options.settings),
        "group_by": options.group_by,
        "seed": entrant.seed,
        "max_minutes": options.minutes,
        "clock": options.clock,
        "endless": options.endless,
    }


def requests(options: ComparisonOptions) -> dict[Entrant, Request]:
    """What each training is, before anything long begins.

    Raises InputError for a preset that a system lacks, unknown settings, settings of a system that is not compared, a
    size that a system refuses, and a system whose layouts need reference images.
    """
    for text in options.settings:
        if _whose(text) not in options.systems:
            raise InputError(
                f"--set {text}: {_whose(text)!r} is not compared; expected one of {', '.join(options.systems)} before "
                f"the colon"
            )
    found = {entrant: make_request(**asked(options, entrant)) for entrant in entrants(options)}
    each = {entrant.system: request for entrant, request in found.items()}
    _check_size(each)
    for system, request in each.items():
        check_mints(request.system, f"--systems {','.join(options.systems)}")
        if SYSTEMS[request.system].from_images:
            raise InputError(
                f"--systems {','.join(options.systems)}: {system} uses no layouts, and all are compared on those of "
                f"the test part; leave it out, and evaluate a run of it beside theirs"
            )
        if SYSTEMS[request.system].of_pairs:
            raise InputError(
                f"--systems {','.join(options.systems)}: {system} takes layout and image from one labelled pair, and "
                f"all are compared on layouts of the test part; leave it out, and study it"
            )
        if shapes(request).needs_references:
            raise InputError(
                f"--set {system}:tokenizer.reference: layouts of the test part are given without their images; leave "
                f"it out"
            )
    return found


def _settings_of(system: str, texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(text.partition(":")[2].strip() for text in texts if _whose(text) == system)


def _whose(text: str) -> str:
    """The system that a setting names."""
    before, colon, _ = text.partition(":")
    if not colon or "=" in before:
        raise InputError(
            f"--set {text}: of which system? expected SYSTEM:KEY=VALUE, as in flow:generator.patch=1"
        )
    return before.strip()


def _check_size(each: Mapping[str, Request]) -> None:
    """Raise InputError, with a size that fits all systems, where one refuses the size."""
    refused = {system: said for system, request in each.items() if (said := _refusal(request))}
    if not refused:
        return
    for system, said in refused.items():
        if not said.startswith("--size"):  # which another size would not mend
            raise InputError(f"{system}: {said}")
    fits = _fitting(list(each.values()))
    mend = f"{fits[0]}x{fits[1]} fits all that are compared" if fits else f"leave out {', '.join(refused)}"
    size = next(iter(each.values())).size
    raise InputError(f"--size {size[0]}x{size[1]}: does not fit {', '.join(refused)}; {mend}")


def _refusal(request: Request) -> str:
    try:
        shapes(request)
    except InputError as error:
        return str(error)
    return ""


def _fitting(each: Sequence[Request]) -> tuple[int, int] | None:
    """The nearest size that no system refuses, else the next larger one; None where neither is one."""
    multiple = math.lcm(*(request.settings.multiple for request in each))
    height, width = each[0].size
    nearest = [max(round(side / multiple), 1) * multiple for side in (height, width)]
    larger = [-(-side // multiple) * multiple for side in (height, width)]
    for size in ((nearest[0], nearest[1]), (larger[0], larger[1])):
        if not any(_refusal(request.model_copy(update={"size": size})) for request in each):
            return size
    return None
