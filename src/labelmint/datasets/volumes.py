"""A NIfTI volume as axial slices in one orientation, whatever the order and direction of its axes on disk."""

from __future__ import annotations

import errno
import zlib
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from labelmint.errors import InputError
from labelmint.types import Array

__all__ = ["MAX_VOXELS", "Volume", "read_volume"]

MAX_VOXELS = 1 << 26  # BraTS has 9 million

_DAMAGES = (EOFError, OSError, ValueError, KeyError, IndexError, TypeError, OverflowError, zlib.error)


@dataclass(frozen=True, kw_only=True)
class Volume:
    """Values (Z, H, W) from the feet up, each slice with the front on top and the patient's right on the
    left.

    `affine` (4, 4) tells where the voxels of the reoriented file lie, in mm.
    """

    path: Path
    values: Array
    affine: Array

    def check_same_place(self, other: Volume) -> None:
        """Raise InputError unless both volumes have the same voxels in space: as many, and none of the eight corners
        more than half a voxel apart along any axis.
        """
        if self.values.shape != other.values.shape:
            raise InputError(
                f"{other.path}: {_shape(other.values)} voxels (slices x height x width), but "
                f"{self.path.name} has "
                f"{_shape(self.values)}; resample them to one grid"
            )
        sides = self.affine[:3, :3]  # of a voxel, a column an axis
        corners = np.array(list(product(*((0, extent - 1) for extent in self.values.shape[::-1]))))
        apart = np.column_stack([corners, np.ones(len(corners))]) @ (other.affine - self.affine).T[:, :3]
        if (np.abs(apart @ sides) > 0.5 * np.square(sides).sum(0)).any():
            raise InputError(
                f"{other.path}: lies elsewhere in space than {self.path.name}; resample them to one grid"
            )


def read_volume(path: Path) -> Volume:
    """Read a .nii or .nii.gz of one number a voxel; the header is checked before any voxel is read.

    Raises InputError for files that are damaged, no NIfTI, not of three dimensions, without an orientation,
    or larger than `MAX_VOXELS`, and for values that are not finite.
    """
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    try:
        image = nibabel.nifti1.Nifti1Image.from_filename(path)
        _check_header(path, image.shape, image.get_data_dtype())
        turns = nibabel.orientations.io_orientation(image.affine)
        if np.isnan(turns).any():
            raise InputError(
                f"{path}: its header has no usable orientation (a singular affine); convert it again from "
                f"the source"
            )
        stored = np.asanyarray(image.dataobj)
        affine = image.affine @ nibabel.orientations.inv_ornt_aff(turns, image.shape)
        oriented = nibabel.orientations.apply_orientation(stored, turns)  # right, front, top
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (ImageFileError, HeaderDataError, WrapStructError, *_DAMAGES) as error:
        # EINVAL: an offset before the file
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path}: not a readable NIfTI file: cut short, damaged, or of another kind ({reason})"
        ) from None
    if not np.isfinite(oriented).all():
        raise InputError(
            f"{path}: holds values that are not finite numbers (NaN or infinity); expected finite ones"
        )
    return Volume(path=path, values=oriented[::-1, ::-1].transpose(2, 1, 0), affine=affine)


def _check_header(path: Path, shape: tuple[int, ...], kind: np.dtype[np.generic]) -> None:
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(
            f"{path}: has dimensions {'x'.join(map(str, shape))}, expected three; one file a mode is read"
        )
    count = 1
    for extent in shape:
        count *= int(extent)
    if count > MAX_VOXELS:
        raise InputError(
            f"{path}: {'x'.join(map(str, shape))} voxels, more than the {MAX_VOXELS:,} that are read"
        )
    if kind.kind not in "iuf" or kind.itemsize > 8:
        raise InputError(f"{path}: holds voxels of type {kind}, expected one real number a voxel")


def _shape(values: Array) -> str:
    return "x".join(map(str, values.shape))
