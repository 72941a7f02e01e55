"""PNG and TIFF files of every depth, written byte by byte, since Pillow writes few of them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PNG_COLOURS = {"gray": 0, "rgb": 2, "palette": 3, "gray+alpha": 4, "rgb+alpha": 6}


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def pack_rows(array: NDArray[Any], bits: int, order: str = ">") -> list[bytes]:
    """The bytes of each row of (Y, X) or (Y, X, C)."""
    rows = []
    for row in array.reshape(len(array), -1):
        if bits >= 8:
            rows.append(row.astype(f"{order}u{bits // 8}").tobytes())
        else:
            digits = "".join(format(int(value), f"0{bits}b") for value in row)
            digits += "0" * (-len(digits) % 8)
            rows.append(int(digits, 2).to_bytes(len(digits) // 8, "big"))
    return rows


def write_png(
    path: Path,
    array: NDArray[Any],
    bits: int,
    colour: str = "gray",
    *,
    extra: Sequence[tuple[bytes, bytes]] = (),
    rows: int | None = None,
) -> Path:
    """Write a PNG of unfiltered rows; ``extra`` chunks stand before the pixels, of which ``rows`` rows are written."""
    size = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], bits, PNG_COLOURS[colour], 0, 0, 0)
    pixels = b"".join(b"\0" + row for row in pack_rows(array, bits)[:rows])
    chunks = [(b"IHDR", size), *extra, (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*item) for item in chunks))
    return path


def write_tiff(
    path: Path,
    array: NDArray[Any],
    bits: int,
    *,
    photometric: int = 1,
    sample_format: int = 1,
    planes: bool = False,
    beside: int = 0,
) -> Path:
    """Write an uncompressed little-endian TIFF in one strip, or where ``planes`` one per channel.

    The last channels, ``beside`` in number, are called something else than colours.
    """
    channels = 1 if array.ndim == 2 else array.shape[2]
    if bits >= 8:
        numbers = array.astype({1: f"<u{bits // 8}", 2: f"<i{bits // 8}", 3: f"<f{bits // 8}"}[sample_format])
        data = (np.moveaxis(numbers, 2, 0) if planes else numbers).tobytes()
    else:
        data = b"".join(pack_rows(array, bits))
    strips = channels if planes else 1
    tags = {256: [array.shape[1]], 257: [array.shape[0]], 258: [bits] * channels, 259: [1], 262: [photometric]}
    tags |= {273: [8 + n * (len(data) // strips) for n in range(strips)], 277: [channels], 278: [array.shape[0]]}
    tags |= {279: [len(data) // strips] * strips, 284: [2 if planes else 1], 339: [sample_format] * channels}
    tags |= {338: [0] * beside} if beside else {}
    place = 8 + len(data)  # of the values that do not fit into the directory
    values, entries = b"", b""
    for tag, numbers in sorted(tags.items()):
        packed = struct.pack(f"<{len(numbers)}I", *numbers)
        if len(numbers) > 1:
            entries += struct.pack("<HHII", tag, 4, len(numbers), place + len(values))
            values += packed
        else:
            entries += struct.pack("<HHI", tag, 4, 1) + packed
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", place + len(values)) + data + values + directory)
    return path
