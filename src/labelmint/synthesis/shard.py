"""A shard: the part of an export that one of several machines draws.

    chunk k belongs to shard k mod N;    -n counts candidates, of which a filter may drop some

    SHARD/settings.json       what decides the samples, and which shard it is
    SHARD/shard.json          all that is said of the export (`synthesis.export`), for whoever joins it
    SHARD/chunk-..., verdicts-...     as `synthesis.chunks` has them, with one file of verdicts a chunk

It is drawn in SHARD.partial and takes its place at once, when all of it is there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from labelmint.errors import InputError
from labelmint.storage import write_json
from labelmint.synthesis.chunks import ChunkFolder, partial_of
from labelmint.synthesis.export import Export
from labelmint.synthesis.gate import Gate
from labelmint.synthesis.settings import read_settings

__all__ = ["Shard", "StoredShard", "read_shard", "store_shard"]

_FILE = "shard.json"


class Shard(NamedTuple):
    """One of `of` machines that share the chunks: it draws those whose number is `number` mod `of`."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read "K/N"; raises InputError unless 0 <= K < N."""
        number, _, of = text.partition("/")
        if not (number.isdecimal() and of.isdecimal() and int(number) < int(of)):
            raise InputError(f"--shard {text}: expected K/N, the K-th of N counted from 0, as in 0/8 ... 7/8")
        return cls(int(number), int(of))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def of_these(self, chunks: range) -> range:
        """Those of some chunks in a row that belong to it."""
        return range(chunks.start + (self.number - chunks.start) % self.of, chunks.stop, self.of)


class StoredShard(NamedTuple):
    """A whole shard on disk.

    Attributes:
        path: its folder. shard: which it is. export: what is said of all shards together.
        facts: shard.json, which differs between shards of one export in nothing but which shard it is.
        folder: of its chunks.
    """

    path: Path
    shard: Shard
    export: Export
    facts: dict[str, Any]
    folder: ChunkFolder

    @property
    def copy_threshold(self) -> float:
        """On the ratio of the gate; 0 where there is no filter."""
        return float(self.facts["copy_threshold"] or 0)

    @property
    def searched(self) -> float:
        """Share of the positions in training images that the gate compared."""
        return float(self.facts.get("searched", 1))


def store_shard(
    folder: ChunkFolder, export: Export, gate: Gate | None, versions: Mapping[str, str], out: Path
) -> None:
    """Say what a folder of chunks is the shard of, and move it to its place."""
    threshold = None if gate is None else gate.rule.threshold
    facts = {"export": export.to_json(), "copy_threshold": threshold, "versions": dict(versions)}
    if gate is not None and gate.searched < 1:
        facts["searched"] = gate.searched
    write_json(folder.path / _FILE, facts)
    if out.is_dir():
        out.rmdir()
    folder.path.replace(out)


def read_shard(path: Path) -> StoredShard:
    """A shard; raises InputError where there is none, or one that is not whole or damaged."""
    file = path / _FILE
    if not file.is_file():
        if partial_of(path).is_dir():
            raise InputError(f"{path}: this shard is not whole; run its command again with --resume")
        raise InputError(f"{path}: no shard; expected a folder that `labelmint synthesize --shard K/N` wrote")
    try:
        facts = json.loads(file.read_text(encoding="utf-8", errors="surrogateescape"))
        settings = read_settings(path / "settings.json")
        export, shard = Export.from_json(facts["export"]), Shard.parse((settings or {})["shard"])
        float(facts["copy_threshold"] or 0), float(facts.get("searched", 1)), dict(facts["versions"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, InputError):
        raise InputError(f"{file}: damaged; remove {path} and draw that shard again") from None
    return StoredShard(
        path, shard, export, facts, ChunkFolder(path, settings or {}, export.classes, resume=True)
    )
