"""The stored numbers of a DICOM file: what its header says of them, checked against itself and against the image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels import pixel_array
from pydicom.uid import UID, ImplicitVRLittleEndian, RLELossless

from ..errors import UserError
from .codestream import CodestreamSize, codestream_size, rle_bytes
from .dicom_file import open_dataset
from .dicom_header import DicomHeader
from .dicom_palette import palette_colours
from .limits import MAX_PLANE_PIXELS, refuse_too_large

_REQUIRED = (
    "SOPClassUID", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored",
    "PixelRepresentation",
)  # fmt: skip
_GRAY = ("MONOCHROME1", "MONOCHROME2")
PALETTE = "PALETTE COLOR"
_COLOURED = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")
_PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"


@dataclass(frozen=True)
class PixelFormat:
    """What a header says of the numbers of its image.

    Args:
        frames, rows, columns: the image's size.
        samples: a pixel, 1 or 3.
        photometric: what the samples mean, one of those known.
        bits_allocated, bits_stored: of each sample.
        signed: whether stored numbers may be below zero.
    """

    frames: int
    rows: int
    columns: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    signed: bool

    @property
    def stored_range(self) -> tuple[int, int]:
        """The least and the greatest number that can be stored."""
        if self.signed:
            return -(2 ** (self.bits_stored - 1)), 2 ** (self.bits_stored - 1) - 1
        return 0, 2**self.bits_stored - 1

    @property
    def num_bytes(self) -> int:
        """Bytes of the image where it is not compressed."""
        samples = 2 if self.photometric == "YBR_FULL_422" else self.samples
        return (self.frames * self.rows * self.columns * samples * self.bits_allocated + 7) // 8


def pixel_format(header: DicomHeader) -> PixelFormat:
    """Read what a header says of its image and check that there can be such an image.

    Raises:
        ValueError: a value is missing, contradicts another, is unknown, or is larger than what is read.
    """
    path = header.path
    if header.text("SOPClassUID") == _PARAMETRIC_MAP:
        raise UserError("is a parametric map, whose numbers are no integers; convert it to NIfTI", path=path)
    missing = [name for name in _REQUIRED if name not in header or header.is_empty(name)]
    if missing:
        raise UserError(f"has no {missing[0]}: it is cut short in its header, or no image; copy it again", path=path)
    frames = header.integer("NumberOfFrames")
    sizes = {name: header.integer(name) or 0 for name in ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")}
    if min(*sizes.values(), 1 if frames is None else frames) < 1:
        raise UserError(": Rows, Columns, SamplesPerPixel, BitsAllocated and NumberOfFrames must be >= 1", path=path)
    rows, columns, samples, bits = sizes.values()
    refuse_too_large(path, (columns, rows, frames or 1, samples), bits)
    if rows * columns > MAX_PLANE_PIXELS:
        raise UserError(
            f"has {columns} x {rows} pixels per frame, at most {MAX_PLANE_PIXELS} are read; crop it", path=path
        )
    if bits not in (1, 8, 16, 32) or samples not in (1, 3):
        raise UserError(
            f"has {samples} sample(s) of {bits} bits per pixel; 1 or 3 of 8, 16 or 32 bits are read", path=path
        )
    _check_bits(header, bits)
    _check_colour(header, samples)
    if header.per_frame and len(header.per_frame) != (frames or 1):
        raise UserError(f"has {frames or 1} frames and describes {len(header.per_frame)}; export it again", path=path)
    return PixelFormat(
        frames=frames or 1,
        rows=rows,
        columns=columns,
        samples=samples,
        photometric=header.text("PhotometricInterpretation"),
        bits_allocated=bits,
        bits_stored=header.integer("BitsStored") or 0,
        signed=header.integer("PixelRepresentation") == 1,
    )


def read_stored(header: DicomHeader, pixels: PixelFormat, *, colours: bool = True) -> NDArray[Any]:
    """Read the image of a file as (frames, rows, columns) or, in colour, (frames, rows, columns, 3) in RGB.

    JPEG, JPEG 2000, JPEG-LS and RLE are decoded by pydicom with Pillow, pyjpegls and GDCM.

    Args:
        header: of the file.
        pixels: what it says of its image.
        colours: whether the numbers of a palette are to become its colours.

    Raises:
        ValueError: the image is missing, truncated, too long, or can't be decoded.
    """
    path = header.path
    dataset = open_dataset(path, pixels.num_bytes)
    if "PixelData" not in dataset:
        raise UserError("has no PixelData: the file is truncated, or holds no image; copy it again", path=path)
    syntax = UID(getattr(dataset.file_meta, "TransferSyntaxUID", None) or ImplicitVRLittleEndian)
    try:
        _check_amount(header, pixels, dataset, syntax)
        frames = pixel_array(dataset)
        if colours and pixels.photometric == PALETTE:
            frames = palette_colours(header, frames, syntax)
    except UserError:
        raise
    except Exception as error:  # decoders raise whatever they like
        reason = " ".join(str(error).split())[:160]
        raise UserError(
            f": its image, {syntax.name}, can't be decoded ({reason}); copy or export it again", path=path
        ) from None
    in_colour = pixels.samples == 3 or (colours and pixels.photometric == PALETTE)
    expected = (pixels.frames, pixels.rows, pixels.columns)
    frames = frames.reshape(-1, *frames.shape[-3 if in_colour else -2 :])
    if frames.shape[:3] != expected:
        raise _frames_missing(header, expected, frames.shape[:3])
    stored: NDArray[Any] = frames
    return stored


def _check_bits(header: DicomHeader, allocated: int) -> None:
    stored, high = header.integer("BitsStored") or 0, header.integer("HighBit")
    if not 1 <= stored <= allocated:
        raise header.fault("BitsStored", f"not from 1 to BitsAllocated, {allocated}")
    if high is not None and high != stored - 1:
        raise header.fault("HighBit", f"not BitsStored - 1, {stored - 1}: its numbers lie elsewhere in their bytes")
    if header.integer("PixelRepresentation") not in (0, 1):
        raise header.fault("PixelRepresentation", "neither 0 (unsigned) nor 1 (signed)")


def _check_colour(header: DicomHeader, samples: int) -> None:
    photometric = header.text("PhotometricInterpretation")
    if photometric not in (*_GRAY, PALETTE, *_COLOURED):
        known = ", ".join((*_GRAY, PALETTE, *_COLOURED))
        raise header.fault("PhotometricInterpretation", f"none of {known}", "export it as one of them")
    if (samples == 3) != (photometric in _COLOURED):
        raise header.fault("SamplesPerPixel", f"not what {photometric} has")
    if samples == 3 and header.integer("PixelRepresentation") == 1:
        raise header.fault("PixelRepresentation", "signed, and colours are not")


def _check_amount(header: DicomHeader, pixels: PixelFormat, dataset: Dataset, syntax: UID) -> None:
    """Compare the image with what the header declares, before it is unpacked."""
    if syntax.is_compressed:
        _check_frames(header, pixels, dataset, syntax)
        return
    needed, found = pixels.num_bytes, len(dataset.PixelData)
    if found not in (needed, needed + needed % 2):
        size = f"{pixels.columns} x {pixels.rows} x {pixels.frames}"
        fault = "truncated" if found < needed else "too long"
        raise UserError(
            f"is {fault}: its size {size} with {pixels.bits_allocated} bits needs {needed} bytes, "
            f"PixelData has {found}; copy it again",
            path=header.path,
        )


def _check_frames(header: DicomHeader, pixels: PixelFormat, dataset: Dataset, syntax: UID) -> None:
    """Compare the number of compressed frames, and the size that each declares, with the header."""
    declared = CodestreamSize(pixels.rows, pixels.columns, pixels.samples)
    count = 0
    for frame in _frames(dataset, pixels.frames):
        count += 1
        if syntax == RLELossless:
            needed = pixels.rows * pixels.columns * pixels.samples * pixels.bits_allocated // 8
            if rle_bytes(frame, stop_beyond=2 * needed + 64) > 2 * needed + 64:
                raise UserError(f": frame {count} unpacks to more than its size; export it again", path=header.path)
            continue
        found = codestream_size(frame)
        if found is not None and found != declared:
            raise UserError(
                f": frame {count} is {found} in its compressed image, {declared} in its header; export it again",
                path=header.path,
            )
    if count != pixels.frames:
        size = (pixels.rows, pixels.columns)
        raise _frames_missing(header, (pixels.frames, *size), (count, *size))


def _frames(dataset: Dataset, count: int) -> Iterator[bytes]:
    offsets = dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths")
    extended = (offsets[0], offsets[1]) if offsets[0] and offsets[1] else None
    yield from generate_frames(dataset.PixelData, number_of_frames=count, extended_offsets=extended)


def _frames_missing(header: DicomHeader, expected: tuple[int, ...], found: tuple[int, ...]) -> UserError:
    return UserError(
        f": NumberOfFrames, Rows, Columns are {' x '.join(map(str, expected))}, its image has "
        f"{' x '.join(map(str, found))}; frames are missing, copy or export it again",
        path=header.path,
    )
