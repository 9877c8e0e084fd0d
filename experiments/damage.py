"""Ways in which files of a data set are damaged: by disks, by tools and on purpose.

bytes      flipped, cut short, swapped, doubled, overwritten, emptied, random
text       huge, negative and not finite numbers; other types; deep nesting; names that leave the folder;
           billion laughs of XML and references of YAML; keys taken away
pictures   headers of huge pictures, text that unpacks to hundreds of megabytes
archives   members that leave the folder, members that unpack to much
places     a folder or a link where a file was
"""

from __future__ import annotations

import gzip
import io
import os
import re
import struct
import tarfile
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["damage"]

Generator = np.random.Generator
Change = Callable[[bytes, Generator], bytes]

_BESIDE = {"croissant.json", "README.md"}  # no reader looks at them


def damage(folder: Path, rng: Generator) -> str:
    """Damage one file of a set in one way; return what was done to which."""
    files = sorted(
        f"{at}/{name}" for at, _, names in os.walk(folder) for name in names if name not in _BESIDE
    )
    file = Path(files[int(rng.integers(len(files)))])
    ways = [*_BYTES, *_WAYS.get(file.suffix.lower(), ()), *(_TEXT if file.suffix.lower() in _TEXTS else ())]
    way = ways[int(rng.integers(len(ways) + 1)) - 1] if rng.random() > 0.03 else None
    where = file.relative_to(folder).as_posix()
    if way is None:
        return f"{_misplace(file, rng)}: {where}"
    file.write_bytes(way(file.read_bytes(), rng))
    return f"{way.__name__.strip('_')}: {where}"


# bytes ------------------------------------------------------------------------------------------------------


def _span(content: bytes, rng: Generator) -> tuple[int, int]:
    begin, end = sorted(int(i) for i in rng.integers(0, len(content) + 1, 2))
    return begin, end


def _flipped(content: bytes, rng: Generator) -> bytes:
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        if changed:
            changed[int(rng.integers(len(changed)))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _cut_short(content: bytes, rng: Generator) -> bytes:
    return content[: int(rng.integers(0, max(len(content), 1)))]


def _swapped(content: bytes, rng: Generator) -> bytes:
    begin, end = _span(content, rng)
    return content[end:] + content[begin:end] + content[:begin]


def _doubled(content: bytes, rng: Generator) -> bytes:
    begin, end = _span(content, rng)
    return content[:end] + content[begin:end] * int(rng.integers(1, 4)) + content[end:]


def _overwritten(content: bytes, rng: Generator) -> bytes:
    begin, end = _span(content, rng)
    return content[:begin] + bytes([int(rng.integers(256))]) * (end - begin) + content[end:]


def _emptied(content: bytes, rng: Generator) -> bytes:
    return b""


def _random(content: bytes, rng: Generator) -> bytes:
    return rng.bytes(int(rng.integers(1, 300)))


_BYTES: tuple[Change, ...] = (_flipped, _cut_short, _swapped, _doubled, _overwritten, _emptied, _random)

# text -------------------------------------------------------------------------------------------------------

_NUMBER, _WORD = re.compile(rb"-?\d+(?:\.\d+)?"), re.compile(rb'"[^"\n]*"')
_NUMBERS = (
    b"1e308",
    b"-1e308",
    b"1" + b"0" * 400,
    b"9" * 5000,
    b"-1",
    b"0",
    b"NaN",
    b"-Infinity",
    b"99999999999",
    b"4294967296",
    b"65536",
    b"65535",
    b"0.5",
    b"1e-320",
)
_NAMES = (
    b"../../../outside.png",
    b"/etc/passwd",
    b"C:\\\\Windows\\\\win.ini",
    b"..\\\\..\\\\x.png",
    b"images/../../x.png",
    b"\\u0000",
    b"\\ud800",
    b"",
    b".",
    b"..",
    b" ",
    b"a" * 5000,
    b"\\n",
    b"con",
    b"\xff\xfe",
)
_VALUES = (b"null", b"true", b"[]", b"{}", b"[[]]", b'"x"', b"-0.0", b'{"a": 1}', b"[1, 2]", b"[null]")


def _one_of(choices: tuple[bytes, ...], rng: Generator) -> bytes:
    return choices[int(rng.integers(len(choices)))]


def _replaced(content: bytes, pattern: re.Pattern[bytes], new: bytes, rng: Generator) -> bytes:
    """The content with one match of a pattern replaced."""
    places = [match.span() for match in pattern.finditer(content)]
    if not places:
        return content + new
    begin, end = places[int(rng.integers(len(places)))]
    return content[:begin] + new + content[end:]


def _other_number(content: bytes, rng: Generator) -> bytes:
    return _replaced(content, _NUMBER, _one_of(_NUMBERS, rng), rng)


def _other_name(content: bytes, rng: Generator) -> bytes:
    if b'"' not in content:
        lines = content.split(b"\n")
        lines[int(rng.integers(len(lines)))] = _one_of(_NAMES, rng)
        return b"\n".join(lines)
    return _replaced(content, _WORD, b'"' + _one_of(_NAMES, rng) + b'"', rng)


def _other_value(content: bytes, rng: Generator) -> bytes:
    pattern = (_NUMBER, _WORD, re.compile(rb"\[[^\[\]]*\]"), re.compile(rb"\{[^{}]*\}"))[int(rng.integers(4))]
    return _replaced(content, pattern, _one_of(_VALUES, rng), rng)


def _nested(content: bytes, rng: Generator) -> bytes:
    deep = int(rng.choice([30, 900, 100_000]))
    opening, closing = ((b"[", b"]"), (b'{"a":', b"}"))[int(rng.integers(2))]
    return _replaced(content, _NUMBER, opening * deep + b"1" + closing * deep, rng)


def _shortened(content: bytes, rng: Generator) -> bytes:
    """A line or a pair of a key and its value taken away."""
    return _replaced(content, re.compile(rb'"[^"]*": [^,{}\[\]]*,? ?|[^\n]*\n'), b"", rng)


_TEXT: tuple[Change, ...] = (_other_number, _other_name, _other_value, _nested, _shortened)
_TEXTS = (".json", ".jsonl", ".txt", ".xml", ".yaml", ".yml", ".csv", ".data", ".names")


def _laughing(content: bytes, rng: Generator) -> bytes:
    entities = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10 if i else "ha"}">' for i in range(10))
    reference = (b"&a9;", b"&file;")[int(rng.integers(2))]
    begin = f'<!DOCTYPE x [{entities}<!ENTITY file SYSTEM "file:///etc/passwd">]>'.encode()
    body = re.sub(rb"^<\?xml[^>]*\?>", b"", content)
    return begin + _replaced(body, re.compile(rb">[^<\s][^<]*<"), b">" + reference + b"<", rng)


def _nested_xml(content: bytes, rng: Generator) -> bytes:
    deep = int(rng.choice([900, 100_000]))
    return _replaced(
        content, re.compile(rb">[^<\s][^<]*<"), b">" + b"<a>" * deep + b"</a>" * deep + b"<", rng
    )


def _referring(content: bytes, rng: Generator) -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
    return "\n".join(lines).encode() + b"\n" + content


# pictures and archives --------------------------------------------------------------------------------------


@cache
def _deflated(sign: bytes, count: int) -> bytes:
    """A sign n times over, as zlib packs it. One block is packed: each begins anew, so it stands for all."""
    block, rest = sign * 1_000_000, sign * (count % 1_000_000)
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    end, total = packer.compress(rest) + packer.flush(), 1
    for _ in range(count // len(block)):
        total = zlib.adler32(block, total)
    checked = zlib.adler32(rest, total).to_bytes(4, "big")
    return b"\x78\xda" + packed * (count // len(block)) + end + checked


@cache
def _gzipped(count: int) -> bytes:
    return gzip.compress(b"\0" * count, 1)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _huge_picture(content: bytes, rng: Generator) -> bytes:
    """The header of a PNG with another size, its sum right."""
    if len(content) < 33:
        return content
    size = struct.pack(">II", *(int(i) for i in rng.choice([0, 1, 13, 30_000, 2**31 - 1], 2)))
    return content[:8] + _chunk(b"IHDR", size + content[24:29]) + content[33:]


def _unpacking_text(content: bytes, rng: Generator) -> bytes:
    """A text in a PNG that is small packed and 200 MB unpacked."""
    packed = _deflated(b"x", 200_000_000 if rng.random() < 0.02 else 5_000_000)
    text = (b"zTXt", b"note\0\0" + packed), (b"iTXt", b"note\0\1\0\0\0" + packed)
    return content[:33] + _chunk(*text[int(rng.integers(2))]) + content[33:]


def _other_pixels(content: bytes, rng: Generator) -> bytes:
    """Pixels of a PNG that unpack to more than its size says, or to less."""
    count = int(rng.choice([0, 5, 3_000_000]))
    return content[:33] + _chunk(b"IDAT", _deflated(b"\1", count)) + _chunk(b"IEND", b"")


def _other_depth(content: bytes, rng: Generator) -> bytes:
    """A PNG with other bits and another color type, its sum right."""
    if len(content) < 33:
        return content
    kinds = bytes([int(rng.choice([1, 2, 4, 8, 16])), int(rng.choice([0, 2, 3, 4, 6]))])
    return content[:8] + _chunk(b"IHDR", content[16:24] + kinds + content[26:29]) + content[33:]


def _leaving_archive(content: bytes, rng: Generator) -> bytes:
    """A tar whose members leave the folder, are links, or say that they are huge."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in ("../../outside.png", "/tmp/outside.png", "first.png"):
            member = tarfile.TarInfo(name)
            member.size = 4
            member.type = tarfile.REGTYPE if rng.random() < 0.7 else tarfile.SYMTYPE
            member.linkname = "/etc/passwd"
            archive.addfile(member, io.BytesIO(b"abcd"))
    made = bytearray(stream.getvalue() + content)
    if rng.random() < 0.3:
        made[124:136] = b"77777777777\0"
    return bytes(made)


def _packed_much(content: bytes, rng: Generator) -> bytes:
    return _gzipped(300_000_000 if rng.random() < 0.02 else 3_000_000)


_WAYS: Mapping[str, tuple[Change, ...]] = {
    ".png": (_huge_picture, _unpacking_text, _other_pixels, _other_depth),
    ".xml": (_laughing, _nested_xml),
    ".yaml": (_referring,),
    ".yml": (_referring,),
    ".tar": (_leaving_archive,),
    ".gz": (_packed_much,),
}

# places -----------------------------------------------------------------------------------------------------


def _misplace(file: Path, rng: Generator) -> str:
    """Put something else where a file was; say what."""
    ways: tuple[tuple[str, Callable[[], Any]], ...] = (
        ("gone", lambda: None),
        ("a folder", file.mkdir),
        ("a link to itself", lambda: file.symlink_to(file)),
        ("a dead link", lambda: file.symlink_to(file.with_name("nothing"))),
        ("a link to a folder", lambda: file.symlink_to("/")),
        ("a link to no picture", lambda: file.symlink_to("/etc/passwd")),
    )
    name, make = ways[int(rng.integers(len(ways)))]
    file.unlink()
    make()
    return name
