"""What inference is given: files and folders of any format, each image told apart and named."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import MissingFileError, UserError
from ..formats.dicom_file import find_dicoms, open_header
from ..formats.dicom_header import DicomHeader
from ..formats.dicom_image import SEGMENTATIONS
from ..formats.listing import list_folder
from ..formats.metaimage_header import is_metaimage
from ..formats.nifti import is_nifti
from ..formats.pictures import is_picture
from ..formats.reading import source_files

MASK = "_segmentation"  # ends the name of every mask, and of PROMISE12's
ALL = "all"
_SHOWN = 5  # series that a refusal lists
_LONGEST_NAME = 255 - 24  # bytes: what file systems take, less the endings of outputs and of files not yet whole
# Names of images that nobody here reads, and that are told instead of left out.
_UNREAD = frozenset(
    (
        ".gif", ".webp", ".jp2", ".j2k", ".heic", ".heif", ".avif", ".jfif", ".jpe", ".tga", ".ppm", ".pgm", ".pbm",
        ".pnm", ".nrrd", ".nhdr", ".img", ".mgz", ".mgh", ".mnc",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Input:
    """One image to segment.

    Args:
        name: what its outputs are called, with the sub-folder that it lies in; unique among all.
        path: a file, or the folder of a DICOM series.
        kind: "nifti", "metaimage", "picture" or "dicom".
        series_uid: of a DICOM series in a folder.
        fault: why it can't be segmented, known from its folder alone; empty where nothing is known against it.
    """

    name: str
    path: Path
    kind: str
    series_uid: str | None = None
    fault: str = ""

    def files(self) -> list[Path]:
        """Every file that its numbers come from, as far as they exist; of a series, all of its folder."""
        return source_files(self.path)


def find_inputs(
    source: str | Path, output_dir: str | Path | None = None, series: str | None = None
) -> list[dict[str, Input]]:
    """Find every image in a file or a folder with its sub-folders.

    Masks (``*_segmentation.*``, folders ``*_segmentation``, DICOM segmentations), hidden folders and the folder of the
    outputs are left out.

    Args:
        source: a file, or a folder.
        output_dir: where the outputs go; None where nothing is written.
        series: a SeriesInstanceUID, or "all"; without it, a folder with several DICOM series is a fault.

    Returns:
        For each image ``{"case": input}``, in order of name.

    Raises:
        FileNotFoundError: there is no such file, no image, or no such series.
        ValueError: outputs would lie among the inputs.
    """
    root = Path(source).expanduser().resolve()
    if not root.exists():
        raise MissingFileError(f"{root} does not exist; name a file or a folder of images by --dataset_dir")
    outputs = None if output_dir is None else Path(output_dir).expanduser().resolve()
    if root.is_file():
        found = [_of_file(root, root.parent)]
    else:
        found = [each for folder in _folders(root, outputs) for each in _of_folder(folder, root, series)]
    if not found and series not in (None, ALL):
        raise MissingFileError(f"no DICOM series {series} under {root}; --series all takes every series")
    if not found:
        raise MissingFileError(
            f"no image under {root} (MHD, MHA, NIfTI, DICOM, PNG, JPEG or TIFF; masks are left out); "
            "name a file or folder by --dataset_dir"
        )
    _refuse_outputs_among_inputs(found, outputs)
    return [{"case": each} for each in _with_unique_names(sorted(found, key=lambda each: each.name))]


def _folders(root: Path, outputs: Path | None) -> Iterator[Path]:
    """The folder and all below it, each once whatever links lead to it, but for hidden ones, masks, and the outputs."""
    seen, waiting = {outputs} - {root}, [root]  # outputs onto the inputs themselves are refused later, by name
    while waiting:
        folder = waiting.pop(0)
        if folder.resolve() in seen:
            continue
        seen.add(folder.resolve())
        yield folder
        waiting += [child for child in list_folder(folder) if child.is_dir() and not child.name.endswith(MASK)]


def _of_folder(folder: Path, root: Path, series: str | None) -> list[Input]:
    found = []
    if series is None:
        files = [
            path for path in list_folder(folder) if not path.is_dir()
        ]  # what is no file is refused when it is read
        found = [_of_file(path, root) for path in files if _kind_by_name(path) and not _is_mask(path)]
        found += [_unread(path, root) for path in files if path.suffix.lower() in _UNREAD and not _is_mask(path)]
    return found + _dicoms(folder, root, series)


def _of_file(path: Path, root: Path) -> Input:
    kind = _kind_by_name(path)
    return Input(_named(path, root, _stem(path) if kind else path.stem), path, kind or "dicom")


def _unread(path: Path, root: Path) -> Input:
    fault = f"{path} is of a format that is not read; convert it (docs/inference.md)"
    return Input(_named(path, root, path.stem), path, "", fault=fault)


def _kind_by_name(path: Path) -> str:
    if is_picture(path):
        return "picture"
    if is_nifti(path):
        return "nifti"
    return "metaimage" if is_metaimage(path) else ""


def _is_mask(path: Path) -> bool:
    return _stem(path).endswith(MASK)


def _stem(path: Path) -> str:
    """The name without its ending, of which .nii.gz is one."""
    return path.name[:-7] if path.name.lower().endswith(".nii.gz") else path.stem


def _named(path: Path, root: Path, stem: str) -> str:
    folder = path.parent.relative_to(root)
    return (folder / stem).as_posix()


def _dicoms(folder: Path, root: Path, series: str | None) -> list[Input]:
    """The DICOM images of one folder: each file of several frames, and each series of single ones."""
    name = _named(folder, root, folder.name) if folder != root else folder.name
    headers, fault = _headers(folder)
    images = [each for each in headers if "Rows" in each and each.text("SOPClassUID") not in SEGMENTATIONS]
    wanted = [each for each in images if series in (None, ALL, each.text("SeriesInstanceUID"))]
    clips = [each for each in wanted if (each.integer("NumberOfFrames") or 1) > 1]
    found = [Input(_named(each.path, root, each.path.stem), each.path, "dicom") for each in clips]
    if fault:  # whose slice it is can't be known
        return [*found, Input(name, folder, "dicom", fault=fault)]
    groups: dict[str, list[DicomHeader]] = {}
    for header in wanted:
        if header not in clips:
            groups.setdefault(header.text("SeriesInstanceUID"), []).append(header)
    if len(groups) > 1 and series is None:
        return [*found, Input(name, folder, "dicom", fault=_several(folder, groups))]
    alone = len({each.text("SeriesInstanceUID") for each in images if each not in clips}) == 1
    return found + [Input(name if alone else f"{name}_{uid[-8:]}", folder, "dicom", uid) for uid in sorted(groups)]


def _headers(folder: Path) -> tuple[list[DicomHeader], str]:
    """The headers of a folder's DICOM files, and the first fault among them."""
    headers: list[DicomHeader] = []
    faults = []
    try:
        files = find_dicoms(folder)
    except (UserError, OSError) as error:
        return [], str(error)
    for file in files:
        try:
            headers.append(open_header(file, describe_series=True))
        except (UserError, OSError) as error:
            faults.append(str(error))
    if cut := _cut_short(headers):
        faults.append(f"{cut} is cut short in its header; copy it again")
    return headers, faults[0] if faults else ""


def _cut_short(headers: Sequence[DicomHeader]) -> Path | None:
    """A file that would silently be missing from a series: no size, and of no series or of an image's class."""
    classes = {each.text("SOPClassUID") for each in headers if "Rows" in each} | {""}
    for each in headers:
        if "Rows" not in each and ("SeriesInstanceUID" not in each or each.text("SOPClassUID") in classes):
            return each.path
    return None


def _several(folder: Path, groups: dict[str, list[DicomHeader]]) -> str:
    shown = [
        f"{uid} ({headers[0].words('Modality') or 'unknown modality'}, {len(headers)} files)"
        for uid, headers in sorted(groups.items())[:_SHOWN]
    ]
    more = f" and {len(groups) - _SHOWN} more" if len(groups) > _SHOWN else ""
    return f"{folder} holds {len(groups)} series: {', '.join(shown)}{more}; choose one by --series UID, or --series all"


def _with_unique_names(found: Sequence[Input]) -> list[Input]:
    """Tell images of one name apart by the endings of their files."""
    names = [each.name for each in found]
    told = [
        replace(each, name=each.name + "_" + each.path.name[len(_stem(each.path)) :].strip(".").replace(".", "_"))
        if names.count(each.name) > 1 and each.path.is_file()
        else each
        for each in found
    ]
    told = [_refuse_long_name(each) for each in told]
    seen: dict[str, Input] = {}
    for each in told:
        other = seen.setdefault(each.name, each)
        if other is not each:
            raise UserError(f"{each.path} and {other.path} would have outputs of one name, {each.name}; rename one")
    return told


def _refuse_long_name(each: Input) -> Input:
    size = len(os.fsencode(Path(each.name).name))
    if each.fault or size <= _LONGEST_NAME:
        return each
    return replace(each, fault=f"{each.path} has a name of {size} bytes, too long for that of a mask; rename it")


def _refuse_outputs_among_inputs(found: Sequence[Input], outputs: Path | None) -> None:
    for each in found:
        folder = each.path if each.path.is_dir() else each.path.parent
        if folder == outputs:
            raise UserError(
                f"output_dir {outputs} is a folder of the inputs, where masks drawn by hand may lie; choose another "
                "--output_dir"
            )
