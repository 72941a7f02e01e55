"""PROMISE12: T2 MR volumes of the prostate, one mask each.

Expected tree, flat or in any sub-folders (the challenge's own zip files have some)::

    <dataset_dir>/Case00.mhd                Case00.raw or Case00.zraw
    <dataset_dir>/Case00_segmentation.mhd   Case00_segmentation.raw or Case00_segmentation.zraw

Labels: 0 background, 1 prostate. 50 training cases with masks, one patient each. Free after registration at
https://promise12.grand-challenge.org; not to be passed on.
"""

from __future__ import annotations

import re
from pathlib import Path

from ...errors import MissingFileError, UserError
from ..cases import Case

_IMAGE = re.compile(r"Case\d+\.mhd")
_MASK = re.compile(r"(Case\d+)_segmentation\.mhd")


def find_promise12(dataset_dir: str | Path) -> list[Case]:
    """Find every ``CaseXX.mhd`` with its ``CaseXX_segmentation.mhd`` under ``dataset_dir``.

    Args:
        dataset_dir: folder in PROMISE12's layout; sub-folders are searched too.

    Returns:
        The cases in order of their names. Each is a patient of its own, as in PROMISE12.

    Raises:
        FileNotFoundError: the folder is missing or holds no case, or an image or a mask lacks its twin.
        ValueError: two sub-folders hold a case of the same name.
    """
    root = Path(dataset_dir).expanduser().resolve()
    if not root.is_dir():
        raise MissingFileError(f"dataset_dir {root} is not a folder; give the folder that holds CaseXX.mhd")
    headers = sorted(root.rglob("Case*.mhd"), key=lambda path: (path.name, path))
    images = [path for path in headers if _IMAGE.fullmatch(path.name)]
    if not images:
        raise MissingFileError(f"no PROMISE12 case (CaseXX.mhd) under {root}; the expected tree is in docs/datasets.md")
    _refuse_lone_masks(headers)
    cases: dict[str, Case] = {}
    for image in images:
        label = image.with_name(f"{image.stem}_segmentation.mhd")
        if not label.is_file():
            raise MissingFileError(f"{image} has no mask: expected {label.name} beside it; add it or remove the case")
        if image.stem in cases:
            raise UserError(f"{image} and {cases[image.stem].image} have the same name; keep one of them")
        cases[image.stem] = Case(name=image.stem, image=str(image), label=str(label), patient=image.stem)
    return list(cases.values())


def _refuse_lone_masks(headers: list[Path]) -> None:
    """A mask without its image is a case lost on the way: say so instead of training on fewer."""
    for path in headers:
        match = _MASK.fullmatch(path.name)
        if match and not path.with_name(f"{match[1]}.mhd").is_file():
            raise MissingFileError(f"{path} has no image: expected {match[1]}.mhd beside it; add it or remove the mask")
