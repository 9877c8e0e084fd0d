"""What the studio replies: JSON, lines of JSON as they come, pictures; and one line for an error, never a traceback."""

from __future__ import annotations

import io
import json
import sys
import traceback
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.responses import JSONResponse, Response, StreamingResponse

from labelmint.errors import InputError, line_of_system
from labelmint.types import Array

__all__ = ["error_line", "failed", "lines", "png", "replied"]


def replied(content: Mapping[str, Any]) -> Response:
    """A JSON object."""
    return JSONResponse(dict(content))


def failed(error: Exception) -> Response:
    """An error as JSON, `{"error": "..."}`: 400 for bad input, 500 for the rest."""
    return JSONResponse({"error": error_line(error)}, 400 if isinstance(error, InputError) else 500)


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
                yield _line(one)
        except Exception as error:
            yield _line({"error": error_line(error)})

    return StreamingResponse(sent(), media_type="application/x-ndjson")


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode() + b"\n"


def png(picture: Array) -> Response:
    """A picture (H, W), (H, W, 1) or (H, W, 3) uint8."""
    from PIL import Image

    plain = picture[:, :, 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture
    stream = io.BytesIO()
    Image.fromarray(plain).save(stream, format="PNG", compress_level=1)
    return Response(stream.getvalue(), media_type="image/png")
