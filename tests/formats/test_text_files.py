"""Text, XML and YAML of any Unicode encoding are read; what could run, reach out or grow is refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labelmint.errors import InputError
from labelmint.formats.text_files import read_lines, read_xml, read_yaml

BOMB = "<!DOCTYPE a [<!ENTITY x 'y'><!ENTITY z '&x;&x;&x;'>]><a>&z;</a>"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_every_encoding_that_says_what_it_is(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text(" zelé \r\n\r\nRöhre\n", encoding=encoding, newline="")
    assert read_lines(file) == ["zelé", "Röhre"]
    file.write_text("names: [zelé]", encoding=encoding)
    assert read_yaml(file) == {"names": ["zelé"]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_xml_says_its_encoding_itself(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "a.xml"
    file.write_bytes(f'<?xml version="1.0" encoding="{encoding}"?><a>zelé</a>'.encode(encoding))
    assert read_xml(file).text == "zelé"


@pytest.mark.parametrize(
    ("read", "content", "words"),
    [
        (read_xml, "<a>", "broken XML"),
        (read_xml, '<?xml version="1.0" encoding="upf-8"?><a/>', "broken XML"),
        (read_xml, BOMB, "document type or entities"),
        (read_xml, '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type or entities"),
        (read_yaml, "a: [", "broken YAML"),
        (read_yaml, "a: &x [1]\nb: *x", "references"),
        (read_yaml, "a: !!python/object/apply:os.system [ls]", "broken YAML"),
        (read_yaml, "[" * 5000, "nested too deeply"),
    ],
)
def test_what_a_data_set_has_no_use_for_is_refused(
    read: Callable[[Path], Any], content: str, words: str, tmp_path: Path
) -> None:
    file = tmp_path / "a"
    file.write_text(content)
    with pytest.raises(InputError, match=words) as error:
        read(file)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xff\x00\x81")
    with pytest.raises(InputError, match="not UTF-8 text at byte 0"):
        read_lines(tmp_path / "a")
    with pytest.raises(InputError, match="no such file"):
        read_xml(tmp_path / "b")


def test_links_to_themselves_and_folders_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "a")
    for path in (tmp_path / "a", tmp_path):
        with pytest.raises(InputError, match="is no file that can be read"):
            read_lines(path)
