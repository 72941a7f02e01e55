"""TRUS: transrectal ultrasound of the prostate as DICOM; the paper's own set of five patients is private.

Expected tree, one folder a patient with any number of scans, or a flat folder, each scan a patient of its own::

    <dataset_dir>/<patient>/<scan>.dcm            a file of one or many frames
    <dataset_dir>/<patient>/<scan>/*.dcm          or a folder with a series of single frames
    <dataset_dir>/<patient>/<scan>_segmentation   its mask: .dcm (DICOM-SEG or an image of many frames), .nii.gz, .nii,
                                                  .mhd, .mha, .png or a folder of one picture per frame, numbered

Labels: 0 background, 1 prostate; in a DICOM-SEG the segment's number. Frames come in order of position or time.
"""

from __future__ import annotations

from pathlib import Path

from ...errors import MissingFileError, UserError
from ...formats.dicom_file import find_dicoms
from ...formats.listing import list_folder
from ...formats.metaimage_header import is_metaimage
from ...formats.nifti import is_nifti
from ...formats.pictures import is_picture
from ..cases import Case
from .trees import open_root, stem_of

_MARK = "_segmentation"


def find_trus(dataset_dir: str | Path, keep_names: bool = False) -> list[Case]:
    """Find every scan with its mask.

    Args:
        dataset_dir: folder in the layout above.
        keep_names: call cases by the names of folders and files instead of salted hashes.

    Raises:
        FileNotFoundError: the folder is missing or empty, or a scan or a mask lacks its twin.
        ValueError: a scan has two masks, or two scans one name.
    """
    root = open_root(dataset_dir, "the patients' folders")
    cases: list[Case] = []
    found = list_folder(root)
    stems = {stem_of(path) for path in found}
    folders = [path for path in found if path.is_dir()]
    # A folder with a mask beside it is a series, one without is a patient's.
    patients = [path for path in folders if not path.name.endswith(_MARK) and f"{stem_of(path)}{_MARK}" not in stems]
    for folder in patients:
        scans = _find_scans(folder)
        if not scans:
            raise MissingFileError(
                "holds no scan (<scan>.dcm or a folder of a series); lay scans as <patient>/<scan>, or remove it",
                path=folder,
            )
        for name, image, mask in scans:
            patient = stem_of(folder)
            cases.append(Case(f"{patient}_{name}", str(image), str(mask), patient, private=not keep_names))
    for name, image, mask in _find_scans(root, leave_out=patients):
        cases.append(Case(name, str(image), str(mask), name, private=not keep_names))
    if not cases:
        raise MissingFileError(f"no DICOM scan under {root}; the expected tree is in docs/datasets.md")
    return cases


def _find_scans(folder: Path, leave_out: list[Path] | None = None) -> list[tuple[str, Path, Path]]:
    """Scans with their masks, by name."""
    paths = [path for path in list_folder(folder) if path not in (leave_out or [])]
    images: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    for path in paths:
        stem = stem_of(path)
        kind, key = (masks, stem[: -len(_MARK)]) if stem.endswith(_MARK) else (images, stem)
        if not (_is_mask(path) if kind is masks else _is_scan(path)):
            continue
        if kind.setdefault(key, path) is not path:
            raise UserError(f"{path} and {kind[key].name} are of one name; keep one of them")
    for name, path in images.items():
        if name not in masks:
            raise MissingFileError(f"{path} has no mask: expected {name}{_MARK} beside it; add it or remove the scan")
    for name, path in masks.items():
        if name not in images:
            raise MissingFileError(f"{path} has no scan: expected {name}.dcm beside it; add it or remove the mask")
    return [(name, path, masks[name]) for name, path in images.items()]


def _is_scan(path: Path) -> bool:
    return bool(find_dicoms(path)) if path.is_dir() else path.suffix.lower() in (".dcm", ".dicom", ".ima")


def _is_mask(path: Path) -> bool:
    if path.is_dir():
        return bool(list_folder(path))
    return is_picture(path) or is_nifti(path) or is_metaimage(path) or path.suffix.lower() == ".dcm"
