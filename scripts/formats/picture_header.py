"""What a picture's header says of its numbers, and which kinds are refused because reading them would change some.

Pillow brings every picture to a few modes: it cuts 16-bit colour to 8 bits, multiplies gray of 2 and 4 bits, takes
signed numbers as unsigned, and turns some pictures whose 0 is white. Here the depth is read from the file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ..errors import UserError
from .png_file import read_png_header

SUFFIXES = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF", ".bmp": "BMP",
}  # fmt: skip
_KINDS = {1: "u", 2: "i", 3: "f"}  # TIFF's SampleFormat, as NumPy's letters
_BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES, _PLANAR, _FORMAT, _TILED = 258, 259, 262, 277, 284, 339, 322
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _PALETTE = 0, 1, 2, 3
_EXACT_COMPRESSIONS = (1, 2, 3, 4, 5, 8, 32773, 32946, 34925, 50000)  # none, fax, LZW, deflate, packbits, LZMA, Zstd
_BMP_MODES = {(1, "1"), (1, "P"), (4, "P"), (8, "P"), (8, "L"), (24, "RGB"), (32, "RGB"), (32, "RGBA")}
_TIFF_NUMBERS = {(1, "u"), (2, "u"), (4, "u"), (8, "u"), (8, "i"), (12, "u"), (16, "u"), (16, "i"), (32, "u")} | {
    (32, "i"),
    (32, "f"),
}


@dataclass(frozen=True)
class PictureHeader:
    """The numbers of a picture as its file declares them.

    Args:
        mode: Pillow's name of the kind.
        bits: of a number; for a palette, of an index.
        kind: "u" unsigned, "i" signed, "f" floating, as NumPy has them.
        exact: whether the format keeps every number, as a mask needs it; JPEG does not.
    """

    mode: str
    bits: int
    kind: str
    exact: bool

    @property
    def cut_by_pillow(self) -> bool:
        """Whether Pillow would cut the numbers to 8 bits."""
        return self.bits == 16 and self.mode in ("RGB", "RGBA", "LA", "La", "RGBa")


def read_picture_header(path: Path, picture: Image.Image) -> PictureHeader:
    """Read the depth of an open picture from its file.

    Raises:
        ValueError: its content is not what its name says, or it is of a kind that is not read.
    """
    named, content = SUFFIXES.get(path.suffix.lower()), "JPEG" if picture.format == "MPO" else picture.format
    if named is not None and content != named:
        raise UserError(
            f"is a {content} by its content, its name says {named}; give it its own ending, or export a mask again",
            path=path,
        )
    if content == "PNG":
        return PictureHeader(picture.mode, read_png_header(path).bits, "u", exact=True)
    if content == "TIFF":
        return _tiff_header(path, picture)
    return _bmp_header(path, picture) if content == "BMP" else PictureHeader(picture.mode, 8, "u", exact=False)


def _tiff_header(path: Path, picture: Image.Image) -> PictureHeader:
    tags = picture.tag_v2  # type: ignore[attr-defined]  # of Pillow's TIFF pictures
    bits, photometric = set(tags.get(_BITS, (1,))), tags.get(_PHOTOMETRIC, _MIN_IS_WHITE)
    kinds = {_KINDS.get(number, "?") for number in tags.get(_FORMAT, (1,))}
    if photometric == _MIN_IS_WHITE:
        raise UserError("is a gray TIFF in which 0 is white; export it with 0 as black", path=path)
    samples, read = tags.get(_SAMPLES, 1), len(picture.getbands())
    if samples != read:
        raise UserError(
            f"has {samples} numbers per pixel, of which {read} would be read; export gray or RGB", path=path
        )
    number = (next(iter(bits)), next(iter(kinds)))
    wide = number[0] != 8 and picture.mode not in ("1", "L", "P", "I", "I;16", "I;16B", "F")
    plain = tags.get(_PLANAR, 1) == 1 and _TILED not in tags
    if (
        len(bits | {number[0]}) > 1
        or len(kinds) > 1
        or number not in _TIFF_NUMBERS
        or (wide and (number != (16, "u") or photometric not in (_MIN_IS_BLACK, _RGB) or not plain))
        or (photometric == _PALETTE and picture.mode != "P")
    ):
        raise UserError(
            f"is a TIFF of {'/'.join(map(str, sorted(bits)))} bits and mode {picture.mode}, a kind that is not read "
            "number for number; export it as gray or RGB of 8 or 16 bits, or as PNG",
            path=path,
        )
    return PictureHeader(picture.mode, *number, exact=tags.get(_COMPRESSION, 1) in _EXACT_COMPRESSIONS)


def _bmp_header(path: Path, picture: Image.Image) -> PictureHeader:
    with path.open("rb") as file:
        start = file.read(34)
    core = len(start) > 17 and struct.unpack_from("<I", start, 14)[0] == 12  # the header of OS/2
    bits = struct.unpack_from("<H", start, 24 if core else 28)[0]
    if (bits, picture.mode) not in _BMP_MODES or picture.info.get("compression", 0) not in (0, 3):
        raise UserError(f"is a BMP of {bits} bits that is packed or of a rare kind; export it as PNG", path=path)
    return PictureHeader(picture.mode, bits if picture.mode in ("1", "P") else 8, "u", exact=True)
