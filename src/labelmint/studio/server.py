"""The studio's server: one process, one page, one thread that draws.

    GET  /, /page/FILE              the page: files of a fixed table, no path is ever put together
    GET  /api/about                 the run, its classes, the views
    GET  /api/picture?key=&kind=    a pair as PNG: its image, under its label ("overlay"), or its label ("layout")
    POST /api/mark                  keep a pair, or drop it
    GET  /api/kept                  what is kept;   POST /api/export   write it
    /api/VIEW/...                   the routes of the views

Whoever asks needs the token of the address (`guard`). The run is loaded in the thread that draws, and replies wait
for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path_

from labelmint.errors import InputError
from labelmint.studio import kept
from labelmint.studio.guard import Guard
from labelmint.studio.replies import failed, replied
from labelmint.studio.view import Answer
from labelmint.studio.views import VIEWS

if TYPE_CHECKING:
    from labelmint.studio.session import Session

__all__ = ["Studio", "address_of", "app_of", "bound", "serve", "server_of"]

HOST = "127.0.0.1"
_USUAL_PORT = 80  # of HTTP
_T = TypeVar("_T")
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
_FILES = ("studio.css", "studio.js", "dom.js", "sheet.js", "canvas.js", "icon.svg")


class Studio:
    """A session and the one thread that computes for it.

    Arguments:
        opened: makes the session; called at once, in that thread.
    """

    def __init__(self, opened: Callable[[], Session]) -> None:
        self._hand = ThreadPoolExecutor(1, thread_name_prefix="studio")
        self.opened: Future[Session] = self._hand.submit(opened)

    async def session(self) -> Session:
        """The session, once the run is loaded; raises what loading raised."""
        return await asyncio.wrap_future(self.opened)

    async def compute(self, function: Callable[[Session], _T]) -> _T:
        """What a function of the session returns, computed in the thread that draws."""
        session = await self.session()
        return await asyncio.wrap_future(self._hand.submit(function, session))

    async def each(self, made: Callable[[Session], Iterator[_T]]) -> AsyncIterator[_T]:
        """The items of an iterator, each computed in the thread that draws; others' work comes between them."""
        items = await self.compute(made)
        nothing = object()
        while True:
            item: Any = await self.compute(lambda session: next(items, nothing))
            if item is nothing:
                return
            yield item

    def close(self) -> None:
        """Wait for what is being computed, and start nothing more."""
        self._hand.shutdown(cancel_futures=True)


def app_of(studio: Studio, port: int, token: str) -> Guard:
    """The app of a studio at a port of this machine, for those who have the token; its page carries it."""
    routes = [Path_(path, _file(name, token)) for path, name in _table().items()]
    for path, method, answer in kept.ROUTES + tuple(
        (route.path, route.method, route.answer) for view in VIEWS for route in view.routes
    ):
        routes.append(Path_(path, _answering(studio, answer), methods=[method]))
    app = Starlette(routes=routes, exception_handlers={404: _missing, 405: _missing})
    return Guard(app, _hosts(port), token, f"labelmint-studio-{port}")


def _hosts(port: int) -> set[str]:
    """Values of the header Host that are ours; browsers leave out the port of HTTP."""
    names = (HOST, "localhost")
    return {f"{name}:{port}" for name in names} | ({*names} if port == _USUAL_PORT else set())


def _table() -> dict[str, str]:
    """The files of the page by path."""
    names = (*_FILES, *(f"{view.name}.js" for view in VIEWS))
    return {"/": "index.html", **{f"/page/{name}": name for name in names}}


def _file(name: str, token: str) -> Callable[[Request], Awaitable[Response]]:
    """What replies with a file of the page."""

    async def reply(request: Request) -> Response:
        text = resources.files("labelmint.studio").joinpath("page", name).read_text(encoding="utf-8")
        if name == "index.html":
            text = text.replace("{token}", token)
        suffix = name[name.rindex(".") :]
        return Response(text, media_type=_TYPES.get(suffix, "image/svg+xml"))

    return reply


def _answering(studio: Studio, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    async def reply(request: Request) -> Response:
        try:
            return await answer(studio, request)
        except Exception as error:
            return failed(error)

    return reply


async def _missing(request: Request, error: Exception) -> Response:
    return replied({"error": "there is nothing here"}, getattr(error, "status_code", 404))


# Serving ----------------------------------------------------------------------------------------------------


def bound(port: int) -> socket.socket:
    """A socket of this machine alone that listens at a port, 0 for any. Raises InputError for one that is in use."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        reason = "is in use" if error.errno == errno.EADDRINUSE else "is not for everyone"
        raise InputError(f"--port {port}: {reason}; give another, or 0 for any that is free") from None


def address_of(listening: socket.socket, token: str) -> str:
    """The address that opens the studio at a socket."""
    return f"http://{HOST}:{listening.getsockname()[1]}/?token={token}"


def server_of(listening: socket.socket, studio: Studio, token: str) -> uvicorn.Server:
    """The server of a studio, at a socket that listens already, for those who have the token."""
    config = uvicorn.Config(
        app_of(studio, listening.getsockname()[1], token),
        log_level="error",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


def serve(listening: socket.socket, opened: Callable[[], Session], ready: Callable[[str], None]) -> Studio:
    """Serve until Ctrl-C.

    Arguments:
        listening: as `bound` returns it; closed at the end.
        opened: makes the session. ready: is told the address once the session is made.

    Returns the studio, closed. Raises what `opened` raises, before there is an address.
    """
    studio, token = Studio(opened), secrets.token_urlsafe(24)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            studio.opened.result()
            ready(address_of(listening, token))
            server_of(listening, studio, token).run(sockets=[listening])
    finally:
        listening.close()
        studio.close()
    return studio
