"""The view *Mint*: new pairs of the run, to keep or to drop.

GET  /api/mint         dials, where layouts come from, and the pairs that are shown
POST /api/mint/draw    {n, seed, start, layouts, dials} -> lines of {samples}, as they are drawn
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from labelmint.errors import InputError
from labelmint.studio.asked import body_of, dials_in, whole_in
from labelmint.studio.kept import sample_for_page, sheet_for_page
from labelmint.studio.replies import lines, replied
from labelmint.studio.view import Route, View

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from labelmint.protocols import Dial
    from labelmint.studio.server import Studio
    from labelmint.studio.session import Sample, Session

__all__ = ["VIEW", "dials_for_page"]

NAME = "mint"
OWN, VARIED = "own", "varied"


async def _state(studio: Studio, request: Request) -> Response:
    from labelmint.studio.nearest import no_neighbors
    from labelmint.studio.session import MOST_AT_ONCE

    session = await studio.session()
    return replied(
        {
            "dials": dials_for_page(session.system.dials),
            "layouts": _sources(session),
            "most": MOST_AT_ONCE,
            "nearest": {"refused": no_neighbors(session.system, session.data)},
            **sheet_for_page(session, NAME),
        }
    )


def dials_for_page(dials: tuple[Dial, ...]) -> list[dict[str, Any]]:
    """Dials with their ranges, as sliders show them."""
    return [{**dial._asdict(), "name": dial.name} for dial in dials]


def _sources(session: Session) -> dict[str, str]:
    """Where layouts may come from, in words."""
    system = session.system
    if not system.classes.labelled or system.moves_pairs:
        return {OWN: "as the run has them"}
    drawn = {OWN: "drawn by the run" if system.has_layout_prior else "those it was trained on"}
    if system.needs_references or system.learned_from_images:
        return drawn
    return {**drawn, VARIED: "training layouts, varied"}


async def _draw(studio: Studio, request: Request) -> Response:
    body = await body_of(request)

    async def drawn() -> AsyncIterator[dict[str, Any]]:
        async for samples in studio.each(lambda session: _begun(session, body)):
            session = await studio.session()
            yield {"samples": [sample_for_page(session, sample) for sample in samples]}

    return lines(drawn())


def _begun(session: Session, body: dict[str, Any]) -> Iterator[list[Sample]]:
    """Begin to draw what is asked for. Raises InputError for what is none."""
    from labelmint.runs.draw import Draw
    from labelmint.studio.session import MOST_AT_ONCE

    source = body.get("layouts", OWN)
    if source not in [*_sources(session)]:
        raise InputError(f"layouts: expected one of {', '.join(_sources(session))}, got {source!r}")
    n, start = whole_in(body, "n", 1, MOST_AT_ONCE), whole_in(body, "start", 0, usual=0)
    draw = Draw(
        seed=whole_in(body, "seed", 0, usual=0),
        batch_size=session.batch_size,
        dials=dials_in(body),
        vary=source == VARIED,
    )
    given = session.system.classes.labelled and not session.system.has_layout_prior and source == OWN
    count = len(session.system.training_layouts()) if given and not session.system.moves_pairs else 0
    names = [f"training layout {place}" for place in range(count)]
    return session.draw(NAME, draw, range(start, start + n), sources=names)


async def _nearest(studio: Studio, request: Request) -> Response:
    key = request.query_params.get("key", "")
    found = await studio.compute(lambda session: session.nearest(key))
    return replied({"name": found.name, "distance": found.distance, "searched": found.searched})


VIEW = View(
    NAME,
    "Mint",
    (
        Route("GET", "/api/mint", _state),
        Route("POST", "/api/mint/draw", _draw),
        Route("GET", "/api/mint/nearest", _nearest),
    ),
)
