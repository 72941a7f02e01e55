"""How much a file may ask for, whatever its format; what is beyond is refused by the size that its header declares.

A header is a few bytes and can declare, or a compressed body hold, more than a machine has. Every reader compares what
is declared with these limits before it unpacks or allocates, and stops unpacking once more comes than was declared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from ..errors import UserError

MAX_BYTES = 2**31
"""Numbers of one volume, in bytes and 4 a number at least: far beyond a scanner's, less than a workstation has."""

MAX_PLANE_PIXELS = 100_000_000
"""Pixels of one picture, slice or frame."""

MAX_HEADER_BYTES = 2**26
"""What a file may hold besides its numbers, unpacked: enough for the per-frame groups of 10,000 frames."""

MAX_JSON_BYTES = 2**26
"""Of a dataset.json or a split file."""

MIN_SPACING_MM, MAX_SPACING_MM, MAX_OFFSET_MM = 1e-6, 1e6, 1e9
"""Of a geometry: far beyond what is measured, and still told apart by 32-bit floats."""


def refuse_too_large(path: Path, size: Sequence[int], bits: int) -> None:
    """Refuse a declared size before anything is allocated for it.

    A number counts as four bytes at least, since volumes are worked on as float32 whatever their file holds.

    Args:
        path: the file that declares it, for the message.
        size: numbers along each axis, samples or channels included.
        bits: of each number.

    Raises:
        ValueError: it is more than ``MAX_BYTES``.
    """
    if math.prod(size) * max(bits, 32) // 8 > MAX_BYTES:
        shown = " x ".join(map(str, size))
        raise UserError(
            f"says its size is {shown} of {bits} bits, more than {MAX_BYTES} bytes; correct its header", path=path
        )
