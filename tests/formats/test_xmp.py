"""Provenance survives in each format of images: as text in a PNG, as XMP in the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelmint.errors import InputError
from labelmint.formats.format import Writing
from labelmint.formats.image_files import read_image_and_text
from labelmint.formats.images_out import write_image
from labelmint.formats.xmp import text_of, xmp_of
from labelmint.types import AnnotatedImage, Layout

AI = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
TEXT = {
    "DigitalSourceType": AI,
    "generator": "labelmint",
    "seed": "4",
    "a key of words": "<b> & \"c\" ]]> 'd'",
    "entries": "a key that is taken",
    "layouts": "zwei\nZeilen\r\n\tmit Röhren 漢",
    "empty": "",
}


def pair_of(text: dict[str, str]) -> AnnotatedImage:
    grid = np.arange(48, dtype=np.uint8).reshape(6, 8)
    return AnnotatedImage(name="a", image=grid[:, :, None], layout=Layout(label_map=grid), provenance=text)


@pytest.mark.parametrize("format", ["png", "jpg", "tiff"])
def test_what_an_image_says_of_itself_is_read_back(format: str, tmp_path: Path) -> None:
    write_image(tmp_path, pair_of(TEXT), Writing(image_format=format))
    assert read_image_and_text(tmp_path / f"a.{format}")[1] == TEXT
    first = (tmp_path / f"a.{format}").read_bytes()
    write_image(tmp_path, pair_of(TEXT), Writing(image_format=format))
    assert (tmp_path / f"a.{format}").read_bytes() == first


@pytest.mark.parametrize("format", ["jpg", "webp", "tiff"])
def test_other_programs_find_the_source_type(format: str, tmp_path: Path) -> None:
    write_image(tmp_path, pair_of(TEXT), Writing(image_format=format))
    with Image.open(tmp_path / f"a.{format}") as picture:
        said = picture.getxmp()["xmpmeta"]["RDF"]["Description"]
        assert text_of(picture.info["xmp"]) == TEXT
    assert said["DigitalSourceType"] == AI and said["seed"] == "4"


def test_images_without_provenance_have_none(tmp_path: Path) -> None:
    for format in ("jpg", "tiff"):
        write_image(tmp_path, pair_of({}), Writing(image_format=format))
        assert read_image_and_text(tmp_path / f"a.{format}")[1] == {}


def test_signs_that_xml_cannot_hold_are_marked() -> None:
    assert text_of(xmp_of({"note": "a\0b\x1f\udc80c"})) == {"note": "a\ufffdb\ufffd\ufffdc"}


def test_only_sound_text_of_ours_is_read() -> None:
    ours = xmp_of(TEXT)
    bomb = b'<!DOCTYPE a [<!ENTITY b "bb">]>' + ours[ours.index(b"<x:") :]
    deep = ours.replace(b">4<", b">" + b"<a>" * 9000 + b"</a>" * 9000 + b"<")
    for packet in (
        None,
        b"",
        7,
        ours[:-60],
        bomb,
        ours + b" " * 70_000,
        ours.replace(b"urn:labelmint:", b"urn:else:"),
    ):
        assert text_of(packet) == {}, packet
    assert text_of(ours.decode()) == TEXT and text_of(ours + b"\0") == TEXT
    assert text_of(deep)["generator"] == "labelmint"


def test_a_foreign_source_type_alone_is_not_ours() -> None:
    foreign = xmp_of({"DigitalSourceType": AI}).replace(b"urn:labelmint:", b"urn:")
    assert text_of(foreign) == {}


def test_more_than_a_file_has_room_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.jpg: .* bytes of provenance.*use PNG"):
        write_image(tmp_path, pair_of({"note": "x" * 70_000}), Writing(image_format="jpg"))
    assert not list(tmp_path.iterdir())
