"""The view *Label*: minted labels of a pool, the most doubtful first, to accept, to correct, or to send back.

    GET  /api/label                     the labels, what was decided; or the command that mints some
    GET  /api/label/picture?place=&kind=&small=  an image, its label over it, or where it is doubted
    GET  /api/label/layout?place=       a label, to be corrected
    POST /api/label/decide              {place, decided}: accept it, send it back, or neither
    POST /api/label/correct             {place, ids, instances}: accept it as a person changed it
    POST /api/label/revert              {place}: take a correction back
    POST /api/label/export              {format}: write what was accepted

Maps travel as `studio.maps` has them.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from labelmint.errors import InputError
from labelmint.studio.asked import body_of, text_in, whole_in
from labelmint.studio.kept import classes_for_page
from labelmint.studio.maps import map_for_page, map_in
from labelmint.studio.replies import png, replied
from labelmint.studio.view import Route, View

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from labelmint.studio.checking import Checking, Line
    from labelmint.studio.doubt_maps import DoubtMaps
    from labelmint.studio.server import Studio
    from labelmint.studio.session import Session

__all__ = ["VIEW"]

NAME = "label"


def _checking(session: Session) -> Checking:
    """The labels that are checked. Raises InputError where there are none."""
    if session.checking is None:
        raise InputError("there are no minted labels; start the studio with --labels DIR")
    return session.checking


def _place(checking: Checking, asked: Any) -> int:
    return whole_in(asked, "place", 0, len(checking.lines) - 1)


# The labels -------------------------------------------------------------------------------------------------


async def _state(studio: Studio, request: Request) -> Response:
    return replied(await studio.compute(_facts))


def _facts(session: Session) -> dict[str, Any]:
    from labelmint import formats
    from labelmint.studio.doubt_maps import ensemble_of

    checking = session.checking
    if checking is None:
        return {"source": None, "commands": _commands(session)}
    classes = checking.data.classes
    return {
        "source": checking.data.source,
        "out": str(checking.out),
        "lines": [_line_for_page(line) for line in checking.lines],
        "counts": checking.counts,
        "classes": classes_for_page(classes),
        "eraser": next(iter((*classes.backgrounds, *classes.ignore)), None),
        "formats": ["folder", *(name for name in formats.WRITABLE if name != "folder")],
        "doubt": checking.labels is not None and ensemble_of(checking.labels) is not None,
        "told": checking.told,
    }


def _commands(session: Session) -> list[str]:
    """What makes minted labels and shows them here."""
    data = "DATA" if session.data is None else session.data.source
    return [
        shlex.join(["labelmint", "label", "POOL", "--from", data, "--out", "minted"]),
        shlex.join(["labelmint", "studio", str(session.system.path), "--labels", "minted"]),
    ]


def _line_for_page(line: Line) -> dict[str, Any]:
    found: dict[str, Any] = {"name": line.name, "state": line.state, "corrected": line.corrected}
    if line.doubt is not None:
        found |= {"doubt": line.doubt.doubt, "kept": line.doubt.kept, "refused": line.doubt.refused}
    return found


async def _picture(studio: Studio, request: Request) -> Response:
    return await studio.compute(lambda session: _drawn(session, request.query_params))


def _drawn(session: Session, asked: Any) -> Response:
    from labelmint.studio.shown import doubt_over, pair_as, thumbnail

    checking, kind = _checking(session), asked.get("kind", "image")
    place = _place(checking, asked)
    pair = checking.minted(place) if kind == "doubt" else checking.pair(place)
    if kind == "doubt":
        doubt = _maps(session).of(checking.data, pair.name, pair.layout.size)
        picture = doubt_over(pair.image, doubt)
    else:
        found = pair_as(pair, checking.data.classes, kind)
        if found is None:
            raise InputError(f"kind: expected image, overlay or doubt, got {kind!r}")
        picture = found
    return png(thumbnail(picture) if asked.get("small") else picture)


def _maps(session: Session) -> DoubtMaps:
    """The segmenters that minted the labels, opened once."""
    from labelmint.studio.doubt_maps import DoubtMaps, ensemble_of

    known = session.notes.get(NAME)
    if isinstance(known, DoubtMaps):
        return known
    labels = _checking(session).labels
    folder = None if labels is None else ensemble_of(labels)
    if folder is None:
        raise InputError("the segmenters that minted these labels are not beside them")
    session.notes[NAME] = found = DoubtMaps(folder, session.system.device)
    return found


async def _layout(studio: Studio, request: Request) -> Response:
    def read(session: Session) -> dict[str, Any]:
        checking = _checking(session)
        layout = checking.pair(_place(checking, request.query_params)).layout
        instances = layout.instances
        return {
            "size": list(layout.size),
            "ids": map_for_page(layout.label_map),
            "instances": None if instances is None else map_for_page(instances),
        }

    return replied(await studio.compute(read))


# What is decided --------------------------------------------------------------------------------------------


async def _changed(
    studio: Studio, request: Request, change: Callable[[Checking, int, dict[str, Any]], None]
) -> Response:
    """What a label is after a change, and how far the work is."""
    body = await body_of(request)

    def changed(session: Session) -> dict[str, Any]:
        checking = _checking(session)
        place = _place(checking, body)
        change(checking, place, body)
        return {**_line_for_page(checking.line(place)), "counts": checking.counts}

    return replied(await studio.compute(changed))


async def _decide(studio: Studio, request: Request) -> Response:
    return await _changed(
        studio, request, lambda checking, place, body: checking.decide(place, text_in(body, "decided"))
    )


async def _correct(studio: Studio, request: Request) -> Response:
    return await _changed(studio, request, _corrected)


def _corrected(checking: Checking, place: int, body: dict[str, Any]) -> None:
    minted = checking.minted(place).layout
    instances = None if minted.instances is None else map_in(body, "instances", minted.size)
    checking.correct(place, map_in(body, "ids", minted.size), instances)


async def _revert(studio: Studio, request: Request) -> Response:
    return await _changed(studio, request, lambda checking, place, body: checking.revert(place))


async def _export(studio: Studio, request: Request) -> Response:
    format = text_in(await body_of(request), "format")

    def written(session: Session) -> dict[str, Any]:
        from labelmint.studio.checked import write_checked

        checking = _checking(session)
        lost = write_checked(checking, format)
        return {"out": str(checking.out), "format": format, "counts": checking.counts, "lost": lost}

    return replied(await studio.compute(written))


VIEW = View(
    NAME,
    "Label",
    (
        Route("GET", "/api/label", _state),
        Route("GET", "/api/label/picture", _picture),
        Route("GET", "/api/label/layout", _layout),
        Route("POST", "/api/label/decide", _decide),
        Route("POST", "/api/label/correct", _correct),
        Route("POST", "/api/label/revert", _revert),
        Route("POST", "/api/label/export", _export),
    ),
)
