"""What is written is accepted by other programs, which count the same objects in the same places (extra `peers`)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tests.formats.samples import painted, pair

from labelmint import formats
from labelmint.formats.coco_write import JSON_NAME
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, LayoutObject

SIZE = (9, 12)
CLASSES = ClassSet(
    (ClassInfo(id=0, name="background"), ClassInfo(id=1, name="cell"), ClassInfo(id=2, name="tube"))
)
NAMES = {1: "cell", 2: "tube"}


def scenes(outlines: bool) -> list[AnnotatedImage]:
    """Six images of none to five objects, boxes or quadrangles on whole pixels."""
    rng, made = np.random.default_rng(0), []
    for number in range(6):
        objects = []
        for _ in range(number):
            x0, y0 = (int(rng.integers(0, side - 4)) for side in SIZE[::-1])
            x1, y1 = x0 + int(rng.integers(2, 4)), y0 + int(rng.integers(2, 4))
            polygons = ((x0, y0, x1, y0, x1, y1, x0, y1),) if outlines else None
            objects.append(
                LayoutObject(
                    class_id=int(rng.integers(1, 3)),
                    box=(float(x0), float(y0), float(x1), float(y1)),
                    polygons=polygons,  # type: ignore[arg-type]
                )
            )
        made.append(pair(f"scene_{number}", painted(*objects)))
    return made


def counted(pairs: list[AnnotatedImage]) -> Counter[tuple[str, str]]:
    """Objects of each image and class."""
    return Counter((one.name, NAMES[item.class_id]) for one in pairs for item in one.layout.objects)


@pytest.mark.parametrize(
    ("format", "outlines"), [("yolo", False), ("yolo", True), ("coco", True), ("voc", False)]
)
def test_supervision_counts_the_same_objects(format: str, outlines: bool, tmp_path: Path) -> None:
    library = pytest.importorskip("supervision")
    made, out = scenes(outlines), tmp_path / "set"
    formats.write(made, out, format=format, classes=CLASSES)
    if format == "yolo":
        data = library.DetectionDataset.from_yolo(
            str(out / "images"), str(out / "labels"), str(out / "data.yaml"), force_masks=outlines
        )
    elif format == "coco":
        data = library.DetectionDataset.from_coco(str(out / "images"), str(out / JSON_NAME))
    else:
        data = library.DetectionDataset.from_pascal_voc(str(out / "JPEGImages"), str(out / "Annotations"))
    found: Counter[tuple[str, str]] = Counter()
    edges: dict[str, list[list[float]]] = {}
    for path, _, objects in data:
        name = Path(path).stem
        found.update((name, data.classes[number]) for number in objects.class_id)
        edges[name] = sorted(objects.xyxy.tolist())
    assert found == counted(made)
    for one in made:
        wanted = sorted(list(item.box) for item in one.layout.objects)
        shift = 1.0 if format == "voc" else 0.0  # that library takes VOC's pixels for edges
        assert len(edges.get(one.name, [])) == len(wanted)
        for box, true in zip(edges.get(one.name, []), wanted, strict=True):
            assert box == pytest.approx(true, abs=0.02 + shift)


@pytest.mark.parametrize(
    ("format", "theirs", "outlines"),
    [("yolo", "yolo", False), ("coco", "coco_instances", True), ("voc", "voc_detection", False)],
)
def test_datumaro_counts_the_same_objects(format: str, theirs: str, outlines: bool, tmp_path: Path) -> None:
    library = pytest.importorskip("datumaro")
    made, out = scenes(outlines), tmp_path / "set"
    by_name = {one.name: one for one in made}
    names = tuple(by_name)
    parts = DataSet(
        source="memory",
        format="memory",
        classes=CLASSES,
        names=names,
        load=by_name.__getitem__,
        train=names[:4],
        test=names[4:],
    )
    formats.write(parts, out, format=format, classes=CLASSES)
    data = library.Dataset.import_from(str(out), theirs)
    label_names = [label.name for label in data.categories()[library.AnnotationType.label]]
    shapes = {library.AnnotationType.bbox, library.AnnotationType.polygon, library.AnnotationType.mask}
    objects = {  # a box and an outline of one group are one object
        (Path(item.id).stem, one.group or f"alone {number}", label_names[one.label])
        for item in data
        for number, one in enumerate(item.annotations)
        if one.type in shapes
    }
    assert Counter((name, label) for name, _, label in objects) == counted(made)
