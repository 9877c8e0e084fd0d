"""BraTS as MSGNet has it (Section 4.3, Appendix A.4): every second axial slice that holds tumor, in FLAIR and
in T1Gd.

SOURCE/.../PATIENT/PATIENT_{flair,t1ce,seg}.nii.gz    BraTS 2017 to 2021, with or without HGG/ and LGG/; .nii
as well
SOURCE/.../PATIENT/{Flair,T1c,OTMultiClass}*.nii.gz    2015, as DeepMedic's example has it

"Background pixels of the two modes are treated as two different classes" (Table 3), which has a meaning only
where each mode is an image of its own: so a slice gives two grey images with the same tumor, "background
FLAIR" around it in one and "background T1Gd" in the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labelmint.datasets.prepared import Prepared, held_out, original_folder
from labelmint.datasets.volumes import Volume, read_volume
from labelmint.errors import InputError
from labelmint.types import AnnotatedImage, Array, ClassInfo, ClassSet, Layout

__all__ = ["MODES", "PERCENTILES", "prepare_brats"]

MODES = ("apart", "together")
PERCENTILES = (0.5, 99.8)
GROUP_BY = r"^(.+)_z\d+"

_ROLES = {
    "flair": re.compile(r"(^|_)flair(_.*)?\.nii(\.gz)?$"),
    "t1gd": re.compile(r"(^|_)(t1ce|t1gd|t1c)(_.*)?\.nii(\.gz)?$"),
    "seg": re.compile(r"(^|_)(seg|segm|otmulticlass)(_.*)?\.nii(\.gz)?$"),
}
_EXPECTED = (
    "the folder of BraTS with a folder PATIENT/ a patient that holds PATIENT_flair, PATIENT_t1ce and "
    "PATIENT_seg as .nii.gz"
)
_DEPTH = 4  # folders between SOURCE and a patient's files

# Values of the files: 1 necrotic (and, since 2017, non-enhancing) core, 2 edema, 3 non-enhancing core (2015),
# 4 enhancing tumor.
_CORE, _EDEMA, _ENHANCING = 2, 3, 4
_MEANING = np.array([0, _CORE, _EDEMA, _CORE, _ENHANCING], dtype=np.uint8)
_TUMOR = (  # the colors of the short paper's Figure 7
    ClassInfo(id=_CORE, name="necrotic and non-enhancing core", color=(255, 255, 0)),
    ClassInfo(id=_EDEMA, name="edema", color=(255, 0, 0)),
    ClassInfo(id=_ENHANCING, name="enhancing tumor", color=(0, 0, 255)),
)
_BACKGROUNDS = {
    "apart": (
        ClassInfo(id=0, name="background FLAIR", color=(0, 0, 0)),
        ClassInfo(id=1, name="background T1Gd", color=(64, 64, 64)),
    ),
    "together": (ClassInfo(id=0, name="background", color=(0, 0, 0)),),
}


@dataclass(frozen=True, kw_only=True)
class _Patient:
    """The three files of a patient."""

    flair: Path
    t1gd: Path
    seg: Path


def prepare_brats(source: str | Path, *, modes: str = "apart") -> Prepared:
    """Slices of 240x240 pixels, front on top; tumor classes have the same ids in both forms.

    Arguments:
        source: folder with BraTS in its original layout.
        modes: "apart" gives two grey images a slice, PATIENT_z080_flair and PATIENT_z080_t1gd, with a
            background class each; "together" one RGB image (FLAIR, T1Gd, FLAIR) a slice, PATIENT_z080, and
            one background.

    Each mode of a patient is scaled from its PERCENTILES inside the brain to 0..255, 0 outside. A tenth of
    the patients are for testing, by a hash of their names.

    Raises InputError for a folder without patients, patients that lack a file, and volumes that are damaged,
    of different grids, or hold other labels than 0 to 4.
    """
    if modes not in MODES:
        raise InputError(f"--modes {modes}: expected {' or '.join(MODES)}")
    folder = original_folder(source, _EXPECTED)
    patients = _patients(folder)
    return Prepared(
        name="brats",
        source=str(folder),
        classes=ClassSet((*_BACKGROUNDS[modes], *_TUMOR)),
        items=tuple(sorted(patients)),
        pairs_of=lambda name: _slices(name, patients[name], modes == "apart"),
        test=held_out(patients) if len(patients) > 1 else frozenset(),
        group_by=GROUP_BY,
        choices={"modes": modes},
    )


def _patients(folder: Path) -> dict[str, _Patient]:
    """Name -> files, of every folder that holds a FLAIR volume or a segmentation."""
    found: dict[str, _Patient] = {}
    for place in _below(folder, _DEPTH):
        files = {role: _file(place, role) for role in _ROLES}
        flair, t1gd, seg = files["flair"], files["t1gd"], files["seg"]
        if flair is None and seg is None:
            continue
        if flair is None or t1gd is None or seg is None:
            lacks = ", ".join(role for role, file in files.items() if file is None)
            raise InputError(
                f"{place}: lacks {lacks}; expected flair, t1ce (or t1c, t1gd) and seg: take the training "
                f"part of BraTS"
            )
        if place.name in found:
            raise InputError(
                f"{place}: another patient is named {place.name!r}, in {found[place.name].flair.parent}; "
                f"rename one"
            )
        found[place.name] = _Patient(flair=flair, t1gd=t1gd, seg=seg)
    if not found:
        raise InputError(f"{folder}: no patients found{_why(folder)}; --source takes {_EXPECTED}")
    return found


def _below(folder: Path, depth: int) -> Iterator[Path]:
    """A folder and those in it, as deep as that."""
    yield folder
    if depth:
        for sub in sorted(folder.iterdir()):
            if sub.is_dir() and not sub.name.startswith("."):
                yield from _below(sub, depth - 1)


def _file(place: Path, role: str) -> Path | None:
    files = sorted(
        file
        for file in place.iterdir()
        if _ROLES[role].search(file.name.lower()) and not file.name.startswith(".")
    )
    files = [file for file in files if file.is_file()]
    if len(files) > 1:
        raise InputError(
            f"{place}: {files[0].name} and {files[1].name} both fit as {role}; keep one, and each patient in "
            f"a folder"
        )
    return files[0] if files else None


def _why(folder: Path) -> str:
    """Known releases that have another layout, for who passed one."""
    others = {
        ".mha": "BraTS 2015 as .mha files",
        "-t2f.nii.gz": "BraTS 2023, whose labels have other meanings",
    }
    for place in _below(folder, _DEPTH):
        for file in place.iterdir():
            known = next(
                (what for ending, what in others.items() if file.name.lower().endswith(ending)), None
            )
            if known is not None:
                return f" ({file} looks like {known}, which is not read)"
    return ""


def _slices(name: str, patient: _Patient, apart: bool) -> Iterator[AnnotatedImage]:
    seg = read_volume(patient.seg)
    labels = _labels(seg)
    wanted = [z for z in range(0, len(labels), 2) if labels[z].any()]
    if not wanted:
        return
    flair, t1gd = (_mode(path, seg) for path in (patient.flair, patient.t1gd))
    for z in wanted:
        stem = f"{name}_z{z:03d}"
        if apart:
            for mode, background, values in (("flair", 0, flair), ("t1gd", 1, t1gd)):
                layout = Layout(label_map=np.where(labels[z] > 0, labels[z], np.uint8(background)))
                yield AnnotatedImage(name=f"{stem}_{mode}", image=values[z, :, :, None], layout=layout)
        else:
            image = np.stack([flair[z], t1gd[z], flair[z]], axis=-1)
            yield AnnotatedImage(name=stem, image=image, layout=Layout(label_map=labels[z]))


def _labels(seg: Volume) -> Array:
    """Class ids (Z, H, W), 0 outside the tumor."""
    whole = np.rint(seg.values)
    if np.abs(seg.values - whole).max() > 1e-3 or whole.min() < 0 or whole.max() >= len(_MEANING):
        odd = seg.values[(seg.values != whole) | (whole < 0) | (whole >= len(_MEANING))].flat[0]
        raise InputError(f"{seg.path}: holds the label {odd:g}; expected 0, 1, 2, 4 (and 3 in 2015)")
    return _MEANING[whole.astype(np.uint8)]


def _mode(path: Path, seg: Volume) -> Array:
    """A mode as (Z, H, W) uint8. What has the value of the corner is no brain: BraTS cuts the skull away, and
    normalization moves 0.
    """
    volume = read_volume(path)
    seg.check_same_place(volume)
    brain = volume.values != volume.values[0, 0, 0]
    inside = volume.values[brain]
    low, high = np.percentile(inside, PERCENTILES) if inside.size else (0.0, 0.0)
    if low >= high:
        raise InputError(
            f"{path}: holds no brain: nearly all its voxels are equal; expected a scan with its skull cut "
            f"away"
        )
    scaled = np.clip((volume.values.astype(np.float32) - low) * (255 / (high - low)), 0, 255)
    return np.where(brain, np.rint(scaled), 0).astype(np.uint8)
