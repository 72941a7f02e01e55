"""The colours of a DICOM file with a palette, from its three tables.

pydicom's ``apply_color_lut`` loses the upper bits of an index where the colours have 8 bits, takes words of a file of
another byte order as they stand, and gives black where words hold colours of 8 bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import UID

from .dicom_header import DicomHeader

_CHANNELS = ("Red", "Green", "Blue")


def palette_colours(header: DicomHeader, indices: NDArray[np.integer], syntax: UID) -> NDArray[np.uint8]:
    """Replace indices by their colours; those beside the table take its first or last.

    Args:
        header: of the file.
        indices: of any shape.
        syntax: of the file, for the order of its bytes.

    Returns:
        uint8 (..., 3). Tables of 16 bits give their upper byte, unless no entry of the three needs more than 8.

    Raises:
        ValueError: a table is missing, segmented, or not of the length that is declared.
    """
    descriptors = [_descriptor(header, channel) for channel in _CHANNELS]
    count, first = descriptors[0]
    if len(set(descriptors)) > 1:
        raise header.fault("GreenPaletteColorLookupTableDescriptor", "not that of red or blue", "export it as RGB")
    tables = np.stack([_table(header, channel, count, syntax) for channel in _CHANNELS])
    if tables.max() > 255:
        tables >>= 8
    places = np.clip(indices.astype(np.int64) - first, 0, count - 1)
    colours: NDArray[np.uint8] = np.moveaxis(tables.astype(np.uint8)[:, places], 0, -1)
    return colours


def _descriptor(header: DicomHeader, channel: str) -> tuple[int, int]:
    """How many entries a table has, and the index of the first."""
    name = f"{channel}PaletteColorLookupTableDescriptor"
    numbers = header.whole_numbers(name)
    if len(numbers) != 3:
        raise header.fault(name, "not the three numbers of a table", "export it as RGB")
    return numbers[0] % 2**16 or 2**16, numbers[1]


def _table(header: DicomHeader, channel: str, count: int, syntax: UID) -> NDArray[np.uint16]:
    name = f"{channel}PaletteColorLookupTableData"
    content = header.content(name)
    order = "<" if syntax.is_little_endian else ">"
    if len(content) == 2 * count:
        return np.frombuffer(content, dtype=f"{order}u2").astype(np.uint16)
    if len(content) != count + count % 2:
        raise header.fault(
            name, f"{len(content)} bytes, no table of {count} entries of 8 or 16 bits", "export it as RGB"
        )
    if order == ">":  # entries of a byte stand in words all the same
        content = np.frombuffer(content, dtype=">u2").astype("<u2").tobytes()
    return np.frombuffer(content[:count], dtype=np.uint8).astype(np.uint16)
