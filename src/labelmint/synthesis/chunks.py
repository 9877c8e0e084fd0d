"""Chunks of samples on disk, so that a stopped export goes on without drawing anything twice.

    OUT.partial/settings.json      what decides the samples; other settings are refused
    OUT.partial/chunk-000012.npz   the B samples of chunk 12: images, label maps, instances, and objects as JSON
    OUT.partial/verdicts-000000384.npz   with a filter: what it decided about candidates 384 and on, as many as were judged at once

A file is written aside and renamed, so it is there whole or not at all; one that can't be read is drawn again.
Nothing is pickled.
"""

from __future__ import annotations

import dataclasses
import json
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labelmint.errors import InputError
from labelmint.synthesis.verdicts import Reason, Verdict
from labelmint.training.run import write_arrays
from labelmint.types import AnnotatedImage, Array, Layout, LayoutObject

__all__ = ["ChunkFolder"]

_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


class ChunkFolder:
    """The chunks of one export.

    Arguments:
        path: the folder; made when it is missing.
        settings: what decides the samples, as plain JSON values.
        resume: go on with a folder that is there.

    Raises InputError when the folder is there and `resume` is False, or when it was made with other settings.
    """

    def __init__(self, path: Path, settings: dict[str, Any], *, resume: bool) -> None:
        self.path = path
        file = path / "settings.json"
        if path.exists() and not resume:
            raise InputError(f"{path}: a stopped command left its samples there; add --resume to go on, or remove that folder")
        if file.is_file():
            self._check(file, settings)
            return
        path.mkdir(parents=True, exist_ok=True)
        aside = file.with_name(".settings.json.partial")
        aside.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
        aside.replace(file)

    def _check(self, file: Path, settings: dict[str, Any]) -> None:
        try:
            before = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            before = None
        if not isinstance(before, dict):
            raise InputError(f"{file}: damaged; remove {self.path} and start again")
        for key in sorted({*before, *settings}):
            if before.get(key) != settings.get(key):
                raise InputError(
                    f"{self.path}: was begun with {key} {before.get(key)!r}, now it is {settings.get(key)!r}; "
                    "give the same options to resume, or remove that folder and start again"
                )

    def save(self, chunk: int, pairs: Sequence[AnnotatedImage]) -> None:
        """Write one chunk."""
        arrays: dict[str, Array] = {
            "names": np.array([pair.name for pair in pairs]),
            "images": np.stack([pair.image for pair in pairs]),
            "label_maps": np.stack([pair.layout.label_map for pair in pairs]),
            "objects": np.array(json.dumps([[dataclasses.asdict(one) for one in pair.layout.objects] for pair in pairs])),
        }
        instances = [pair.layout.instances for pair in pairs]
        if all(one is not None for one in instances):
            arrays["instances"] = np.stack([one for one in instances if one is not None])
        write_arrays(self._file(chunk), arrays)

    def load(self, chunk: int) -> list[AnnotatedImage] | None:
        """The samples of a chunk; None when it is missing or can't be read."""
        try:
            arrays = _read(self._file(chunk))
            objects = json.loads(str(arrays["objects"]))
            return [self._pair(arrays, objects, row) for row in range(len(arrays["names"]))]
        except _UNREADABLE:
            return None

    def pairs(self, chunk: int) -> list[AnnotatedImage]:
        """The samples of a chunk that was drawn; raises InputError when they are gone."""
        found = self.load(chunk)
        if found is None:
            raise InputError(
                f"{self.path}: chunk {chunk} vanished while the data set was written; run the same command with --resume"
            )
        return found

    def save_verdicts(self, verdicts: Sequence[Verdict]) -> None:
        """Write the verdicts on candidates that follow each other."""
        rows = [{**dataclasses.asdict(verdict), "doubtful": verdict.doubtful is not None} for verdict in verdicts]
        masks = [verdict.doubtful for verdict in verdicts if verdict.doubtful is not None]
        arrays: dict[str, Array] = {"verdicts": np.array(json.dumps(rows))}
        if masks:
            arrays["doubtful"] = np.stack(masks)
        write_arrays(self._verdicts(verdicts[0].index), arrays)

    def load_verdicts(self, first: int) -> list[Verdict] | None:
        """The verdicts on candidate `first` and those judged with it; None when they are missing or can't be read."""
        try:
            arrays = _read(self._verdicts(first))
            masks = iter(arrays.get("doubtful", ()))
            found = [
                Verdict(
                    **{
                        **row,
                        "reason": row["reason"] and Reason(row["reason"]),
                        "doubtful": next(masks) if row["doubtful"] else None,
                    }
                )
                for row in json.loads(str(arrays["verdicts"]))
            ]
        except (*_UNREADABLE, TypeError, StopIteration):
            return None
        return found if found and found[0].index == first else None

    def _verdicts(self, first: int) -> Path:
        return self.path / f"verdicts-{first:09d}.npz"

    def _file(self, chunk: int) -> Path:
        return self.path / f"chunk-{chunk:06d}.npz"

    def _pair(self, arrays: dict[str, Array], objects: list[list[dict[str, Any]]], row: int) -> AnnotatedImage:
        layout = Layout(
            label_map=arrays["label_maps"][row],
            instances=arrays["instances"][row] if "instances" in arrays else None,
            objects=tuple(_object(one) for one in objects[row]),
        )
        return AnnotatedImage(name=str(arrays["names"][row]), image=arrays["images"][row], layout=layout)


def _read(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def _object(content: dict[str, Any]) -> LayoutObject:
    """JSON has no tuples, and a LayoutObject has."""
    polygons = content["polygons"]
    return LayoutObject(
        **{
            **content,
            "box": tuple(content["box"]),
            "polygons": None if polygons is None else tuple(tuple(polygon) for polygon in polygons),
        }
    )
