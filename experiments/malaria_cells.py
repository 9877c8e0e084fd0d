"""BBBC041 smears with three classes, for `labelmint study`: background, red blood cell, infected cell.

    python -m experiments.malaria_cells --data BBBC041 --out DIR

BBBC041 is a folder with images/, masks/ of its seven classes (0 background, 1 red blood cell, 2 trophozoite,
3 ring, 4 schizont, 5 gametocyte, 6 leukocyte), train.txt and test.txt. Leukocytes become background: there
are two.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["main"]

_CLASS_OF = np.array([0, 1, 2, 2, 2, 2, 0], np.uint8)
_CLASSES = ("background", "red blood cell", "infected")


def main(arguments: list[str] | None = None) -> int:
    """Write the data set; answers the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    masks = sorted((given.data / "masks").glob("*.png"))
    if not masks:
        print(f"{given.data}: expected masks/*.png beside images/", file=sys.stderr)
        return 2
    if given.out.exists():
        print(f"{given.out}: exists; give another --out", file=sys.stderr)
        return 2
    aside = given.out.with_name(f"{given.out.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(given.data / "images", aside / "images")
    (aside / "masks").mkdir()
    for mask in masks:
        Image.fromarray(_CLASS_OF[np.asarray(Image.open(mask))]).save(aside / "masks" / mask.name)
    for name in ("train.txt", "test.txt"):
        shutil.copy(given.data / name, aside / name)
    (aside / "classes.json").write_text(json.dumps({"names": _CLASSES}) + "\n", encoding="utf-8")
    aside.rename(given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
