"""PROMISE12: T2 MR volumes of the prostate, one mask each.

Expected tree, flat or in any sub-folders (the challenge's own zip files have some)::

    <dataset_dir>/Case00.mhd                Case00.raw or Case00.zraw
    <dataset_dir>/Case00_segmentation.mhd   Case00_segmentation.raw or Case00_segmentation.zraw

or ``.mha`` files, which hold their numbers themselves.

Labels: 0 background, 1 prostate. 50 training cases with masks, one patient each. Free after registration at
https://promise12.grand-challenge.org; not to be passed on.
"""

from __future__ import annotations

import re
from pathlib import Path

from ...errors import MissingFileError, UserError
from ...formats.listing import walk_folder
from ...formats.metaimage_header import SUFFIXES, is_metaimage
from ..cases import Case

_IMAGE = re.compile(r"Case\d+\.mh[ad]")
_MASK = re.compile(r"(Case\d+)_segmentation\.mh[ad]")


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
    headers = sorted(filter(is_metaimage, walk_folder(root)), key=lambda path: (path.name, path))
    _refuse_other_spellings(headers)
    images = [path for path in headers if _IMAGE.fullmatch(path.name)]
    if not images:
        raise MissingFileError(f"no PROMISE12 case (CaseXX.mhd) under {root}; the expected tree is in docs/datasets.md")
    _refuse_lone_masks(headers)
    cases: dict[str, Case] = {}
    for image in images:
        labels = _beside(image, f"{image.stem}_segmentation")
        if not labels:
            expected = f"{image.stem}_segmentation{image.suffix}"
            raise MissingFileError(f"{image} has no mask: expected {expected} beside it; add it or remove the case")
        if len(labels) > 1:
            raise UserError(f"{labels[0]} and {labels[1].name} are masks of one case; keep one of them")
        if image.stem in cases:
            raise UserError(f"{image} and {cases[image.stem].image} have the same name; keep one of them")
        cases[image.stem] = Case(name=image.stem, image=str(image), label=str(labels[0]), patient=image.stem)
    return list(cases.values())


def _refuse_other_spellings(headers: list[Path]) -> None:
    """A case of another spelling would be left out without a word."""
    for path in headers:
        for pattern in (_IMAGE, _MASK):
            if re.fullmatch(pattern.pattern, path.name, re.IGNORECASE) and not pattern.fullmatch(path.name):
                raise UserError("is spelled otherwise than Case00.mhd or Case00_segmentation.mhd; rename it", path=path)


def _refuse_lone_masks(headers: list[Path]) -> None:
    """A mask without its image is a case lost on the way: say so instead of training on fewer."""
    for path in headers:
        match = _MASK.fullmatch(path.name)
        if match and not _beside(path, match[1]):
            expected = f"{match[1]}{path.suffix}"
            raise MissingFileError(f"{path} has no image: expected {expected} beside it; add it or remove the mask")


def _beside(path: Path, stem: str) -> list[Path]:
    """The headers of a name in a file's folder."""
    return [twin for suffix in SUFFIXES if (twin := path.with_name(f"{stem}{suffix}")).exists()]
