"""The surfaces of CLEVR's shapes at the origin, about one unit each way: triangles with their normals.

A cube with rounded edges, a cylinder with rounded rims, a sphere. All three are convex, so the outline of one
is the convex hull of its projected vertices.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from labelmint.types import Array

__all__ = ["Surface", "surface_of"]

_FACETS = 48  # around the axis


class Surface(NamedTuple):
    """Vertices (N, 3), unit normals (N, 3), and faces (M, 3) as indices of vertices, counterclockwise from
    outside.
    """

    vertices: Array
    normals: Array
    faces: Array


@cache
def surface_of(shape: str) -> Surface:
    """The surface of "cube", "cylinder" or "sphere"."""
    makers: dict[str, Callable[[], Surface]] = {
        "cube": _smooth_cube,
        "cylinder": _smooth_cylinder,
        "sphere": _sphere,
    }
    return makers[shape]()


def _smooth_cube(rounding: float = 0.1, steps: int = 5) -> Surface:
    """The cube [-1, 1]^3 with rounded edges: the surface at distance `rounding` from a smaller cube."""
    inner = 1 - rounding
    ticks = np.concatenate([np.linspace(-1, -inner, steps + 1), np.linspace(inner, 1, steps + 1)])
    a, b = np.meshgrid(ticks, ticks, indexing="ij")
    sheets: list[Array] = []
    faces: list[Array] = []
    count = len(ticks)
    for axis in range(3):
        for sign in (-1.0, 1.0):
            points = np.empty((count, count, 3))
            points[..., axis], points[..., (axis + 1) % 3], points[..., (axis + 2) % 3] = sign, a, b
            faces.append(_quads(count, count, len(sheets) * count * count, flip=sign < 0))
            sheets.append(points.reshape(-1, 3))
    outer = np.concatenate(sheets)
    core = outer.clip(-inner, inner)
    normals = (outer - core) / np.linalg.norm(outer - core, axis=1, keepdims=True)
    return Surface(core + rounding * normals, normals, np.concatenate(faces))


def _smooth_cylinder(rounding: float = 0.08, steps: int = 5) -> Surface:
    """The cylinder of radius 1 and height 2 with rounded rims: a profile turned about z."""
    angle = np.linspace(0, math.pi / 2, steps + 1)
    upper = np.stack(
        [1 - rounding + rounding * np.cos(angle), 1 - rounding + rounding * np.sin(angle)], axis=1
    )
    turn = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    profile = np.concatenate([[(0.0, -1.0)], upper[::-1] * (1, -1), upper, [(0.0, 1.0)]])
    facing = np.concatenate([[(0.0, -1.0)], turn[::-1] * (1, -1), turn, [(0.0, 1.0)]])
    return _turned(profile, facing)


def _sphere(steps: int = 24) -> Surface:
    angle = np.linspace(-math.pi / 2, math.pi / 2, steps + 1)
    profile = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _turned(profile, profile)


def _turned(profile: Array, facing: Array) -> Surface:
    """A profile of (radius, height) and its normals, turned about z."""
    around = np.linspace(0, 2 * math.pi, _FACETS + 1)
    spin = np.stack([np.cos(around), np.sin(around)], axis=1)
    points, normals = (
        np.concatenate(
            [line[:, None, :1] * spin[None], np.broadcast_to(line[:, None, 1:], (len(line), len(spin), 1))],
            axis=2,
        )
        for line in (profile, facing)
    )
    return Surface(
        points.reshape(-1, 3), normals.reshape(-1, 3), _quads(len(profile), len(spin), 0, flip=True)
    )


def _quads(rows: int, columns: int, first: int, flip: bool) -> Array:
    """Two triangles for each cell of a grid of vertices."""
    index = first + np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]))
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return triangles[:, ::-1] if flip else triangles
