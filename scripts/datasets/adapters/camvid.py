"""CamVid: 701 street scenes with masks, of drives that their names tell; what the paper calls Cityscape.

Expected tree, one of two. The SegNet layout, 480 x 360, masks of indices (0 to 10 the classes, 11 void)::

    <dataset_dir>/<train|val|test>/<name>.png or .jpg
    <dataset_dir>/<train|val|test>annot/<name>.png

The original layout, 960 x 720, masks of 32 colours; the folders' names may differ, found are those of the masks
(``<name>_L.png``) and of the images (``<name>.png``)::

    <dataset_dir>/701_StillsRaw_full/<name>.png
    <dataset_dir>/LabeledApproved_full/<name>_L.png

Labels: SegNet's eleven groups, void ignored. http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid, for research.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...errors import MissingFileError, UserError
from ...formats.listing import walk_folder
from ...formats.pictures import is_picture
from ..cases import PARTS, Case
from .street_classes import camvid_colour_table, camvid_index_table
from .trees import files_by_stem, open_root, refuse_lone

_PAPER_TEST = 36  # images of the paper's random test part
_SPLITS = ("official", "drives", "random")
_FRAME = re.compile(r"(0001TP|0006R0|0016E5|Seq05VD)_f?(\d+)")


def find_camvid(dataset_dir: str | Path, split: str = "official", split_seed: int = 0) -> list[Case]:
    """Find the images with their masks.

    Args:
        dataset_dir: folder in one of the layouts above.
        split: "official", 367 for training, 101 for validation, 233 for testing by whole stretches of the drives;
            "drives", each sequence a patient, to be parted into folds whole; or "random", 36 for testing as in the
            paper and as many for validation. Neighbouring frames are nearly equal, so scores of a random split are
            too good.
        split_seed: seed of the random split.

    Raises:
        FileNotFoundError: a folder is missing or empty, or an image or a mask lacks its twin.
        ValueError: ``split`` is unknown, or a name is none of CamVid's.
    """
    if split not in _SPLITS:
        raise UserError(f"split must be one of {', '.join(_SPLITS)}, got {split!r}; set --cases::split")
    root = open_root(dataset_dir, "train and trainannot, or 701_StillsRaw_full and LabeledApproved_full")
    in_parts = any((root / f"{part}annot").is_dir() for part in PARTS)
    cases = _find_parts(root) if in_parts else _find_original(root)
    if split == "drives":
        return [replace(case, patient=_drive_and_frame(Path(case.image))[0], part=None) for case in cases]
    return cases if split == "official" else _part_at_random(cases, split_seed)


def _find_parts(root: Path) -> list[Case]:
    cases = []
    for part in PARTS:
        if (root / part).is_dir() or (root / f"{part}annot").is_dir():
            images, masks = (files_by_stem(root / name, is_picture) for name in (part, f"{part}annot"))
            refuse_lone(images, masks)
            table = camvid_index_table()
            cases += [Case(stem, str(path), str(masks[stem]), stem, part, table) for stem, path in images.items()]
    return cases


def _find_original(root: Path) -> list[Case]:
    pictures = sorted(path for path in walk_folder(root) if path.suffix.lower() == ".png")
    masks = {path.stem[:-2]: path for path in pictures if path.stem.endswith("_L")}
    images = {path.stem: path for path in pictures if not path.stem.endswith("_L")}
    if not masks:
        raise MissingFileError(f"no CamVid mask (trainannot, or *_L.png) under {root}; see docs/datasets.md")
    refuse_lone(images, masks)
    table = camvid_colour_table()
    return [Case(stem, str(path), str(masks[stem]), stem, _official_part(path), table) for stem, path in images.items()]


def _drive_and_frame(path: Path) -> tuple[str, int]:
    match = _FRAME.fullmatch(path.stem)
    if match is None:
        raise UserError(f"{path} is no frame of CamVid (such as 0001TP_006690.png); correct its name or remove it")
    return match[1], int(match[2])


def _official_part(path: Path) -> str:
    """The part of a frame, by drive and frame number; these rules give the lists of SegNet's authors."""
    drive, frame = _drive_and_frame(path)
    if drive == "0001TP":
        return "train" if frame <= 8520 else "test"
    if drive == "0016E5":
        return "val" if 7959 <= frame <= 8159 and frame % 2 else "train"
    return "train" if drive == "0006R0" else "test"


def _part_at_random(cases: list[Case], seed: int) -> list[Case]:
    if len(cases) <= 2 * _PAPER_TEST:
        raise UserError(f"the random split needs more than {2 * _PAPER_TEST} images, there are {len(cases)}")
    order = np.random.default_rng(seed).permutation(len(cases))
    part_of = dict.fromkeys(order[:_PAPER_TEST].tolist(), "test")
    part_of |= dict.fromkeys(order[_PAPER_TEST : 2 * _PAPER_TEST].tolist(), "val")
    ordered = sorted(cases, key=lambda case: case.name)
    return [replace(case, part=part_of.get(index, "train")) for index, case in enumerate(ordered)]
