"""The folder of an ensemble, apart from the minted labels, since these are shared and weights need not be.

ensemble.json         what the members of the first round were made from, and how images are seen
hardware.json         the device, precision and threads of the first call, which later ones keep
round-1/member-1/     weights.safetensors and part.json of a member (`segmenters.ensemble`)
round-2-DIGEST/       those of a second round, by what it was trained on: other pools have other folders
latest.json           the folder of the last round that was finished
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from labelmint.datasets.geometry import Geometry
from labelmint.errors import InputError
from labelmint.hardware import Hardware, choose_device, choose_hardware
from labelmint.pool.seeing import Seeing
from labelmint.processors import cores
from labelmint.segmenters.ensemble import Ensemble, stored_ensemble
from labelmint.segmenters.plateau import ArmConfig
from labelmint.storage import claim, read_mark, write_json

__all__ = ["EnsembleFolder"]

_MARK, _HARDWARE, _LATEST = "ensemble.json", "hardware.json", "latest.json"
_VERSION = 2


@dataclass
class _Chosen:
    """The hardware of a stored ensemble."""

    device: str
    precision: str
    threads: int
    cores: int


def _chosen_before(mark: Mapping[str, Any]) -> _Chosen | None:
    """The hardware that a mark names; None where it is missing or damaged."""
    kinds = {"device": str, "precision": str, "threads": int, "cores": int}
    known = mark.keys() == kinds.keys() and all(isinstance(mark[name], kind) for name, kind in kinds.items())
    return _Chosen(**mark) if known else None


class EnsembleFolder:
    """Files of an ensemble."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def begin(self, key: str, seeing: Seeing, about: Mapping[str, Any]) -> Hardware:
        """Mark the folder, and choose where to compute: as before, where it was begun before.

        Arguments:
            key: digest of all that decides the first round. about: further facts, JSON.

        Raises InputError for a folder of something else, and hardware that is not there.
        """

        def held(other: str, before: Mapping[str, Any]) -> str | None:
            made = any(self.path.glob("round-*/member-*/part.json"))
            return "an ensemble of other labelled data or settings" if made else None

        wanted = {
            "version": _VERSION,
            "key": key,
            "size": list(seeing.size),
            "crop": seeing.crop,
            "scale": seeing.scale,
            "augment": sorted(seeing.augment),
            "normalize": seeing.normalize,
            **about,
        }
        choose_device(seeing.device)  # before anything is written
        try:
            claim(self.path, _MARK, "ensemble", wanted, held)
        except InputError as error:
            raise InputError(str(error).replace("--out", "--ensemble")) from None
        before = read_mark(self.path / _HARDWARE)
        stored = _chosen_before(before)
        found = choose_hardware(seeing.device, seeing.precision, seeing.threads, stored)
        if stored is None:
            write_json(self.path / _HARDWARE, asdict(_Chosen(*found, cores())))
        return found

    def finish(self, round: Path) -> None:
        """Say which round is the last that was finished."""
        write_json(self.path / _LATEST, {"round": round.name})

    def open(self, device: torch.device) -> tuple[Ensemble, Geometry, str, int]:
        """The ensemble of the last round, and how it sees images: their geometry, normalization and channels.

        Raises InputError for a folder that is no finished ensemble, or damaged.
        """
        mark, latest = read_mark(self.path / _MARK), read_mark(self.path / _LATEST)
        if not latest:
            raise InputError(
                f"{self.path}: holds no finished ensemble; give the one that `labelmint label` made"
            )
        try:
            geometry = Geometry(
                size=(int(mark["size"][0]), int(mark["size"][1])),
                crop=bool(mark["crop"]),
                scale=float(mark["scale"]),
                augment=frozenset(mark["augment"]),
            )
            ensemble = stored_ensemble(
                self.path / Path(str(latest["round"])).name,
                int(mark["members"]),
                channels=int(mark["channels"]),
                classes=len(mark["classes"]),
                config=ArmConfig.model_validate(mark["segmenter"]),
                geometry=geometry,
                spread=bool(mark["spread"]),
                device=device,
            )
        except (KeyError, IndexError, TypeError, ValueError, RuntimeError, ValidationError):
            raise InputError(
                f"{self.path}: the ensemble is damaged; remove it and run `labelmint label` again"
            ) from None
        return ensemble, geometry, str(mark["normalize"]), int(mark["channels"])
