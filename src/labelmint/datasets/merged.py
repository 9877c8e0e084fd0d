"""Several data sets as one: every class becomes a merged class or is ignored, every pair is loaded when it is
asked for.

    data = merge([read("city"), read("indoors")], read_mapping("mapping.json"))

A pair `a` of the set in the folder `city` is called `city-a`, a name that a file can have. Where two folders
are called alike every set's prefix begins with the folder above: `north-city-a`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from labelmint.datasets.class_mapping import ClassMapping
from labelmint.datasets.origins import files_of
from labelmint.errors import InputError
from labelmint.formats.class_list import IGNORE, class_set, classes_of_ids
from labelmint.formats.files import Parts
from labelmint.formats.painting import PaintedLayout
from labelmint.types import AnnotatedImage, Array, ClassInfo, ClassSet, DataSet, Finding, Layout

__all__ = ["merge"]

_HIGHEST = 65535


def merge(sets: Sequence[DataSet], mapping: ClassMapping | None = None, *, union: bool = False) -> DataSet:
    """One data set of the pairs of several, which loads a pair from its own set when it is asked for.

    Arguments:
        sets: one or more. Names get their set's as a prefix where there are more.
        mapping: what becomes of each class. None: the sets have classes of the same names, and ids are those
            of the first set.
        union: without a mapping, classes that some set lacks are taken as well (to convert), with their own ids where
            these are free; and names get a prefix only where two sets have the same.

    Ids follow the order of the mapping, and 255 is ignored; of its classes those are kept that some set has.
    Layouts keep their instances and objects. The lists of the parts are joined: a set without a train part
    trains on all that is in none of its other parts.

    Raises InputError for no sets, one given twice, a class that the mapping leaves out, and, without a
    mapping, one that some set lacks.
    """
    if not sets:
        raise InputError("no data sets to merge")
    _refuse_twice(sets)
    labels = _labels(sets)
    if mapping is not None:
        sets = [_named(data, label, mapping) for data, label in zip(sets, labels, strict=True)]
        targets = [{info.id: _target(data, info, mapping) for info in data.classes.classes} for data in sets]
        classes = _merged_classes(sets, targets, mapping)
    else:
        if not union:
            _refuse_other_names(sets)
        targets = [_by_names(data, sets[0]) for data in sets]
        found = _united(sets, targets)
        classes = ClassSet(found, (_free_id(info.id for info in found),))
    prefixes = [f"{label}-" if len(sets) > 1 else "" for label in labels]
    if union and len({name for data in sets for name in data.names}) == sum(map(len, sets)):
        prefixes = [""] * len(sets)
    places, parts = _places(sets, prefixes), _parts(sets, targets, classes)
    return DataSet(
        source=" + ".join(data.source for data in sets),
        format=sets[0].format if len({data.format for data in sets}) == 1 else "merged",
        classes=classes,
        names=tuple(sorted(places)),
        load=_Loader(parts, places, np.uint8 if max(*classes.ignore, *classes.ids) <= 255 else np.uint16),
        origins=_origins(parts),
        **_joined_parts(sets, prefixes)._asdict(),
        findings=(
            *(
                replace(finding, names=tuple(prefix + name for name in finding.names))
                for data, prefix in zip(sets, prefixes, strict=True)
                for finding in data.findings
            ),
            *(_named_alike(classes) if union else ()),
        ),
    )


def _named_alike(classes: ClassSet) -> Iterator[Finding]:
    """A finding for each two classes that differ in the case of their letters alone."""
    first: dict[str, str] = {}
    for name in classes.names:
        other = first.setdefault(name.casefold(), name)
        if other != name:
            text = f"{other!r} and {name!r} stay two classes; name them alike in both classes.json where they are one"
            yield Finding(kind="names of classes", text=text)


def _origins(parts: Sequence[_Part]) -> tuple[tuple[str, str], ...]:
    """Where the sets come from, each with what becomes of its ids; empty where one does not know."""
    if not all(part.data.origins for part in parts):
        return ()
    made = [hashlib.sha256(part.table.tobytes()).hexdigest() for part in parts]
    return tuple(
        (path, f"{how} {of}") for part, of in zip(parts, made, strict=True) for path, how in part.data.origins
    )


def _parts(
    sets: Sequence[DataSet], targets: Sequence[Mapping[int, str | None]], classes: ClassSet
) -> tuple[_Part, ...]:
    """Each set with the table of what becomes of its ids."""
    ids = {info.name: info.id for info in classes.classes}
    (ignored,) = classes.ignore
    return tuple(
        _Part(
            data,
            _table(
                {i: ignored if name is None else ids[name] for i, name in goes.items()},
                data.classes.ignore,
                ignored,
            ),
        )
        for data, goes in zip(sets, targets, strict=True)
    )


def _places(sets: Sequence[DataSet], prefixes: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Where each pair comes from, (number of its set, its name there), by its new name; raises InputError for two
    pairs of one name.
    """
    places: dict[str, tuple[int, str]] = {}
    for k, (data, prefix) in enumerate(zip(sets, prefixes, strict=True)):
        for name in data.names:
            if prefix + name in places:
                raise InputError(
                    f"{data.source}: its pair {name!r} would be called {prefix + name!r}, as one of "
                    f"{sets[places[prefix + name][0]].source} is; rename one of the two folders"
                )
            places[prefix + name] = k, name
    return places


@dataclass(frozen=True)
class _Part:
    """A set, and the id that each of its ids becomes: (65536,) int32, -1 for unknown ones."""

    data: DataSet
    table: Array


@dataclass(frozen=True)
class _Loader:
    """Name -> pair with merged classes."""

    parts: tuple[_Part, ...]
    places: Mapping[str, tuple[int, str]]
    dtype: type[np.uint8] | type[np.uint16]

    def __call__(self, name: str) -> AnnotatedImage:
        k, own = self.places[name]
        return self._merged(self.parts[k], self.parts[k].data.load(own), name)

    def undecoded(self, name: str) -> AnnotatedImage:
        """The pair, undecoded and not painted where its set puts that off."""
        k, own = self.places[name]
        return self._merged(self.parts[k], self.parts[k].data.undecoded(own), name)

    def files_of(self, name: str) -> tuple[Path, ...] | None:
        """The files of one pair, where its set knows them."""
        k, own = self.places[name]
        return files_of(self.parts[k].data, own)

    def _merged(self, part: _Part, pair: AnnotatedImage, name: str) -> AnnotatedImage:
        return pair.with_layout(self._layout(part, pair.layout, pair.name), name)

    def _layout(self, part: _Part, layout: Layout, own: str) -> Layout:
        table = part.table
        strange = next(
            (
                one.class_id
                for one in layout.objects
                if not 0 <= one.class_id <= _HIGHEST or table[one.class_id] < 0
            ),
            None,
        )
        if strange is not None:
            raise InputError(
                f"{part.data.source}: an object of {own!r} has class id {strange}, which is no class; list "
                f"it in classes.json"
            )
        objects = tuple(replace(one, class_id=int(table[one.class_id])) for one in layout.objects)
        if isinstance(layout, PaintedLayout) and table[layout.ground] >= 0:
            return PaintedLayout(objects, layout.size, int(table[layout.ground]))
        ids = table[layout.label_map]
        if ids.min(initial=0) < 0:
            unknown = part.data.classes.unknown(layout.label_map)
            shown = ", ".join(f"{value} ({count} pixels)" for value, count in list(unknown.items())[:5])
            raise InputError(
                f"{part.data.source}: the label of {own!r} holds ids that are no classes: {shown}; list them "
                f"in classes.json, or "
                "pass --ignore"
            )
        return Layout(label_map=ids.astype(self.dtype), instances=layout.instances, objects=objects)


def _refuse_twice(sets: Sequence[DataSet]) -> None:
    seen: set[Path] = set()
    for data in sets:
        place = Path(data.source).resolve()
        if place in seen:
            raise InputError(f"{data.source}: was given twice; name each data set once")
        seen.add(place)


def _labels(sets: Sequence[DataSet]) -> list[str]:
    """What the sets are called in names of pairs: as their folders, each otherwise."""
    folders = []
    for data in sets:
        path = Path(data.source).resolve()
        folder = path.parent if path.suffix.lower() == ".json" else path
        folders.append(folder.parent if folder.name == "annotations" else folder)
    labels = [_label(folder.name) for folder in folders]
    if len(set(labels)) < len(labels):  # whatever the order, each gets the same
        labels = [_label(f"{folder.parent.name}-{folder.name}") for folder in folders]
    for k, label in enumerate(labels):
        if label in labels[:k]:
            raise InputError(
                f"{sets[k].source}: its folder is called as that of {sets[labels.index(label)].source}; "
                f"rename one of them"
            )
    return labels


def _label(name: str) -> str:
    return re.sub(r"[^\w.+-]+", "_", name).strip("._-") or "set"


def _named(data: DataSet, label: str, mapping: ClassMapping) -> DataSet:
    """The set with the names that the mapping has for it, where it has none of its own."""
    names = mapping.names_for(label) if _unnamed(data) else None
    if names is None:
        return data
    classes = class_set((ClassInfo(id=i, name=name) for i, name in names.items()), data.classes.ignore)
    told = Finding(
        kind="names of classes",
        text=f"{data.source}: has no names for its classes; they were named by the mapping",
    )
    return replace(data, classes=classes, findings=(*data.findings, told))


def _unnamed(data: DataSet) -> bool:
    """Return True if the names of the classes only tell their ids."""
    return data.classes.names == classes_of_ids(data.classes.ids, ()).names


def _target(data: DataSet, info: ClassInfo, mapping: ClassMapping) -> str | None:
    try:
        return mapping.target(info.name)
    except KeyError:
        pass
    if _unnamed(data):
        lists = (
            f", or name the folder after the list of names that fits: {', '.join(mapping.names)}"
            if mapping.names
            else ""
        )
        raise InputError(
            f"{data.source}: its classes have no names for the mapping to find ({info.name!r}); name them in "
            f"classes.json{lists}"
        )
    near = mapping.nearest(info.name)
    raise InputError(
        f"{data.source}: the mapping leaves out its class "
        f"{info.name!r}{f' (it has {near!r})' if near else ''}; list it under the class "
        'that it becomes, or in "ignore"'
    )


def _merged_classes(
    sets: Sequence[DataSet], targets: Sequence[Mapping[int, str | None]], mapping: ClassMapping
) -> ClassSet:
    """The mapping's classes that some set has, numbered in its order past 255; a color is the first that a
    set has.
    """
    taken = {name for goes in targets for name in goes.values() if name is not None}
    if not taken:
        raise InputError(
            f"{sets[0].source}: the mapping ignores every class of the data; list those to learn under its "
            f"classes"
        )
    colors = {
        goes[info.id]: info.color
        for data, goes in reversed(list(zip(sets, targets, strict=True)))
        for info in reversed(data.classes.classes)
        if info.color is not None
    }
    numbered = ((i + (i >= IGNORE), name) for i, name in enumerate(mapping.classes))
    return ClassSet(
        tuple(ClassInfo(id=i, name=name, color=colors.get(name)) for i, name in numbered if name in taken),
        (IGNORE,),
    )


def _refuse_other_names(sets: Sequence[DataSet]) -> None:
    first = sets[0]
    for data in sets[1:]:
        for one, other in ((first, data), (data, first)):
            alone = [name for name in one.classes.names if name not in other.classes.names]
            if alone:
                raise InputError(
                    f"{other.source}: has no class {alone[0]!r}, which {one.source} has ({len(alone)} such "
                    f"classes); say which classes "
                    "are one with --merge mapping.json, or name them alike in both classes.json"
                )


def _free_id(ids: Iterable[int]) -> int:
    """255, or the lowest id above it that no class has."""
    taken = set(ids)
    return next(i for i in range(IGNORE, _HIGHEST + 1) if i not in taken)


def _table(becomes: Mapping[int, int], ignore: Sequence[int], ignored: int) -> Array:
    table = np.full(_HIGHEST + 1, -1, np.int32)
    table[list(ignore)] = ignored
    table[list(becomes)] = list(becomes.values())
    return table


def _joined_parts(sets: Sequence[DataSet], prefixes: Sequence[str]) -> Parts:
    """The parts of all sets; one is not there where no set has it."""
    joined: dict[str, list[str]] = {part: [] for part in Parts._fields}
    for data, prefix in zip(sets, prefixes, strict=True):
        apart = {*(data.validation or ()), *(data.test or ())}
        train = data.train if data.train is not None else [name for name in data.names if name not in apart]
        for part, names in zip(joined.values(), (train, data.validation or (), data.test or ()), strict=True):
            part += [prefix + name for name in names]
    there = {part for part in joined if any(getattr(data, part) is not None for data in sets)}
    return Parts(**{part: tuple(names) if part in there else None for part, names in joined.items()})


def _by_names(data: DataSet, first: DataSet) -> dict[int, str | None]:
    """What each class becomes by its name; one ground is the other, whatever the two are called."""
    goes: dict[int, str | None] = {info.id: info.name for info in data.classes.classes}
    if data.classes.ground is not None and first.classes.ground is not None:
        goes[data.classes.ground] = first.classes.name_of(first.classes.ground)
    return goes


def _united(sets: Sequence[DataSet], targets: Sequence[Mapping[int, str | None]]) -> tuple[ClassInfo, ...]:
    """The classes of the first set, and those of the others under their own ids where these are free."""
    found: dict[str, ClassInfo] = {}
    for data, goes in zip(sets, targets, strict=True):
        for info in data.classes.classes:
            name = goes[info.id]
            if name is not None and name not in found:
                taken = {one.id for one in found.values()}
                free = next(i for i in (info.id, *range(_HIGHEST + 1)) if i not in taken)
                found[name] = replace(info, id=free, category=info.category if data is sets[0] else None)
    return tuple(found.values())
