"""A PNG file as it stands: whole to its last chunk and pixel, and the depth that its header declares.

Pillow fills up a stream of pixels that ends early with zeros, which in a mask are background, and does not tell.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..errors import UserError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type: gray, RGB, palette, gray with alpha, RGB with alpha
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # Adam7
_BLOCK = 1_048_576


@dataclass(frozen=True)
class PngHeader:
    """The fields of an IHDR chunk that tell how many bytes its pixels take."""

    width: int
    height: int
    bits: int
    samples: int
    interlaced: bool

    @property
    def stream_bytes(self) -> int:
        """Bytes of the unpacked stream: each row's pixels, filled up to a byte, and a byte for its filter."""
        passes = _PASSES if self.interlaced else ((0, 0, 1, 1),)
        sizes = [(-(-(self.width - x) // dx), -(-(self.height - y) // dy)) for x, y, dx, dy in passes]
        return sum(rows * (1 + -(-columns * self.bits * self.samples // 8)) for columns, rows in sizes if columns > 0)


def read_png_header(path: Path) -> PngHeader:
    """Read the first chunk of a PNG file.

    Raises:
        ValueError: it is no PNG file, or its header is damaged.
    """
    with path.open("rb") as file:
        if file.read(8) != _SIGNATURE:
            raise _damaged(path)
        for kind, content in _chunks(path, file):
            if kind == b"IHDR":
                return _read_header(path, content)
            break
    raise _damaged(path)


def check_png(path: Path) -> PngHeader:
    """Read a PNG file to its end, a block at a time, and return its header.

    Raises:
        ValueError: it is cut short, a chunk's check sum is wrong, or its pixels are fewer or more than it declares.
    """
    header, stream = None, _PixelStream(path)
    with path.open("rb") as file:
        if file.read(8) != _SIGNATURE:
            raise _damaged(path)
        for kind, content in _chunks(path, file):
            if (header is None) != (kind == b"IHDR"):
                raise _damaged(path)
            if kind == b"IHDR":
                header = _read_header(path, content)
            elif kind == b"IDAT" and header is not None:
                stream.take(content, header.stream_bytes)
    if header is None or not stream.ended or stream.found != header.stream_bytes:
        raise UserError("is damaged: its pixels end early, or there are too many; copy or export it again", path=path)
    return header


def _chunks(path: Path, file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each chunk before IEND, which must be there."""
    size = path.stat().st_size
    while True:
        start = file.read(8)
        if len(start) < 8:
            raise _damaged(path)
        length, kind = struct.unpack(">I4s", start)
        if length > size - file.tell():
            raise _damaged(path)
        content, check = file.read(length), file.read(4)
        if len(check) < 4 or zlib.crc32(kind + content) != int.from_bytes(check, "big"):
            raise _damaged(path)
        if kind == b"IEND":
            return
        yield kind, content


def _read_header(path: Path, content: bytes) -> PngHeader:
    if len(content) != 13:
        raise _damaged(path)
    width, height, bits, colour, _, _, interlace = struct.unpack(">IIBBBBB", content)
    if colour not in _SAMPLES or bits not in (1, 2, 4, 8, 16) or min(width, height) < 1 or interlace > 1:
        raise _damaged(path)
    return PngHeader(width, height, bits, _SAMPLES[colour], bool(interlace))


class _PixelStream:
    """Counts what a zlib stream unpacks to, little further than is needed, and keeps none of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inflater = zlib.decompressobj()
        self.found = 0

    @property
    def ended(self) -> bool:
        """Whether the stream came to its own end, its check sum right."""
        return self._inflater.eof

    def take(self, content: bytes, needed: int) -> None:
        """Unpack a piece of the stream."""
        try:
            more = True
            while more and self.found <= needed and not self._inflater.eof:
                numbers = self._inflater.decompress(content, _BLOCK)
                content = self._inflater.unconsumed_tail
                self.found += len(numbers)
                more = bool(content) or len(numbers) == _BLOCK
        except zlib.error:
            raise _damaged(self._path) from None


def _damaged(path: Path) -> UserError:
    return UserError("is damaged or no picture: it can't be decoded; copy or export it again", path=path)
