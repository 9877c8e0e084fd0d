"""What the studio replies: JSON, lines of JSON as they come, pictures; and one line for an error, never a traceback."""

from __future__ import annotations

import io
import json
import sys
import traceback
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.responses import Response, StreamingResponse

from labelmint.errors import InputError, line_of_system
from labelmint.types import Array

__all__ = ["error_line", "failed", "lines", "png", "replied"]


def replied(content: Mapping[str, Any], status: int = 200) -> Response:
    """A JSON object."""
    return Response(_json(content), status, media_type="application/json")


def failed(error: Exception) -> Response:
    """An error as JSON, `{"error": "..."}`: 400 for bad input, 500 for the rest."""
    return replied({"error": error_line(error)}, 400 if isinstance(error, InputError) else 500)


def error_line(error: Exception) -> str:
    """One line for a person; the traceback of a fault of the program goes to the terminal."""
    if isinstance(error, InputError):
        return " ".join(str(error).split())
    if isinstance(error, OSError):
        return line_of_system(error)
    if isinstance(error, MemoryError) or "out of memory" in str(error) or "allocate memory" in str(error):
        return "out of memory; draw fewer pairs at a time, or close other programs"
    traceback.print_exception(error, file=sys.stderr)
    return f"the studio failed ({type(error).__name__}); the terminal says more"


def lines(objects: AsyncIterator[Mapping[str, Any]]) -> Response:
    """Objects as lines of JSON, each sent as soon as it is there; an error becomes the last one."""

    async def sent() -> AsyncIterator[bytes]:
        try:
            async for one in objects:
                yield _json(one) + b"\n"
        except Exception as error:
            yield _json({"error": error_line(error)}) + b"\n"

    return StreamingResponse(sent(), media_type="application/x-ndjson")


def _json(content: Mapping[str, Any]) -> bytes:
    """In ASCII, which any name has: that of a file may hold bytes that are no text."""
    return json.dumps(dict(content), allow_nan=False).encode("ascii")


def png(picture: Array) -> Response:
    """A picture (H, W), (H, W, 1) or (H, W, 3) uint8."""
    from PIL import Image

    plain = picture[:, :, 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture
    stream = io.BytesIO()
    Image.fromarray(plain).save(stream, format="PNG", compress_level=1)
    return Response(stream.getvalue(), media_type="image/png")
