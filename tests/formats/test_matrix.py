"""What the records of the formats say of themselves is true: what a format keeps comes back, what it loses is told
once with its count, two writes are byte-equal, and the table in the documentation is made from the records.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.formats.samples import HOLDING_LAYOUTS

from labelmint.errors import InputError
from labelmint.formats import FORMATS, read, write
from labelmint.formats.format import KEPT, LOST, Carries, Format
from labelmint.formats.matrix import matrix
from labelmint.formats.painting import objects_from_instances, paint
from labelmint.types import AnnotatedImage, ClassInfo, ClassSet, DataSet, Finding, Layout, LayoutObject

SIZE = (24, 32)
CLASSES = ClassSet(
    (ClassInfo(id=0, name="background"), ClassInfo(id=1, name="cell"), ClassInfo(id=2, name="tube"))
)
COLORS = ClassSet(
    (
        ClassInfo(id=0, name="background", color=(0, 0, 0)),
        ClassInfo(id=1, name="cell", color=(200, 30, 7)),
        ClassInfo(id=2, name="tube", color=(9, 8, 250)),
    )
)
WIDE = ClassSet((*CLASSES.classes, ClassInfo(id=700, name="far")))
OUTLINE = (4.5, 3.0, 20.0, 3.0, 20.0, 15.25, 4.5, 15.25)
OTHER = (22.0, 16.0, 30.0, 16.0, 30.0, 22.0, 22.0, 22.0)
BEYOND = (-0.5, 3.0, 20.0, 3.0, 20.0, 15.25), (22.0, 16.0, 32.75, 16.0, 30.0, 22.0, 22.0, 22.0)


def image_of(name: str) -> np.ndarray:
    return np.random.default_rng(len(name)).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def layout_of(*objects: LayoutObject) -> Layout:
    label_map, instances = paint(objects, SIZE)
    return Layout(label_map=label_map, instances=instances, objects=objects)


def box(*edges: float, class_id: int = 1, **more: Any) -> LayoutObject:
    x0, y0, x1, y1 = edges
    return LayoutObject(class_id=class_id, box=(x0, y0, x1, y1), **more)


def outline(*polygons: tuple[float, ...], class_id: int = 1, **more: Any) -> LayoutObject:
    xs = [x for one in polygons for x in one[::2]]
    ys = [y for one in polygons for y in one[1::2]]
    edges = min(xs), min(ys), max(xs), max(ys)
    return LayoutObject(class_id=class_id, box=edges, polygons=polygons, **more)


def pixels(
    *windows: tuple[int, int, int, int], without: tuple[int, int, int, int] | None = None
) -> np.ndarray:
    found = np.zeros(SIZE, dtype=np.uint8)
    for y0, y1, x0, x1 in windows:
        found[y0:y1, x0:x1] = 1
    if without:
        y0, y1, x0, x1 = without
        found[y0:y1, x0:x1] = 0
    return found


def shaped(binary: np.ndarray, class_id: int = 1, **more: Any) -> LayoutObject:
    (one,) = objects_from_instances(binary, binary.astype(np.uint16))
    return dataclasses.replace(one, class_id=class_id, **more)


def simple(carries: Carries, **more: Any) -> LayoutObject:
    """An object in the simplest form that a format keeps."""
    if carries.boxes != LOST:
        return box(3.0, 4.0, 11.0, 12.0, **more)
    if carries.polygons != LOST:
        return outline(OUTLINE, **more)
    return shaped(pixels((4, 12, 3, 11)), **more)


def overlapping(carries: Carries) -> tuple[LayoutObject, ...]:
    if carries.overlaps == KEPT:
        return box(2.0, 2.0, 16.0, 14.0), box(8.0, 6.0, 28.0, 20.0, class_id=2)
    return shaped(pixels((3, 15, 4, 20))), shaped(pixels((8, 22, 10, 30)), class_id=2)


LABELS = pixels((3, 15, 4, 20)) + 2 * pixels((17, 23, 6, 14))
TOUCHING = pixels((3, 15, 4, 12)) + 2 * pixels((3, 15, 12, 20)) + 3 * pixels((17, 23, 6, 14))

FURTHER = {"note": "seen twice", "truncated": True, "sure": False, "count": 1, "list": [True, 1, "x"]}

# For each feature a layout that has it, made for what the format keeps and for what it does not.
HAVING: Mapping[str, Callable[[Carries], Layout]] = {
    "maps": lambda c: Layout(label_map=LABELS),
    "boxes": lambda c: layout_of(box(-0.5, 3.5, 32.125, 12.0), box(20.0, -0.25, 31.5, 24.5, class_id=2)),
    "overlaps": lambda c: layout_of(*overlapping(c)),
    "polygons": lambda c: layout_of(outline(BEYOND[0]), outline(BEYOND[1], class_id=2)),
    "holes": lambda c: layout_of(shaped(pixels((3, 15, 4, 20), without=(6, 11, 8, 14)))),
    "parts": lambda c: layout_of(outline(OUTLINE, OTHER)),
    "instances": lambda c: Layout(label_map=LABELS, instances=TOUCHING.astype(np.uint16) * 300),
    "attributes": lambda c: layout_of(simple(c, attributes=FURTHER)),
    "crowds": lambda c: layout_of(shaped(pixels((3, 15, 4, 20)), crowd=True)),
    "ignore": lambda c: Layout(label_map=np.where(pixels((1, 5, 24, 30)) == 1, 255, LABELS).astype(np.uint8)),
    "wide": lambda c: (
        layout_of(simple(c, class_id=700))
        if c.maps == LOST
        else Layout(label_map=pixels((3, 15, 4, 20)).astype(np.uint16) * 700)
    ),
    "colors": lambda c: layout_of(simple(c), simple(c, class_id=2)),
    "empty": lambda c: layout_of(),
}


def classes_for(feature: str) -> ClassSet:
    return {"wide": WIDE, "colors": COLORS}.get(feature, CLASSES)


def pairs_with(feature: str, carries: Carries) -> list[AnnotatedImage]:
    """A pair that has the feature, and one beside it, so that no set is without an object."""
    layouts = {feature: HAVING[feature](carries)}
    if feature in ("empty", "ignore"):
        layouts[f"{feature}, another"] = layout_of(simple(carries))
    return [AnnotatedImage(name=n, image=image_of(n), layout=layout) for n, layout in layouts.items()]


def named(data_classes: ClassSet, label_map: np.ndarray) -> np.ndarray:
    """A label map of names; ids differ between formats, names do not."""
    grounds = data_classes.backgrounds
    return np.vectorize(lambda i: "background" if i in grounds else data_classes.name_of(int(i)))(label_map)


def alone(one: LayoutObject) -> bytes:
    """The pixels of an object that nothing lies over."""
    return (paint([dataclasses.replace(one, class_id=1)], SIZE)[0] == 1).tobytes()


def objects_of(pair: AnnotatedImage, classes: ClassSet) -> tuple[LayoutObject, ...]:
    layout = pair.layout
    return layout.objects or objects_from_instances(layout.label_map, layout.instances, classes.ground)


def pieces(layout: Layout) -> set[bytes]:
    assert layout.instances is not None, "no instances came back"
    ids = np.unique(layout.instances)
    return {(layout.instances == i).tobytes() for i in ids[ids > 0]}


def crowds_of(pair: AnnotatedImage, classes: ClassSet) -> list[Any]:
    return sorted((classes.name_of(one.class_id), one.crowd, alone(one)) for one in pair.layout.objects)


# For each feature what must come back equal.
FACTS: Mapping[str, Callable[[AnnotatedImage, ClassSet], Any]] = {
    "maps": lambda pair, c: named(c, pair.layout.label_map).tolist(),
    "boxes": lambda pair, c: sorted((c.name_of(one.class_id), one.box) for one in pair.layout.objects),
    "overlaps": lambda pair, c: sorted((c.name_of(one.class_id), alone(one)) for one in objects_of(pair, c)),
    "polygons": lambda pair, c: sorted(
        (c.name_of(one.class_id), one.polygons) for one in pair.layout.objects
    ),
    "holes": lambda pair, c: sorted((c.name_of(one.class_id), alone(one)) for one in objects_of(pair, c)),
    "parts": lambda pair, c: sorted((c.name_of(one.class_id), alone(one)) for one in objects_of(pair, c)),
    "instances": lambda pair, c: pieces(pair.layout),
    "attributes": lambda pair, c: [repr(sorted(one.attributes.items())) for one in pair.layout.objects],
    "crowds": crowds_of,
    "ignore": lambda pair, c: np.isin(pair.layout.label_map, c.ignore).tolist(),
    "wide": lambda pair, c: named(c, pair.layout.label_map).tolist(),
    "colors": lambda pair, c: {info.name: info.color for info in c.classes if info.id not in c.backgrounds},
    "empty": lambda pair, c: (pair.name, named(c, pair.layout.label_map).tolist()),
}


def check_kept(name: str, features: Iterable[str], folder: Path) -> None:
    """The features of some that have the same classes come back from one set."""
    pairs = {feature: pairs_with(feature, FORMATS[name].carries) for feature in features}
    classes = classes_for(next(iter(pairs)))
    written = write([pair for some in pairs.values() for pair in some], folder, format=name, classes=classes)
    data = read(written)
    assert data.format == name, "the format is not found in what it wrote"
    assert data.names == tuple(sorted(pair.name for some in pairs.values() for pair in some))
    for feature, some in pairs.items():
        for pair in some:
            again = data.load(pair.name)
            assert np.array_equal(again.image, pair.image)
            assert FACTS[feature](again, data.classes) == FACTS[feature](pair, classes), feature


def check_told(name: str, feature: str, folder: Path) -> None:
    told: list[Finding] = []
    how = FORMATS[name].carries.each()[feature]
    pairs = pairs_with(feature, FORMATS[name].carries)
    if how.startswith("refused"):
        with pytest.raises(InputError):
            write(pairs, folder, format=name, classes=classes_for(feature))
        return
    write(pairs, folder, format=name, classes=classes_for(feature), tell=told.append)
    kind = f"{feature} {'lost' if how == LOST else 'approximated'}"
    texts = [finding.text for finding in told if finding.kind == kind]
    assert len(texts) == 1, f"{kind}: told {len(texts)} times"
    count = {"boxes": 2, "polygons": 2, "colors": 3}.get(feature, 1)
    assert texts[0].startswith(f"the format {name}: {count} "), texts[0]


def kept_together(name: str) -> list[list[str]]:
    """What a format keeps, by the classes of the pairs that show it."""
    found: dict[int, list[str]] = {}
    for feature in HAVING:
        if FORMATS[name].carries.each()[feature] == KEPT:
            found.setdefault(id(classes_for(feature)), []).append(feature)
    return list(found.values())


TOGETHER = [
    pytest.param(name, some, id=f"{name}-{some[0]}")
    for name in HOLDING_LAYOUTS
    for some in kept_together(name)
]
CELLS = [
    pytest.param(name, feature, id=f"{name}-{feature}")
    for name in HOLDING_LAYOUTS
    for feature in HAVING
    if FORMATS[name].carries.each()[feature] != KEPT
]


@pytest.mark.parametrize(("name", "features"), TOGETHER)
def test_what_is_kept_comes_back(name: str, features: list[str], tmp_path: Path) -> None:
    check_kept(name, features, tmp_path / "out")


@pytest.mark.parametrize(("name", "feature"), CELLS)
def test_what_is_not_kept_is_told_once(name: str, feature: str, tmp_path: Path) -> None:
    check_told(name, feature, tmp_path / "out")


def in_parts(carries: Carries) -> DataSet:
    layout = layout_of(simple(carries))
    pairs = {n: AnnotatedImage(name=n, image=image_of(n), layout=layout) for n in ("a", "bb", "ccc", "dddd")}
    parts = {"train": ("a", "dddd"), "validation": ("bb",), "test": ("ccc",)}
    return DataSet(
        source="memory", format="memory", classes=CLASSES, names=tuple(pairs), load=pairs.__getitem__, **parts
    )


@pytest.mark.parametrize("name", [name for name in HOLDING_LAYOUTS if FORMATS[name].carries.splits == KEPT])
def test_parts_come_back(name: str, tmp_path: Path) -> None:
    data = in_parts(FORMATS[name].carries)
    again = read(write(data, tmp_path / "out", format=name, classes=CLASSES))
    for part in ("train", "validation", "test"):
        assert sorted(getattr(again, part) or ()) == sorted(getattr(data, part)), part


@pytest.mark.parametrize("name", HOLDING_LAYOUTS)
def test_two_writes_are_equal_byte_for_byte(name: str, tmp_path: Path) -> None:
    carries = FORMATS[name].carries
    written = []
    for copy in ("one", "two"):
        layouts = {f"{f} ü": HAVING[f](carries) for f in HAVING if f != "wide"}
        pairs = [AnnotatedImage(name=n, image=image_of(n), layout=layout) for n, layout in layouts.items()]
        out = write(pairs, tmp_path / copy, format=name, classes=COLORS)
        written.append({str(f.relative_to(out)): f.read_bytes() for f in out.rglob("*") if f.is_file()})
    assert written[0] == written[1]


def test_a_record_that_is_not_true_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true = FORMATS["coco"]
    write_truly = true.writes
    assert write_truly is not None

    def forgetful(pairs: Iterable[AnnotatedImage], *rest: Any) -> list[str]:
        return write_truly((plain(pair) for pair in pairs), *rest)

    monkeypatch.setitem(FORMATS, "coco", dataclasses.replace(true, writes=forgetful))
    for feature in ("boxes", "attributes", "crowds", "instances"):
        with pytest.raises(AssertionError, match=feature):
            check_kept("coco", [feature], tmp_path / feature)
    (tmp_path / "told").mkdir()
    monkeypatch.setitem(HAVING, "crowds", lambda carries: layout_of(box(1.0, 1.0, 5.0, 5.0)))
    monkeypatch.setitem(FORMATS, "coco", dataclasses.replace(true, carries=Carries(crowds=LOST)))
    with pytest.raises(AssertionError, match="told 0 times"):
        check_told("coco", "crowds", tmp_path / "told")


def plain(pair: AnnotatedImage) -> AnnotatedImage:
    """The pair with less: boxes in whole pixels, no attributes, no crowds, one instance."""
    objects = [dataclasses.replace(one, attributes={}, crowd=False) for one in pair.layout.objects]
    objects = [dataclasses.replace(one, box=tuple(round(edge) for edge in one.box)) for one in objects]
    instances = pair.layout.instances
    alone = None if instances is None or objects else (instances > 0).astype(np.uint16)
    layout = dataclasses.replace(pair.layout, objects=tuple(objects), instances=alone)
    return dataclasses.replace(pair, layout=layout)


def test_the_documentation_holds_the_table_of_the_records() -> None:
    page = Path(__file__).parents[2] / "docs" / "formats.md"
    text = page.read_text(encoding="utf-8")
    assert matrix(FORMATS.values()) in text, (
        "docs/formats.md: paste what `labelmint formats --markdown` prints"
    )


def test_the_table_says_what_each_record_says() -> None:
    made = [
        Format(
            name="one", title="", recognizes=lambda p: False, writes=lambda *a: [], carries=Carries(maps=KEPT)
        ),
        Format(
            name="two",
            title="",
            recognizes=lambda p: False,
            writes=lambda *a: [],
            carries=Carries(boxes="to 1/8 pixel", holes="to 1/8 pixel", parts="joined by a line"),
        ),
        Format(name="three", title="", recognizes=lambda p: False),
    ]
    lines = matrix(made).splitlines()
    assert lines[0].startswith("| format | maps | boxes | overlaps | polygons | holes | parts |")
    assert lines[2].startswith("| one | ● | – | – |") and lines[3].startswith(
        "| two | – | 1 | – | – | 1 | 2 |"
    )
    assert "1. to 1/8 pixel" in lines and "2. joined by a line" in lines and lines[-1] == "Only read: three."
