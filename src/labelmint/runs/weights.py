"""The trained parts of a run, from its folder into the modules that its configuration makes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch

from labelmint.errors import InputError
from labelmint.training.regime import Stage
from labelmint.training.run_folder import RunFolder

__all__ = ["load_weights"]


def load_weights(folder: RunFolder, stages: Iterable[Stage], device: torch.device) -> str:
    """Load the module of each stage, which then stands on the device in evaluation mode.

    Returns the SHA-256 over the digests of the parts. Raises InputError for a part that is missing, damaged, or of
    another configuration.
    """
    digest = hashlib.sha256()
    for stage in stages:
        name, module = stage.name, stage.module
        if not folder.finished(name):
            raise InputError(
                f"{folder.path}: training has not finished ({name} is missing); run the same `labelmint "
                f"train` again"
            )
        weights, about = folder.load_part(name)
        try:
            module.load_state_dict(weights)
        except RuntimeError as error:
            reason = str(error).splitlines()[-1].strip()
            raise InputError(
                f"{folder.path / name}: the weights do not fit config.json ({reason}); restore it, or train "
                f"again"
            ) from None
        module.to(device).eval()
        digest.update(about["sha256"].encode())
    return digest.hexdigest()
