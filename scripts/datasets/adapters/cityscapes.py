"""Cityscapes: street scenes of 50 cities with fine masks.

Expected tree, as the official zip files have it::

    <dataset_dir>/leftImg8bit/<train|val>/<city>/<city>_<sequence>_<frame>_leftImg8bit.png
    <dataset_dir>/gtFine/<train|val>/<city>/<city>_<sequence>_<frame>_gtFine_labelIds.png

Labels: labelIds, made into the 19 train classes or the paper's 11 groups; the rest is void. 2,975 images for training
and 500 for validation. The masks of the official test part are not public, so it is not read. Free for research after
registration at https://www.cityscapes-dataset.com; not to be passed on.
"""

from __future__ import annotations

from pathlib import Path

from ...errors import MissingFileError
from ...formats.listing import list_folder
from ..cases import Case
from .street_classes import cityscapes_table
from .trees import open_root

_IMAGE, _MASK = "_leftImg8bit.png", "_gtFine_labelIds.png"


def find_cityscapes(dataset_dir: str | Path, classes: str = "official") -> list[Case]:
    """Find the images of the official train and val parts with their masks.

    Args:
        dataset_dir: folder in the layout above.
        classes: "official", the 19 train classes, or "paper", eleven groups.

    Raises:
        FileNotFoundError: a folder is missing or empty, or an image or a mask lacks its twin.
        ValueError: ``classes`` is unknown.
    """
    root = open_root(dataset_dir, "leftImg8bit and gtFine")
    table = cityscapes_table(classes)
    cases = []
    for part in ("train", "val"):
        images, masks = _find(root / "leftImg8bit" / part, _IMAGE), _find(root / "gtFine" / part, _MASK)
        for key, image in images.items():
            if key not in masks:
                expected = root / "gtFine" / part / f"{key}{_MASK}"
                raise MissingFileError(f"{image} has no mask: expected {expected}; add it or remove the image")
            name = Path(key).name
            cases.append(Case(name, str(image), str(masks[key]), patient=name, part=part, table=table))
        for key, mask in masks.items():
            if key not in images:
                expected = root / "leftImg8bit" / part / f"{key}{_IMAGE}"
                raise MissingFileError(f"{mask} has no image: expected {expected}; add it or remove the mask")
    return cases


def _find(folder: Path, ending: str) -> dict[str, Path]:
    """Files below the cities' folders, by city and name without the ending."""
    if not folder.is_dir():
        raise MissingFileError(f"{folder} is not a folder; the expected tree is in docs/datasets.md")
    paths = [path for city in list_folder(folder) if city.is_dir() for path in list_folder(city)]
    found = {f"{path.parent.name}/{path.name[: -len(ending)]}": path for path in paths if path.name.endswith(ending)}
    if not found:
        raise MissingFileError(f"no file *{ending} in the cities under {folder}; see docs/datasets.md")
    return found
