"""The run folder: configuration, split, parts, log, and checkpoints from which a killed run goes on.

    RUN/
      config.json        what was asked for and what was resolved; "format_version" says how to read it
      split.json         names of training, validation and test pairs
      log.jsonl          one line a report: stage, step, losses, seconds
      PART/weights.safetensors, PART/part.json      a finished part, with the digest of its weights
      PART/checkpoint.safetensors                   an unfinished one: weights, optimizer, average, best, and
          where it stood

Every file is written aside and renamed, so it is there whole or not at all. Nothing is ever pickled.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from labelmint.errors import InputError
from labelmint.storage import write_aside, write_json, write_text

__all__ = ["FORMAT_VERSION", "RunFolder"]

FORMAT_VERSION = 2  # 1: runs held sections of settings that their system had no use for
_RESTORE = "restore it, or train again"


def _write_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with write_aside(path) as aside:
        try:
            save_file(plain, aside, metadata=metadata)
        except SafetensorError as error:  # which hides that the disk is full, say
            raise OSError(f"{path}: could not be written ({error})") from None
        with aside.open("rb") as file:
            os.fsync(file.fileno())


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A file of tensors; raises InputError where it is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path}: the weight file is damaged ({error}); {_RESTORE}") from None


def _read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with _opened(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class RunFolder:
    """Paths and files of one run."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def read_config(self) -> dict[str, Any]:
        """config.json, checked for being a run of a version that this program reads."""
        file = self.path / "config.json"
        if not file.is_file():
            raise InputError(
                f"{self.path}: not a run folder (it has no config.json); give the folder that `labelmint "
                f"train` wrote"
            )
        config = self._json(file)
        version = config.get("format_version")
        if not isinstance(version, int):
            raise InputError(f"{file}: not the configuration of a run (it has no format_version)")
        if version > FORMAT_VERSION:
            raise InputError(
                f"{file}: written by a newer labelmint (run format {version}, this one reads up to "
                f"{FORMAT_VERSION}); update labelmint"
            )
        return config

    def read_json(self, name: str) -> dict[str, Any]:
        """A JSON file of the run."""
        file = self.path / name
        if not file.is_file():
            raise InputError(f"{self.path}: the run lacks {name}; train again with the same command")
        return self._json(file)

    def _json(self, file: Path, mend: str = _RESTORE) -> dict[str, Any]:
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, UnicodeDecodeError) as error:
            raise InputError(f"{file}: not valid JSON ({error}); {mend}") from None
        if not isinstance(content, dict):
            raise InputError(f"{file}: expected a JSON object; {mend}")
        return content

    # Parts --------------------------------------------------------------------------------------------------

    def finished(self, part: str) -> bool:
        """True if a part is there whole."""
        return (self.path / part / "part.json").is_file()

    def save_part(self, part: str, weights: dict[str, Tensor], about: dict[str, Any]) -> None:
        """Write a finished part, then drop its checkpoint."""
        folder = self.path / part
        folder.mkdir(parents=True, exist_ok=True)
        _write_tensors(folder / "weights.safetensors", weights, {})
        write_json(folder / "part.json", {**about, "sha256": _digest(folder / "weights.safetensors")})
        self.drop_checkpoint(part)

    def drop_checkpoint(self, part: str) -> None:
        """Remove what a finished part no longer needs."""
        (self.path / part / "checkpoint.safetensors").unlink(missing_ok=True)

    def load_part(self, part: str, mend: str = _RESTORE) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights and part.json of a finished part; raises InputError that says what mends it when a file is missing or
        damaged.
        """
        if not self.finished(part):
            raise InputError(f"{self.path}: the run lacks {part}/part.json; {mend}")
        about, file = (
            self._json(self.path / part / "part.json", mend),
            self.path / part / "weights.safetensors",
        )
        if not file.is_file():
            raise InputError(f"{self.path}: the run lacks {part}/weights.safetensors; {mend}")
        if _digest(file) != about.get("sha256"):
            raise InputError(
                f"{file}: the weight file is damaged (its SHA-256 differs from part.json); {mend}"
            )
        return _read_tensors(file)[0], about

    def removed(self, part: str) -> str:
        """What mends a damaged part, for a command that trains it where it is missing."""
        return f"remove {self.path / part}, and the same command trains it anew"

    # Checkpoints --------------------------------------------------------------------------------------------

    def save_checkpoint(self, part: str, tensors: dict[str, Tensor], where: dict[str, Any]) -> None:
        """Write where an unfinished part stands."""
        folder = self.path / part
        folder.mkdir(parents=True, exist_ok=True)
        _write_tensors(folder / "checkpoint.safetensors", tensors, {"where": json.dumps(where)})

    def load_checkpoint(self, part: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Tensors and place of an unfinished part, or None."""
        file = self.path / part / "checkpoint.safetensors"
        if not file.is_file():
            return None
        tensors, metadata = _read_tensors(file)
        return tensors, json.loads(metadata["where"])

    def elapsed(self, part: str) -> float:
        """Seconds that the loop of an unfinished part has taken by its checkpoint; 0.0 without one."""
        file = self.path / part / "checkpoint.safetensors"
        if not file.is_file():
            return 0.0
        with _opened(file) as opened:
            return float(json.loads(opened.metadata()["where"]).get("elapsed", 0.0))

    # Log ----------------------------------------------------------------------------------------------------

    def log(self, row: dict[str, Any]) -> None:
        """Append one line to log.jsonl."""
        with (self.path / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def read_log(self) -> list[dict[str, Any]]:
        """All whole lines of the log."""
        file = self.path / "log.jsonl"
        rows = []
        for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else []:
            try:
                rows.append(json.loads(line))
            except ValueError:  # the last line of a killed run
                continue
        return rows

    def rewind_log(self, part: str, step: int) -> None:
        """Drop lines of a part beyond a step: they will be written again."""
        rows = [row for row in self.read_log() if row.get("stage") != part or row.get("step", 0) <= step]
        write_text(self.path / "log.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
