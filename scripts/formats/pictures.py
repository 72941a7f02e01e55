"""Pictures (PNG, JPEG, TIFF, BMP), one plane a file, and folders of one picture a frame."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import MissingFileError, UserError
from .limits import MAX_PLANE_PIXELS
from .volume import Volume

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
_ORIENTATION = 0x0112  # EXIF's tag
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)
_GRAY, _COLOURED = ("1", "L", "I", "I;16", "I;16B", "I;16L", "F"), ("RGB",)


def is_picture(path: Path) -> bool:
    """Whether the file's name ends as a picture's does."""
    return path.suffix.lower() in SUFFIXES


def read_picture(path: Path, *, palette: str = "colours") -> Volume:
    """Read one picture.

    Args:
        path: the file.
        palette: what the numbers of a picture with a palette stand for, "colours" or, in an index mask, "indices".

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, too large, turned by EXIF, of several pages, or of a kind that loses something.
    """
    array = _pixels(path, palette)
    array = np.swapaxes(array, 0, 1)[:, :, np.newaxis]  # (Y, X, ...) -> (X, Y, 1, ...)
    return Volume(np.ascontiguousarray(array), keep_intensities=array.dtype == np.uint8)


def read_picture_folder(folder: Path, *, palette: str = "colours") -> Volume:
    """Read a folder of one picture a frame, in order of the last number in their names.

    Raises:
        FileNotFoundError, ValueError: see ``read_picture``; the folder is empty, a name has no number or one of another
            picture, or the pictures differ in size.
    """
    numbered: dict[int, Path] = {}
    for path in sorted(path for path in folder.iterdir() if is_picture(path) and not path.name.startswith(".")):
        match = re.search(r"(\d+)\D*$", path.stem)
        if match is None or numbered.setdefault(int(match[1]), path) is not path:
            raise UserError(f"{path}: the name must end in the number of its frame, each number once; rename it")
    if not numbered:
        raise MissingFileError(f"{folder} holds no picture ({', '.join(SUFFIXES)}); one a frame is expected")
    first = min(numbered)
    for number in range(first, max(numbered)):
        if number not in numbered:
            raise MissingFileError(f"{folder} has no picture of frame {number}; add it, or number without gaps")
    planes = [read_picture(numbered[number], palette=palette) for number in sorted(numbered)]
    for number, plane in zip(sorted(numbered), planes, strict=True):
        if plane.array.shape != planes[0].array.shape:
            raise UserError(f"{numbered[number]} differs in size or kind from {numbered[first].name}; export it again")
    return Volume(np.concatenate([plane.array for plane in planes], axis=2))


def picture_depth(path: Path) -> int:
    """8 where the picture's numbers have one byte, else 16; from its header."""
    try:
        with Image.open(path) as picture:
            return 8 if picture.mode in ("1", "L", "P", "RGB", "RGBA", "LA") else 16
    except FileNotFoundError:
        raise MissingFileError(f"{path} does not exist; check the path") from None
    except (*_DAMAGE, Image.DecompressionBombWarning):
        raise UserError(f"{path} is no readable picture; copy or export it again") from None


def _pixels(path: Path, palette: str) -> NDArray[Any]:
    """Rows, columns and, where it is coloured, three channels of a picture."""
    try:
        with Image.open(path) as file:
            _check_header(path, file)
            picture: Image.Image = file
            if file.mode == "P" and palette == "colours":
                picture = file.convert("RGBA" if "transparency" in file.info else "RGB")
            array, mode = np.asarray(picture), picture.mode
    except FileNotFoundError:
        raise MissingFileError(f"{path} does not exist; check the path") from None
    except _RefusedError as fault:
        raise UserError(f"{path} {fault}") from None
    except (*_DAMAGE, Image.DecompressionBombWarning):
        raise UserError(f"{path} is damaged or no picture: it can't be decoded; copy or export it again") from None
    if mode in ("RGBA", "LA"):
        if (array[..., -1] != 255).any():
            raise UserError(f"{path} is partly transparent; export it without an alpha channel")
        array = array[..., :-1] if mode == "RGBA" else array[..., 0]
    elif mode not in (*_GRAY, *_COLOURED, "P"):
        raise UserError(f"{path} is a picture of mode {mode}; export it as gray or RGB")
    return array.astype(np.uint8) if array.dtype == bool else array


class _RefusedError(Exception):
    """A fault found while the file is open."""


def _check_header(path: Path, picture: Image.Image) -> None:
    if path.stat().st_size == 0 or picture.width * picture.height > MAX_PLANE_PIXELS:
        raise _RefusedError(
            f"has {picture.width} x {picture.height} pixels, at most {MAX_PLANE_PIXELS} are read; crop it"
        )
    if getattr(picture, "n_frames", 1) > 1:
        raise _RefusedError(f"holds {getattr(picture, 'n_frames', 1)} pictures; write one a file")
    if picture.getexif().get(_ORIENTATION, 1) != 1:
        raise _RefusedError("is turned by its EXIF orientation alone; turn its pixels and save it again")
