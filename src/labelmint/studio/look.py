"""The view *Look*: what `evaluate` found, samples by doubt, and the rarest training images.

GET  /api/look                    the report; or the command that makes one
GET  /api/look/picture?file=      a picture of the report
POST /api/look/doubt              read the samples of the report -> lines of {done, of}, then {samples}
GET  /api/look/sample?place=&kind=  a sample, by its place in that order
POST /api/look/rare               find the rarest training images -> lines of {done, of}, then {classes}
GET  /api/look/rare?id=&place=&kind=  one of them, by its class and its place
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from labelmint.errors import InputError
from labelmint.studio.asked import whole_in
from labelmint.studio.kept import classes_for_page
from labelmint.studio.replies import lines, png, replied
from labelmint.studio.view import Route, View

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request

    from labelmint.studio.doubted import Doubted
    from labelmint.studio.server import Studio
    from labelmint.studio.session import Session

__all__ = ["VIEW"]

NAME = "look"
_MOST_DOUBTED, _EACH = 200, 8  # samples in the list, and rare images of a class


@dataclass
class _Look:
    """What the view remembers: the report that it shows, its samples by doubt, the rarest images by class."""

    report: Path | None
    doubted: Doubted | None = None
    rare: dict[int, list[str]] = field(default_factory=dict)


def _look(session: Session) -> _Look:
    """What the view remembers of this session; a newer report beside the run takes the place of an older one."""
    from labelmint.studio.found_report import newest_report

    found = session.report or newest_report(session.system.path, session.system.digest)
    known = session.notes.get(NAME)
    if isinstance(known, _Look) and known.report == found:
        return known
    rare = known.rare if isinstance(known, _Look) else {}
    session.notes[NAME] = made = _Look(found, rare=rare)
    return made


# The report -------------------------------------------------------------------------------------------------


async def _state(studio: Studio, request: Request) -> Response:
    return replied(await studio.compute(_facts))


def _facts(session: Session) -> dict[str, Any]:
    from labelmint.studio.found_report import report_for_page

    look = _look(session)
    return {
        "report": None if look.report is None else report_for_page(look.report),
        "folder": None if look.report is None else str(look.report),
        "command": _command(session),
        "no_samples": _no_samples(session, look.report),
        "no_rare": _no_rare(session),
        "rare": _rare_for_page(session, look),
    }


def _command(session: Session) -> str:
    """The command that makes a report."""
    run = session.system.path
    data = "DATA" if session.data is None else session.data.source
    return shlex.join(
        ["labelmint", "evaluate", str(run), data, "--out", str(run.with_name(f"{run.name}-report"))]
    )


def _no_samples(session: Session, report: Path | None) -> str | None:
    """Why there are no samples by doubt; None where there are some."""
    from labelmint.studio.found_report import weights_of
    from labelmint.training.run_folder import RunFolder

    system = session.system
    if not system.classes.labelled:
        return "The run draws images without labels, so there is nothing that a judge could read differently."
    if report is None:
        return "There is no report yet. This command draws samples, and trains the judge that reads them:"
    if weights_of(report) != system.digest or not (report / "synthetic").is_dir():
        return "The report is not about samples of this run's weights. This command makes one that is:"
    if not RunFolder(system.path).finished("judge"):
        return "The run holds no judge. This command trains one:"
    return None


async def _picture(studio: Studio, request: Request) -> Response:
    from labelmint.studio.found_report import picture_of

    name = request.query_params.get("file", "")

    def read(session: Session) -> bytes:
        report = _look(session).report
        if report is None:
            raise InputError("there is no report yet")
        return picture_of(report, name)

    return Response(await studio.compute(read), media_type="image/png")


# Samples by doubt -------------------------------------------------------------------------------------------


async def _doubt(studio: Studio, request: Request) -> Response:
    return lines(_progress(studio, _read_samples, _samples_for_page))


def _read_samples(session: Session) -> Iterator[tuple[int, int]]:
    from labelmint.studio.doubted import Doubted

    look = _look(session)
    reason = _no_samples(session, look.report)
    if reason is not None or look.report is None:
        raise InputError(f"{reason} {_command(session)}" if session.system.classes.labelled else f"{reason}")
    if look.doubted is not None and look.doubted.order:
        return
    look.doubted = Doubted(session.system, look.report / "synthetic")
    yield from look.doubted.read()


def _samples_for_page(session: Session) -> dict[str, Any]:
    doubted = _look(session).doubted
    assert doubted is not None
    return {
        "samples": [one._asdict() for one in doubted.order[:_MOST_DOUBTED]],
        "of": len(doubted.order),
        "dropped": sum(one.dropped for one in doubted.order),
        "threshold": round(doubted.threshold, 4),
    }


async def _sample(studio: Studio, request: Request) -> Response:
    kind = request.query_params.get("kind", "image")

    def drawn(session: Session) -> Response:
        doubted = _look(session).doubted
        if doubted is None or not doubted.order:
            raise InputError("the samples are not read yet; open them anew")
        picture = doubted.picture(whole_in(request.query_params, "place", 0, len(doubted.order) - 1), kind)
        if picture is None:
            raise InputError(f"kind: expected image, overlay, read or doubt, got {kind!r}")
        return png(picture)

    return await studio.compute(drawn)


# The rarest training images ---------------------------------------------------------------------------------


def _no_rare(session: Session) -> str | None:
    """Why there are no rarest training images; None where there are some."""
    if session.data is None:
        return "A run keeps no images. Start the studio with --data DATA, the data that it was trained on."
    if not session.data.classes.labelled:
        return f"{session.data.source} holds images without labels, and what is rare is told class by class."
    return None


def _training_names(session: Session) -> list[str]:
    """The training pairs among the data; all of the data where none of them is."""
    from labelmint.training.run_folder import RunFolder

    assert session.data is not None
    trained = set(RunFolder(session.system.path).read_json("split.json").get("training", ()))
    return [name for name in session.data.names if name in trained] or [*session.data.names]


async def _rare(studio: Studio, request: Request) -> Response:
    return lines(
        _progress(
            studio, _find_rare, lambda session: {"classes": _rare_for_page(session, _look(session)) or []}
        )
    )


def _find_rare(session: Session) -> Iterator[tuple[int, int]]:
    from labelmint.datasets.rare_images import Looks

    reason, data, look = _no_rare(session), session.data, _look(session)
    if reason is not None or data is None:
        raise InputError(str(reason))
    if look.rare:
        return
    looks, names = Looks(data.classes), _training_names(session)
    for done, name in enumerate(names, 1):
        with contextlib.suppress(InputError, OSError):  # what can't be read is told by `inspect`
            looks.add(data.load(name))
        yield done, len(names)
    look.rare = looks.rarest(_EACH)
    if not look.rare:
        raise InputError(f"{data.source}: shows no class, so none of its looks is rare")


def _rare_for_page(session: Session, look: _Look) -> list[dict[str, Any]] | None:
    """Classes with the names of their rarest images; None until they are found."""
    if not look.rare or session.data is None:
        return None
    about = {one["id"]: one for one in classes_for_page(session.data.classes)}
    return [
        {"id": one, "name": about[one]["name"], "color": about[one]["color"], "names": names}
        for one, names in look.rare.items()
    ]


async def _rare_picture(studio: Studio, request: Request) -> Response:
    asked = request.query_params
    kind = asked.get("kind", "image")

    def read(session: Session) -> Response:
        from labelmint.studio.shown import pair_as, thumbnail

        names = _look(session).rare.get(whole_in(asked, "id", 0, 65535), [])
        place = whole_in(asked, "place", 0)
        if place >= len(names) or session.data is None:
            raise InputError("the rarest images are not found yet; open them anew")
        picture = pair_as(session.data.load(names[place]), session.data.classes, kind)
        if picture is None:
            raise InputError(f"kind: expected image or overlay, got {kind!r}")
        return png(thumbnail(picture, 320))

    return await studio.compute(read)


async def _progress(
    studio: Studio,
    work: Callable[[Session], Iterator[tuple[int, int]]],
    found: Callable[[Session], dict[str, Any]],
) -> AsyncIterator[dict[str, Any]]:
    """How far work is, and then what it found."""
    async for done, of in studio.each(work):
        yield {"done": done, "of": of}
    yield await studio.compute(partial(found))


VIEW = View(
    NAME,
    "Look",
    (
        Route("GET", "/api/look", _state),
        Route("GET", "/api/look/picture", _picture),
        Route("POST", "/api/look/doubt", _doubt),
        Route("GET", "/api/look/sample", _sample),
        Route("POST", "/api/look/rare", _rare),
        Route("GET", "/api/look/rare", _rare_picture),
    ),
)
