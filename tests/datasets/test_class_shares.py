"""The range of every class's share in the cases that a run was trained on."""

from __future__ import annotations

import json
from pathlib import Path

from scripts.datasets.class_shares import training_shares
from scripts.datasets.datalist import write_datalist

LABELS = ["background", "gland", "cyst"]


def write(folder: Path) -> Path:
    """A run trained on three of five cases, beside its prepared data."""
    prepared = folder / "prepared" / "some-0123456789ab"
    prepared.mkdir(parents=True)
    counts = {"a": [90, 10, 0], "b": [60, 40, 0], "c": [80, 0, 20], "d": [0, 99, 1], "e": [1, 0, 99]}
    cases = [{"name": name, "class_counts": each} for name, each in counts.items()]
    write_datalist(prepared, {"cases": cases})
    run = folder / "run"
    run.mkdir()
    split = {"dataset": "some", "fingerprint": "0123456789abcdef", "cases": {"train": ["a", "b", "c"], "test": ["d"]}}
    (run / "split.json").write_text(json.dumps(split))
    return run


def test_only_the_trainings_cases_that_hold_a_class_count(tmp_path: Path) -> None:
    shares = training_shares(write(tmp_path), LABELS)
    assert shares == {"background": [0.6, 0.9], "gland": [0.1, 0.4], "cyst": [0.2, 0.2]}


def test_what_is_not_there_or_does_not_fit_gives_no_range(tmp_path: Path) -> None:
    run = write(tmp_path)
    assert training_shares(run, LABELS[:2]) == {}
    (tmp_path / "prepared" / "some-0123456789ab" / "dataset.json").unlink()
    assert training_shares(run, LABELS) == {}
    assert training_shares(tmp_path / "none", LABELS) == {}
