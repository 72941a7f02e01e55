"""Reading an image with its mask, and refusing the pair where it is subtly wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from ..errors import UserError
from ..formats.label_table import LabelTable
from ..formats.reading import read_image, read_mask
from ..formats.volume import Volume
from .cases import Case
from .intensity import refuse_unusable

# What headers of different tools may differ by in honest rounding.
_SPACING_TOLERANCE = 1e-3  # of the spacing
_DIRECTION_TOLERANCE = 1e-3  # of a unit vector
_ORIGIN_TOLERANCE = 0.05  # of the finest spacing
_INTERPOLATED = 8  # so many values that are no class are no slip of the pen


@dataclass(frozen=True)
class Pair:
    """An image with its mask, known to belong together.

    Args:
        image: (C, X, Y, Z).
        label: (X, Y, Z), class indices or the ignored value.
        source: the image as its file has it, for the table of the check.
        notes: what a person should know.
    """

    image: NDArray[np.float32]
    label: NDArray[np.uint8]
    source: Volume
    notes: tuple[str, ...]


def read_pair(case: Case, labels: Sequence[str], ignore_index: int | None, in_channels: int = 1) -> Pair:
    """Read a case and check that image and mask can belong together.

    Args:
        case: the case.
        labels: names of the classes; without a table, a class's value in the mask is its place in this list.
        ignore_index: value of the pixels that belong to no class, or None.
        in_channels: 1 for gray, 3 for colour. Gray becomes colour by repetition; colour becomes gray only where its
            three channels are equal.

    Raises:
        FileNotFoundError, ValueError: a file is at fault; see the readers of the formats.
        ValueError: sizes or geometry differ, the image is constant, coloured or not finite, or a value is no class.
    """
    table = case.table or LabelTable.of(range(len(labels)), () if ignore_index is None else (ignore_index,))
    image = read_image(Path(case.image), case.channel)
    mask = read_mask(Path(case.label), image, coloured=table.coloured)
    mask = _turn(case, mask, image)
    _check_geometry(case, image, mask)
    refuse_unusable(image.array, case.image)
    pixels, notes = _channels(case, image, in_channels)
    label = _classes(case, mask, table, labels, ignore_index)
    return Pair(pixels.astype(np.float32), label, image, (*image.notes, *notes))


def _turn(case: Case, mask: Volume, image: Volume) -> Volume:
    """Turn a mask of another format onto its image's grid: tools write the same grid with other axes first."""
    if image.affine is None or mask.affine is None or Path(case.image).suffix == Path(case.label).suffix:
        return mask
    ours, theirs = (nib.orientations.io_orientation(v.affine) for v in (mask, image))
    turn = nib.orientations.ornt_transform(ours, theirs)
    turned = nib.orientations.apply_orientation(mask.array, turn)
    return Volume(turned, mask.affine @ nib.orientations.inv_ornt_aff(turn, mask.array.shape))


def _check_geometry(case: Case, image: Volume, mask: Volume) -> None:
    size, mask_size = image.array.shape[:3], mask.array.shape[:3]
    if size != mask_size:
        raise _difference(case, "size", np.array(mask_size), np.array(size))
    if image.affine is None or mask.affine is None:
        return
    spacing, mask_spacing = (np.linalg.norm(a[:3, :3], axis=0) for a in (image.affine, mask.affine))
    if not np.allclose(mask_spacing, spacing, rtol=_SPACING_TOLERANCE, atol=0.0):
        raise _difference(case, "spacing", mask_spacing, spacing)
    direction, mask_direction = image.affine[:3, :3] / spacing, mask.affine[:3, :3] / mask_spacing
    if not np.allclose(mask_direction, direction, rtol=0.0, atol=_DIRECTION_TOLERANCE):
        raise _difference(case, "direction", mask_direction.ravel(), direction.ravel())
    if not np.allclose(mask.affine[:3, 3], image.affine[:3, 3], rtol=0.0, atol=_ORIGIN_TOLERANCE * spacing.min()):
        raise _difference(case, "origin", mask.affine[:3, 3], image.affine[:3, 3])


def _difference(case: Case, what: str, of_label: NDArray[Any], of_image: NDArray[Any]) -> UserError:
    ours, theirs = (" ".join(f"{v:.6g}" for v in values) for values in (of_label, of_image))
    return UserError(
        f": its {what} {ours} is not that of its image, {theirs}; export the mask on the image's grid", path=case.label
    )


def _channels(case: Case, image: Volume, wanted: int) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Bring (X, Y, Z) or (X, Y, Z, 3) to (C, X, Y, Z)."""
    array = image.array
    if image.coloured and wanted == 1:
        if (array[..., :1] != array).any():
            raise UserError("is coloured, in_channels is 1; set --in_channels 3 or export it in gray", path=case.image)
        return array[np.newaxis, ..., 0], ()
    if image.coloured:
        return np.moveaxis(array, 3, 0), ()
    if wanted == 1:
        return array[np.newaxis], ()
    return np.repeat(array[np.newaxis], wanted, axis=0), ("gray among colours, its channel is repeated",)


def _classes(
    case: Case, mask: Volume, table: LabelTable, labels: Sequence[str], ignore_index: int | None
) -> NDArray[np.uint8]:
    if len(table.classes) != len(labels):
        raise UserError(
            f": its table of values has {len(table.classes)} classes, labels has {len(labels)}; correct one",
            path=case.label,
        )
    if table.ignored and ignore_index is None:
        raise UserError(f": its table of values ignores {list(table.ignored)}; set --ignore_index 255", path=case.label)
    found, strange = table.look_up(_numbers(case, mask, table))
    if strange:
        shown = ", ".join(strange[:5]) + (", ..." if len(strange) > 5 else "")
        classes = ", ".join(f"{i} {name}" for i, name in enumerate(labels))
        remedy = "correct the mask, the labels or the table of values"
        if len(strange) >= _INTERPOLATED:
            remedy = (
                f"{len(strange)} such values mean that it was interpolated or saved with loss: export it unsmoothed"
            )
        raise UserError(f"holds the value(s) {shown}, which are no class ({classes}); {remedy}", path=case.label)
    return np.where(found == -1, ignore_index or 0, found).astype(np.uint8)


def _numbers(case: Case, mask: Volume, table: LabelTable) -> NDArray[Any]:
    """The mask as its table wants it, one value or three of a colour per voxel."""
    if table.coloured and not 0 <= mask.array.min() <= mask.array.max() <= 255:
        raise UserError(
            "has colours beyond 8 bits, as a table's have; export it with 8 bits per channel", path=case.label
        )
    if mask.coloured == table.coloured:
        return mask.array
    if table.coloured:
        gray = mask.array * (255 // mask.full_scale) if mask.full_scale else mask.array  # 1 of 1 bit is white
        return np.repeat(gray[..., np.newaxis], 3, axis=3)
    if (mask.array[..., :1] != mask.array).any():
        raise UserError("is coloured; give a table of its colours (docs/datasets.md) or an index mask", path=case.label)
    return mask.array[..., 0]
