"""One's own data: a folder of images and a folder of masks with equal stems.

Expected tree; ``train``, ``val`` and ``test`` above it give official parts::

    <dataset_dir>/images/<name>.png   (or .jpg, .tif, .bmp, .nii, .nii.gz, .mhd, .mha, .dcm, a folder of a DICOM series)
    <dataset_dir>/masks/<name>.png    (the same; never .jpg, whose colours are not exact)

or, where each patient has a folder::

    <dataset_dir>/images/<patient>/<name>.png
    <dataset_dir>/masks/<patient>/<name>.png

Labels: a mask's value is its class's place in ``labels``, or ``values`` names the values or colours of each class.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from ...errors import UserError
from ...formats.dicom_file import find_dicoms
from ...formats.label_table import Key, LabelTable
from ...formats.listing import list_folder
from ...formats.metaimage_header import is_metaimage
from ...formats.nifti import is_nifti
from ...formats.pictures import is_picture
from ..cases import PARTS, Case
from .trees import files_by_stem, open_root, patient_of, refuse_lone, stem_of


def find_folder(
    dataset_dir: str | Path,
    values: Sequence[Key | Sequence[Key]] | None = None,
    ignored: Sequence[Key] = (),
    patient_pattern: str | None = None,
    keep_names: bool = False,
    channel: int | None = None,
) -> list[Case]:
    """Find every image under ``images`` with the mask of the same stem under ``masks``.

    Args:
        dataset_dir: folder in the layout above.
        values: for each class its value in the masks, its colour such as "#ff0000", or a list of these; None where a
            value is the class's place in ``labels``.
        ignored: values or colours that belong to no class.
        patient_pattern: regular expression whose one group finds the patient in a stem, such as "^(p[0-9]+)_"; None
            where every image shows another patient. Images in a patient's folder are that patient's, whatever it says.
        keep_names: call cases by their stems instead of salted hashes.
        channel: which channel of NIfTI images with four axes.

    Raises:
        FileNotFoundError: a folder is missing or empty, or an image or a mask lacks its twin.
        ValueError: two files have one stem, or an argument is wrong.
    """
    root = open_root(dataset_dir, "the folders images and masks")
    table = None if values is None else LabelTable.of(values, ignored)
    if values is None and ignored:
        raise UserError("ignored needs values; name the values of the classes too, or set --ignore_index alone")
    cases = []
    for part in _find_parts(root) or [None]:
        images, masks = root / (part or "") / "images", root / (part or "") / "masks"
        for name, patient, image, mask in _find_pairs(images, masks, patient_pattern):
            cases.append(
                Case(name, str(image), str(mask), patient, part, table, channel=channel, private=not keep_names)
            )
    return cases


def _find_parts(root: Path) -> list[str | None]:
    """The official parts, none where ``images`` and ``masks`` lie in the folder itself."""
    held = [folder for folder in list_folder(root) if (folder / "images").is_dir() or (folder / "masks").is_dir()]
    parts = [part for part in PARTS if root / part in held]
    for folder in held:
        if folder.name not in PARTS and (parts or not (root / "images").is_dir()):
            raise UserError(
                f"holds images or masks and is none of the parts {', '.join(PARTS)}; rename it", path=folder
            )
    if parts and ((root / "images").is_dir() or (root / "masks").is_dir()):
        raise UserError(f"holds images or masks and the parts {', '.join(parts)} too; keep one of both", path=root)
    return list(parts)


def _find_pairs(images: Path, masks: Path, pattern: str | None) -> list[tuple[str, str, Path, Path]]:
    """Name, patient, image and mask of every pair: those of the patients' folders, then those beside them."""
    patients = [folder for folder in (list_folder(images) if images.is_dir() else []) if _is_patient(folder)]
    found = []
    for folder in patients:
        twins = {stem_of(twin): twin for twin in (list_folder(masks) if masks.is_dir() else []) if twin.is_dir()}
        patient = stem_of(folder)
        for stem, image, mask in _pair(folder, twins.get(patient, masks / folder.name)):
            found.append((f"{patient}_{stem}", patient, image, mask))
    names = {stem_of(folder) for folder in patients}
    return found + [(stem, patient_of(stem, pattern), image, mask) for stem, image, mask in _pair(images, masks, names)]


def _pair(images: Path, masks: Path, patients: Collection[str] = ()) -> list[tuple[str, Path, Path]]:
    """Stem, image and mask of every pair in two folders, the patients' sub-folders left out."""

    def wanted(path: Path) -> bool:
        return _is_image(path) and not (path.is_dir() and stem_of(path) in patients)

    image_of, mask_of = (files_by_stem(folder, wanted, optional=bool(patients)) for folder in (images, masks))
    refuse_lone(image_of, mask_of)
    for image in image_of.values():
        if image.is_dir() and not find_dicoms(image):
            raise UserError(
                "holds neither pictures nor a DICOM series; lay images as images/<name> or images/<patient>/<name>",
                path=image,
            )
    for mask in mask_of.values():
        _refuse_lossy(mask)
    return [(stem, image, mask_of[stem]) for stem, image in image_of.items()]


def _is_patient(path: Path) -> bool:
    """Whether a sub-folder of the images is a patient's: it holds pictures or volumes, where a series has slices."""
    return path.is_dir() and any(
        is_picture(child) or is_nifti(child) or is_metaimage(child) for child in list_folder(path)
    )


def _is_image(path: Path) -> bool:
    return path.is_dir() or is_picture(path) or is_nifti(path) or is_metaimage(path) or path.suffix.lower() == ".dcm"


def _refuse_lossy(mask: Path) -> None:
    if mask.suffix.lower() in (".jpg", ".jpeg"):
        raise UserError(f"{mask} is a JPEG, which changes a mask's values; export the mask as PNG")
