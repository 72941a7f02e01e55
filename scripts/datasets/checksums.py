"""CRC-32 of the files of a prepared data set: whether each is still the one that was prepared.

Two slices of one size that have changed places can be told from their content by nothing else, and a mask whose pixels
end early is filled up with background.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from .slices import IMAGES, LABELS, ORIGINAL_LABELS, original_label_name, slice_name


@dataclass(frozen=True)
class CaseChecksums:
    """CRC-32 of everything that is prepared of a case.

    Args:
        slices: of each slice, that of its image and that of its mask.
        original_label: of the mask in its own size.
    """

    slices: list[tuple[int, int]]
    original_label: int

    @classmethod
    def of(cls, folder: Path, case: str, num_slices: int) -> CaseChecksums:
        """Of the files that ``write_case`` has written into ``folder``."""
        names = [slice_name(case, index) for index in range(num_slices)]
        slices = [(_crc32(folder / IMAGES / name), _crc32(folder / LABELS / name)) for name in names]
        return cls(slices, _crc32(folder / ORIGINAL_LABELS / original_label_name(case)))


def read_unchanged(path: Path, crc32: int | None, root: Path) -> bytes:
    """The content of a prepared file.

    Args:
        path: the file.
        crc32: what it was when it was written; None takes any.
        root: folder of the prepared data set, for the remedy.

    Raises:
        OSError: it can't be read.
        ValueError: it is another content.
    """
    content = path.read_bytes()
    if crc32 is not None and zlib.crc32(content) != crc32:
        raise UserError(
            f"{path} was changed, damaged or replaced since the data set was prepared; delete {root}, correct the data "
            "set's own files, and prepare it again"
        )
    return content


def _crc32(path: Path) -> int:
    return zlib.crc32(path.read_bytes())
