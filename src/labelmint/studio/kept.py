"""What all views share: the run, pictures of pairs, and what is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelmint.errors import InputError
from labelmint.studio.asked import body_of, text_in
from labelmint.studio.replies import png, replied

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from labelmint.studio.server import Studio
    from labelmint.studio.session import Sample, Session
    from labelmint.types import Array, ClassSet

__all__ = ["ROUTES", "classes_for_page", "sample_for_page", "sheet_for_page"]

_GROUND = "#e1e1e1"  # of what has no color, as `pictures.painted` has it


async def _about(studio: Studio, request: Request) -> Response:
    from labelmint import formats
    from labelmint.studio.views import VIEWS

    session = await studio.session()
    system = session.system
    fitting = [
        name for name in formats.WRITABLE if system.classes.labelled or formats.FORMATS[name].images_alone
    ]
    return replied(
        {
            "run": system.path.name or str(system.path),
            "system": system.system,
            "size": list(system.size),
            "classes": classes_for_page(system.classes),
            "labelled": system.classes.labelled,
            "data": None if session.data is None else session.data.source,
            "out": str(session.out),
            "formats": sorted(fitting, key=lambda name: name != "folder"),
            "batch_size": session.batch_size,
            "views": [{"name": view.name, "title": view.title} for view in VIEWS],
            "kept": len(session.kept),
        }
    )


def classes_for_page(classes: ClassSet) -> list[dict[str, Any]]:
    """Id, name and color of each class and of what is ignored, as the pictures of the library show them."""
    from labelmint.pictures import palette

    colors = palette(classes)
    return [
        {
            "id": one,
            "name": classes.name_of(one),
            "color": "#{:02x}{:02x}{:02x}".format(*colors[one]) if one in colors else _GROUND,
            "objects": one not in classes.without_objects,
        }
        for one in (*classes.ids, *classes.ignore)
    ]


def sample_for_page(session: Session, sample: Sample) -> dict[str, Any]:
    """What the page says of a pair."""
    return {
        "key": sample.key,
        "says": _said(sample),
        "seed": sample.origin.seed,
        "index": sample.index,
        "source": sample.source,
        "mark": session.mark_of(sample.key),
    }


def _said(sample: Sample) -> str:
    """A pair in few words."""
    if "to_seed" in sample.facts:
        return f"seeds {sample.origin.seed} to {sample.facts['to_seed']} · frame {sample.facts['frame']}"
    return f"seed {sample.origin.seed} · {sample.index}"


def sheet_for_page(session: Session, view: str) -> dict[str, Any]:
    """What a view shows: its pairs, and how many there will be."""
    sheet = session.sheets.get(view)
    if sheet is None:
        return {"wanted": 0, "samples": []}
    return {
        "wanted": sheet.wanted,
        "samples": [sample_for_page(session, sample) for sample in [*sheet.samples.values()]],
    }


async def _picture(studio: Studio, request: Request) -> Response:
    session, asked = await studio.session(), request.query_params
    key, kind = asked.get("key", ""), asked.get("kind", "image")
    if kind == "nearest":
        return png((await studio.compute(lambda session: session.nearest(key))).picture)
    return png(_pixels(session, session.sample(key), kind))


def _pixels(session: Session, sample: Sample, kind: str) -> Array:
    from labelmint import pictures

    if kind == "image":
        return sample.pair.image
    if kind == "overlay":
        return pictures.overlay(sample.pair.image, sample.pair.layout, session.system.classes)
    if kind == "layout":
        return pictures.painted(sample.pair.layout, session.system.classes)
    raise InputError(f"kind: expected image, overlay, layout or nearest, got {kind!r}")


async def _mark(studio: Studio, request: Request) -> Response:
    session, body = await studio.session(), await body_of(request)
    mark = body.get("mark")
    session.mark(text_in(body, "key"), mark if isinstance(mark, str) else "?")
    return replied({"kept": len(session.kept)})


async def _kept(studio: Studio, request: Request) -> Response:
    session = await studio.session()
    samples = [sample_for_page(session, sample) for sample in session.kept.values()]
    return replied({"samples": samples, "out": str(session.out)})


async def _export(studio: Studio, request: Request) -> Response:
    format = text_in(await body_of(request), "format")
    return replied(await studio.compute(lambda session: _exported(session, format)))


def _exported(session: Session, format: str) -> dict[str, Any]:
    """What was written."""
    lost = session.export(format)
    return {"pairs": len(session.kept), "out": str(session.out), "format": format, "lost": lost}


ROUTES = (
    ("/api/about", "GET", _about),
    ("/api/picture", "GET", _picture),
    ("/api/mark", "POST", _mark),
    ("/api/kept", "GET", _kept),
    ("/api/export", "POST", _export),
)
