"""Movie files: how long each shows what, and what a format cannot say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelmint.errors import InputError
from labelmint.movies.encode import ENCODERS
from labelmint.types import Array


def grey(*levels: int) -> list[Array]:
    return [np.full((6, 8, 3), level, np.uint8) for level in levels]


@pytest.mark.parametrize(("suffix", "milliseconds"), [(".gif", 80), (".png", 1000 / 12)])
def test_equal_neighbors_are_one_frame_that_lasts_as_long(
    tmp_path: Path, suffix: str, milliseconds: float
) -> None:
    path = tmp_path / f"movie{suffix}"
    ENCODERS[suffix](grey(9, 9, 9, 200, 9), path, 12, {"generator": "labelmint"})
    with Image.open(path) as movie:
        shown = []
        for frame in range(movie.n_frames):
            movie.seek(frame)
            shown.append((movie.info["duration"], movie.convert("RGB").getpixel((0, 0))))
        assert movie.info.get("loop") == 0
    assert [color for _, color in shown] == [(9, 9, 9), (200, 200, 200), (9, 9, 9)]
    # a millisecond: older versions of Pillow round the times of an APNG
    assert [lasts for lasts, _ in shown] == pytest.approx([milliseconds * n for n in (3, 1, 1)], abs=1.5)


@pytest.mark.parametrize("levels", [(9,) * 700, (*(9,) * 700, 200)])
def test_a_picture_that_a_gif_cannot_show_for_so_long_is_refused_in_one_line(
    tmp_path: Path, levels: tuple[int, ...]
) -> None:
    with pytest.raises(InputError, match=r"longer than 655 seconds.*--fps.*\.png") as refusal:
        ENCODERS[".gif"](grey(*levels), tmp_path / "movie.gif", 1, {})
    assert "\n" not in str(refusal.value)
