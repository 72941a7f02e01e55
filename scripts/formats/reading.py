"""Reading an image or a mask of any format, told by its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import UserError
from .dicom_image import dicom_depth, read_dicom
from .dicom_segmentation import is_segmentation, read_segmentation
from .listing import list_folder
from .metaimage import MetaImageReader
from .metaimage_header import data_file_of, is_metaimage, read_metaimage_header
from .nifti import is_nifti, nifti_depth, read_nifti
from .pictures import is_picture, picture_depth, read_picture, read_picture_folder
from .volume import Volume, spacing_of


def read_image(path: Path, channel: int | None = None, *, series_uid: str | None = None) -> Volume:
    """Read an image.

    Args:
        path: a file, or a folder with a DICOM series.
        channel: which channel of a NIfTI file with four axes.
        series_uid: which DICOM series of a folder that holds several; ``dicom_series.list_series`` tells them.

    Raises:
        FileNotFoundError, ValueError: see the reader of its format.
    """
    if is_picture(path):
        return read_picture(path)
    if is_nifti(path):
        return read_nifti(path, channel)
    return _read_metaimage(path) if is_metaimage(path) else read_dicom(path, series_uid=series_uid)


def read_mask(path: Path, image: Volume, *, coloured: bool) -> Volume:
    """Read a mask in the order of its image's planes.

    Args:
        path: a file, a folder with a DICOM series, or a folder with one picture per frame.
        image: what the mask belongs to.
        coloured: whether classes are told apart by colour; where not, a picture's palette is left out of account.

    Raises:
        FileNotFoundError, ValueError: see the reader of its format.
    """
    palette = "colours" if coloured else "indices"
    if is_picture(path):
        return _in_order(read_picture(path, palette=palette, exact=True), image)
    if is_nifti(path) or is_metaimage(path):
        return read_nifti(path) if is_nifti(path) else _read_metaimage(path)
    if path.is_dir() and any(map(is_picture, list_folder(path))):
        return _in_order(read_picture_folder(path, palette=palette), image)
    if path.is_file() and is_segmentation(path):
        if not image.frames:
            raise UserError("is a DICOM segmentation, its image is no DICOM file; export the mask as NIfTI", path=path)
        return Volume(read_segmentation(path, image))
    return _in_order(read_dicom(path, is_mask=True), image)


def source_files(path: str | Path) -> list[Path]:
    """Every file that the pixels of ``path`` come from, as far as they exist; quick, and never refuses."""
    path = Path(path)
    if path.is_dir():
        return [child for child in list_folder(path) if child.is_file()]
    data_file = data_file_of(path) if is_metaimage(path) and path.is_file() else None
    return [file for file in (path, data_file) if file is not None and file.is_file()]


def bit_depth(path: str | Path) -> int:
    """8 where the file holds numbers of one byte, else 16; from its header alone, which is checked.

    Raises:
        FileNotFoundError, ValueError: see the reader of its format.
    """
    path = Path(path)
    if is_picture(path):
        return picture_depth(path)
    if is_nifti(path):
        return nifti_depth(path)
    if is_metaimage(path):
        return 8 if read_metaimage_header(path).element_type in ("MET_CHAR", "MET_UCHAR") else 16
    return dicom_depth(path)


def _read_metaimage(path: Path) -> Volume:
    reader = MetaImageReader()
    array, meta = reader.get_data(reader.read(path))
    array, given = np.asarray(array), np.asarray(meta["affine"], dtype=np.float64)
    affine = np.eye(4)
    axes = given.shape[0] - 1  # 2 for a plane
    affine[:axes, :axes], affine[:axes, 3] = given[:axes, :axes], given[:axes, -1]
    array = array.reshape(*array.shape, *(1,) * (3 - array.ndim))  # (X, Y) -> (X, Y, 1)
    return Volume(array, affine, spacing_of(affine))


def _in_order(mask: Volume, image: Volume) -> Volume:
    """Bring a mask that is nowhere in space, in the order of a file's frames, into the order of the image's planes."""
    one_file = len({uid for uid, _ in image.frames}) == 1
    if mask.affine is not None or not one_file or mask.array.shape[2] != len(image.frames):
        return mask
    return Volume(mask.array[:, :, [number - 1 for _, number in image.frames]])
