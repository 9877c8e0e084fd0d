"""The order in which a seed takes names: by SHA-256 of the seed and the name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

__all__ = ["hash_of", "in_order"]


def in_order(names: Sequence[str], seed: int, groups: Mapping[str, str] | None) -> list[str]:
    """Names by hash of the seed and the name; groups by hash, then the names in each, where there are groups."""

    def place(name: str) -> tuple[bytes, bytes]:
        return (hash_of(seed, groups[name]) if groups else b"", hash_of(seed, name))

    return sorted(names, key=place)


def hash_of(seed: int, text: str) -> bytes:
    """The place of a text in the order of a seed."""
    return hashlib.sha256(f"{seed} {text}".encode("utf-8", "surrogateescape")).digest()
