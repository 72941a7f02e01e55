"""The DICOM series of a folder: which there are, and whether the files of one can be one stack of planes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import MissingFileError, UserError
from .dicom_file import find_dicoms, open_header
from .dicom_header import DicomHeader
from .dicom_pixels import PixelFormat

_ALIKE = ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated")


@dataclass(frozen=True)
class Series:
    """A series of images in a folder.

    Args:
        uid: its SeriesInstanceUID.
        description: SeriesDescription, which a person may have written: show it, and write it nowhere.
        modality: such as "MR"; empty where it is not told.
        files: of the series, in order of their names.
        num_frames: of all files together.
    """

    uid: str
    description: str
    modality: str
    files: tuple[Path, ...]
    num_frames: int


def list_series(folder: Path) -> list[Series]:
    """Find the series of images in a folder and its sub-folders, in order of their UIDs; the choice is the caller's.

    Raises:
        FileNotFoundError: there is no DICOM file.
        ValueError: a file is damaged.
    """
    folders = [folder, *sorted(path for path in folder.rglob("*") if path.is_dir() and not path.name.startswith("."))]
    found: dict[str, list[DicomHeader]] = {}
    for file in (file for each in folders for file in find_dicoms(each)):
        header = open_header(file, describe_series=True)
        if "Rows" in header:  # reports and presentation states hold no image
            found.setdefault(header.text("SeriesInstanceUID"), []).append(header)
    if not found:
        raise MissingFileError("holds no DICOM file; give the folder of one series", path=folder)
    return [
        Series(
            uid=uid,
            description=headers[0].words("SeriesDescription"),
            modality=headers[0].words("Modality"),
            files=tuple(header.path for header in headers),
            num_frames=sum(header.integer("NumberOfFrames") or 1 for header in headers),
        )
        for uid, headers in sorted(found.items())
    ]


def files_of_series(path: Path, series_uid: str | None) -> list[Path]:
    """The files of a series: a file itself, or those of a folder that are of the series, of all where none is named.

    Raises:
        FileNotFoundError: the folder holds no DICOM file, or none of the series.
        ValueError: a file is damaged.
    """
    if not path.is_dir():
        return [path]
    files = find_dicoms(path)
    if not files:
        raise MissingFileError("holds no DICOM file; give the folder of one series", path=path)
    if series_uid is None:
        return files
    chosen = [file for file in files if open_header(file).text("SeriesInstanceUID") == series_uid]
    if not chosen:
        raise MissingFileError(f"holds no file of the series {series_uid}; list its series", path=path)
    return chosen


def without_reports(headers: Sequence[DicomHeader]) -> list[DicomHeader]:
    """The headers of images, without those of objects of another class that have no size: reports, plans, states.

    One of no class, or of the class of an image beside it, stays: it is an image that is cut short.
    """
    classes = {header.text("SOPClassUID") for header in headers if "Rows" in header} | {""}
    images = [header for header in headers if "Rows" in header or header.text("SOPClassUID") in classes]
    return images or list(headers)


def check_series(headers: Sequence[DicomHeader], pixels: Sequence[PixelFormat]) -> None:
    """Refuse files that can't be one stack of planes.

    Raises:
        ValueError: they are of several series, differ in size or kind, or hold several frames each.
    """
    first = headers[0]
    for header, each in zip(headers, pixels, strict=True):
        if header.text("SeriesInstanceUID") != first.text("SeriesInstanceUID"):
            raise UserError(
                "is of another series than the first file beside it; keep one series a folder", path=header.path
            )
        if each.frames > 1:
            raise UserError(
                "holds several frames and has other files beside it; keep it in its own folder", path=header.path
            )
        for name in _ALIKE:
            if header.text(name) != first.text(name):
                raise UserError(
                    f": its {name} is {header.text(name)}, that of the first file is "
                    f"{first.text(name)}; keep one series a folder",
                    path=header.path,
                )
