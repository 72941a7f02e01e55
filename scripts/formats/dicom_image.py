"""DICOM images: a file of one or many frames, or a folder with a series of single frames.

Frames come in order of their position, or where there is none of their time or number; never of the files' names.
MONAI's PydicomReader gets axes and spacing of multi-frame files wrong; here both come from the header's own groups.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MissingFileError, UserError
from .dicom_file import SEGMENTATION, find_dicoms, num_frames, read_frames, read_header
from .dicom_geometry import Plane, place, plane_of, ultrasound_spacing
from .volume import Volume, spacing_of

# In order of trust; the first that every file has, each time with another value, is taken.
_ORDERS = (
    "SliceLocation", "TemporalPositionIndex", "AcquisitionDateTime", "AcquisitionTime", "ContentTime", "InstanceNumber",
)  # fmt: skip


def read_dicom(path: Path) -> Volume:
    """Read a DICOM file, or a folder that holds one series.

    Raises:
        FileNotFoundError: there is no such file, or no DICOM file in the folder.
        ValueError: a file is damaged, files are of several series, slices are missing or lie in one place.
    """
    files = find_dicoms(path) if path.is_dir() else [path]
    if not files:
        raise MissingFileError(f"{path} holds no DICOM file; give the folder of one series")
    headers = [read_header(file) for file in files]
    _refuse_segmentation(files[0], headers[0])
    if len(files) == 1:
        return _read_one(files[0], headers[0])
    _check_series(files, headers)
    return _read_series(path, files, headers)


def dicom_depth(path: Path) -> int:
    """8 where the numbers have one byte and are not scaled, else 16; from the header."""
    files = find_dicoms(path) if path.is_dir() else [path]
    if not files:
        raise MissingFileError(f"{path} holds no DICOM file; give the folder of one series")
    header = read_header(files[0])
    scaled = header.get("RescaleSlope", 1) != 1 or header.get("RescaleIntercept", 0) != 0
    return 8 if header.BitsAllocated <= 8 and not scaled else 16


def _read_one(path: Path, header: Any) -> Volume:
    planes = [plane_of(path, header, index) for index in range(num_frames(header))]
    order, affine = place(path, planes)
    frames = read_frames(path, header)[order]
    identity = tuple((str(header.get("SOPInstanceUID", "")), int(index) + 1) for index in order)
    return _volume(frames, affine, header, identity)


def _read_series(folder: Path, files: list[Path], headers: list[Any]) -> Volume:
    planes = [plane_of(file, header, 0) for file, header in zip(files, headers, strict=True)]
    if any(plane is None for plane in planes):
        order, affine = _order_without_position(folder, files, headers), None
    else:
        order, affine = place(folder, planes)
    frames = np.concatenate([read_frames(files[i], headers[i]) for i in order])
    identity = tuple((str(headers[i].get("SOPInstanceUID", "")), 1) for i in order)
    return _volume(frames, affine, headers[order[0]], identity)


def _volume(
    frames: NDArray[Any], affine: NDArray[np.float64] | None, header: Any, identity: tuple[tuple[str, int], ...]
) -> Volume:
    array = np.ascontiguousarray(np.moveaxis(frames, (0, 1, 2), (2, 1, 0)))  # (Z, Y, X, ...) -> (X, Y, Z, ...)
    burnt = str(header.get("BurnedInAnnotation", "")).upper() == "YES"
    return Volume(
        array=array,
        affine=affine,
        spacing=ultrasound_spacing(header) if affine is None else spacing_of(affine),
        frames=identity,
        notes=("its header says that text is burnt into its pixels: look for names",) if burnt else (),
        patient_id=str(header.get("PatientID") or ""),
    )


def _refuse_segmentation(path: Path, header: Any) -> None:
    if header.SOPClassUID == SEGMENTATION:
        raise UserError(f"{path} is a DICOM segmentation where an image is meant; give the image's file")


def _check_series(files: list[Path], headers: list[Any]) -> None:
    """Refuse files that can't be one stack of planes."""
    first = headers[0]
    for file, header in zip(files, headers, strict=True):
        if header.get("SeriesInstanceUID") != first.get("SeriesInstanceUID"):
            raise UserError(f"{file} is of another series than {files[0].name} beside it; keep one series a folder")
        if num_frames(header) > 1:
            raise UserError(f"{file} holds several frames and has other files beside it; keep it in its own folder")
        for name in ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated"):
            if header.get(name) != first.get(name):
                raise UserError(
                    f"{file}: its {name} is {header.get(name)}, that of {files[0].name} is {first.get(name)}; "
                    "keep one series a folder"
                )


def _order_without_position(folder: Path, files: list[Path], headers: list[Any]) -> list[int]:
    """Order frames that are nowhere in space by their time or number."""
    _refuse_missing_numbers(folder, headers)
    for name in _ORDERS:
        values = [header.get(name) for header in headers]
        if all(v not in (None, "") for v in values) and len(set(values)) == len(values):
            return sorted(range(len(files)), key=lambda i: values[i])
    raise UserError(
        f"{folder}: its frames have neither position nor a time or number that tells them apart "
        f"({', '.join(_ORDERS)}); export the series again"
    )


def _refuse_missing_numbers(folder: Path, headers: list[Any]) -> None:
    numbers = [header.get("InstanceNumber") for header in headers]
    if any(number is None for number in numbers) or len(set(numbers)) < len(numbers):
        return
    whole = range(int(min(numbers)), int(max(numbers)) + 1)
    missing = sorted(set(whole) - {int(number) for number in numbers})
    if missing:
        shown = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
        raise UserError(f"{folder}: {len(missing)} frame(s) are missing, InstanceNumber {shown}; copy it again")


__all__ = ["Plane", "dicom_depth", "read_dicom"]
