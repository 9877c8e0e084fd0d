"""CLEVR as it was published: its scene files and pictures, read with exact label maps.

    images/NAME.png, or images/SPLIT/NAME.png             pictures of 320x240 or 480x320
    scenes/NAME.json, or scenes/CLEVR_SPLIT_scenes.json   one scene a file, or {"scenes": [...]}

CLEVR has no masks, but its scenes have all that decides them save the camera's place, which it jitters by up
to 0.5 each way. It is found from the pixel coordinates of the objects' centers, by least squares; every
object then covers the convex hull of its projected surface, the nearer ones over the farther. On pictures of
that generator the centers come out within half a pixel.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from scipy.optimize import least_squares
from scipy.spatial import ConvexHull

from labelmint.datasets.clevr.scenes import CAMERA, CLEVR_CLASSES, ORIGINAL_SIZE, Scene, layout_of
from labelmint.datasets.clevr.shapes import surface_of
from labelmint.datasets.prepared import Prepared, held_out, original_folder
from labelmint.errors import InputError
from labelmint.formats.files import read_json
from labelmint.formats.image_files import read_image
from labelmint.types import AnnotatedImage, Array

__all__ = ["CLEVR_CLASSES", "find_scenes", "fit_camera", "outline_map", "prepare_clevr", "read_pair"]

_EXPECTED = "CLEVR's folder, with images/ and scenes/"
_JITTER = 0.5
_FARTHEST = 0.8  # of a camera from the mean place, along each axis; ten real ones lie within 0.6
_MOST_PIXELS = 1 << 20  # CLEVR's have 76,800; outlines take 256 bytes a pixel
_FINER = 8  # outlines are drawn this much finer, and the middle of each pixel is read


def find_scenes(source: str | Path) -> list[tuple[Path, Mapping[str, Any]]]:
    """Every scene below `source` with the path of its picture, ordered by name.

    Raises InputError where there is no scene, where a file is none, and where a picture is missing.
    """
    root = Path(source)
    files = sorted((root / "scenes").glob("*.json"))
    if not files:
        raise InputError(f"{root}: no scenes/*.json there; --source takes {_EXPECTED}")
    folders = [root / "images", *sorted(path for path in (root / "images").glob("*") if path.is_dir())]
    pictures: dict[str, list[Path]] = {}
    for folder in folders:
        for path in folder.glob("*.png"):
            pictures.setdefault(path.name, []).append(path)
    found = []
    for file in files:
        content = read_json(file)
        if not isinstance(content, dict):
            raise InputError(f"{file}: not a scene of CLEVR; expected a JSON object")
        scenes = content.get("scenes", [content])
        if not isinstance(scenes, list):
            raise InputError(f"{file}: 'scenes' must be a list")
        found += [(_picture_of(pictures, scene, file), scene) for scene in scenes]
    names = [picture.stem for picture, _ in found]
    doubled = (
        sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    )
    if doubled:
        raise InputError(
            f"{root}: {len(doubled)} pictures have several scenes, first {doubled[0]!r}; keep one of each "
            f"name"
        )
    return sorted(found, key=lambda pair: pair[0].name)


def _picture_of(pictures: Mapping[str, list[Path]], scene: Any, file: Path) -> Path:
    name = scene.get("image_filename") if isinstance(scene, dict) else None
    if not isinstance(name, str) or Path(name).name != name:
        raise InputError(f"{file}: a scene names no picture (image_filename)")
    places = pictures.get(name, [])
    if len(places) > 1:  # the split's own folder, where several hold the name
        places = [path for path in places if path.parent.name == scene.get("split")]
    if len(places) != 1:
        raise InputError(
            f"{file}: its picture {name} is {'missing' if not places else 'doubled'} in images/; fetch it, "
            f"or remove its scene"
        )
    return places[0]


def read_pair(picture: Path, scene: Mapping[str, Any]) -> AnnotatedImage:
    """A picture of CLEVR with its exact layout; objects that nothing is seen of are left out."""
    image = read_image(picture, max_pixels=_MOST_PIXELS)
    drawn = Scene.from_json(scene, str(picture))
    if "field" not in scene:  # the original's focal length is one of the width, ours of the height
        drawn = dataclasses.replace(
            drawn, field=ORIGINAL_SIZE[1] / ORIGINAL_SIZE[0] * image.shape[0] / image.shape[1]
        )
    known = fit_camera(drawn, scene, image.shape[:2], str(picture))
    depths = known.project(np.array([one.center for one in known.objects]).reshape(-1, 3), image.shape[:2])[
        :, 2
    ]
    if known.objects and not (depths > 2 * np.array([one.radius for one in known.objects])).all():
        raise InputError(
            f"{picture}: an object of its scene lies at the camera or behind it; the scene is not one of "
            f"CLEVR"
        )
    owners = outline_map(known, image.shape[:2])
    return AnnotatedImage(name=picture.stem, image=image, layout=layout_of(known, owners))


def fit_camera(scene: Scene, content: Mapping[str, Any], size: tuple[int, int], what: str) -> Scene:
    """The scene with its camera where the objects' pixel coordinates say that it was (where the file does not
    say it itself).
    """
    if "camera" in content or not scene.objects:
        return scene
    try:
        pixels = np.array([one["pixel_coords"][:2] for one in content["objects"]], dtype=float).reshape(-1, 2)
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{what}: its scene lacks pixel_coords, which tell where the camera stood") from None
    if not (np.abs(pixels) < 1e5).all():
        raise InputError(f"{what}: pixel_coords of its scene lie far outside of any picture")
    centers = np.array([one.center for one in scene.objects])

    def errors(place: Array) -> Array:
        x, y, z = (float(value) for value in place)
        projected = dataclasses.replace(scene, camera=(x, y, z)).project(centers, size)[:, :2]
        away = (place - np.asarray(CAMERA)) / _JITTER  # a weak hold, for scenes of one or two objects
        return np.concatenate([(projected - pixels).ravel(), 0.1 * away])

    found = least_squares(errors, CAMERA)
    worst = float(np.abs(found.fun[: pixels.size]).max())
    if not np.isfinite(worst) or worst > 3 or np.abs(found.x - CAMERA).max() > _FARTHEST:
        raise InputError(
            f"{what}: the picture of {size[1]}x{size[0]} does not fit its scene (objects are {worst:.3g} "
            f"pixels off)"
        )
    x, y, z = (float(value) for value in found.x)
    return dataclasses.replace(scene, camera=(x, y, z))


def outline_map(scene: Scene, size: tuple[int, int]) -> Array:
    """The object under each pixel, (H, W) uint16: 0 = none, i + 1 = object i; from projected outlines,
    without a renderer.
    """
    owners = Image.new("I", (size[1] * _FINER, size[0] * _FINER))
    draw = ImageDraw.Draw(owners)
    depths = scene.project(np.array([one.center for one in scene.objects]).reshape(-1, 3), size)[:, 2]
    for i in np.argsort(-depths).tolist():
        one = scene.objects[i]
        cos, sin = np.cos(one.rotation), np.sin(one.rotation)
        turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        points = surface_of(one.shape).vertices @ turn.T * one.radius + one.center
        flat = scene.project(points, size)[:, :2]
        corners = flat[ConvexHull(flat).vertices] * _FINER - 0.5
        draw.polygon([(float(x), float(y)) for x, y in corners], fill=i + 1)
    middle = _FINER // 2
    return np.asarray(owners)[middle::_FINER, middle::_FINER].astype(np.uint16)


def prepare_clevr(source: str | Path) -> Prepared:
    """Every picture of a CLEVR folder with its exact labels, classes 1 to 24 and background 0.

    The pictures of val are for testing; where there is none, a tenth by a hash of the names.

    Raises InputError where there is no such folder, as `find_scenes` does, and while reading for scenes that
    do not fit their pictures.
    """
    folder = original_folder(source, _EXPECTED)
    found = {picture.stem: (picture, scene) for picture, scene in find_scenes(folder)}
    val = frozenset(name for name, (picture, _) in found.items() if picture.parent.name == "val")
    test = val if val and len(val) < len(found) else held_out(found)
    return Prepared(
        name="clevr",
        source=str(folder),
        classes=CLEVR_CLASSES,
        items=tuple(sorted(found)),
        pairs_of=lambda name: iter((read_pair(*found[name]),)),
        test=test,
        group_by="",
    )
