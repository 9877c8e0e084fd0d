"""croissant.json beside a data set that is written: what its files are, in the vocabulary Croissant 1.0 of ML Commons
(JSON-LD, http://mlcommons.org/croissant/1.0), by which search engines and loaders find and read it.

    distribution    a file object for each single file (with its SHA-256), a file set for files of a kind in a folder
    recordSet       classes (ids and names); images, then labels that are images (name, pixels, part);
                    train, validation and test, where lists of names say them

It holds no date, no path and no license that nobody named, so two writes of the same pairs are equal.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from labelmint.formats.format import PART_WORDS
from labelmint.storage import write_text
from labelmint.types import ClassSet

__all__ = ["CROISSANT", "write_croissant"]

CROISSANT = "croissant.json"

_KINDS = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".tiff": "image/tiff",
    ".tif": "image/tiff",
    ".bmp": "image/bmp",
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".txt": "text/plain",
    ".md": "text/markdown",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".csv": "text/csv",
    ".tar": "application/x-tar",
    ".gz": "application/gzip",
}
_LABELS = ("label", "mask", "annotation", "instance", "gtfine", "segmentation", "object", "stuff", "panoptic")
_LISTS = {"train.txt": "train", "val.txt": "validation", "test.txt": "test"}
_PARTS = [word for words in PART_WORDS.values() for word in words]
_CONTEXT = {  # the terms of Croissant 1.0, which the format asks for in each document
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


@dataclass
class _Files:
    """Files of one ending below one folder at the top ("" for the top itself)."""

    top: str
    suffix: str
    nested: bool = False
    in_parts: bool = True  # each below a folder that is named like a part
    id: str = ""

    @property
    def pixels(self) -> bool:
        return _kind(self.suffix).startswith("image/")

    @property
    def labels(self) -> bool:
        return any(word in self.top.lower() for word in _LABELS)

    @property
    def includes(self) -> list[str]:
        """Patterns of the files; a folder between is matched by "**"."""
        home = f"{self.top}/" if self.top else ""
        return [f"{home}*{self.suffix}", *([f"{home}**/*{self.suffix}"] if self.nested else [])]


def write_croissant(
    folder: Path, names: Sequence[str], classes: ClassSet, *, name: str, description: str
) -> None:
    """Write croissant.json into a folder that holds all other files.

    Arguments:
        folder: of the data set. names: of its pairs. classes: of its labels.
        name: of the data set, for machines. description: for people.
    """
    single, sets = _files(folder, set(names))
    pixels = sorted((one for one in sets if one.pixels), key=lambda one: one.labels)
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": name,
        "description": description,
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "distribution": [*(_file_object(folder, path) for path in single), *(_file_set(one) for one in sets)],
        "recordSet": [
            _classes(classes),
            *(_pixels(one) for one in pixels),
            *(_part(path) for path in single if path in _LISTS),
        ],
    }
    write_text(folder / CROISSANT, json.dumps(document, indent=1) + "\n")


def _files(folder: Path, names: set[str]) -> tuple[list[str], list[_Files]]:
    """Single files of the top, and files by folder and ending, each in order."""
    single: list[str] = []
    found: dict[tuple[str, str], _Files] = {}
    for path in _walk(folder, PurePosixPath()):
        top = path.parts[0] if len(path.parts) > 1 else ""
        if not top and path.stem not in names:
            single.append(path.name)
            continue
        files = found.setdefault((top, path.suffix), _Files(top, path.suffix))
        files.nested |= len(path.parts) > 2
        files.in_parts &= any(part in _PARTS for part in path.parts[:-1])
    sets = [found[key] for key in sorted(found)]
    taken = {*single, "classes", *_LISTS.values()}
    for one in sets:
        alone = sum(other.top == one.top for other in sets) == 1 and one.top not in taken
        one.id = one.top if one.top and alone else f"{one.top or 'files'}-{one.suffix.lstrip('.') or 'plain'}"
    return [name for name in sorted(single) if name != CROISSANT], sets


def _walk(folder: Path, below: PurePosixPath) -> Iterator[PurePosixPath]:
    """All files below a folder, hidden ones left out."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda one: one.name):
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from _walk(Path(entry.path), below / entry.name)
            else:
                yield below / entry.name


def _kind(suffix: str) -> str:
    return _KINDS.get(suffix, "application/octet-stream")


def _file_object(folder: Path, name: str) -> dict[str, Any]:
    with (folder / name).open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{(folder / name).stat().st_size} B",
        "encodingFormat": _kind(PurePosixPath(name).suffix),
        "sha256": digest,
    }


def _file_set(one: _Files) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": one.id,
        "name": one.id,
        "encodingFormat": _kind(one.suffix),
        "includes": one.includes,
    }


def _record_set(id: str, key: str, fields: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": id,
        "name": id,
        "key": {"@id": f"{id}/{key}"},
        "field": fields,
    } | more


def _field(id: str, data_type: str, source: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    found = {"@type": "cr:Field", "@id": id, "name": id, "dataType": data_type}
    return found | ({"source": source} if source else {}) | more


def _classes(classes: ClassSet) -> dict[str, Any]:
    rows = [{"classes/id": info.id, "classes/name": info.name} for info in classes.classes]
    fields = [_field("classes/id", "sc:Integer"), _field("classes/name", "sc:Text")]
    return _record_set("classes", "id", fields, dataType="sc:Enumeration", data=rows)


def _pixels(one: _Files) -> dict[str, Any]:
    """Images, or labels that are images. Same names belong together; no field refers to another set, since readers
    that join two sets of files give the pixels of one for both.
    """
    set_id = f"{one.id}-records"

    def of(what: str, **more: Any) -> dict[str, Any]:
        return {"fileSet": {"@id": one.id}, "extract": {"fileProperty": what}} | more

    name_of = of("filename", transform={"regex": f"^(.*)\\{one.suffix}$"})
    fields = [
        _field(f"{set_id}/name", "sc:Text", name_of),
        _field(f"{set_id}/pixels", "sc:ImageObject", of("content")),
    ]
    if one.in_parts:
        part_of = of("fullpath", transform={"regex": f"^(?:.*/)?({'|'.join(_PARTS)})/"})
        fields.append(_field(f"{set_id}/part", "sc:Text", part_of))
    return _record_set(set_id, "name", fields)


def _part(path: str) -> dict[str, Any]:
    """A list of names that is a part."""
    part = _LISTS[path]
    source = {"fileObject": {"@id": path}, "extract": {"fileProperty": "lines"}}
    return _record_set(part, "name", [_field(f"{part}/name", "sc:Text", source)])
