"""How much of an image each class takes in the cases that a run was trained on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..runs.run_files import SPLIT
from .datalist import read_datalist
from .slice_grid import SliceGrid


def training_shares(run_dir: Path, labels: Sequence[str]) -> dict[str, list[float]]:
    """For each class the least and greatest share of a case's field of view, among the training's cases that hold it.

    Args:
        run_dir: folder of a run, beside the prepared data.
        labels: class names, index = class value.

    Returns:
        By class; empty where the run's split or its prepared data set is not there (any more).
    """
    try:
        split = json.loads((run_dir / SPLIT).read_text(encoding="utf-8"))
        prepared = run_dir.parent / "prepared" / f"{split['dataset']}-{split['fingerprint'][:12]}"
        record = read_datalist(prepared)
        names = set(split["cases"]["train"])
        cases = [case for case in record["cases"] if case["name"] in names]
        counts = [case["class_counts"] for case in cases]
        pixels = [_pixels(case, record) for case in cases]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    shares = {
        label: [case[value] / whole for case, whole in zip(counts, pixels, strict=True) if case[value]]
        for value, label in enumerate(labels)
        if all(len(case) == len(labels) for case in counts)
    }
    return {label: [min(found), max(found)] for label, found in shares.items() if found}


def _pixels(case: Mapping[str, Any], record: Mapping[str, Any]) -> int:
    """Pixels of a case that are of a class; where slices show a middle part alone, those of all its field of view."""
    steps = record.get("pixel_spacing")
    if steps is None:
        return sum(case["class_counts"])
    width, height = record["image_size"]
    grid = SliceGrid.of(case["size"], case["spacing"], (width, height), (steps[0], steps[1]), case["name"])
    return grid.whole[0] * grid.whole[1] * int(case["slices"])
