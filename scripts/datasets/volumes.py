"""Reading an image with its mask, and refusing the pair where it is subtly wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cases import Case
from .formats.metaimage import MetaImageReader
from .formats.metaimage_header import read_header

# What headers of different tools may differ by in honest rounding.
_SPACING_TOLERANCE = 1e-3  # of the spacing
_DIRECTION_TOLERANCE = 1e-3  # of a unit vector
_ORIGIN_TOLERANCE = 0.05  # of the finest spacing


def source_files(path: str | Path) -> list[Path]:
    """Every file that the pixels of ``path`` come from, as far as they exist; quick, and never refuses."""
    path = Path(path)
    files = [path]
    if path.suffix.lower() == ".mhd" and path.is_file():
        with path.open("rb") as file:
            match = re.search(rb"^\s*ElementDataFile\s*=\s*(.+?)\s*$", file.read(65_536), re.MULTILINE)
        if match:
            files.append(path.parent / match[1].decode("latin-1"))
    return [file for file in files if file.is_file()]


def bit_depth(path: str | Path) -> int:
    """8 where the file holds numbers of one byte, else 16; from its header alone, which is checked.

    Raises:
        FileNotFoundError, ValueError: see ``read_header``.
    """
    return 8 if read_header(path).element_type in ("MET_CHAR", "MET_UCHAR") else 16


def read_pair(
    case: Case, labels: Sequence[str], ignore_index: int | None
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Read a case and check that image and mask can belong together.

    Args:
        case: the case.
        labels: names of the classes; a class's value in the mask is its place in this list.
        ignore_index: one more value that the mask may hold, or None.

    Returns:
        Image and mask, each (X, Y, Z).

    Raises:
        FileNotFoundError, ValueError: see ``MetaImageReader``.
        ValueError: sizes or geometry differ, the image is constant or not finite, or a mask value is no class.
    """
    image, image_affine = _read(case.image)
    label, label_affine = _read(case.label)
    _check_geometry(case, image.shape, label.shape, image_affine, label_affine)
    if not np.isfinite(image).all():
        raise ValueError(f"{case.image} holds NaN or infinite values; repair or remove the case")
    if np.ptp(image) == 0:
        raise ValueError(f"{case.image} is constant (every voxel is {image.flat[0]:g}); replace or remove the case")
    _check_values(case, label, labels, ignore_index)
    return image.astype(np.float32), label.astype(np.uint8)


def _read(path: str) -> tuple[NDArray[Any], NDArray[np.float64]]:
    reader = MetaImageReader()
    array, meta = reader.get_data(reader.read(path))
    array, affine = np.asarray(array), np.asarray(meta["affine"], dtype=np.float64)
    if array.ndim == 2:
        array = array[:, :, np.newaxis]  # (X, Y) -> (X, Y, 1)
    return array, affine


def _check_geometry(
    case: Case,
    image_size: Sequence[int],
    label_size: Sequence[int],
    image_affine: NDArray[np.float64],
    label_affine: NDArray[np.float64],
) -> None:
    if tuple(image_size) != tuple(label_size):
        raise ValueError(_difference(case, "size", np.array(label_size), np.array(image_size)))
    spacing, label_spacing = (np.linalg.norm(a[:-1, :-1], axis=0) for a in (image_affine, label_affine))
    if not np.allclose(label_spacing, spacing, rtol=_SPACING_TOLERANCE, atol=0.0):
        raise ValueError(_difference(case, "spacing", label_spacing, spacing))
    direction, label_direction = image_affine[:-1, :-1] / spacing, label_affine[:-1, :-1] / label_spacing
    if not np.allclose(label_direction, direction, rtol=0.0, atol=_DIRECTION_TOLERANCE):
        raise ValueError(_difference(case, "direction", label_direction.ravel(), direction.ravel()))
    if not np.allclose(label_affine[:-1, -1], image_affine[:-1, -1], rtol=0.0, atol=_ORIGIN_TOLERANCE * spacing.min()):
        raise ValueError(_difference(case, "origin", label_affine[:-1, -1], image_affine[:-1, -1]))


def _difference(case: Case, what: str, of_label: NDArray[Any], of_image: NDArray[Any]) -> str:
    ours, theirs = (" ".join(f"{v:.6g}" for v in values) for values in (of_label, of_image))
    return (
        f"{case.label}: its {what} {ours} is not that of its image {Path(case.image).name}, {theirs}; "
        "export the mask on the image's grid"
    )


def _check_values(case: Case, label: NDArray[Any], labels: Sequence[str], ignore_index: int | None) -> None:
    allowed = list(range(len(labels))) + ([] if ignore_index is None else [ignore_index])
    values = np.unique(label)
    strange = values[~np.isin(values, allowed)]
    if strange.size:
        shown = ", ".join(f"{v:g}" for v in strange[:5]) + (", ..." if strange.size > 5 else "")
        classes = ", ".join(f"{i} {name}" for i, name in enumerate(labels))
        raise ValueError(
            f"{case.label} holds the value(s) {shown}, which are no class ({classes}); correct the mask or the labels"
        )
