"""Pictures as a movie file: GIF, APNG, or MP4 by the user's own ffmpeg."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from labelmint.errors import InputError
from labelmint.types import Array

__all__ = ["ENCODERS", "check_encoder", "encode_apng", "encode_gif", "encode_mp4"]

Encoder = Callable[[Sequence[Array], Path, float, Mapping[str, str]], None]

_GIF_STEP = 10  # milliseconds: a GIF knows no shorter ones
_MINUTES = 30
_LONGEST_REASON = 300


def check_encoder(suffix: str) -> None:
    """Raise InputError where a file of this ending cannot be written here."""
    if suffix == ".mp4" and shutil.which("ffmpeg") is None:
        raise InputError(
            "an MP4 needs the program ffmpeg, which is not found on the PATH; install it, or give an --out that ends "
            "in .gif or .png"
        )


def encode_gif(pictures: Sequence[Array], path: Path, per_second: float, text: Mapping[str, str]) -> None:
    """A GIF that repeats; each frame has the 256 colors that suit it best, without dithering, which would flicker.

    Raises InputError where frames stay equal for longer than a GIF can say: they are one that lasts as long.
    """
    frames = [
        Image.fromarray(one).quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        for one in pictures
    ]
    try:
        frames[0].save(
            path,
            format="GIF",
            save_all=True,
            append_images=frames[1:],
            duration=_GIF_STEP * max(round(1000 / per_second / _GIF_STEP), 1),
            loop=0,
            comment=_in_a_line(text).encode("ascii", "replace"),
        )
    except (OverflowError, struct.error):
        raise InputError(
            f"a GIF shows no picture for longer than {_GIF_STEP * 65535 // 1000} seconds, and frames here stay equal "
            f"for longer; take a higher --fps, fewer --frames, or an --out that ends in .png"
        ) from None


def encode_apng(pictures: Sequence[Array], path: Path, per_second: float, text: Mapping[str, str]) -> None:
    """An animated PNG that repeats, without loss."""
    info = PngImagePlugin.PngInfo()
    for key, value in text.items():
        info.add_itxt(key, value)
    frames = [Image.fromarray(one) for one in pictures]
    frames[0].save(
        path,
        format="PNG",
        save_all=True,
        append_images=frames[1:],
        duration=1000 / per_second,
        loop=0,
        pnginfo=info,
    )


def encode_mp4(pictures: Sequence[Array], path: Path, per_second: float, text: Mapping[str, str]) -> None:
    """An MP4 by ffmpeg, with its usual codec; odd sides get a row or column more, which codecs want.

    Raises InputError where it fails, with the last line that it said.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        check_encoder(".mp4")
    height, width, _ = pictures[0].shape
    odd = ((0, height % 2), (0, width % 2), (0, 0))
    raw = b"".join(np.pad(one, odd, mode="edge").tobytes() for one in pictures)
    size = f"{width + width % 2}x{height + height % 2}"
    words = [
        *(str(program), "-hide_banner", "-loglevel", "error", "-nostdin", "-y"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-video_size", size, "-framerate", f"{per_second:g}"),
        *("-i", "pipe:0", "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact"),
        *("-pix_fmt", "yuv420p", "-threads", "1"),
        *("-metadata", f"comment={_in_a_line(text)}", "-f", "mp4", f"file:{path}"),
    ]
    try:
        done = subprocess.run(words, input=raw, capture_output=True, check=False, timeout=60 * _MINUTES)
    except subprocess.TimeoutExpired:
        raise InputError(f"{program}: has not ended within {_MINUTES} minutes; take fewer frames") from None
    if done.returncode != 0 or not path.is_file():
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["nothing"]
        raise InputError(f"{program}: ended with {done.returncode} and said: {said[-1][:_LONGEST_REASON]}")


def _in_a_line(text: Mapping[str, str]) -> str:
    return "; ".join(f"{key}: {value}" for key, value in text.items())


ENCODERS: Mapping[str, Encoder] = {
    ".gif": encode_gif,
    ".png": encode_apng,
    ".apng": encode_apng,
    ".mp4": encode_mp4,
}
