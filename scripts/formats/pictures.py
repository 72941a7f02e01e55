"""Pictures (PNG, JPEG, TIFF, BMP), one plane per file or a TIFF's pages, and folders of one picture per frame."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import MissingFileError, UserError
from .itk_loading import read_samples_of_16_bits
from .limits import MAX_PLANE_PIXELS, refuse_too_large
from .listing import list_folder
from .picture_header import SUFFIXES, PictureHeader, read_picture_header
from .png_file import check_png
from .regular_files import check_regular_file
from .volume import Volume

_FORMATS = sorted(set(SUFFIXES.values()))  # told by content; of what else Pillow knows, some start other programs
_ORIENTATION = 0x0112  # EXIF's tag
_DAMAGE = (
    OSError, SyntaxError, ValueError, EOFError, TypeError, KeyError, OverflowError, struct.error, RuntimeError,
    Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip
_GRAY = ("1", "L", "I", "I;16", "I;16B", "I;16L", "F")
_ALPHA = ("LA", "RGBA", "La", "RGBa")


def is_picture(path: Path) -> bool:
    """Whether the file's name ends as a picture's does."""
    return path.suffix.lower() in SUFFIXES


def read_picture(path: Path, *, palette: str = "colours", exact: bool = False) -> Volume:
    """Read a picture, every number as its file has it; gamma and colour profile are left out of account.

    The pages of a TIFF are the planes of a stack.

    Args:
        path: the file.
        palette: what the numbers of a picture with a palette stand for, "colours" or, in an index mask, "indices".
            What is transparent is refused among colours; in an index mask it has no meaning.
        exact: refuse formats that change numbers, such as JPEG; for masks.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, too large, turned by EXIF, of unlike pages, or of a kind that loses something.
    """
    planes, header = _read(path, palette, exact)
    array = np.stack([np.swapaxes(plane, 0, 1) for plane in planes], axis=2)  # (Y, X, ...) each -> (X, Y, Z, ...)
    bits = 8 if header.mode == "P" and palette == "colours" else header.bits
    return Volume(np.ascontiguousarray(array), full_scale=2**bits - 1 if header.kind == "u" and bits <= 8 else None)


def read_picture_folder(folder: Path, *, palette: str = "colours") -> Volume:
    """Read a mask that is a folder of one picture per frame, in order of the last number in their names.

    Raises:
        FileNotFoundError, ValueError: see ``read_picture``; the folder is empty, a name has no number or one of another
            picture, or the pictures differ in size.
    """
    numbered: dict[int, Path] = {}
    for path in filter(is_picture, list_folder(folder)):
        match = re.search(r"(\d+)\D*$", path.stem)
        if match is None or numbered.setdefault(int(match[1]), path) is not path:
            raise UserError(": the name must end in the number of its frame, each number once; rename it", path=path)
    if not numbered:
        raise MissingFileError(f"holds no picture ({', '.join(SUFFIXES)}); one per frame is expected", path=folder)
    first = min(numbered)
    for number in range(first, max(numbered)):
        if number not in numbered:
            raise MissingFileError(f"has no picture of frame {number}; add it, or number without gaps", path=folder)
    planes = [read_picture(numbered[number], palette=palette, exact=True) for number in sorted(numbered)]
    for number, plane in zip(sorted(numbered), planes, strict=True):
        if plane.array.shape[2] > 1:
            raise UserError(
                f"holds {plane.array.shape[2]} pages; one picture per frame is expected", path=numbered[number]
            )
        if plane.array.shape != planes[0].array.shape:
            raise UserError(
                f"differs in size or kind from the picture of frame {first}; export it again", path=numbered[number]
            )
    return Volume(np.concatenate([plane.array for plane in planes], axis=2), full_scale=planes[0].full_scale)


def picture_depth(path: Path) -> int:
    """8 where the picture's numbers have one byte or less, else 16; from its header."""
    with _opened(path) as file:
        return 8 if read_picture_header(path, file).bits <= 8 else 16


def _read(path: Path, palette: str, exact: bool) -> tuple[list[NDArray[Any]], PictureHeader]:
    """Rows, columns and, where it is coloured, three channels of each page of a picture."""
    with _opened(path) as file:
        pages = _count_pages(path, file)
        first, planes = (_check_page(path, file, exact), file.size), []
        for page in range(pages):
            file.seek(page)
            header = _check_page(path, file, exact)
            if (header, file.size) != first:
                raise UserError(
                    f": page {page + 1} differs from the first in size or kind; write one page per file", path=path
                )
            if pages > 1 and header.cut_by_pillow:
                raise UserError(f"holds {pages} pages of 16 bits in colour; write one page per file", path=path)
            planes.append(_read_page(path, file, header, palette))
    return planes, header


def _check_page(path: Path, file: Image.Image, exact: bool) -> PictureHeader:
    header = read_picture_header(path, file)
    if file.format == "PNG":
        check_png(path)
    _refuse_turned(path, file)
    if exact and not header.exact:
        raise UserError(
            f"is a {file.format} packed with loss, which changes a mask's values; export the mask as PNG", path=path
        )
    if header.mode not in (*_GRAY, *_ALPHA, "RGB", "P"):
        raise UserError(f"is a picture of mode {header.mode}; export it as gray or RGB", path=path)
    return header


def _read_page(path: Path, file: Image.Image, header: PictureHeader, palette: str) -> NDArray[Any]:
    clear = file.info.get("transparency")
    if header.cut_by_pillow:
        array: NDArray[Any] = _read_wide(path, file)
    elif header.mode == "P" and palette == "colours":
        if np.asarray(file).max() >= len(file.getpalette() or ()) // 3:  # Pillow makes such colours black
            raise UserError("has numbers that its palette has no colour for; export it again", path=path)
        array = np.asarray(file.convert("RGB" if clear is None else "RGBA"))
    else:
        array = _as_declared(np.asarray(file), header)
    array = _without_alpha(path, array)
    if palette == "colours" and clear is not None and header.mode != "P":
        _refuse_transparent((array == np.array(_stored(clear, header))).reshape(*array.shape[:2], -1).all(2), path)
    return array


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture of one of our formats, and name it where anything in it is at fault."""
    check_regular_file(path)
    try:
        with Image.open(path, formats=_FORMATS) as file:
            yield file
    except UserError:
        raise
    except _DAMAGE:
        raise _undecodable(path) from None


def _undecodable(path: Path) -> UserError:
    with path.open("rb") as file:
        start = file.read(4)
    if start in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return UserError(
            "is a damaged TIFF, or one of a kind that is not read, such as numbers of 64 bits; export it as gray or "
            "RGB of 8 or 16 bits, or as PNG",
            path=path,
        )
    return UserError("is damaged or no picture: it can't be decoded; copy or export it again", path=path)


def _read_wide(path: Path, picture: Image.Image) -> NDArray[Any]:
    array = read_samples_of_16_bits(path)
    if array.shape[:2] != (picture.height, picture.width):
        raise ValueError(f"ITK reads {array.shape}")
    return array


def _as_declared(array: NDArray[Any], header: PictureHeader) -> NDArray[Any]:
    """Undo what Pillow does to gray numbers: 2 and 4 bits are multiplied, signs are lost or added."""
    if header.mode == "P":
        return array
    if header.bits < 8:
        return array.astype(np.uint8) // (255 // (2**header.bits - 1) if header.bits > 1 else 1)
    if header.kind != "f" and array.ndim == 2:
        array = array.astype(array.dtype.newbyteorder("="))
        declared = np.dtype(f"{header.kind}{-(-header.bits // 8)}")
        return array.view(declared) if array.dtype.itemsize == declared.itemsize else array.astype(declared)
    return array


def _stored(clear: Any, header: PictureHeader) -> Any:
    """The transparent number of a gray PNG as the picture's array has it; Pillow gives that of 1 bit as 0 or 255."""
    return min(int(clear), 1) if header.bits == 1 else clear


def _without_alpha(path: Path, array: NDArray[Any]) -> NDArray[Any]:
    """Drop a second or fourth channel that is opaque everywhere."""
    if array.ndim < 3 or array.shape[2] not in (2, 4):
        return array
    _refuse_transparent(array[..., -1] != np.iinfo(array.dtype).max, path)
    return array[..., 0] if array.shape[2] == 2 else array[..., :3]


def _refuse_transparent(transparent: NDArray[np.bool_], path: Path) -> None:
    if transparent.any():
        raise UserError("is partly transparent; export it without an alpha channel", path=path)


def _count_pages(path: Path, picture: Image.Image) -> int:
    """How many pages a picture has; refuses what is too large, before a number is read."""
    if path.stat().st_size == 0 or picture.width * picture.height > MAX_PLANE_PIXELS:
        raise UserError(
            f"has {picture.width} x {picture.height} pixels, at most {MAX_PLANE_PIXELS} are read; crop it", path=path
        )
    pages = int(getattr(picture, "n_frames", 1))
    if pages > 1 and picture.format != "TIFF":
        raise UserError(f"holds {pages} pictures; write one per file", path=path)
    refuse_too_large(path, (picture.width, picture.height, pages), 32)
    return pages


def _refuse_turned(path: Path, picture: Image.Image) -> None:
    if picture.getexif().get(_ORIENTATION, 1) != 1:
        raise UserError("is turned by its EXIF orientation alone; turn its pixels and save it again", path=path)
