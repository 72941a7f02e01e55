"""One DICOM file, read strictly and without the tags that name a person."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels import apply_color_lut, pixel_array

from ..errors import MissingFileError, UserError
from .limits import refuse_too_large

# Nothing else leaves the file: no name, date or place is in memory when an error or a table is written.
_TAGS = [
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "PatientID", "BurnedInAnnotation",
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "RescaleSlope", "RescaleIntercept",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SpacingBetweenSlices", "SliceThickness",
    "SliceLocation", "TemporalPositionIndex", "AcquisitionDateTime", "AcquisitionTime", "ContentTime", "InstanceNumber",
    "SequenceOfUltrasoundRegions", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "SegmentationType", "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
]  # fmt: skip
_REQUIRED = (
    "SOPClassUID", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored",
    "PixelRepresentation",
)  # fmt: skip
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"


def read_header(path: Path) -> Any:
    """Read what a file says of its image, without the image, and check that it can be one.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no DICOM image, its header is cut short, or it says absurd things of its size.
    """
    header = _read(path, stop_before_pixels=True)
    missing = [name for name in _REQUIRED if header.get(name) in (None, "")]
    if missing:
        raise UserError(f"{path} has no {missing[0]}: it is cut short in its header, or no image; copy it again")
    try:
        numbers = [int(header[name].value) for name in ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")]
        numbers.append(num_frames(header))
    except (TypeError, ValueError):
        numbers = [0]
    if min(numbers) < 1:
        raise UserError(f"{path}: Rows, Columns, SamplesPerPixel, BitsAllocated and NumberOfFrames must be >= 1")
    rows, columns, samples, bits, frames = numbers
    refuse_too_large(path, (columns, rows, frames, samples), bits)
    if header.BitsAllocated not in (1, 8, 16, 32) or header.SamplesPerPixel not in (1, 3):
        raise UserError(
            f"{path} has {header.SamplesPerPixel} sample(s) of {header.BitsAllocated} bits a pixel; "
            "1 or 3 of 8, 16 or 32 bits are read"
        )
    return header


def read_frames(path: Path, header: Any) -> NDArray[Any]:
    """Read the image of a file as (frames, rows, columns) or, in colour, (frames, rows, columns, 3) in RGB.

    JPEG, JPEG 2000, JPEG-LS and RLE are decoded by pydicom with Pillow, pyjpegls and GDCM.

    Raises:
        ValueError: the image is missing, truncated, too long, or can't be decoded.
    """
    dataset = _read(path)
    if "PixelData" not in dataset:
        raise UserError(f"{path} has no PixelData: the file is truncated, or holds no image; copy it again")
    _check_length(path, dataset)
    try:
        frames = pixel_array(dataset)
        if header.PhotometricInterpretation == "PALETTE COLOR":
            frames = apply_color_lut(frames, dataset)
            frames = frames if frames.dtype == np.uint8 else (frames >> 8).astype(np.uint8)
    except Exception as error:  # decoders raise whatever they like
        reason = " ".join(str(error).split())[:160]
        raise UserError(
            f"{path}: its image, {_syntax(dataset).name}, can't be decoded ({reason}); copy or export it again"
        ) from None
    expected = (num_frames(header), header.Rows, header.Columns)
    frames = (
        frames.reshape(-1, *frames.shape[-3:]) if _is_colour(frames, header) else frames.reshape(-1, *frames.shape[-2:])
    )
    if frames.shape[:3] != expected:
        raise UserError(
            f"{path}: NumberOfFrames, Rows, Columns are {' x '.join(map(str, expected))}, its image has "
            f"{' x '.join(map(str, frames.shape[:3]))}; frames are missing, copy or export it again"
        )
    return _intensities(frames, header)


def num_frames(header: Any) -> int:
    """Frames of a file, one where it does not say."""
    return int(header.get("NumberOfFrames") or 1)


def find_dicoms(folder: Path) -> list[Path]:
    """The DICOM files of a folder, told by their content; other files, such as a viewer's, are left out."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name != "DICOMDIR"]
    files = [path for path in files if not path.name.startswith(".")]
    return [path for path in files if path.suffix.lower() in (".dcm", ".dicom", ".ima") or _has_preamble(path)]


def _has_preamble(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _read(path: Path, *, stop_before_pixels: bool = False) -> Any:
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist; check the path")
    tags: Sequence[str] = _TAGS if stop_before_pixels else [*_TAGS, "PixelData"]
    try:
        return pydicom.dcmread(path, specific_tags=list(tags), stop_before_pixels=stop_before_pixels)
    except Exception:  # a cut header ends in a dozen kinds of error
        raise UserError(f"{path} is no DICOM file, or is cut short in its header; copy it again") from None


def _check_length(path: Path, dataset: Any) -> None:
    """Compare the bytes of an image that is not compressed with those that the header needs."""
    if _syntax(dataset).is_compressed:
        return
    samples = 2 if dataset.PhotometricInterpretation == "YBR_FULL_422" else dataset.SamplesPerPixel
    bits = dataset.Rows * dataset.Columns * samples * dataset.BitsAllocated * num_frames(dataset)
    needed, found = (bits + 7) // 8, len(dataset.PixelData)
    if found not in (needed, needed + needed % 2):
        size = f"{dataset.Columns} x {dataset.Rows} x {num_frames(dataset)}"
        fault = "truncated" if found < needed else "too long"
        raise UserError(
            f"{path} is {fault}: its size {size} with {dataset.BitsAllocated} bits needs {needed} bytes, PixelData has "
            f"{found}; copy it again"
        )


def _syntax(dataset: Any) -> Any:
    return getattr(dataset.file_meta, "TransferSyntaxUID", None) or pydicom.uid.ImplicitVRLittleEndian


def _is_colour(frames: NDArray[Any], header: Any) -> bool:
    return (
        bool(header.SamplesPerPixel == 3 or header.PhotometricInterpretation == "PALETTE COLOR")
        and frames.shape[-1] == 3
    )


def _intensities(frames: NDArray[Any], header: Any) -> NDArray[Any]:
    """Brighter for more: MONOCHROME1 is turned, and the numbers of a slice brought to the scale of its series."""
    if header.PhotometricInterpretation == "MONOCHROME1":
        frames = frames.max() - frames
    slope, intercept = float(header.get("RescaleSlope", 1) or 1), float(header.get("RescaleIntercept", 0) or 0)
    if (slope, intercept) != (1.0, 0.0):
        return frames.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    return frames
