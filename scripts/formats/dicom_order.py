"""The order of DICOM files whose planes lie nowhere in space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import UserError
from .dicom_header import DicomHeader

# In order of trust; the first that every file has, each time with another value, is taken.
_NUMBERS, _TIMES = ("SliceLocation", "TemporalPositionIndex"), ("AcquisitionDateTime", "AcquisitionTime", "ContentTime")
_ORDERS = (*_NUMBERS, *_TIMES, "InstanceNumber")


def order_without_position(folder: Path, headers: Sequence[DicomHeader]) -> list[int]:
    """Order files by the place along the stack, the time or the number that each has of its own.

    Raises:
        ValueError: numbers are missing, or nothing tells the files apart.
    """
    _refuse_missing_numbers(folder, headers)
    for name in _ORDERS:
        values = [header.words(name) if name in _TIMES else header.number(name) for header in headers]
        if all(value not in (None, "") for value in values) and len(set(values)) == len(values):
            return sorted(range(len(headers)), key=lambda i: values[i])  # type: ignore[arg-type, return-value]
    raise UserError(
        f": its frames have neither position nor a time or number that tells them apart "
        f"({', '.join(_ORDERS)}); export the series again",
        path=folder,
    )


def _refuse_missing_numbers(folder: Path, headers: Sequence[DicomHeader]) -> None:
    numbers = {number for header in headers if (number := header.integer("InstanceNumber")) is not None}
    if len(numbers) < len(headers):
        return
    missing = max(numbers) - min(numbers) + 1 - len(numbers)
    if missing:
        gaps = (number for number in range(min(numbers), max(numbers)) if number not in numbers)
        shown = ", ".join(str(next(gaps)) for _ in range(min(missing, 5))) + (", ..." if missing > 5 else "")
        raise UserError(f": {missing} frame(s) are missing, InstanceNumber {shown}; copy it again", path=folder)
