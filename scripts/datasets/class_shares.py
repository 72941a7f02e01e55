"""How much of an image each class takes in the cases that a run was trained on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from ..runs.run_files import SPLIT
from .prepared import DATASET_JSON


def training_shares(run_dir: Path, labels: Sequence[str]) -> dict[str, list[float]]:
    """For each class the least and greatest share of a case's pixels, among the training's cases that hold it.

    Args:
        run_dir: folder of a run, beside the prepared data.
        labels: class names, index = class value.

    Returns:
        By class; empty where the run's split or its prepared data set is not there (any more).
    """
    try:
        split = json.loads((run_dir / SPLIT).read_text(encoding="utf-8"))
        prepared = run_dir.parent / "prepared" / f"{split['dataset']}-{split['fingerprint'][:12]}"
        record = json.loads((prepared / DATASET_JSON).read_text(encoding="utf-8"))
        names = set(split["cases"]["train"])
        counts = [case["class_counts"] for case in record["cases"] if case["name"] in names]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    shares = {
        label: [case[value] / sum(case) for case in counts if case[value]]
        for value, label in enumerate(labels)
        if all(len(case) == len(labels) for case in counts)
    }
    return {label: [min(found), max(found)] for label, found in shares.items() if found}
