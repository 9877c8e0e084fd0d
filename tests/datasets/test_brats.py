"""Slices of BraTS: which, in which orientation, with which classes and brightness, and what is refused."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from tests.datasets.originals import LPS, brats, brats_volumes, save_volume

from labelmint.datasets.brats import prepare_brats
from labelmint.datasets.splits import group_of
from labelmint.datasets.volumes import read_volume
from labelmint.errors import InputError

PATIENT = "Brats17_TCIA_000_1"


def test_each_mode_is_an_image_with_its_own_background(tmp_path: Path) -> None:
    prepared = prepare_brats(brats(tmp_path))
    pairs = {pair.name: pair for pair in prepared}
    assert len(pairs) == 3 * 2 * 2  # patients, even slices with tumor, modes
    flair, t1gd = pairs[f"{PATIENT}_z002_flair"], pairs[f"{PATIENT}_z002_t1gd"]
    assert flair.image.shape == t1gd.image.shape == (8, 8, 1)
    names = [prepared.classes.name_of(label) for label in np.unique(flair.layout.label_map)]
    assert names == ["background FLAIR", "necrotic and non-enhancing core", "edema", "enhancing tumor"]
    tumor = flair.layout.label_map >= 2
    assert tumor.sum() == 3
    assert np.array_equal(t1gd.layout.label_map[tumor], flair.layout.label_map[tumor])
    assert set(t1gd.layout.label_map[~tumor].tolist()) == {1}
    # The front is on top and the patient's right on the left: (x, y) = (2, 5) of the left-posterior axes on
    # disk.
    assert flair.layout.label_map[5, 2] == 2
    # brighter to the left of the patient, as it was written
    assert flair.image[5, 2, 0] < flair.image[5, 3, 0]


def test_modes_together_are_one_image(tmp_path: Path) -> None:
    apart = {pair.name: pair for pair in prepare_brats(brats(tmp_path))}
    prepared = prepare_brats(tmp_path, modes="together")
    assert prepared.classes.names[0] == "background"
    for pair in prepared:
        flair, t1gd = apart[f"{pair.name}_flair"], apart[f"{pair.name}_t1gd"]
        assert np.array_equal(pair.image, np.concatenate([flair.image, t1gd.image, flair.image], axis=-1))
        assert np.array_equal(pair.layout.label_map, flair.layout.label_map)


def test_brightness_is_the_patients_own(tmp_path: Path) -> None:
    volumes = brats_volumes()
    # normalized, air is not 0
    save_volume(tmp_path / "p" / "p_flair.nii.gz", (volumes["flair"] / 7 - 3).astype(np.float32))
    save_volume(tmp_path / "p" / "p_t1ce.nii.gz", volumes["t1ce"])
    save_volume(tmp_path / "p" / "p_seg.nii.gz", volumes["seg"])
    first = {pair.name[-5:]: pair.image for pair in prepare_brats(tmp_path)}
    second = {pair.name[-5:]: pair.image for pair in prepare_brats(brats(tmp_path / "others", 1))}
    assert np.abs(first["flair"].astype(int) - second["flair"]).max() <= 1
    image = first["flair"][..., 0]
    assert image[[0, -1]].max() == image[:, [0, -1]].max() == 0
    assert image.max() == 255


@pytest.mark.parametrize("axes", ["LPS", "RAS", "PSR"])
def test_the_axes_on_disk_do_not_matter(tmp_path: Path, axes: str) -> None:
    values = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    image = nibabel.nifti1.Nifti1Image(values, LPS)
    turns = nibabel.orientations.ornt_transform(
        nibabel.orientations.io_orientation(LPS), nibabel.orientations.axcodes2ornt(tuple(axes))
    )
    image.as_reoriented(turns).to_filename(tmp_path / "turned.nii")
    image.to_filename(tmp_path / "plain.nii.gz")
    turned, plain = read_volume(tmp_path / "turned.nii"), read_volume(tmp_path / "plain.nii.gz")
    assert np.array_equal(turned.values, plain.values)
    # left-posterior on disk is right-left and front-back on screen
    assert np.array_equal(plain.values[2], values[:, :, 2].T)
    plain.check_same_place(turned)


def test_patients_are_on_one_side(tmp_path: Path) -> None:
    prepared = prepare_brats(brats(tmp_path, 5, ".nii"))
    assert 1 <= len(prepared.test) < 5
    assert prepared.test <= set(prepared.items)
    groups = {group_of(pair.name, prepared.group_by) for pair in prepared}
    assert groups == set(prepared.items)
    assert prepare_brats(brats(tmp_path / "one", 1)).test == frozenset()


def test_the_layout_of_2015(tmp_path: Path) -> None:
    volumes = brats_volumes()
    volumes["seg"][2, 3, :] = 3
    for file, role in (
        ("Flair_x", "flair"),
        ("T1c_x", "t1ce"),
        ("OTMultiClass", "seg"),
        ("brainmask", "seg"),
    ):
        save_volume(tmp_path / "pat0004" / f"{file}.nii.gz", volumes[role].astype(np.float32))
    labels = [pair.layout.label_map for pair in prepare_brats(tmp_path)]
    assert len(labels) == 6  # label 3 reaches slice 0 as well
    assert all((label == 2).any() for label in labels)


def test_volumes_half_a_voxel_apart_are_at_one_place(tmp_path: Path) -> None:
    values = np.zeros((8, 8, 6), np.uint8)
    thick = np.diag([1.0, 1, 5, 1])
    read = {}
    for name, affine in (
        ("seg", thick),
        ("near", thick + np.eye(4, k=1) * [0, 0, 0, 2.4]),  # along the thick axis
        ("far", thick + np.eye(4)[:1].T @ np.eye(4)[3:] * 0.6),  # along a thin one
        ("rounded", thick * (1 + 1e-4)),
    ):
        save_volume(tmp_path / f"{name}.nii", values, affine)
        read[name] = read_volume(tmp_path / f"{name}.nii")
    read["seg"].check_same_place(read["near"])
    read["seg"].check_same_place(read["rounded"])
    with pytest.raises(InputError, match="lies elsewhere in space"):
        read["seg"].check_same_place(read["far"])


def test_patients_without_tumor_give_nothing(tmp_path: Path) -> None:
    brats(tmp_path, 2)
    save_volume(tmp_path / "LGG" / PATIENT / f"{PATIENT}_seg.nii.gz", np.zeros((8, 8, 6), np.uint8))
    assert {group_of(pair.name, r"^(.+)_z") for pair in prepare_brats(tmp_path)} == {"Brats17_TCIA_001_1"}


def replaced(
    role: str, change: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]], affine: Any = LPS
) -> Any:
    return lambda folder: save_volume(
        folder / f"{PATIENT}_{role}.nii.gz", change(brats_volumes()[role]), affine
    )


def with_bytes(role: str, change: Callable[[bytes], bytes]) -> Any:
    def spoil(folder: Path) -> None:
        file = folder / f"{PATIENT}_{role}.nii.gz"
        file.write_bytes(change(file.read_bytes()))

    return spoil


def promised(extent: int) -> Callable[[bytes], bytes]:
    """A header that says extent x extent x extent voxels."""

    def change(content: bytes) -> bytes:
        header = bytearray(gzip.decompress(content))
        header[42:48] = np.array([extent] * 3, "<i2").tobytes()
        return gzip.compress(bytes(header), mtime=0)

    return change


def half(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return values.astype(np.float32) + np.float32(0.5)


def with_nan(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    changed = values.astype(np.float32)
    changed[4, 4, 4] = np.nan
    return changed


RGB = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
BAD = {
    "no seg": (lambda folder: (folder / f"{PATIENT}_seg.nii.gz").unlink(), "lacks seg"),
    "no T1Gd": (lambda folder: (folder / f"{PATIENT}_t1ce.nii.gz").unlink(), "lacks t1gd"),
    "two FLAIRs": (
        lambda folder: save_volume(folder / f"{PATIENT}_flair.nii", np.ones((2, 2, 2), np.uint8)),
        "keep one",
    ),
    "cut short": (with_bytes("flair", lambda content: content[:-60]), "not a readable NIfTI file"),
    "no NIfTI": (with_bytes("flair", lambda content: b"a text"), "not a readable NIfTI file"),
    "empty": (with_bytes("seg", lambda content: b""), "not a readable NIfTI file"),
    "cut header": (
        with_bytes("seg", lambda content: gzip.compress(gzip.decompress(content)[:200])),
        "not a readable NIfTI file",
    ),
    "absurd size": (with_bytes("t1ce", promised(30000)), "more than the"),
    "promises too much": (with_bytes("t1ce", promised(100)), "not a readable NIfTI file"),
    "four dimensions": (replaced("flair", lambda values: values[..., None].repeat(2, 3)), "expected three"),
    "another grid": (replaced("flair", lambda values: values[:-1]), "resample them to one grid"),
    "elsewhere": (
        replaced("flair", lambda values: values, LPS + np.eye(4)[3] * [0, 0, 0, 5] + np.eye(4, k=3) * 5),
        "elsewhere",
    ),
    "wider voxels": (replaced("t1ce", lambda values: values, LPS * [1, 1, 1.2, 1]), "elsewhere"),
    "label 5": (replaced("seg", lambda values: values + np.uint8(5)), "holds the label 5"),
    "half labels": (replaced("seg", half), "holds the label 0.5"),
    "NaN": (replaced("t1ce", with_nan), "not finite"),
    "no brain": (replaced("flair", np.zeros_like), "holds no brain"),
    "colors": (replaced("flair", lambda values: np.zeros(values.shape, RGB)), "one real number"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_volumes_are_refused(tmp_path: Path, kind: str) -> None:
    spoil, words = BAD[kind]
    spoil(brats(tmp_path, 1) / "LGG" / PATIENT)
    with pytest.raises(InputError) as caught:
        list(prepare_brats(tmp_path))
    assert words in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no patients found"):
        prepare_brats(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        prepare_brats(tmp_path / "nothing")
    with pytest.raises(InputError, match="--modes both: expected apart or together"):
        prepare_brats(tmp_path, modes="both")
    (tmp_path / "BraTS-GLI-00000-000").mkdir()
    (tmp_path / "BraTS-GLI-00000-000" / "BraTS-GLI-00000-000-t2f.nii.gz").touch()
    with pytest.raises(InputError, match="looks like BraTS 2023"):
        prepare_brats(tmp_path)
    for part in ("a", "b"):
        for role, values in brats_volumes().items():
            save_volume(tmp_path / part / "same" / f"same_{role}.nii", values)
    with pytest.raises(InputError, match="another patient is named 'same'"):
        prepare_brats(tmp_path)


def test_the_background_of_each_mode_is_no_object() -> None:
    from labelmint.types import ClassInfo, ClassSet

    classes = ClassSet(
        (
            ClassInfo(id=0, name="background FLAIR"),
            ClassInfo(id=1, name="Background"),
            ClassInfo(id=2, name="backgrounds"),
        )
    )
    assert classes.without_objects == {0, 1, 255}
