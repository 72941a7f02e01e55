"""What a compressed frame says of its own size, before a decoder allocates memory for it."""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import NamedTuple

_JPEG_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}  # SOF markers, and that of JPEG-LS
_JPEG_2000 = b"\xff\x4f\xff\x51"  # SOC and SIZ
_RLE_HEADER = 64


class CodestreamSize(NamedTuple):
    """Rows, columns and samples per pixel."""

    rows: int
    columns: int
    samples: int

    def __str__(self) -> str:
        """As people write it."""
        return f"{self.columns} x {self.rows} with {self.samples} sample(s)"


def codestream_size(frame: bytes) -> CodestreamSize | None:
    """Read the size from a frame of JPEG, JPEG-LS or JPEG 2000; None where it is none of them, or is cut short."""
    try:
        if frame[:2] == b"\xff\xd8":
            return _jpeg_size(frame)
        start = frame.find(_JPEG_2000, 0, 4096)  # behind the boxes of a JP2 file, if there are any
        if start < 0:
            return None
        right, lower, left, upper = struct.unpack_from(">4I", frame, start + 8)
        return CodestreamSize(lower - upper, right - left, struct.unpack_from(">H", frame, start + 40)[0])
    except (struct.error, IndexError):
        return None


def rle_bytes(frame: bytes, stop_beyond: int) -> int:
    """Count what an RLE frame unpacks to, without unpacking it; little further than ``stop_beyond``.

    Frames that can't reach it by their length alone are not counted: one byte becomes 64 at most.
    """
    if len(frame) * 64 <= max(stop_beyond, 2**26):
        return 0
    count = min(struct.unpack_from("<I", frame)[0], 15)
    starts = [*struct.unpack_from(f"<{count}I", frame, 4), len(frame)]
    total = 0
    for start, end in pairwise(starts):
        total += _run_bytes(frame[max(start, _RLE_HEADER) : end], stop_beyond - total)
        if total > stop_beyond:
            break
    return total


def _run_bytes(segment: bytes, stop_beyond: int) -> int:
    total = position = 0
    while position < len(segment) and total <= stop_beyond:
        length = segment[position]
        total += 257 - length if length > 128 else length + 1 if length < 128 else 0
        position += 2 if length > 128 else length + 2 if length < 128 else 1
    return total


def _jpeg_size(frame: bytes) -> CodestreamSize | None:
    position = 2
    while frame[position : position + 1] == b"\xff":
        marker = frame[position + 1]
        if marker == 0xFF:  # a byte of filling
            position += 1
            continue
        if marker in _JPEG_FRAMES:
            return CodestreamSize(*struct.unpack_from(">HHB", frame, position + 5))
        position += 2 + struct.unpack_from(">H", frame, position + 2)[0]
    return None
