"""Preparing: the same for every data set, from cases to PNG slices and a MONAI datalist."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from .atomic import holds_anything, make_folder
from .cases import Case, check_cases
from .prepared import DATASET_JSON, PreparedDataset
from .slices import IMAGES, LABELS, slice_name, write_case
from .splits import split_cases
from .threads import run_in_threads
from .volumes import bit_depth, source_files

_FORMAT = 1  # of the prepared folder; raised whenever the same input gives other bytes
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
logger = logging.getLogger(__name__)


def prepare_dataset(
    cases: Sequence[Case],
    *,
    name: str,
    labels: Sequence[str],
    image_size: int | Sequence[int],
    prepared_dir: str | Path,
    ignore_index: int | None = None,
    num_folds: int = 5,
    split_seed: int = 0,
    fold: int = 0,
    num_workers: int | None = None,
) -> PreparedDataset:
    """Write the cases as PNG slices with a ``dataset.json`` into ``<prepared_dir>/<name>-<fingerprint>``.

    Nothing is done where that folder exists already. The fingerprint covers the cases, the size and time of change of
    every file, and the settings; changed input is thus prepared anew beside the old. The folder appears complete or not
    at all, whenever the process ends and however many start together.

    Args:
        cases: what an adapter found.
        name: of the data set; safe as a file name.
        labels: names of the classes, at least two; a class's value in a mask is its place in this list.
        image_size: pixels along x and y, or one number for both.
        prepared_dir: holds the prepared data sets.
        ignore_index: mask value that belongs to no class, up to 255, or None.
        num_folds: folds of the split by patient; without effect where cases have official parts.
        split_seed: seed of that split.
        fold: the split to use.
        num_workers: threads; None or 0 takes a thread a core.

    Raises:
        FileNotFoundError, ValueError: a case or an argument is at fault; the message names it and the remedy.
    """
    check_cases(cases)
    size = _check_settings(name, labels, image_size, ignore_index)
    cases = sorted(cases, key=lambda case: case.name)
    settings: dict[str, Any] = {
        "name": name,
        "labels": {str(value): label for value, label in enumerate(labels)},
        "image_size": list(size),
        "ignore_index": ignore_index,
        "num_folds": num_folds,
        "split_seed": split_seed,
    }
    # Impossible folds are refused before hours of preparing; which cases have foreground does not matter for that.
    num_splits = len(split_cases(cases, (), num_folds=num_folds, seed=split_seed))
    if not 0 <= fold < num_splits:
        raise ValueError(f"fold must be 0 to {num_splits - 1}, got {fold}; the data set has {num_splits} split(s)")
    fingerprint = fingerprint_cases(cases, settings)
    target = Path(prepared_dir).expanduser().resolve() / f"{name}-{fingerprint[:12]}"
    if not holds_anything(target):
        make_folder(target, lambda folder: _write(folder, cases, settings, fingerprint, num_workers))
        logger.info("prepared %d cases of %s in %s", len(cases), name, target)
    return PreparedDataset(target, fold)


def fingerprint_cases(cases: Sequence[Case], settings: dict[str, Any]) -> str:
    """SHA-256 over the settings and the name, patient, part and files (name, size, time of change) of every case."""
    digest = hashlib.sha256(json.dumps([_FORMAT, settings], sort_keys=True).encode())
    for case in cases:
        files = []
        for path in (*source_files(case.image), *source_files(case.label)):
            status = path.stat()
            files.append([path.name, status.st_size, status.st_mtime_ns])
        digest.update(json.dumps([case.name, case.patient, case.part, files]).encode())
    return digest.hexdigest()


def _check_settings(
    name: str, labels: Sequence[str], image_size: int | Sequence[int], ignore_index: int | None
) -> tuple[int, int]:
    if not _SAFE_NAME.fullmatch(name):
        raise ValueError(f"name of the data set may hold letters, digits, '.', '_' and '-' only, got {name!r}")
    if not 2 <= len(labels) <= 256 or len(set(labels)) != len(labels):
        raise ValueError(f"labels must be 2 to 256 different names, background included, got {list(labels)}")
    if ignore_index is not None and not len(labels) <= ignore_index <= 255:
        raise ValueError(f"ignore_index must be {len(labels)} to 255, beside the classes, got {ignore_index}")
    size = tuple(image_size) if isinstance(image_size, Sequence) else (image_size, image_size)
    if len(size) != 2 or not all(isinstance(n, int) and 16 <= n <= 4096 for n in size):
        raise ValueError(f"image_size must be one or two whole numbers, 16 to 4096, got {image_size}")
    return size[0], size[1]


def _write(
    folder: Path, cases: Sequence[Case], settings: dict[str, Any], fingerprint: str, workers: int | None
) -> None:
    intensity_max = 2 ** max(bit_depth(case.image) for case in cases) - 1
    for kind in (IMAGES, LABELS):
        (folder / kind).mkdir()
    write = partial(
        write_case,
        folder=folder,
        labels=list(settings["labels"].values()),
        image_size=(settings["image_size"][0], settings["image_size"][1]),
        intensity_max=intensity_max,
        ignore_index=settings["ignore_index"],
    )
    counts = run_in_threads(write, cases, title=f"preparing {settings['name']}", num_workers=workers)
    _refuse_absent_class(counts, settings)
    extras = {"fingerprint": fingerprint, "in_channels": 1, "intensity_max": intensity_max}
    record = _describe(cases, counts, settings) | extras
    (folder / DATASET_JSON).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _refuse_absent_class(counts: list[list[list[int]]], settings: dict[str, Any]) -> None:
    """A class without a pixel has no weight and no score; a list of labels that is too long shows here."""
    for value, label in settings["labels"].items():
        if not any(plane[int(value)] for slices in counts for plane in slices):
            raise ValueError(
                f"no mask of {settings['name']} holds the class {value} ({label}) at image_size "
                f"{settings['image_size']}; correct the masks or the labels, or raise image_size"
            )


def _describe(cases: Sequence[Case], counts: list[list[list[int]]], settings: dict[str, Any]) -> dict[str, Any]:
    """The content of ``dataset.json``: MONAI's datalist, cases, splits; nothing in it depends on the machine."""
    per_case = [[sum(column) for column in zip(*slices, strict=True)] for slices in counts]
    with_foreground = {case.name for case, total in zip(cases, per_case, strict=True) if any(total[1:])}
    training = [
        {
            "image": f"{IMAGES}/{slice_name(case.name, index)}",
            "label": f"{LABELS}/{slice_name(case.name, index)}",
            "case": case.name,
            "slice": index,
        }
        for case, slices in zip(cases, counts, strict=True)
        for index in range(len(slices))
    ]
    return settings | {
        "format": _FORMAT,
        "tensorImageSize": "2D",
        "official_parts": any(case.part for case in cases),
        "splits": split_cases(cases, with_foreground, num_folds=settings["num_folds"], seed=settings["split_seed"]),
        "cases": [
            {
                "name": case.name,
                "patient": case.patient,
                "part": case.part,
                "slices": len(slices),
                "class_counts": total,
            }
            for case, slices, total in zip(cases, counts, per_case, strict=True)
        ],
        "numTraining": len(training),
        "training": training,
    }
