"""Which classes of several data sets become one: a mapping from class names to merged classes, written by
hand as JSON.

    {"classes": {"vehicle": ["car", "bus", "truck"], "person": ["pedestrian", "rider"], "road": []},
     "ignore": ["void"],
     "names": {"ade20k": {"1": "wall", "2": "building"}}}

A class goes to the merged class of its own name or to the one that lists it, whichever set it is of. `names`
may be left out: class names by label id, for sets without names of their own in folders that are called so
(`ADE20K_2016` is an `ade20k`).

`scenes-243` is shipped: the 19 + 150 + 171 classes of Cityscapes, ADE20K and COCO-Stuff as 243, the number of
Alaniz et al.'s semantically coupled VQ-models (2022), whose own list is not published. Ours merges the same
names (267 are left; `-other` and `-stuff` do not count), names that ADE20K's list gives as synonyms (259),
COCO-Stuff's families such as wall-brick and wall-tile (247), and four things under two names: minibike and
motorcycle, dining table and table, sports ball and ball, wine glass and glass.
"""

from __future__ import annotations

import difflib
import re
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from labelmint.errors import InputError
from labelmint.formats.files import read_json

__all__ = ["SHIPPED_MAPPINGS", "ClassMapping", "read_mapping"]

SHIPPED_MAPPINGS = ("scenes-243",)

_LARGEST_FILE = 1 << 20  # bytes; scenes-243 has 11,000
_EXPECTED = 'expected {"classes": {"vehicle": ["car", "bus"], "road": []}, "ignore": ["void"]}'

_Name = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=200, pattern=r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$"
    ),
]
_Id = Annotated[str, StringConstraints(pattern=r"^\d{1,5}$")]


class ClassMapping(BaseModel):
    """Merged classes, in the order of their ids, each with the names that become it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    classes: dict[_Name, list[_Name]] = Field(min_length=1, max_length=65535)
    ignore: list[_Name] = []
    names: dict[_Name, dict[_Id, _Name]] = {}

    @model_validator(mode="after")
    def _once(self) -> ClassMapping:
        places: dict[str, str] = {name: f"a class of {name!r}" for name in self.classes}
        for merged, members in (*self.classes.items(), (None, self.ignore)):
            there = '"ignore"' if merged is None else f"a class of {merged!r}"
            for name in members:
                if name in places and name != merged:
                    raise ValueError(f"{name!r} is {places[name]} and {there} too; leave it in one place")
                places[name] = there
        for label, names in self.names.items():
            if not _bare(label):
                raise ValueError(f'{label!r} of "names" is no folder: it needs a letter or a digit')
            if any(int(class_id) > 65535 for class_id in names):
                raise ValueError(f'a class id of "names" / {label!r} is above 65535')
        return self

    @cached_property
    def _target(self) -> dict[str, str | None]:
        targets: dict[str, str | None] = dict.fromkeys(self.ignore)
        for merged, members in self.classes.items():
            targets |= dict.fromkeys((merged, *members), merged)
        return targets

    def target(self, name: str) -> str | None:
        """The merged class of a class, None for one that is ignored; raises KeyError for one that the mapping
        leaves out.
        """
        return self._target[name]

    def nearest(self, name: str) -> str | None:
        """The name of the mapping that is written most like this one, if any is."""
        return next(iter(difflib.get_close_matches(name, self._target, n=1, cutoff=0.6)), None)

    def names_for(self, folder: str) -> dict[int, str] | None:
        """Class names by label id for the sets in a folder that is called so, case and signs aside; None
        where there are none.
        """
        fitting = [key for key in self.names if _bare(folder).startswith(_bare(key))]
        key = max(fitting, key=lambda key: len(_bare(key)), default=None)
        return None if key is None else {int(class_id): name for class_id, name in self.names[key].items()}


def read_mapping(named: str | Path) -> ClassMapping:
    """A mapping from its JSON file, or a shipped one by its name.

    Raises InputError for a file that is missing, too large, no JSON, or of another form, and for names that
    stand in two places.
    """
    if str(named) in SHIPPED_MAPPINGS:
        with resources.as_file(resources.files("labelmint.datasets") / "data" / f"{named}.json") as shipped:
            return read_mapping(Path(shipped))
    path = Path(named)
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; --merge takes a mapping.json, or {' or '.join(SHIPPED_MAPPINGS)}"
        )
    if path.stat().st_size > _LARGEST_FILE:
        raise InputError(
            f"{path}: has {path.stat().st_size:,} bytes, too large for a list of class names; {_EXPECTED}"
        )
    try:
        return ClassMapping.model_validate(read_json(path, doubled=False))
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{part!r}: " for part in first["loc"] if part != "[key]")
        raise InputError(
            f"{path}: {where}{first['msg'].removeprefix('Value error, ')}; {_EXPECTED}"
        ) from None


def _bare(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()
