"""Provenance in images that have no text of their own, as XMP (ISO 16684-1): JPEG, WebP and TIFF.

    Iptc4xmpExt:DigitalSourceType    what kind of image it is, in IPTC's terms, which other programs look for
    labelmint:KEY                    each other key that can name a property
    labelmint:entries                a bag of (labelmint:key, labelmint:value) for keys that cannot

Only what stands under our own namespace is read back, so the XMP of cameras and editors is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

__all__ = ["MOST_BYTES", "text_of", "xmp_of"]

MOST_BYTES = 65_000  # what a JPEG has room for

_SOURCE_TYPE = "DigitalSourceType"
_SPACES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "labelmint": "urn:labelmint:provenance/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
}
_ENTRIES, _KEY, _VALUE = "entries", "key", "value"
_PROPERTY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BREAKS = {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}  # else XML readers turn them into others


def xmp_of(text: Mapping[str, str]) -> bytes:
    """A packet of XMP that holds some text, the same bytes for equal text; nothing for none.

    Signs that XML cannot hold are replaced by U+FFFD.
    """
    if not text:
        return b""
    simple = {key: value for key, value in sorted(text.items()) if _is_property(key)}
    lines = [f"<{(tag := _tag(key))}>{_escaped(value)}</{tag}>" for key, value in simple.items()]
    others = [
        f'<rdf:li rdf:parseType="Resource"><labelmint:{_KEY}>{_escaped(key)}</labelmint:{_KEY}>'
        f"<labelmint:{_VALUE}>{_escaped(value)}</labelmint:{_VALUE}></rdf:li>"
        for key, value in sorted(text.items())
        if key not in simple
    ]
    if others:
        bag = "".join(others)
        lines.append(f"<labelmint:{_ENTRIES}><rdf:Bag>{bag}</rdf:Bag></labelmint:{_ENTRIES}>")
    spaces = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in _SPACES.items())
    body = "\n".join(lines)
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {spaces}><rdf:Description rdf:about="">\n'
        f'{body}\n</rdf:Description></rdf:RDF></x:xmpmeta>\n<?xpacket end="r"?>'
    ).encode()


def text_of(xmp: object) -> dict[str, str]:
    """The text that `xmp_of` was told; nothing where a packet holds none of ours, is broken, too large, or has
    entities.
    """
    packet = xmp.encode() if isinstance(xmp, str) else xmp
    if not isinstance(packet, bytes) or len(packet) > MOST_BYTES or b"urn:labelmint:" not in packet:
        return {}
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root: Element = fromstring(packet.strip(b"\0"), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, RecursionError):
        return {}
    found: dict[str, str] = {}
    for one in root.iterfind(".//rdf:Description/*", _SPACES):
        space, _, key = one.tag.removeprefix("{").rpartition("}")
        if space == _SPACES["labelmint"] and key == _ENTRIES:
            found |= _entries(one)
        elif space == _SPACES["labelmint"] or one.tag == f"{{{_SPACES['Iptc4xmpExt']}}}{_SOURCE_TYPE}":
            found[key] = one.text or ""
    return found


def _entries(bag: Element) -> dict[str, str]:
    found = {}
    for one in bag.iterfind("rdf:Bag/rdf:li", _SPACES):
        key = one.findtext(f"labelmint:{_KEY}", None, _SPACES)
        if key is not None:
            found[key] = one.findtext(f"labelmint:{_VALUE}", "", _SPACES)
    return found


def _is_property(key: str) -> bool:
    return key != _ENTRIES and _PROPERTY.fullmatch(key) is not None


def _tag(key: str) -> str:
    return f"Iptc4xmpExt:{key}" if key == _SOURCE_TYPE else f"labelmint:{key}"


def _escaped(value: str) -> str:
    return escape(_NO_XML.sub("\ufffd", value), _BREAKS)
