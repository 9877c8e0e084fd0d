"""The format of docs/add-a-format.md: its code is one file, and keeps the laws."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from tests.helpers import canvases
from tests.test_docs import ROOT, blocks

from labelmint.contracts import check_format
from labelmint.datasets.digits import DIGIT_CLASSES
from labelmint.errors import InputError
from labelmint.formats.files import new_folder
from labelmint.types import AnnotatedImage, ClassSet, Layout


@pytest.fixture(scope="module")
def added() -> dict[str, Any]:
    """What the blocks of the page define."""
    found: dict[str, Any] = {}
    exec("\n".join(blocks(ROOT / "docs" / "add-a-format.md", "python")), found)
    return found


def test_its_format_keeps_the_laws(added: dict[str, Any], tmp_path: Path) -> None:
    kind = added["FORMAT"]

    def write(pairs: Iterable[AnnotatedImage], path: Path, classes: ClassSet) -> None:
        with new_folder(path) as folder:
            kind.writes(pairs, folder, classes)

    pairs = [
        AnnotatedImage(name=one.name, image=one.image, layout=Layout(label_map=one.layout.label_map))
        for one in canvases("pairs", 60)[:3]
    ]
    check_format(kind.reads, write, pairs, DIGIT_CLASSES, tmp_path)
    assert kind.recognizes(tmp_path / "first") and not kind.recognizes(tmp_path)


def test_classes_without_names_are_refused(added: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "classes.json").write_text('{"ignore": [7]}')
    with pytest.raises(InputError, match="names"):
        added["read_arrays"](tmp_path)
