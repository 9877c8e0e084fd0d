"""CLEVR scenes: which objects lie where, under which camera and lights; drawn at random, or read from CLEVR's
own files.

    clevr-64     2 to 4 objects anywhere, as in CLEVR: two sizes, two materials, camera and lights jittered
    clevr-192    one large metal object in the center, and for about 73 % of them a second one around it: each
                 mirrors the other only when they are near

Coordinates are CLEVR's: the ground is z = 0, a unit is about the height of a large object, the camera looks
at the origin. A class is a shape in a color, 1 + 8 shape + color, with cube, cylinder, sphere and CLEVR's
eight colors in their order; 0 is the background.

References:
    CLEVR: A Diagnostic Dataset for Compositional Language and Elementary Visual Reasoning (Johnson et al.,
        2017),
    https://arxiv.org/abs/1612.06890; the values are those of its scene files
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelmint.errors import InputError
from labelmint.types import Array, ClassInfo, ClassSet, Layout, LayoutObject

__all__ = [
    "CLEVR_CLASSES",
    "COLORS",
    "KINDS",
    "MATERIALS",
    "SHAPES",
    "SIZES",
    "Kind",
    "Scene",
    "SceneObject",
    "class_of",
    "draw_scene",
]

SHAPES = ("cube", "cylinder", "sphere")
COLORS = {
    "gray": (87, 87, 87),
    "red": (173, 35, 35),
    "blue": (42, 75, 215),
    "green": (29, 105, 20),
    "brown": (129, 74, 25),
    "purple": (129, 38, 192),
    "cyan": (41, 208, 208),
    "yellow": (255, 238, 51),
}
MATERIALS = ("rubber", "metal")
SIZES = {"large": 0.7, "small": 0.35}  # half the height, and the radius of sphere and cylinder

FOCAL = 35 / 32  # focal length over the width of the sensor
CAMERA = (7.36, -6.51, 5.13)  # the mean over CLEVR's pictures
ORIGINAL_SIZE = (240, 320)
_NEAREST, _TRIES = 0.25, 200  # free ground between two objects; attempts to place one

CLEVR_CLASSES = ClassSet(
    (
        ClassInfo(id=0, name="background", color=(0, 0, 0)),
        *(
            ClassInfo(id=1 + len(COLORS) * s + c, name=f"{color} {shape}")
            for s, shape in enumerate(SHAPES)
            for c, color in enumerate(COLORS)
        ),
    )
)


@dataclass(frozen=True, kw_only=True)
class SceneObject:
    """One object: shape, color, material and size by CLEVR's names, where it stands (x, y), and its turn in
    radians.

    CLEVR's `rotation` is meant in degrees but taken as radians when it renders, and so it is here.
    """

    shape: str
    color: str
    material: str
    size: str
    place: tuple[float, float]
    rotation: float = 0.0

    @property
    def radius(self) -> float:
        """Half its height; CLEVR's pictures do not shrink cubes, though their generator means to."""
        return SIZES[self.size]

    @property
    def center(self) -> tuple[float, float, float]:
        """It stands on the ground."""
        return (*self.place, self.radius)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Objects, the camera's place, shifts of the three lights, and the part of the original picture's height
    that is seen.

    `field` 1 is the height of CLEVR's 320x240 pictures; a square picture shows their middle square.
    """

    objects: tuple[SceneObject, ...]
    camera: tuple[float, float, float] = CAMERA
    light_shifts: tuple[tuple[float, float, float], ...] = ((0.0, 0.0, 0.0),) * 3
    field: float = 1.0

    def project(self, points: Array, size: tuple[int, int]) -> Array:
        """Points (N, 3) -> (N, 3): column and row in pixels of an (H, W) picture, and depth along the view."""
        camera = np.asarray(self.camera)
        forward = -camera / np.linalg.norm(camera)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right)
        up = np.cross(right, forward)
        away = np.asarray(points, dtype=float) - camera
        depth = away @ forward
        # One pixel of the original is 1 / (FOCAL * width) of the depth; the height decides, as the middle is
        # cut out.
        scale = FOCAL * ORIGINAL_SIZE[1] * size[0] / ORIGINAL_SIZE[0] / self.field
        return np.stack(
            [size[1] / 2 + scale * (away @ right) / depth, size[0] / 2 - scale * (away @ up) / depth, depth],
            axis=1,
        )

    def to_json(self, name: str, index: int, size: tuple[int, int]) -> dict[str, Any]:
        """The scene as CLEVR writes it, with camera and lights beside it."""
        forward = -np.asarray(self.camera) * (1.0, 1.0, 0.0)
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        ahead = {"front": -forward, "behind": forward, "left": -right, "right": right}
        centers = np.array([one.center for one in self.objects]).reshape(-1, 3)
        pixels = self.project(centers, size)
        return {
            "image_index": index,
            "image_filename": f"{name}.png",
            "split": "labelmint",
            "directions": {key: _plain(value) for key, value in ahead.items()}
            | {"above": [0.0, 0.0, 1.0], "below": [0.0, 0.0, -1.0]},
            "objects": [
                {
                    "shape": one.shape,
                    "color": one.color,
                    "material": one.material,
                    "size": one.size,
                    "rotation": one.rotation,
                    "3d_coords": _plain(center),
                    "pixel_coords": _plain(pixel),
                }
                for one, center, pixel in zip(self.objects, centers, pixels, strict=True)
            ],
            "relationships": {
                key: [
                    [j for j, other in enumerate(centers) if j != i and float((other - center) @ value) > 0.2]
                    for i, center in enumerate(centers)
                ]
                for key, value in ahead.items()
            },
            "camera": list(self.camera),
            "light_shifts": [list(shift) for shift in self.light_shifts],
            "field": self.field,
        }

    @staticmethod
    def from_json(content: Mapping[str, Any], what: str) -> Scene:
        """A scene of CLEVR or of ours; raises InputError for anything that is none.

        CLEVR's files do not say where the camera stood: then it is its mean place, and `fit_camera` finds it.
        """
        try:
            objects = tuple(_read_object(one) for one in content["objects"])
            shifts = tuple(_triple(shift) for shift in content.get("light_shifts", ((0.0, 0.0, 0.0),) * 3))
            camera, field = _triple(content.get("camera", CAMERA)), float(content.get("field", 1.0))
            if math.hypot(*camera[:2]) < 1e-3 or not 0.1 <= field <= 10:
                raise ValueError("the camera must stand off the vertical axis, with a field of 0.1 to 10")
            return Scene(objects=objects, camera=camera, light_shifts=shifts, field=field)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(
                f"{what}: not a scene of CLEVR ({error!r}); expected objects with shape, color, size and "
                f"3d_coords"
            ) from None


def _plain(values: Array) -> list[float]:
    return [round(float(value), 6) for value in values]


def _triple(values: Any) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    if not all(math.isfinite(value) for value in (x, y, z)):
        raise ValueError("coordinates must be finite")
    return x, y, z


def _read_object(content: Mapping[str, Any]) -> SceneObject:
    for key, known in (("shape", SHAPES), ("color", COLORS), ("material", MATERIALS), ("size", SIZES)):
        if content[key] not in known:
            raise ValueError(f"{key} {content[key]!r} is none of {', '.join(known)}")
    x, y, _ = _triple(content["3d_coords"])
    rotation = float(content.get("rotation", 0.0))
    if not math.isfinite(rotation):
        raise ValueError("a rotation must be finite")
    return SceneObject(
        shape=content["shape"],
        color=content["color"],
        material=content["material"],
        size=content["size"],
        place=(x, y),
        rotation=rotation,
    )


def class_of(shape: str, color: str) -> int:
    """Class id of a shape in a color."""
    return 1 + len(COLORS) * SHAPES.index(shape) + list(COLORS).index(color)


def layout_of(scene: Scene, owners: Array) -> Layout:
    """The layout of a map of the objects under each pixel (0 = none, i + 1 = object i): exact classes and
    instances, boxes of what is seen, attributes of the scene; objects that nothing is seen of are left out.
    """
    classes = np.array([0, *(class_of(one.shape, one.color) for one in scene.objects)], dtype=np.uint8)
    objects = []
    for i, one in enumerate(scene.objects):
        rows, columns = np.nonzero(owners == i + 1)
        if not len(rows):
            continue
        box = (float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1))
        said = {"shape": one.shape, "color": one.color, "material": one.material, "size": one.size}
        objects.append(LayoutObject(class_id=int(classes[i + 1]), box=box, attributes=said))
    return Layout(label_map=classes[owners], instances=owners, objects=tuple(objects))


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A family of scenes: its picture's (H, W), and how its objects are drawn."""

    size: tuple[int, int]
    centered: bool  # one object in the center and an optional one around it, or 2 to 4 anywhere


KINDS = {"clevr-64": Kind(size=(64, 64), centered=False), "clevr-192": Kind(size=(192, 192), centered=True)}


def draw_scene(kind: str, rng: np.random.Generator) -> Scene:
    """A random scene; whether every object is seen well is for the renderer to say.

    Raises InputError for an unknown kind.
    """
    if kind not in KINDS:
        raise InputError(f"there is no kind of CLEVR scene {kind!r}; known: {', '.join(KINDS)}")
    return _centered(rng) if KINDS[kind].centered else _scattered(rng)


def _scattered(rng: np.random.Generator) -> Scene:
    """2 to 4 objects within 3 of the origin, none nearer to another than CLEVR allows; camera and lights
    jittered as there.
    """
    camera = np.asarray(CAMERA) + rng.uniform(-0.5, 0.5, 3)
    shifts = rng.uniform(-1, 1, (3, 3))
    while True:
        objects: list[SceneObject] = []
        for _ in range(rng.integers(2, 5)):
            fresh = _place(rng, objects)
            if fresh is None:
                break
            objects.append(fresh)
        else:
            shifted = tuple(_triple(shift) for shift in shifts)
            return Scene(objects=tuple(objects), camera=_triple(camera), light_shifts=shifted, field=0.8)


def _place(rng: np.random.Generator, others: list[SceneObject]) -> SceneObject | None:
    for _ in range(_TRIES):
        x, y = (float(value) for value in rng.uniform(-3, 3, 2))
        one = _object(rng, str(rng.choice(list(SIZES))), str(rng.choice(MATERIALS)), (x, y))
        if all(
            math.dist(one.place, other.place) > SIZES[one.size] + SIZES[other.size] + _NEAREST
            for other in others
        ):
            return one
    return None


def _centered(rng: np.random.Generator) -> Scene:
    """A large metal object in the center; three times in four another at 1.5 to 2.8 from it. Camera and
    lights stand still.
    """
    objects = [_object(rng, "large", "metal", (0.0, 0.0))]
    if rng.random() < 0.75:
        distance, angle = rng.uniform(1.5, 2.8), rng.uniform(0, 2 * math.pi)
        objects.append(
            _object(
                rng, "large", "metal", (float(distance * math.cos(angle)), float(distance * math.sin(angle)))
            )
        )
    return Scene(objects=tuple(objects), field=0.8)


def _object(rng: np.random.Generator, size: str, material: str, place: tuple[float, float]) -> SceneObject:
    shape, color = str(rng.choice(SHAPES)), str(rng.choice(list(COLORS)))
    return SceneObject(
        shape=shape,
        color=color,
        material=material,
        size=size,
        place=place,
        rotation=float(rng.uniform(0, 2 * math.pi)),
    )
