"""The files of the `voc` format: where its XML and its images lie, and the lists of its parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from labelmint.formats.files import IMAGE_SUFFIXES, Parts, read_splits
from labelmint.formats.format import part_word
from labelmint.formats.lookup import Lookup, find_image
from labelmint.formats.maps import listed_names
from labelmint.formats.odd import Odd, first_of
from labelmint.formats.voc_xml import Sheet

__all__ = [
    "below",
    "images_in",
    "images_of",
    "parts_of",
    "roots_of",
    "unlabelled_of",
    "xml_files",
    "xml_places",
]

_XML_FOLDERS = ("Annotations", "annotations", "xmls", "labels", "")
_SPLITS = ("train", "val", "valid", "validation", "test")
_HEAD = 1 << 16


def xml_files(path: Path) -> list[Path]:
    """The XML files of a set, in order."""
    return [file for place in xml_places(path) for file in sorted(place.glob("*.xml")) if _shown(file)]


def xml_places(path: Path) -> Iterator[Path]:
    """Folders of VOC's XML: Annotations/ or the like, the set's own folder, and folders of parts in them."""
    places = [path / name for name in _XML_FOLDERS]
    for place in places if path.is_dir() else ():
        found = [one for one in (place, *(place / split for split in _SPLITS)) if _holds_voc(one)]
        yield from found
        if found:
            return


def _holds_voc(folder: Path) -> bool:
    """Return True where the first XML file of a folder begins as VOC's do (LabelMe's and CVAT's are other ones)."""
    if not folder.is_dir():
        return False
    first = min((file for file in folder.glob("*.xml") if _shown(file) and file.is_file()), default=None)
    if first is None:
        return False
    with first.open("rb") as file:
        head = file.read(_HEAD).replace(b"\0", b"")
    own = b"<annotation>" in head or b"<annotation " in head
    return (
        own
        and b"<imagesize>" not in head
        and b"<pt>" not in head
        and (b"<size>" in head or b"<bndbox>" in head)
    )


def images_of(path: Path, sheets: Sequence[Sheet], odd: Odd) -> dict[Path, Sheet]:
    """Image -> its XML: the file that <filename> says, else that of the XML's own name."""
    found: dict[Path, Sheet] = {}
    missing, twice, otherwise = [], [], []
    lookup = Lookup()
    for sheet in sheets:
        roots = [*_beside(path, sheet.path.parent), *roots_of(path)]
        said = (sheet.file_name or "").replace("\\", "/").rpartition("/")[2]
        by_name = _named([said], roots, sheet, lookup)
        own = None
        if by_name is None or by_name.stem != sheet.path.stem:
            own = _named([f"{sheet.path.stem}{end}" for end in IMAGE_SUFFIXES], roots, sheet, lookup)
        if by_name is not None and own not in (None, by_name):
            otherwise.append(str(sheet.path))
        file = by_name or own
        if file is None:
            missing.append(str(sheet.path))
        elif file in found:
            twice.append(str(sheet.path))
        else:
            found[file] = sheet
    text = f"{path}: {len(missing)} XML files have no image, first {first_of(missing)}; add these, or move it away"
    odd.refuse("missing image", text, missing)
    text = f"{path}: {len(twice)} XML files name an image that another has, first {first_of(twice)}; keep one of each"
    odd.refuse("doubled names", text, twice)
    if otherwise:
        text = (
            f"{path}: {len(otherwise)} XML files say another <filename> than that of the image beside them, first "
            f"{otherwise[0]!r}; the image is taken that <filename> says"
        )
        odd.note("named otherwise", text, otherwise)
    return found


def _named(names: Sequence[str], roots: Sequence[Path], sheet: Sheet, lookup: Lookup) -> Path | None:
    """The image of one of some names, where there is one."""
    given = [name for name in names if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES]
    return find_image(given, roots, str(sheet.path), lookup)


def _beside(path: Path, folder: Path) -> Iterator[Path]:
    """Where the images of a folder of XML may lie: images/SPLIT for annotations/SPLIT, and that folder itself."""
    relative = folder.relative_to(path).parts
    if len(relative) == 2:
        yield path / "images" / relative[1]
        yield path / "JPEGImages" / relative[1]
    yield folder


def roots_of(path: Path) -> tuple[Path, ...]:
    return path / "JPEGImages", path / "images", path


def below(path: Path, file: Path) -> str:
    return str(PurePosixPath(*file.relative_to(path).parts))


def _shown(file: Path) -> bool:
    return not file.name.startswith(".")


def images_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.iterdir() if _shown(file) and file.suffix.lower() in IMAGE_SUFFIXES)


def unlabelled_of(path: Path, found: Mapping[Path, Sheet], odd: Odd) -> dict[Path, str]:
    """Images without XML, which are no pairs: nobody said that nothing is on them."""
    folders = dict.fromkeys((*roots_of(path), *(file.parent for file in found)))
    files = [file for folder in folders for file in images_in(folder) if file not in found]
    if files:
        text = f"{path}: {len(files)} images have no label and are left out, first {files[0]}"
        odd.note("image without label", text, [file.stem for file in files])
    return {file: file.stem for file in files}


def parts_of(path: Path, names: Mapping[Path, str], unlabelled: Mapping[Path, str], odd: Odd) -> Parts:
    """The parts: of ImageSets, else of folders that are called like parts, else of lists beside the set."""
    known = {file.stem: name for file, name in names.items()} | {name: name for name in names.values()}
    elsewhere = set(unlabelled.values())
    kinds = ("Segmentation", "Main") if (path / "SegmentationClass").is_dir() else ("Main", "Segmentation")
    for kind in kinds:
        lists = {
            part: path / "ImageSets" / kind / f"{part}.txt" for part in ("train", "val", "test", "trainval")
        }
        if any(file.is_file() for file in lists.values()):
            train, val, test, both = (
                listed_names(file, known, elsewhere, odd) if file.is_file() else None
                for file in lists.values()
            )
            if both is not None and train is None:
                train = tuple(name for name in both if name not in set(val or ()))
            return Parts(train, val, test)
    of_folder = {name: part_word(file.parent.name) for file, name in names.items()}
    if any(of_folder.values()):
        return Parts.of(of_folder)
    return read_splits(path, tuple(sorted(names.values())), odd)
