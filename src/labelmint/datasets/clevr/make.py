"""Rendering a whole set of CLEVR pictures: in several processes, resumable, and the same whatever their
number.

    OUT.partial/recipe.json    what decides the pictures; another recipe is refused
    OUT.partial/scenes/NAME.json    written last for each picture, so that what has one is done

Picture i depends on (seed, kind, i, size, samples) alone. A scene in which an object is hidden, or
touches the border, is drawn again as a whole, which favors few and small objects.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from labelmint.datasets.clevr.render import check_renderer, object_map, picture
from labelmint.datasets.clevr.scenes import CLEVR_CLASSES, KINDS, Scene, draw_scene, layout_of
from labelmint.errors import InputError
from labelmint.types import AnnotatedImage, Array

__all__ = ["DEFAULT_SAMPLES", "make_clevr", "render_pair"]

DEFAULT_SAMPLES = 100
TEST_SHARE = 0.1
_FEWEST_SEEN = 200 / (240 * 320)  # of the original picture's pixels, an object must show (CLEVR's own bound)
_LEAST_WHOLE = 0.4  # of what an object would show alone, must be seen
_AT_A_TIME = 8
_DRAWS = 2000  # of a scene that can be seen well; at square sizes a handful suffices


def make_clevr(
    kind: str,
    n: int,
    out: str | Path,
    *,
    size: tuple[int, int] | None = None,
    samples: int = DEFAULT_SAMPLES,
    seed: int = 0,
    processes: int | None = None,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> Path:
    """Render n pictures with exact labels into a new folder of format `folder`, with scenes/NAME.json beside
    them.

    Arguments:
        kind: "clevr-64" or "clevr-192".
        n: how many; the last tenth is listed in test.txt.
        out: the folder; while it is being filled it is OUT.partial, and the same call goes on with that.
        size: (H, W); the kind's own when None.
        samples: light paths a pixel.
        seed: of scenes and of light paths.
        processes: at once; all cores when None.
        tell: called with (pictures done, n).

    Raises InputError for numbers out of range, for a folder in the way, and where Mitsuba is missing.
    """
    target = Path(out).resolve()
    chosen = _checked(kind, n, size, samples, seed, processes)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(f"{target}: exists already and is not an empty folder; name another, or remove it")
    check_renderer()
    partial = target.with_name(f"{target.name}.partial")
    recipe = {"kind": kind, "n": n, "size": list(chosen), "samples": samples, "seed": seed}
    _begin(partial, recipe)
    names = [f"clevr_{i:06d}" for i in range(n)]
    for part in ("images", "labels", "scenes"):
        (partial / part).mkdir(exist_ok=True)
    missing = [i for i in range(n) if not (partial / "scenes" / f"{names[i]}.json").is_file()]
    tell(n - len(missing), n)
    for done, _ in enumerate(
        _rendered(partial, recipe, missing, processes or os.cpu_count() or 1), start=n - len(missing) + 1
    ):
        tell(done, n)
    _finish(partial, target, names)
    return target


def _checked(
    kind: str, n: int, size: tuple[int, int] | None, samples: int, seed: int, processes: int | None
) -> tuple[int, int]:
    if kind not in KINDS:
        raise InputError(f"there is no kind of CLEVR set {kind!r}; known: {', '.join(KINDS)}")
    chosen = size or KINDS[kind].size
    for name, value, least, most in (
        ("-n", n, 2, 10_000_000),
        ("--size", min(chosen), 16, 4096),
        ("--size", max(chosen), 16, 4096),
        ("--samples", samples, 1, 65536),
        ("--seed", seed, 0, 2**63),
        ("--processes", processes or 1, 1, 1024),
    ):
        if not least <= value <= most:
            raise InputError(f"{name} {value}: expected {least} to {most}")
    return chosen


def _begin(partial: Path, recipe: dict[str, Any]) -> None:
    """A new partial folder, or the one of the same recipe."""
    from labelmint.formats.files import dump_json, read_json
    from labelmint.storage import write_text

    file = partial / "recipe.json"
    if partial.exists() and not (partial.is_dir() and not any(partial.iterdir())):
        before = read_json(file) if file.is_file() else None
        if before != recipe:
            raise InputError(
                f"{partial}: was begun with another recipe ({before}); give the same options to go on, or "
                f"remove that folder"
            )
        return
    partial.mkdir(parents=True, exist_ok=True)
    write_text(file, dump_json(recipe))


def _rendered(partial: Path, recipe: dict[str, Any], missing: list[int], processes: int) -> Iterator[int]:
    """Renders what is missing and answers each index once it is on disk."""
    pieces = [missing[first : first + _AT_A_TIME] for first in range(0, len(missing), _AT_A_TIME)]
    # Spawned, not forked: the renderer keeps threads of its own.
    with ProcessPoolExecutor(
        min(processes, max(len(pieces), 1)), mp_context=get_context("spawn"), initializer=_quiet
    ) as pool:
        running: set[Future[list[int]]] = set()
        try:
            while pieces or running:
                while pieces and len(running) < 2 * processes:
                    running.add(pool.submit(_render_piece, str(partial), recipe, pieces.pop(0)))
                done, running = wait(running, return_when="FIRST_COMPLETED")
                for future in done:
                    yield from future.result()
        except BrokenProcessPool:
            raise InputError(
                f"{partial}: a rendering process died, most likely for lack of memory; run the same command "
                f"again with fewer --processes"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _quiet() -> None:
    """Ctrl-C is for the parent alone; a worker ends with its piece."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    check_renderer(threads=1)


def _render_piece(folder: str, recipe: dict[str, Any], indices: list[int]) -> list[int]:
    from labelmint.formats.files import dump_json
    from labelmint.formats.folder import write_pair
    from labelmint.storage import write_text

    partial, size = Path(folder), (recipe["size"][0], recipe["size"][1])
    for index in indices:
        pair, scene = render_pair(
            recipe["kind"], index, size=size, samples=recipe["samples"], seed=recipe["seed"]
        )
        write_pair(pair, partial, CLEVR_CLASSES)
        write_text(partial / "scenes" / f"{pair.name}.json", dump_json(scene.to_json(pair.name, index, size)))
    return indices


def _finish(partial: Path, target: Path, names: list[str]) -> None:
    from labelmint.formats.class_list import dump_classes
    from labelmint.formats.files import Parts, write_splits
    from labelmint.storage import write_text

    train = names[: max(len(names) - max(round(len(names) * TEST_SHARE), 1), 1)]
    write_text(partial / "classes.json", dump_classes(CLEVR_CLASSES))
    write_splits(partial, names, Parts(train=tuple(train), test=tuple(names[len(train) :])))
    if target.is_dir():
        target.rmdir()
    partial.rename(target)


def render_pair(
    kind: str, index: int, *, size: tuple[int, int], samples: int, seed: int
) -> tuple[AnnotatedImage, Scene]:
    """Picture `index` of a set with its exact layout, and its scene; the arguments are those of `make_clevr`.

    Raises InputError for sizes at which no scene can be seen well, and for a picture that the renderer fails
    at.
    """
    rng = np.random.default_rng([seed, list(KINDS).index(kind), index])
    for _ in range(_DRAWS):
        scene = draw_scene(kind, rng)
        owners = object_map(scene, size)
        if _well_seen(scene, owners):
            break
    else:
        raise InputError(
            f"--size {size[0]}x{size[1]}: none of {_DRAWS} scenes can be seen well at that size; take a "
            f"larger or wider one"
        )
    name = f"clevr_{index:06d}"
    image = picture(scene, size, samples, int(rng.integers(2**31)), f"{name} of {kind} with --seed {seed}")
    return AnnotatedImage(name=name, image=image, layout=layout_of(scene, owners)), scene


def _well_seen(scene: Scene, owners: Array) -> bool:
    """Every object shows enough pixels and enough of itself, and none is cut by the border."""
    seen = np.bincount(owners.ravel(), minlength=len(scene.objects) + 1)[1:]
    if seen.min() < max(_FEWEST_SEEN * owners.size, 4):
        return False
    border = np.concatenate([owners[0], owners[-1], owners[:, 0], owners[:, -1]])
    if border.any():
        return False
    radii = np.array([one.radius for one in scene.objects])
    centers = np.array([one.center for one in scene.objects])
    tops = scene.project(centers + radii[:, None] * (0.0, 0.0, 1.0), owners.shape)
    middles = scene.project(centers, owners.shape)
    # about what it would show with nothing before it
    alone = np.pi * np.linalg.norm((tops - middles)[:, :2], axis=1) ** 2
    return bool((seen >= _LEAST_WHOLE * alone).all())
