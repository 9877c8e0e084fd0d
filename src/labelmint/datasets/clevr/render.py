"""Rendering CLEVR scenes with Mitsuba 3: the picture by path tracing, and the object under the center of each
pixel.

The geometry is CLEVR's (smooth cube, cylinder with a rounded edge, sphere), camera and fields of view those
of its pictures; materials and lights are chosen to look like them: rubber is rough, metal mirrors what stands
near.

References:
    Mitsuba 3 (BSD-3-Clause), https://mitsuba-renderer.org
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from labelmint.datasets.clevr.scenes import COLORS, FOCAL, ORIGINAL_SIZE, Scene, SceneObject
from labelmint.datasets.clevr.shapes import Surface, surface_of
from labelmint.errors import InputError
from labelmint.types import Array

__all__ = ["LIGHTS", "check_renderer", "object_map", "picture"]

# Where CLEVR's three lights stand about the scene, how large they are, and their radiance, found by fitting
# real pictures.
LIGHTS = (((12.9, -5.8, 8.5), 3.5, 4.7), ((-9.3, -8.0, 6.0), 3.5, 1.0), ((-2.3, 5.3, 11.6), 3.5, 1.1))
AMBIENT = 0.1
GROUND = 0.8


@cache
def _mitsuba() -> Any:
    """Mitsuba in its plain variant: no graphics card and no LLVM library needed."""
    try:
        import mitsuba
    except ImportError:
        raise InputError(
            "rendering needs Mitsuba 3; install it with: pip install 'labelmint[clevr]'"
        ) from None
    mitsuba.set_variant("scalar_rgb")
    mitsuba.set_log_level(mitsuba.LogLevel.Error)
    return mitsuba


def check_renderer(threads: int | None = None) -> None:
    """Raise InputError where Mitsuba is not installed; set how many threads it takes."""
    _mitsuba()
    if threads is not None:
        import drjit

        drjit.set_thread_count(threads)


def picture(scene: Scene, size: tuple[int, int], samples: int, seed: int, what: str = "a scene") -> Array:
    """The picture of a scene, (H, W, 3) uint8 in sRGB.

    Arguments:
        scene: objects, camera, lights.
        size: (H, W).
        samples: light paths a pixel.
        seed: of their random numbers; the same seed, the same picture.
        what: how errors call the scene.

    Raises InputError when the renderer answers values that are no finite numbers.
    """
    mitsuba = _mitsuba()
    world = _load(scene, size, samples, {"type": "path", "max_depth": 5})
    linear = np.array(mitsuba.render(world, spp=samples, seed=seed % 2**31), dtype=np.float64)
    if not np.isfinite(linear).all():
        wrong = int((~np.isfinite(linear)).any(axis=-1).sum())
        raise InputError(
            f"{what}: {wrong} of its pixels were rendered as no finite numbers from light seed {seed}; "
            f"render the set with another --seed "
            "or number of --samples, into another --out"
        )
    clipped = linear.clip(0, 1)
    # sRGB, IEC 61966-2-1
    encoded = np.where(clipped <= 0.0031308, 12.92 * clipped, 1.055 * clipped ** (1 / 2.4) - 0.055)
    return np.asarray((encoded * 255).round(), dtype=np.uint8)


def object_map(scene: Scene, size: tuple[int, int]) -> Array:
    """The object under each pixel's center, (H, W) uint16: 0 = none, i + 1 = object i."""
    world = _load(scene, size, 1, {"type": "aov", "aovs": "shape:shape_index"}, exact=True)
    found = np.array(_mitsuba().render(world, spp=1, seed=0))[..., -1].round().astype(int)
    order = [shape.id() for shape in world.shapes()]  # counted from 1
    lookup = np.zeros(len(order) + 1, dtype=np.uint16)
    for place, name in enumerate(order):
        if name.startswith("object_"):
            lookup[place + 1] = int(name.removeprefix("object_")) + 1
    return np.asarray(lookup[found.clip(0, len(order))])


def _load(
    scene: Scene, size: tuple[int, int], samples: int, integrator: dict[str, Any], exact: bool = False
) -> Any:
    mitsuba = _mitsuba()
    transform = mitsuba.ScalarTransform4f
    vertical = 2 * math.degrees(math.atan(ORIGINAL_SIZE[0] * scene.field / (2 * FOCAL * ORIGINAL_SIZE[1])))
    world: dict[str, Any] = {
        "type": "scene",
        "integrator": integrator,
        "sensor": {
            "type": "perspective",
            "fov": vertical,
            "fov_axis": "y",
            "to_world": transform().look_at(origin=list(scene.camera), target=[0, 0, 0], up=[0, 0, 1]),
            "film": {
                "type": "hdrfilm",
                "height": size[0],
                "width": size[1],
                "pixel_format": "rgb",
                "rfilter": {"type": "box"} if exact else {"type": "gaussian"},
            },
            # Without jitter the one sample lies in the middle of the pixel.
            "sampler": {"type": "stratified", "jitter": False, "sample_count": 1}
            if exact
            else {"type": "multijitter", "sample_count": samples},
        },
        "ground": {
            "type": "rectangle",
            "to_world": transform().scale(200),
            "bsdf": {"type": "diffuse", "reflectance": {"type": "rgb", "value": GROUND}},
        },
        "sky": {"type": "constant", "radiance": {"type": "rgb", "value": AMBIENT}},
    }
    for i, ((place, radius, radiance), shift) in enumerate(zip(LIGHTS, scene.light_shifts, strict=True)):
        away = [a + b for a, b in zip(place, shift, strict=True)]
        world[f"light_{i}"] = {
            "type": "disk",
            "to_world": transform().look_at(origin=away, target=[0, 0, 0], up=[0, 0, 1])
            @ transform().scale(radius),
            "emitter": {"type": "area", "radiance": {"type": "rgb", "value": radiance}},
        }
    for i, one in enumerate(scene.objects):
        world[f"object_{i}"] = _shape(one, i)
    return mitsuba.load_dict(world)


def _shape(one: SceneObject, index: int) -> Any:
    transform = _mitsuba().ScalarTransform4f
    x, y, z = one.center
    to_world = (
        transform().translate([x, y, z])
        @ transform().rotate([0, 0, 1], math.degrees(one.rotation))
        @ transform().scale(one.radius)
    )
    if one.shape == "sphere":
        return {"type": "sphere", "to_world": to_world, "bsdf": _bsdf(one)}
    return _mesh(f"object_{index}", surface_of(one.shape), to_world, _bsdf(one))


def _bsdf(one: SceneObject) -> dict[str, Any]:
    value = np.array(COLORS[one.color]) / 255  # taken as linear, as CLEVR does
    color = {"type": "rgb", "value": [float(v) for v in value]}
    if one.material == "metal":
        return {
            "type": "principled",
            "base_color": color,
            "metallic": 1.0,
            "roughness": 0.15,
            "specular": 0.5,
        }
    return {"type": "principled", "base_color": color, "metallic": 0.0, "roughness": 0.7, "specular": 0.3}


def _mesh(name: str, surface: Surface, to_world: Any, bsdf: dict[str, Any]) -> Any:
    mitsuba, (vertices, normals, faces) = _mitsuba(), surface
    properties = mitsuba.Properties()
    properties["mesh_bsdf"] = mitsuba.load_dict(bsdf)
    mesh = mitsuba.Mesh(name, len(vertices), len(faces), has_vertex_normals=True, props=properties)
    matrix = np.array(to_world.matrix)
    turn = matrix[:3, :3] / np.cbrt(np.linalg.det(matrix[:3, :3]))
    content = mitsuba.traverse(mesh)
    content["vertex_positions"] = (vertices @ matrix[:3, :3].T + matrix[:3, 3]).astype(np.float32).ravel()
    content["vertex_normals"] = (normals @ turn.T).astype(np.float32).ravel()
    content["faces"] = faces.astype(np.uint32).ravel()
    content.update()
    return mesh
