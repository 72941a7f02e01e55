"""The ``dataset.json`` of a data set in the Decathlon's layout: its classes, and whether it fits the files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import MissingFileError, UserError
from ...formats.listing import find_spelled
from ...formats.regular_files import read_json
from .trees import stem_of

_REMEDY = 'write {"labels": {"0": "background", "1": "prostate"}} or remove it'
_NO_CLASS = "ignore"  # nnU-Net's name for voxels of no class


def read_record(root: Path) -> dict[str, Any]:
    """The content of ``dataset.json``, empty where there is none.

    Raises:
        ValueError: it can't be read, or has no labels.
    """
    path = root / "dataset.json"
    if not os.path.lexists(path):
        return {}
    record = read_json(path, _REMEDY)
    if not isinstance(record, dict) or not isinstance(record.get("labels"), dict):
        raise UserError(f"is no JSON with 'labels'; {_REMEDY}", path=path)
    if not isinstance(record.get("training", []), list):
        raise UserError(": 'training' must be a list of cases; correct it or remove it", path=path)
    return record


def labels_of(root: Path, record: dict[str, Any]) -> dict[int, str]:
    """Names by value; both ways of writing them exist, {"0": "background"} and {"background": 0}.

    Raises:
        ValueError: a name is none, a value is no whole number, or one of them stands there twice.
    """
    labels: dict[int, str] = {}
    for key, entry in record["labels"].items():
        value, name = (key, entry) if key.isdecimal() else (entry, key)
        whole = type(value) is int or (isinstance(value, str) and value.isdecimal())  # no truth
        if not whole or not isinstance(name, str) or not name.strip():
            raise _fault(root, f"'labels' must map values to names, not {key!r} to {entry!r}; correct it")
        if name.casefold() == _NO_CLASS:
            raise _fault(
                root,
                f"'labels' calls {value} {name!r}, which is no class; remove it there and set --ignore_index {value}",
            )
        if int(value) in labels or name in labels.values():
            raise _fault(root, f"'labels' holds the value {value} or the name {name!r} twice; correct it")
        labels[int(value)] = name
    return labels


def check_cases_listed(root: Path, record: dict[str, Any], images: Mapping[str, Path]) -> None:
    """Compare the list of training cases, or where there is none their number, with the images that are there.

    Raises:
        FileNotFoundError: a file of the list is missing.
        ValueError: an image is not in the list, or its mask is another there than the one of its name.
    """
    listed = {_check_entry(root, item, images) for item in record.get("training", [])}
    for stem, image in images.items():
        if listed and stem not in listed:
            raise UserError("is not in the list 'training' of dataset.json; add it there, or move it away", path=image)
    number = record.get("numTraining")
    if not listed and isinstance(number, int) and number != len(images):
        raise _fault(root, f"'numTraining' is {number}, there are {len(images)} images; copy the rest or correct it")


def _check_entry(root: Path, item: Any, images: Mapping[str, Path]) -> str:
    """The stem of a listed image."""
    names = [item.get("image"), item.get("label")] if isinstance(item, dict) else [item, None]
    files = [find_spelled(root / str(name)) for name in names if name is not None or not any(names)]
    for file in files:
        if not file.is_file():
            raise MissingFileError("is listed in dataset.json and missing; copy it or correct the list", path=file)
    stems = [stem_of(file) for file in files]
    if stems[0] not in images or files[0].resolve() != images[stems[0]].resolve():
        raise UserError("is listed in dataset.json and lies not in imagesTr; move it there", path=files[0])
    if stems[-1] != stems[0]:
        raise UserError(
            f"has the mask {files[-1].name} in dataset.json; files are paired by name, so rename it", path=files[0]
        )
    return stems[0]


def _fault(root: Path, fault: str) -> UserError:
    return UserError(f": {fault}", path=root / "dataset.json")
