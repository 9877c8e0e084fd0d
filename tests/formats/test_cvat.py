"""CVAT for images: its shapes, attributes and subsets are read, and what is written is its XML 1.1."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
import pytest
from PIL import Image
from tests.formats.samples import CLASSES, MAPS, OBJECTS, ROADS, box, check, in_parts, painted, pair, pairs_of

from labelmint.errors import InputError
from labelmint.formats import format_named, read, write
from labelmint.formats.painting import decode
from labelmint.formats.text_files import read_xml
from labelmint.types import DataSet

LABELS = """<label><name>cell</name><color>#ff0010</color><attributes>
  <attribute><name>hard</name><input_type>checkbox</input_type></attribute>
  <attribute><name>depth</name><input_type>number</input_type></attribute>
  <attribute><name>code</name><input_type>text</input_type></attribute></attributes></label>
  <label><name>tube</name></label>"""


def document(*images: str, labels: str = LABELS, where: str = "task") -> str:
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta><{where}><labels>{labels}'
        f"</labels></{where}></meta>{''.join(images)}</annotations>"
    )


def image(name: str, shapes: str = "", more: str = 'width="10" height="8"') -> str:
    return f'<image id="0" name="{name}" {more}>{shapes}</image>'


def put(folder: Path, *shapes: str, file: str = "images/a.png") -> Path:
    """A set of one image of 8 x 10 pixels (height x width)."""
    picture(folder / file)
    (folder / "annotations.xml").write_text(document(image("a.png", "".join(shapes))))
    return folder


def picture(file: Path, value: int = 7) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 10, 3), value, dtype=np.uint8)).save(file)


def kinds(data: DataSet) -> str:
    return " | ".join(finding.text for finding in data.findings)


def test_all_objects_survive(tmp_path: Path) -> None:
    check("cvat", pairs_of(OBJECTS), CLASSES, tmp_path)


def test_maps_become_objects_with_the_same_pixels(tmp_path: Path) -> None:
    for number, (layouts, classes) in enumerate(((MAPS, CLASSES), ({"one line": MAPS["one line"]}, ROADS))):
        data = read(write(pairs_of(layouts), tmp_path / str(number), format="cvat", classes=classes))
        assert data.classes.classes == classes.classes
        for one, again in zip(sorted(pairs_of(layouts), key=lambda one: one.name), data, strict=True):
            assert np.array_equal(one.layout.label_map, again.layout.label_map), one.name


def test_parts_are_subsets(tmp_path: Path) -> None:
    path = write(in_parts(), tmp_path / "a", format="cvat", classes=CLASSES)
    data = read(path)
    assert (data.train, data.validation, data.test) == (("a", "b"), ("c", "d"), ("e",))
    assert data.names == tuple("abcdef")
    assert (path / "images" / "Validation" / "c.png").is_file()
    assert [one.get("subset") for one in read_xml(path / "annotations.xml").iterfind("image")][-2:] == [
        "Test",
        None,
    ]


def test_what_cvat_needs_is_written(tmp_path: Path) -> None:
    odd = box(0, 0, 3, 3, z_order=2, source="auto", occluded=True, weights=[1, 2], score=1)
    layout = painted(*OBJECTS["hole"].objects, *OBJECTS["polygons"].objects, odd)
    told: list[str] = []
    path = write(
        [pair("a", layout)],
        tmp_path / "a",
        format="cvat",
        classes=CLASSES,
        tell=lambda one: told.append(one.text),
    )
    root = read_xml(path / "annotations.xml")
    assert root.findtext("version") == "1.1"
    labels = {one.findtext("name"): one for one in root.iterfind("meta/task/labels/label")}
    assert list(labels) == ["background", "cell", "Röhre & <Co>", "far"]
    assert labels["cell"].findtext("color") == "#090807"
    types = {one.findtext("name"): one.findtext("input_type") for one in labels["cell"].iter("attribute")}
    assert types == {"score": "number", "weights": "text"}
    mask, first, second, alone, last = root.iterfind("image/*")
    assert dict(mask.items()) == {
        "label": "cell",
        "source": "manual",
        "occluded": "0",
        "z_order": "0",
        "left": "2",
        "top": "1",
        "width": "7",
        "height": "6",
        "rle": "0, 16, 3, 4, 3, 16",
    }
    assert [one.get("group_id") for one in (first, second, alone)] == ["1", "1", None]
    assert first.get("points") == "1.5,1.0;9.0,1.0;5.0,8.0"
    assert [last.get(key) for key in ("z_order", "source", "occluded", "xbr")] == ["2", "auto", "1", "3.0"]
    assert "1 values of attributes become text" in " ".join(told)
    again = read(path)[0].layout.objects[-1]
    assert dict(again.attributes) == {**odd.attributes, "weights": "[1, 2]"}


def test_shapes_as_cvat_has_them(tmp_path: Path) -> None:
    put(
        tmp_path,
        '<box label="cell" occluded="1" z_order="2" source="auto" xtl="1" ytl="2.5" xbr="4" ybr="5">'
        '<attribute name="hard">true</attribute><attribute name="depth">-2.4</attribute>'
        '<attribute name="code">007</attribute></box>',
        '<polygon label="tube" points="0,0;4,0;0,4" group_id="1"/>',
        '<polygon label="tube" points="6,0;9,0;9,3" group_id="1"/>',
        '<box label="tube" xtl="0" ytl="0" xbr="1" ybr="1" group_id="1"/>',
        '<mask label="cell" left="7" top="5" width="2" height="3" rle="0, 1, 1, 2, 1, 1"/>',
        '<box label="cell" xtl="3" ytl="3" xbr="7" ybr="5" rotation="90"/>',
        '<ellipse label="cell" cx="5" cy="4" rx="3" ry="2"/>',
        '<ellipse label="cell" cx="9" cy="4" rx="3" ry="2" rotation="90"/>',
    )
    data = read(tmp_path)
    one, two, lone, mask, turned, oval, cut = data[0].layout.objects
    assert one.box == (1, 2.5, 4, 5)
    said = {"occluded": True, "z_order": 2, "source": "auto", "hard": True, "depth": -2.4, "code": "007"}
    assert dict(one.attributes) == said
    assert two.polygons == ((0, 0, 4, 0, 0, 4), (6, 0, 9, 0, 9, 3))
    assert (lone.polygons, dict(lone.attributes)) == (None, {"group_id": 1})
    assert mask.rle is not None
    assert np.argwhere(decode(mask.rle, (8, 10))).tolist() == [[5, 7], [6, 7], [6, 8], [7, 8]]
    assert mask.box == (7, 5, 9, 8)
    assert np.allclose(turned.box, (4, 2, 6, 6))
    assert np.allclose(oval.box, (2, 2, 8, 6), atol=0.1)
    assert np.allclose(cut.box, (7, 1, 10, 7), atol=0.1)
    assert data.classes.classes[1].color == (255, 0, 16)
    assert "2 ellipses" in kinds(data)


def test_attributes_are_the_annotators_own_whatever_they_are_called(tmp_path: Path) -> None:
    put(
        tmp_path,
        '<box label="cell" xtl="1" ytl="1" xbr="4" ybr="5"><attribute name="crowd">dense</attribute>'
        '<attribute name="box">yes</attribute></box>',
        '<box label="cell" xtl="5" ytl="1" xbr="8" ybr="5"><attribute name="hard">true</attribute>'
        '<attribute name="box">[0, 0, 1, 1]</attribute></box>',
    )
    xml = tmp_path / "annotations.xml"
    xml.write_text(xml.read_text().replace('"hard"', '"crowd"').replace(">hard<", ">crowd<"))
    one, other = read(tmp_path)[0].layout.objects
    assert (one.crowd, dict(one.attributes)) == (False, {"crowd": "dense", "box": "yes"})
    assert (other.crowd, dict(other.attributes)) == (False, {"crowd": True, "box": "[0, 0, 1, 1]"})


def test_sets_of_older_names_are_read(tmp_path: Path) -> None:
    """What was written as "crowd" and "box" before the root said what had generated it."""
    layout = painted(box(0, 0, 9, 9, crowd=True), *OBJECTS["another box"].objects)
    path = write([pair("a", layout)], tmp_path / "a", format="cvat", classes=CLASSES)
    xml = (path / "annotations.xml").read_text(encoding="utf-8")
    (path / "annotations.xml").write_text(
        xml.replace("labelmint_", "").replace(' generator="labelmint"', ""), encoding="utf-8"
    )
    assert read(path)[0].layout.objects == layout.objects


def test_a_group_of_0_is_none(tmp_path: Path) -> None:
    put(
        tmp_path,
        '<polygon label="tube" points="0,0;4,0;0,4" group_id="0"/>',
        '<polygon label="tube" points="6,0;9,0;9,3" group_id="0"/>',
    )
    objects = read(tmp_path)[0].layout.objects
    assert [one.polygons for one in objects] == [((0, 0, 4, 0, 0, 4),), ((6, 0, 9, 0, 9, 3),)]
    assert not any(one.attributes for one in objects)


def test_what_lies_above_is_what_cvat_shows(tmp_path: Path) -> None:
    put(
        tmp_path / "given",
        '<box label="cell" xtl="0" ytl="0" xbr="9" ybr="8" z_order="5"/>',
        '<box label="tube" xtl="2" ytl="2" xbr="4" ybr="4" z_order="0"/>',
        '<box label="tube" xtl="6" ytl="6" xbr="7" ybr="7" z_order="5"/>',
    )
    data = read(tmp_path / "given")
    assert data[0].layout.label_map[3, 3] == 1 and data[0].layout.label_map[6, 6] == 2
    for format in ("coco", "cvat", "folder"):
        again = read(write(data, tmp_path / format, format=format, classes=data.classes))
        assert np.array_equal(again[0].layout.label_map, data[0].layout.label_map)
    assert [
        one.get("z_order") for one in read_xml(tmp_path / "cvat" / "annotations.xml").iter("box")
    ] == list("505")


def test_lines_are_left_out_and_what_has_no_label_is_ignored(tmp_path: Path) -> None:
    put(
        tmp_path,
        '<polyline label="line" points="1,2;3,4"/><points label="cell" points="1,2"/><tag label="cell"/>',
        '<polygon label="" points="0,0;4,0;4,4;0,4"/>',
    )
    data = read(tmp_path)
    assert data.classes.names == ("background", "cell", "tube")
    assert np.unique(data[0].layout.label_map).tolist() == [0, 255]
    assert "1 shapes of type 'polyline'" in kinds(data)
    assert "1 shapes without a label are ignored" in kinds(data)


def test_images_of_subsets_with_the_same_names(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "Train" / "a.png", 1)
    picture(tmp_path / "images" / "TEST" / "a.png", 2)
    picture(tmp_path / "images" / "extra" / "b" / "c.png", 3)
    picture(tmp_path / "images" / "a.png", 9)
    sizes = 'width="10" height="8"'
    images = (
        image("a.png", more=f'subset="Train" {sizes}'),
        image("a.png", more=f'subset="TEST" {sizes}'),
        image("b/c.png", more='subset="extra"'),
    )
    (tmp_path / "annotations.xml").write_text(document(*images, where="project"))
    data = read(tmp_path)
    assert data.names == ("TEST__a", "Train__a", "extra__b__c")
    assert [int(one.image.max()) for one in data] == [2, 1, 3]
    assert (data.train, data.validation, data.test) == (("Train__a",), None, ("TEST__a",))
    assert "the subset 'extra' of 1 images" in kinds(data)


def test_several_files_and_utf_16(tmp_path: Path) -> None:
    for name in ("train", "val"):
        picture(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.xml").write_text(
            document(image(f"{name}.png")).replace("utf-8", "utf-16"), encoding="utf-16"
        )
    data = read(tmp_path)
    assert (data.names, data.train, data.validation) == (("train", "val"), ("train",), ("val",))
    assert read(tmp_path / "val.xml").names == ("val",)


def test_only_cvat_is_recognized(tmp_path: Path, folder: Path) -> None:
    recognizes = format_named("cvat").recognizes
    (tmp_path / "voc").mkdir()
    (tmp_path / "voc" / "a.xml").write_text("<annotation><folder>annotations</folder></annotation>")
    assert not recognizes(tmp_path / "voc")
    assert not recognizes(folder)


TRACK = '<track id="0" label="cell"><box frame="0" xtl="0" ytl="0" xbr="1" ybr="1"/></track>'
BAD = {
    "track": (document(TRACK), "'CVAT for images 1.1'"),
    "no images": (document(), "lists no images"),
    "no name": (document(image("")), "has no name"),
    "leaves": (document(image("../a.png")), "leaves the folder"),
    "subset leaves": (document(image("a.png", more='subset="../.."')), "leaves the folder"),
    "missing": (document(image("b.png")), "1 of its images are missing"),
    "twice": (document(image("a.png"), image("a.png")), "listed twice"),
    "size": (document(image("a.png", more='width="x" height="8"')), "expected a whole number"),
    "huge": (document(image("a.png", more='width="9999999" height="9999999"')), "at most"),
    "other size": (
        document(image("a.png", more='width="9" height="8"')),
        "use the images that were annotated",
    ),
    "box": (document(image("a.png", '<box label="cell" xtl="a"/>')), "expected finite numbers"),
    "NaN": (document(image("a.png", '<box label="cell" xtl="nan" ytl="0" xbr="1" ybr="1"/>')), "finite"),
    "outside": (
        document(image("a.png", '<box label="cell" xtl="0" ytl="0" xbr="99" ybr="1"/>')),
        "outside its image",
    ),
    "turned": (
        document(image("a.png", '<box label="cell" xtl="2" ytl="0" xbr="1" ybr="1"/>')),
        "the smaller first",
    ),
    "points": (document(image("a.png", '<polygon label="cell" points="1,2;3"/>')), "expected x,y;x,y;x,y"),
    "two points": (
        document(image("a.png", '<polygon label="cell" points="1,2;3,4"/>')),
        "at least three points",
    ),
    "ellipse": (document(image("a.png", '<ellipse label="cell" cx="1" cy="1" rx="0" ry="1"/>')), "above 0"),
    "far": (
        document(image("a.png", '<ellipse label="cell" cx="1e308" cy="1" rx="1e307" ry="1"/>')),
        "ellipse 0 lies outside its image",
    ),
    "rle": (
        document(image("a.png", '<mask label="cell" rle="1, 2" left="0" top="0" width="2" height="2"/>')),
        "run lengths that are none of its 2x2",
    ),
    "mask outside": (
        document(image("a.png", '<mask label="cell" rle="4" left="9" top="0" width="2" height="2"/>')),
        "outside its image",
    ),
    "stated box": (
        document(
            image(
                "a.png",
                '<box label="cell" xtl="1" ytl="1" xbr="2" ybr="2">'
                '<attribute name="labelmint_box">[1, 2]</attribute></box>',
            )
        ),
        "expected [x0, y0, x1, y1]",
    ),
    "broken": ("<annotations>", "broken XML"),
    "another root": ("<annotation/>", "CVAT for images 1.1"),
    "bomb": ("<!DOCTYPE a [<!ENTITY x 'y'>]><annotations>&x;</annotations>", "entities"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_in_one_line(name: str, tmp_path: Path) -> None:
    text, words = BAD[name]
    put(tmp_path)
    (tmp_path / "annotations.xml").write_text(text)
    with pytest.raises(InputError) as error:
        list(read(tmp_path, format="cvat"))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("target", ["nothing", "."])
def test_a_link_that_leads_to_no_file_is_refused_in_one_line(target: str, tmp_path: Path) -> None:
    (tmp_path / "annotations.xml").symlink_to(tmp_path / target)
    with pytest.raises(InputError, match=r"annotations\.xml: (no such file|is no file that can be read)"):
        read(tmp_path, format="cvat")


def test_bad_shapes_are_found_when_inspecting(tmp_path: Path) -> None:
    put(
        tmp_path,
        '<polygon label="cell" points="1,2;3"/>',
        '<box label="cell" xtl="0" ytl="0" xbr="1" ybr="1"/>',
    )
    data = read(tmp_path, strict=False)
    assert "expected x,y;x,y;x,y" in kinds(data)
    assert len(data[0].layout.objects) == 1


def test_what_xml_cannot_hold_is_refused(tmp_path: Path) -> None:
    for objects, words in (
        (painted(box(0, 0, 1, 1, note="a\0")), "XML cannot hold"),
        (painted(box(0, 0, 1, 1, labelmint_box="x")), "which the format cvat has for itself"),
        (painted(box(0, 0, 1, 1, class_id=7)), "not in the class list"),
    ):
        with pytest.raises(InputError, match=words):
            write([pair("a", objects)], tmp_path / "a", format="cvat", classes=CLASSES)


@pytest.mark.skipif("LABELMINT_DATA" not in os.environ, reason="needs the real sets")
def test_exports_of_cvat_itself() -> None:
    root = Path(os.environ["LABELMINT_DATA"]) / "formats" / "cvat_dataset" / "for_images"
    for name, count in (("export_project", 6), ("export_task", 2)):
        data = read(root / name)
        shapes: list[Element] = [
            shape for file in (root / name).glob("*.xml") for shape in read_xml(file).iterfind("image/*")
        ]
        areas = [one for one in shapes if one.tag in ("box", "polygon")]
        assert (len(data), sum(len(one.layout.objects) for one in data)) == (count, len(areas))
