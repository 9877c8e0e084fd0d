"""What a run and the data that it is evaluated with have to do with each other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.evaluation.conftest import as_data
from tests.helpers import canvases

from labelmint.errors import InputError
from labelmint.evaluation.subject import split_of_run


def test_names_that_were_trained_on_are_told_with_the_part_that_holds_them(tmp_path: Path) -> None:
    data = as_data(canvases("pairs", 4, seed=1))
    one, *_, last = data.names
    (tmp_path / "split.json").write_text(json.dumps({"training": [one], "validation": []}))
    system = cast(
        "Any", SimpleNamespace(path=tmp_path, config=SimpleNamespace(request=SimpleNamespace(group_by=None)))
    )
    assert split_of_run(system, replace(data, validation=(last,))).test == (last,)
    with pytest.raises(
        InputError, match="1 names of the part val, which is the test part where there is no other"
    ):
        split_of_run(system, replace(data, validation=(one,)))
    with pytest.raises(InputError, match="1 names of the test part were trained on"):
        split_of_run(system, replace(data, test=(one,), validation=(last,)))
