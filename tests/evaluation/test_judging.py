"""What a judge cannot learn from is refused before anything long begins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelmint.errors import InputError
from labelmint.evaluation.evaluate import evaluate
from labelmint.evaluation.judging import refuse_one_class
from labelmint.formats import read


def test_labels_of_one_class_and_255_are_refused_by_name(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for part, array in (("images", np.zeros((4, 4, 3), np.uint8)), ("labels", np.full((4, 4), 7, np.uint8))):
        (data / part).mkdir(parents=True)
        array[0] = 255
        Image.fromarray(array).save(data / part / "a.png")
    words = r"one class 'class_7'.*in classes\.json \(pixels of id 255 are ignored unless they are named\)"
    with pytest.raises(InputError, match=words):
        refuse_one_class(read(data))
    with pytest.raises(InputError, match=words):  # the run is not even looked for
        evaluate(tmp_path / "no run", data, tmp_path / "report")
    (data / "classes.json").write_text('{"7": "background", "255": "object"}')
    refuse_one_class(read(data))
