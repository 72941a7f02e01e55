"""The content of ``dataset.json``: MONAI's datalist, the cases, and what splits are dealt from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from ..errors import MissingFileError, UserError
from .cases import Case
from .checksums import CaseChecksums
from .geometry import Geometry
from .preparation_settings import FORMAT, Settings
from .slices import IMAGES, LABELS, slice_name
from .splits import Split, choose_splits, split_images

DATASET_JSON = "dataset.json"
VERSION = 2  # of this file; FORMAT is that of what it lists
_SHA256 = "sha256"  # of all the rest
Counts = list[list[int]]  # of a case: for each slice, the pixels of each class


def describe(
    cases: Sequence[Case],
    counts: Sequence[Counts],
    settings: Settings,
    *,
    checksums: Sequence[CaseChecksums],
    geometries: Sequence[Geometry],
    patient_ranks: Sequence[int],
    empty: Collection[str],
    twins: Sequence[Sequence[str]],
) -> dict[str, Any]:
    """Everything that a reader needs to know; nothing in it depends on the machine or on a split.

    Args:
        cases: by their published names.
        counts: of each case, the pixels of each class of each slice.
        settings: of the preparing.
        checksums: of each case, those of its files.
        geometries: of each case, size and spacing in its files.
        patient_ranks: of each case, the place of its patient's own name among all: what folds are dealt by, so that the
            salt of a hashed name has no influence on them.
        empty: names of the cases whose mask holds class 0 alone.
        twins: groups of names of cases with equal images.
    """
    training = [
        {
            "image": f"{IMAGES}/{slice_name(case.name, index)}",
            "image_crc32": sums.slices[index][0],
            "label": f"{LABELS}/{slice_name(case.name, index)}",
            "label_crc32": sums.slices[index][1],
            "case": case.name,
            "slice": index,
            "class_counts": classes,
        }
        for case, slices, sums in zip(cases, counts, checksums, strict=True)
        for index, classes in enumerate(slices)
    ]
    return settings.record() | {
        "tensorImageSize": "2D",
        "twins": [list(names) for names in twins],
        "cases": [
            {
                "name": case.name,
                "patient": case.patient,
                "patient_rank": rank,
                "part": case.part,
                "empty": case.name in empty,
                "slices": len(slices),
                **geometry.record(),
                "class_counts": [sum(column) for column in zip(*slices, strict=True)],
                "original_label_crc32": sums.original_label,
            }
            for case, slices, geometry, rank, sums in zip(
                cases, counts, geometries, patient_ranks, checksums, strict=True
            )
        ],
        "numTraining": len(training),
        "training": training,
    }


def write_datalist(folder: Path, record: dict[str, Any]) -> None:
    """Write ``dataset.json``, sealed: its own SHA-256 stands in it."""
    record = {"format": FORMAT, "version": VERSION, **record}
    sealed = {**record, _SHA256: _hash(record)}
    (folder / DATASET_JSON).write_text(json.dumps(sealed, indent=1) + "\n", encoding="utf-8")


def read_datalist(folder: Path) -> dict[str, Any]:
    """The content of ``dataset.json``, as it was written.

    Raises:
        FileNotFoundError: ``folder`` holds none.
        ValueError: it can't be read, is of another version, or was changed since.
    """
    path = folder / DATASET_JSON
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist; give a folder that prepare_dataset has written")
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise UserError(f"{path} is not readable JSON; delete {folder} and prepare it again") from None
    versions = (record.get("format"), record.get("version")) if isinstance(record, dict) else ()
    if versions != (FORMAT, VERSION):
        raise UserError(f"{folder} was prepared by another version of this bundle; delete it and prepare it again")
    if record.pop(_SHA256, None) != _hash(record):
        raise UserError(
            f"{path} was changed since the data set was prepared; delete {folder}, correct the data set's own files or "
            "settings, and prepare it again"
        )
    return record


def _hash(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def deal_splits(record: dict[str, Any], *, num_folds: int, seed: int) -> list[Split]:
    """Part the cases of a ``dataset.json`` by patient; see ``choose_splits``."""
    entries = record["cases"]
    cases = [Case(entry["name"], "", "", f"{entry['patient_rank']:09d}", entry["part"]) for entry in entries]
    with_foreground = {entry["name"] for entry in entries if not entry["empty"]}
    return choose_splits(cases, with_foreground, record["twins"], num_folds=num_folds, seed=seed)


def deal_images(record: dict[str, Any], *, num_folds: int, seed: int) -> list[Split]:
    """Part the images of a ``dataset.json`` at random, whatever patient they show; see ``split_images``."""
    return split_images([image_id(item) for item in record["training"]], num_folds=num_folds, seed=seed)


def image_id(item: dict[str, Any]) -> str:
    """Name of an image: that of its file without the ending."""
    return Path(item["image"]).stem
