"""The log of a training where TensorBoard shows it, beside log.jsonl.

    FOLDER/events.out.tfevents...       STAGE/LOSS over the steps of each stage

Lightning Fabric's logger writes it, which needs the extra `tensorboard`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from labelmint.errors import InputError
from labelmint.progress import Event, Report

if TYPE_CHECKING:
    from lightning_fabric.loggers.tensorboard import TensorBoardLogger

__all__ = ["for_tensorboard"]


def for_tensorboard(folder: str | Path, report: Report | None = None) -> Report:
    """A report that writes the losses and the speed of every event into a folder, and passes each on to `report`.

    The folder is made with the first losses, for a run folder must be empty before. A training that goes on writes
    further files there; steps that it repeats stand twice.

    Raises InputError where TensorBoard is missing.
    """
    _check()
    logger: list[TensorBoardLogger] = []

    def tell(event: Event) -> None:
        if event.losses:
            if not logger:
                from lightning_fabric.loggers.tensorboard import TensorBoardLogger

                logger.append(TensorBoardLogger(root_dir=Path(folder), name="", version=""))
            values = {**event.losses, "images_per_second": event.images_per_second}
            logger[0].log_metrics(
                {f"{event.stage}/{name}": value for name, value in values.items()}, event.step
            )
            logger[0].save()
        if report is not None:
            report(event)

    return tell


def _check() -> None:
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError:
        raise InputError(
            "--log tensorboard: TensorBoard is not installed; pip install 'labelmint[tensorboard]'"
        ) from None
