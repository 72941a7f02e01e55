"""Opening one DICOM file, without the tags that name a person and without unpacking more than it declares."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset, read_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from ..errors import MissingFileError, UserError
from .dicom_header import DicomHeader
from .limits import MAX_BYTES, MAX_HEADER_BYTES

# Nothing else leaves the file: no name, date or place is in memory when an error or a table is written.
_TAGS = [
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "PatientID", "BurnedInAnnotation",
    "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "RescaleSlope", "RescaleIntercept", "RescaleType",
    "ModalityLUTSequence", "PresentationLUTShape", "PixelPresentation", "PixelPaddingValue", "PixelPaddingRangeLimit",
    "RealWorldValueMappingSequence",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData",
    "ImagePositionPatient", "ImageOrientationPatient", "ImagePositionVolume", "ImageOrientationVolume",
    "PixelSpacing", "SpacingBetweenSlices", "SliceThickness",
    "SliceLocation", "TemporalPositionIndex", "AcquisitionDateTime", "AcquisitionTime", "ContentTime", "InstanceNumber",
    "SequenceOfUltrasoundRegions", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "SegmentationType", "MaximumFractionalValue", "SegmentSequence",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
]  # fmt: skip
_SERIES_TAGS = ["SeriesDescription", "Modality"]  # read for a list of series alone
_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)


def open_header(path: Path, *, describe_series: bool = False) -> DicomHeader:
    """Read what a file says of its image, up to the image itself.

    Args:
        path: the file.
        describe_series: read also the series' description, which a person may have written.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no DICOM file, its header is cut short, or too large.
    """
    return DicomHeader(path, _open(path, _TAGS + (_SERIES_TAGS if describe_series else []), None))


def open_dataset(path: Path, image_bytes: int) -> Dataset:
    """Read a file with its image.

    Args:
        path: the file.
        image_bytes: what its header declares; of a deflated file no more is unpacked.

    Raises:
        FileNotFoundError, ValueError: see ``open_header``; the file unpacks to more than it declares.
    """
    return _open(path, [*_TAGS, "PixelData"], image_bytes)


_ENDINGS = (".dcm", ".dicom", ".ima")


def find_dicoms(folder: Path) -> list[Path]:
    """The DICOM files of a folder, told by their content; other files, such as a viewer's, are left out.

    Beside them a broken link with the name of a slice is one too: left out, that slice would be missing.
    """
    files = [path for path in sorted(folder.iterdir()) if not path.is_dir() and not _is_index(path)]
    files = [path for path in files if not path.name.startswith(".")]
    found = {path for path in files if path.suffix.lower() in _ENDINGS or (path.is_file() and _has_preamble(path))}
    return [path for path in files if path in found or (found and _is_lost_slice(path))]


def _is_index(path: Path) -> bool:
    """Whether a file is the list of a medium's files, in whatever spelling the medium's file system left."""
    return path.name.upper().partition(";")[0].rstrip(".") == "DICOMDIR"


def _is_lost_slice(path: Path) -> bool:
    """Whether a path is a broken link without an ending, or with a number for one as in names made of UIDs."""
    return path.is_symlink() and not path.exists() and (not path.suffix or path.suffix[1:].isdigit())


def _has_preamble(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _open(path: Path, tags: list[str], image_bytes: int | None) -> Dataset:
    if not path.is_file():
        raise MissingFileError("does not exist, or is no file; check the path", path=path)
    if path.stat().st_size > MAX_BYTES + MAX_HEADER_BYTES:
        raise UserError(f"has {path.stat().st_size} bytes, at most {MAX_BYTES} are read; crop or part it", path=path)
    try:
        meta = read_file_meta_info(path)
        if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            return _open_deflated(path, meta, tags, image_bytes)
        return pydicom.dcmread(path, specific_tags=list(tags), stop_before_pixels=image_bytes is None)
    except UserError:
        raise
    except OSError as error:
        raise UserError(
            f"can't be read ({error.strerror}); correct its permissions or copy it again", path=path
        ) from None
    except RecursionError:
        raise UserError(": its header's sequences are nested too deeply; export it again", path=path) from None
    except Exception:  # a cut header ends in a dozen kinds of error
        raise UserError("is no DICOM file, or is cut short in its header; copy it again", path=path) from None


def _open_deflated(path: Path, meta: FileMetaDataset, tags: list[str], image_bytes: int | None) -> Dataset:
    """Read a file whose body is compressed as a whole; pydicom would unpack all of it, however much it is."""
    start = 132 + 12 + int(meta.FileMetaInformationGroupLength)
    body, whole = _inflate(path, start, MAX_HEADER_BYTES + (image_bytes or 0))
    reached = False

    def at_image(tag: Any, _vr: str | None, _length: int) -> bool:
        nonlocal reached
        reached = reached or tag in _PIXELS
        return reached and image_bytes is None

    if not whole and image_bytes is not None:
        raise UserError(f"unpacks to more than its header declares, {image_bytes} bytes; export it again", path=path)
    dataset = read_dataset(
        io.BytesIO(body), False, True, stop_when=at_image, specific_tags=[pydicom.tag.Tag(tag) for tag in tags]
    )
    if not whole and not reached:
        raise UserError(f": its header unpacks to more than {MAX_HEADER_BYTES} bytes; export it again", path=path)
    opened = Dataset(dataset)
    opened.file_meta = FileMetaDataset()
    opened.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian  # what it is, now that it is unpacked
    opened.set_original_encoding(False, True, getattr(dataset, "_character_set", None))
    return opened


def _inflate(path: Path, start: int, limit: int) -> tuple[bytes, bool]:
    """Unpack at most ``limit`` bytes, and tell whether that is all."""
    inflater, body = zlib.decompressobj(-zlib.MAX_WBITS), bytearray()
    with path.open("rb") as file:
        file.seek(start)
        while not inflater.eof and (block := inflater.unconsumed_tail or file.read(65_536)):
            body += inflater.decompress(block, limit + 1 - len(body))
            if len(body) > limit:
                return bytes(body[:limit]), False
    return bytes(body), True
