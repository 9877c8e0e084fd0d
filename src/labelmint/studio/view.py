"""A view of the studio: a tab of the page, and the routes that it asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from labelmint.studio.server import Studio

__all__ = ["Answer", "Route", "View"]

Answer: TypeAlias = "Callable[[Studio, Request], Awaitable[Response]]"


class Route(NamedTuple):
    """A path that begins with /api/, its method, "GET" or "POST", and what replies."""

    method: str
    path: str
    answer: Answer


class View(NamedTuple):
    """A tab: its name, which is that of its module in `page/`, its title, and its routes."""

    name: str
    title: str
    routes: tuple[Route, ...]
