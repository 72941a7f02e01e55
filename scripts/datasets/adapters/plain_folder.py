"""One's own data: a folder of images and a folder of masks with equal stems.

Expected tree; ``train``, ``val`` and ``test`` above it give official parts::

    <dataset_dir>/images/<name>.png   (or .jpg, .tif, .bmp, .nii, .nii.gz, .mhd, .dcm, a folder with a DICOM series)
    <dataset_dir>/masks/<name>.png    (the same; never .jpg, whose colours are not exact)

Labels: a mask's value is its class's place in ``labels``, or ``values`` names the values or colours of each class.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...errors import UserError
from ...formats.label_table import Key, LabelTable
from ...formats.nifti import is_nifti
from ...formats.pictures import is_picture
from ..cases import PARTS, Case
from .trees import files_by_stem, open_root, patient_of, refuse_lone


def find_folder(
    dataset_dir: str | Path,
    values: Sequence[Key | Sequence[Key]] | None = None,
    ignored: Sequence[Key] = (),
    patient_pattern: str | None = None,
    keep_names: bool = False,
) -> list[Case]:
    """Find every image under ``images`` with the mask of the same stem under ``masks``.

    Args:
        dataset_dir: folder in the layout above.
        values: for each class its value in the masks, its colour such as "#ff0000", or a list of these; None where a
            value is the class's place in ``labels``.
        ignored: values or colours that belong to no class.
        patient_pattern: regular expression whose one group finds the patient in a stem, such as "^(p[0-9]+)_"; None
            where every image shows another patient.
        keep_names: call cases by their stems instead of salted hashes.

    Raises:
        FileNotFoundError: a folder is missing or empty, or an image or a mask lacks its twin.
        ValueError: two files have one stem, or an argument is wrong.
    """
    root = open_root(dataset_dir, "the folders images and masks")
    table = None if values is None else LabelTable.of(values, ignored)
    if values is None and ignored:
        raise UserError("ignored needs values; name the values of the classes too, or set --ignore_index alone")
    parts: list[str | None] = [part for part in PARTS if (root / part / "images").is_dir()]
    cases = []
    for part in parts or [None]:
        folder = root / (part or "")
        images, masks = files_by_stem(folder / "images", _is_image), files_by_stem(folder / "masks", _is_image)
        refuse_lone(images, masks)
        for stem, image in images.items():
            _refuse_lossy(masks[stem])
            patient = patient_of(stem, patient_pattern)
            cases.append(Case(stem, str(image), str(masks[stem]), patient, part, table, private=not keep_names))
    return cases


def _is_image(path: Path) -> bool:
    suffixes = (".mhd", ".dcm")
    return path.is_dir() or is_picture(path) or is_nifti(path) or path.suffix.lower() in suffixes


def _refuse_lossy(mask: Path) -> None:
    if mask.suffix.lower() in (".jpg", ".jpeg"):
        raise UserError(f"{mask} is a JPEG, which changes a mask's values; export the mask as PNG")
