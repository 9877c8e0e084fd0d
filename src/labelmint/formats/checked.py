"""What is said of every data set that is read, whatever its format: pairs in no part or in two, classes of one name."""

from __future__ import annotations

import dataclasses
from itertools import combinations

from labelmint.formats.files import Parts
from labelmint.formats.odd import first_of
from labelmint.types import ClassSet, DataSet, Finding

__all__ = ["checked"]


def checked(data: DataSet) -> DataSet:
    """The data with such findings, and with names of classes that each mean one class."""
    return _in_parts(_told_apart(data))


def _in_parts(data: DataSet) -> DataSet:
    """The data with findings of the pairs that several parts take, or none; without a train part, all that is in no
    other trains.
    """
    parts = Parts(data.train, data.validation, data.test)
    found = []
    for (one, these), (other, those) in combinations(parts._asdict().items(), 2):
        both = tuple(sorted({*(these or ())} & {*(those or ())}))
        text = (
            f"{data.source}: {len(both)} names are in the {one} and in the {other} part, first {first_of(both)}; they "
            f"count as {other}"
        )
        found += [Finding(kind="in two parts", text=text, names=both)] if both else []
    listed = {name for names in parts for name in names or ()}
    outside = tuple(name for name in data.names if name not in listed)
    if data.train is not None and outside:
        text = (
            f"{data.source}: {len(outside)} of {len(data.names)} pairs are in no part, first {first_of(outside)}; they "
            "neither train, validate nor test"
        )
        found.append(Finding(kind="in no part", text=text, names=outside))
    return dataclasses.replace(data, findings=(*data.findings, *found))


def _told_apart(data: DataSet) -> DataSet:
    """The data with classes of one name told apart by their ids: a name means one class everywhere."""
    names = data.classes.names
    doubled = sorted({name for name in names if names.count(name) > 1})
    if not doubled:
        return data
    infos = (
        dataclasses.replace(one, name=f"{one.name} ({one.id})") if one.name in doubled else one
        for one in data.classes.classes
    )
    text = (
        f"{data.source}: {len(doubled)} names stand for several classes, first {doubled[0]!r}; told apart by "
        f"their ids"
    )
    classes = ClassSet(tuple(infos), data.classes.ignore)
    return dataclasses.replace(
        data, classes=classes, findings=(Finding(kind="names of classes", text=text), *data.findings)
    )
