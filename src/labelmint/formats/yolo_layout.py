"""Where images and label texts of a YOLO or DOTA set lie: one walk over its folder, then look-ups by name.

    labels/SPLIT/NAME.txt beside images/SPLIT/NAME.jpg    ultralytics
    SPLIT/labels/NAME.txt beside SPLIT/images/NAME.jpg    Roboflow
    NAME.txt beside NAME.jpg                              darknet (obj_train_data/), LabelImg

The label of an image lies in a folder called like the image's, less that one of `IMAGE_WORDS` is replaced by a word for
labels; else beside it. A path that a file of the set names is looked for inside the set only: its longest end that is
there counts, so `../train/images` and `/home/me/set/train/images` both mean `train/images`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from labelmint.formats.files import IMAGE_SUFFIXES, is_folder
from labelmint.formats.format import part_word
from labelmint.formats.lookup import folded
from labelmint.formats.walk import folders_of

__all__ = ["IMAGE_WORDS", "LABEL_WORDS", "Tree", "known_place", "pieces_of", "same_form", "tree_of"]

IMAGE_WORDS = ("images", "image", "imgs", "img", "jpegimages")
LABEL_WORDS = ("labels", "label", "annotations")

_MOST = 400_000  # entries that are looked at to find out a format


@dataclass(frozen=True)
class Tree:
    """The files of a data set, by their paths below its root, with "/" between folders.

    Arguments:
        root: the folder.
        files: all files, sorted. folders: all folders, "" for the root.
        words: names of folders of labels, in lower case; those that begin so for words that end with "*".
        beside: True where labels lie beside images, too.
    """

    root: Path
    files: tuple[str, ...]
    folders: tuple[str, ...]
    words: tuple[str, ...] = LABEL_WORDS
    beside: bool = True
    _known: dict[str, list[str]] = field(default_factory=dict)

    @cached_property
    def images(self) -> tuple[str, ...]:
        """The images."""
        return tuple(file for file in self.files if file[file.rfind(".") :].lower() in IMAGE_SUFFIXES)

    @cached_property
    def texts(self) -> dict[str, str]:
        """The text files by their paths without ending, in one Unicode form."""
        return {same_form(file[:-4]): file for file in self.files if file[-4:].lower() == ".txt"}

    def labels_of(self, image: str) -> list[str]:
        """The texts that may be an image's label, the likeliest first; where none has its name, those whose names
        differ in capitals alone and are no other image's.
        """
        keys = self._label_keys(image)
        found = [self.texts[key] for key in keys if key in self.texts]
        if found or not keys or folded(keys[0].rpartition("/")[2]) not in self._text_names:
            return found
        return [self._spare[key] for key in map(folded, keys) if key in self._spare]

    def _label_keys(self, image: str) -> list[str]:
        folder, _, name = image.rpartition("/")
        if folder not in self._known:
            self._known[folder] = [f"{one}/" if one else "" for one in self._label_folders(folder)]
        stem = same_form(name[: name.rfind(".")])
        return [f"{one}{stem}" for one in self._known[folder]]

    @cached_property
    def _text_names(self) -> frozenset[str]:
        return frozenset(folded(key.rpartition("/")[2]) for key in self.texts)

    @cached_property
    def _spare(self) -> dict[str, str]:
        """The texts that have the name of no image, by their folded names, where one text and one image have such."""
        wanted = [self._label_keys(image) for image in self.images]
        used = {key for keys in wanted for key in keys}
        images = Counter(
            key for keys in wanted if self.texts.keys().isdisjoint(keys) for key in {*map(folded, keys)}
        )
        spare = [(folded(key), text) for key, text in self.texts.items() if key not in used]
        texts = Counter(key for key, _ in spare)
        return {key: text for key, text in spare if texts[key] == 1 and images[key] == 1}

    def _label_folders(self, folder: str) -> list[str]:
        parts = folder.split("/") if folder else []
        wanted: list[list[str]] = []
        for place in reversed(range(len(parts))):
            if parts[place].lower() in IMAGE_WORDS:
                wanted += ([*parts[:place], word, *parts[place + 1 :]] for word in self._words)
        wanted += [parts] if self.beside else []
        wanted += ([*parts, word] for word in self._words)
        lower = [same_form("/".join(one).lower()) for one in wanted]
        return list(dict.fromkeys(one for name in lower for one in self._by_lower.get(name, ())))

    @cached_property
    def _by_lower(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for folder in self.folders:
            found.setdefault(same_form(folder.lower()), []).append(same_form(folder))
        return found

    @cached_property
    def _words(self) -> list[str]:
        names = dict.fromkeys(PurePosixPath(folder).name.lower() for folder in self.folders)
        return [name for word in self.words for name in names if _is_called(name, word)]

    def named(self, path: str, root: str = "") -> str | None:
        """The file or folder of the set that a path below a root means, or None: the longest end of both that is there.
        A folder of the path that is called after a part of the set is never cut off.
        """
        above, pieces = pieces_of(root), pieces_of(path)
        if not pieces:
            return ""
        together = above + pieces
        for start in range(len(together)):
            if any(part_word(piece) for piece in together[len(above) : start]):
                return None
            name = same_form("/".join(together[start:]))
            if name in self._all:
                return self._all[name]
        return None

    @cached_property
    def _all(self) -> dict[str, str]:
        return {same_form(one): one for one in (*self.files, *self.folders) if one}

    def image_named(self, path: str) -> str | None:
        """The image that a line of a list means, or None: the longest end of the path that is there, with or without
        ending; else the only image of that file name; else the only one that differs from an end in capitals alone.
        """
        pieces = [same_form(piece) for piece in pieces_of(path)]
        ends = ["/".join(pieces[start:]) for start in range(len(pieces))]
        found = next((self._by_path[end] for end in ends if end in self._by_path), None)
        found = found or (self._by_file.get(pieces[-1]) if pieces else None)
        return found or next((self._by_fold[key] for key in map(folded, ends) if key in self._by_fold), None)

    @cached_property
    def _by_fold(self) -> dict[str, str]:
        owners: dict[str, set[str]] = {}
        for name, image in self._by_path.items():
            owners.setdefault(folded(name), set()).add(image)
        return {key: image for key, (image, *others) in owners.items() if not others}

    @cached_property
    def _by_path(self) -> dict[str, str]:
        full = {same_form(image): image for image in self.images}
        return {name[: name.rfind(".")]: image for name, image in full.items()} | full

    @cached_property
    def _by_file(self) -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for image in self.images:
            name = same_form(PurePosixPath(image).name)
            for key in (name, name[: name.rfind(".")]):
                found[key] = None if key in found else image
        return found

    def below(self, folder: str) -> Iterator[str]:
        """The images in a folder and those below it."""
        return (image for image in self.images if image.startswith(f"{folder}/") or not folder)


def tree_of(root: Path, *, all_of_it: bool = True, usual: Sequence[str] = ()) -> Tree:
    """The files below a folder, as `walk.folders_of` has them.

    Arguments:
        root: the folder.
        all_of_it: False ends after a few hundred thousand entries, which is enough to find out a format, and passes
            over folders that cannot be listed.
        usual: words of folders of labels, as `Tree.words`; where they are given, no other folders are entered than
            these and the known places of images.
    """

    def wanted(below: str) -> bool:
        name = below.rpartition("/")[2]
        return not usual or known_place(f"{name}/") or any(_is_called(name, word) for word in usual)

    files: list[str] = []
    folders: list[str] = []
    with nullcontext() if all_of_it else suppress(OSError):
        for folder, entries in folders_of(root, wanted):
            folders.append(folder)
            prefix = f"{folder}/" if folder else ""
            files += (prefix + entry.name for entry in entries if not is_folder(entry))
            if not all_of_it and len(files) >= _MOST:
                break
    return Tree(root, tuple(sorted(files)), tuple(sorted(folders)))


def _is_called(name: str, word: str) -> bool:
    return name.lower().startswith(word[:-1]) if word.endswith("*") else name.lower() == word


def same_form(text: str) -> str:
    """A name in one Unicode form: an accent may be written in two ways."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def pieces_of(path: str) -> list[str]:
    """The folders and the name of a path of any system, what leads upwards left out."""
    pieces: list[str] = []
    for piece in path.strip().replace("\\", "/").split("/"):
        if piece == "..":
            pieces = pieces[:-1]
        elif piece not in ("", ".") and not re.fullmatch("[A-Za-z]:", piece):
            pieces.append(piece)
    return pieces


def known_place(image: str) -> bool:
    """True where the folders of an image are all called as such sets call them."""
    return all(piece.lower() in IMAGE_WORDS or part_word(piece) for piece in image.split("/")[:-1])
