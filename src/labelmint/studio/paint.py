"""The view *Paint*: a layout is painted, and images are drawn for it.

    GET  /api/paint            classes to paint, where layouts come from, dials; or why the run takes no layouts
    POST /api/paint/layout     {source, place, seed, text} -> a layout to paint on
    POST /api/paint/draw       {ids, instances, n, seed, start, dials} -> lines of {samples, differs}
    POST /api/paint/between    {ids, instances, seed, to_seed, frames, dials} -> lines of {samples, differs}

Maps travel as `studio.maps` has them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from labelmint.errors import InputError
from labelmint.studio.asked import body_of, dials_in, text_in, whole_in
from labelmint.studio.kept import classes_for_page, sample_for_page, sheet_for_page
from labelmint.studio.maps import map_for_page, map_in
from labelmint.studio.mint import dials_for_page
from labelmint.studio.replies import lines, replied
from labelmint.studio.view import Route, View

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from labelmint.runs.draw import Draw
    from labelmint.runs.trained import TrainedSystem
    from labelmint.studio.server import Studio
    from labelmint.studio.session import Sample, Session
    from labelmint.types import Array, Layout

__all__ = ["VIEW"]

NAME = "paint"
STORED, DATA, DRAWN, DESCRIBED = "stored", "data", "drawn", "described"
_MOST_FRAMES = 48
Begun: TypeAlias = "Callable[..., Iterator[list[Sample]]]"


class _Base(NamedTuple):
    """The layout that was painted on: its name, and what it was."""

    name: str
    layout: Layout

    def holds(self, ids: Array, instances: Array | None) -> bool:
        """True if these are its maps; no instances are as those of a map without objects."""
        mine, theirs = (
            np.zeros_like(ids) if one is None else one for one in (self.layout.instances, instances)
        )
        return np.array_equal(self.layout.label_map, ids) and np.array_equal(mine, theirs)


async def _state(studio: Studio, request: Request) -> Response:
    session = await studio.session()
    return replied(await studio.compute(_facts) | sheet_for_page(session, NAME))


def _facts(session: Session) -> dict[str, Any]:
    """What the view can do with this run."""
    from labelmint.dials import heeded_by
    from labelmint.movies.scenes import noise_of
    from labelmint.runs.from_arrays import class_ids_of, takes_no_arrays

    system = session.system
    refused = takes_no_arrays(system)
    if refused is not None:
        return {"refused": refused}
    try:
        still = (
            None
            if noise_of(system) is not None
            else "The run draws one image of a layout, so no code changes."
        )
    except InputError:
        still = f"{system.system} draws images token by token: there is no code between two seeds."
    known = set(class_ids_of(system))
    return {
        "refused": None,
        "classes": [one for one in classes_for_page(system.classes) if one["id"] in known],
        "eraser": _eraser(system, known),
        "instances": system.config.has_instances,
        "boxes": system.config.boxes is not None,
        "sources": _sources(session),
        "describes": True,
        "random": system.images.random,
        "still": still,
        "dials": dials_for_page(heeded_by([system.images])),
        "most_frames": _MOST_FRAMES,
    }


def _eraser(system: TrainedSystem, known: set[int]) -> int | None:
    """What the eraser paints: the ground, else what is ignored; None where the run knows neither."""
    classes = system.classes
    return next((one for one in (*classes.backgrounds, *classes.ignore) if one in known), None)


def _sources(session: Session) -> dict[str, int | None]:
    """How many layouts each source has; None for one that draws any number."""
    found: dict[str, int | None] = {}
    if session.system.has_layout_prior:
        found[DRAWN] = None
    found[STORED] = len(session.system.training_layouts())
    if session.data is not None:
        found[DATA] = len(session.data)
    return found


# Layouts to paint on ----------------------------------------------------------------------------------------


async def _layout(studio: Studio, request: Request) -> Response:
    body = await body_of(request)
    return replied(await studio.compute(partial(_taken, body=body)))


def _taken(session: Session, body: Mapping[str, Any]) -> dict[str, Any]:
    """A layout, which the session remembers as what is painted on."""
    from labelmint.runs.draw import Draw
    from labelmint.runs.layouts_alone import drawn_layout, given_layout

    session.check_run()
    system, source = session.system, body.get("source")
    place, wishes = whole_in(body, "place", 0, usual=0), list[str]()
    draw = Draw(seed=whole_in(body, "seed", 0, usual=0), batch_size=session.batch_size)
    if source == STORED:
        base = _Base(f"training layout {place}", given_layout(system, system.stored, place))
    elif source == DATA and session.data is not None:
        if place >= len(session.data):
            raise InputError(f"there is no layout {place}; the data have {len(session.data)}, from 0 on")
        name = session.data.names[place]
        base = _Base(name, given_layout(system, system.given(session.data.subset([name])), 0))
    elif source == DRAWN:
        base = _Base(f"layout of seed {draw.seed}, index {place}", drawn_layout(system, draw, place))
    elif source == DESCRIBED:
        text = text_in(body, "text")
        described, wishes = _described(session, text)
        base = _Base(f"layout of {text!r}, seed {draw.seed}", drawn_layout(described, draw, place))
    else:
        raise InputError(
            f"source: expected one of {', '.join([*_sources(session), DESCRIBED])}, got {source!r}"
        )
    session.notes[NAME] = base
    return {"name": base.name, "wishes": wishes, **_for_page(base.layout)}


def _described(session: Session, text: str) -> tuple[TrainedSystem, list[str]]:
    """The system with layouts drawn for a sentence, and what was understood."""
    from labelmint.layouts.grammar import understood
    from labelmint.layouts.lexicon import Lexicon

    described = session.system.with_description(text)
    return described, list(understood(text, Lexicon(session.system.classes, None)).wishes())


def _for_page(layout: Layout) -> dict[str, Any]:
    return {
        "size": list(layout.size),
        "ids": map_for_page(layout.label_map),
        "instances": None if layout.instances is None else map_for_page(layout.instances),
    }


# Images of a painted layout ---------------------------------------------------------------------------------


async def _draw(studio: Studio, request: Request) -> Response:
    return lines(_samples(studio, await body_of(request), _begun))


async def _between(studio: Studio, request: Request) -> Response:
    return lines(_samples(studio, await body_of(request), _filmed))


async def _samples(studio: Studio, body: Mapping[str, Any], begun: Begun) -> AsyncIterator[dict[str, Any]]:
    """Lines for the page; `differs` is in how many pixels the label, which is what the run sees of a layout, is not as
    it was painted: cells, say, or boxes.
    """
    session = await studio.session()
    async for samples in studio.each(partial(begun, body=body)):
        ids = map_in(body, "ids", session.system.size)
        differs = max(int((sample.pair.layout.label_map != ids).sum()) for sample in samples)
        yield {"samples": [sample_for_page(session, sample) for sample in samples], "differs": differs}


def _wish(session: Session, body: Mapping[str, Any]) -> tuple[Draw, dict[str, Any]]:
    """The draw of a painted layout, and what is said of it."""
    from labelmint.runs.draw import Draw
    from labelmint.runs.from_arrays import given_arrays

    size = session.system.size
    ids = map_in(body, "ids", size)
    instances = map_in(body, "instances", size) if body.get("instances") is not None else None
    base = session.notes.get(NAME)
    painted = not (isinstance(base, _Base) and base.holds(ids, instances))
    name = base.name if isinstance(base, _Base) else "a blank layout"
    name = f"painted on {name}" if painted else name
    given = given_arrays(session.system, [ids], None if instances is None else [instances], [name])
    draw = Draw(
        seed=whole_in(body, "seed", 0, usual=0),
        batch_size=session.batch_size,
        dials=dials_in(body),
        layouts=given,
    )
    return draw, {"painted": True} if painted else {}


def _begun(session: Session, body: Mapping[str, Any]) -> Iterator[list[Sample]]:
    from labelmint.studio.session import MOST_AT_ONCE

    draw, facts = _wish(session, body)
    n = whole_in(body, "n", 1, MOST_AT_ONCE) if session.system.images.random else 1
    start = whole_in(body, "start", 0, usual=0)
    assert draw.layouts is not None
    return session.draw(NAME, draw, range(start, start + n), sources=draw.layouts.names, facts=facts)


def _filmed(session: Session, body: Mapping[str, Any]) -> Iterator[list[Sample]]:
    draw, facts = _wish(session, body)
    frames = whole_in(body, "frames", 2, _MOST_FRAMES, usual=12)
    return session.film(NAME, draw, whole_in(body, "to_seed", 0), frames, facts=facts)


VIEW = View(
    NAME,
    "Paint",
    (
        Route("GET", "/api/paint", _state),
        Route("POST", "/api/paint/layout", _layout),
        Route("POST", "/api/paint/draw", _draw),
        Route("POST", "/api/paint/between", _between),
    ),
)
