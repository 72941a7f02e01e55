"""MetaImage volumes (.mhd with .raw or .zraw, .mha), checked before their numbers are read.

ITK reads a wrong element type, an overlong file, a missing spacing and a data file outside the folder without a word.
Here each is refused in one line, in preparing and in inference alike.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import itk
from monai.data import ITKReader
from numpy.typing import NDArray

from ..errors import UserError
from .itk_loading import itk_alone
from .metaimage_header import MetaImageHeader, join_size, read_metaimage_header

__all__ = ["MetaImageHeader", "MetaImageReader", "check_metaimage", "read_metaimage_header"]


@dataclass(frozen=True)
class Unread:
    """Files that a reader has been given and has not opened yet."""

    paths: tuple[str, ...]
    options: dict[str, Any]


class MetaImageReader(ITKReader):  # type: ignore[misc]  # MONAI has no types
    """MONAI's ITKReader that refuses a faulty MetaImage before ITK sees it.

    For ``LoadImaged(reader=MetaImageReader)``; it reads .mhd and .mha files only. All is done in ``get_data``:
    LoadImage catches whatever ``read`` raises and falls back on MONAI's own readers, which accept the faults.

    Raises:
        FileNotFoundError: the header or its data file is missing.
        ValueError: it may not be read, or contradicts itself, its data file, or the format.
    """

    def read(self, data: Sequence[str | Path] | str | Path, **kwargs: Any) -> Unread:
        """Note what to read."""
        paths = [data] if isinstance(data, str | Path) else data
        return Unread(tuple(map(str, paths)), kwargs)

    def get_data(self, img: Unread) -> tuple[NDArray[Any], dict[str, Any]]:
        """Check every file, read it with ITK, and return array (x first) and metadata."""
        headers = [check_metaimage(path) for path in img.paths]
        with itk_alone():
            options = dict(img.options)
            if any(header.element_type == "MET_CHAR" for header in headers):
                options.setdefault("pixel_type", itk.SS)  # ITK for Python has no images of signed bytes
            try:
                array, meta = super().get_data(super().read(img.paths, **options))
            except (RuntimeError, TypeError, UnicodeError):  # of ITK, and of its wrapper for names that are not UTF-8
                fault = "can't be read by ITK; rename it in plain letters, or convert it"
                raise UserError(fault, path=img.paths[0]) from None
        return array, meta


def check_metaimage(path: str | Path) -> MetaImageHeader:
    """Read the header of ``path``, compare it with its data file, and return it.

    Raises:
        FileNotFoundError: the header or its data file is missing.
        ValueError: it may not be read, or contradicts itself, its data file, or the format.
    """
    header = read_metaimage_header(path)
    if header.compressed:
        found, whole = _inflate(header)
    else:
        found, whole = header.data_path.stat().st_size - header.data_offset, True
    if found != header.num_bytes or not whole:
        fault = "too long" if found > header.num_bytes else "truncated"
        amount = f"more than {header.num_bytes}" if header.compressed and found > header.num_bytes else str(found)
        raise UserError(
            f"is {fault}: DimSize {join_size(header.size)} of {header.element_type} needs {header.num_bytes} bytes, "
            f"the file holds {amount}; copy it again or correct its header",
            path=header.data_path,
        )
    return header


def _inflate(header: MetaImageHeader) -> tuple[int, bool]:
    """Count the numbers' bytes a block at a time, little further than the header needs, and tell if the stream ended.

    Bytes after the stream's end count as numbers, since they are as wrong as a surplus of numbers.
    """
    inflater, total = zlib.decompressobj(wbits=47), 0  # a zlib or gzip stream, as in ITK
    try:
        with header.data_path.open("rb") as file:
            file.seek(header.data_offset)
            while total <= header.num_bytes and not inflater.eof:
                block = inflater.unconsumed_tail or file.read(65_536)
                numbers = inflater.decompress(block, 1_048_576)
                total += len(numbers)
                if not block and not numbers:
                    break
            surplus = len(inflater.unused_data) + len(file.read(1))
    except zlib.error:
        raise UserError(
            "is no zlib stream, or a damaged one, but its header says CompressedData = True; copy it again",
            path=header.data_path,
        ) from None
    return total + surplus, inflater.eof
