"""Whether two runs are the same, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from scripts.runs.checkpoint import load
from scripts.runs.run_files import LAST, MODEL
from scripts.tracking import read_curve

CURVES = ("train/loss", "train/learning_rate", "val/dice/prostate", "acw/w_prostate", "best/epoch")


def assert_same_state(left: Any, right: Any, place: str = "") -> None:
    """Bit for bit, tensors and plain values alike."""
    assert type(left) is type(right), place
    if isinstance(left, torch.Tensor):
        assert torch.equal(left, right), place
    elif isinstance(left, dict):
        assert list(left) == list(right), place
        for key in left:
            assert_same_state(left[key], right[key], f"{place}/{key}")
    elif isinstance(left, list | tuple):
        assert len(left) == len(right), place
        for index, pair in enumerate(zip(left, right, strict=True)):
            assert_same_state(*pair, f"{place}/{index}")
    else:
        assert left == right, place


def assert_same_run(run_dir: Path, reference: Path) -> None:
    """Same bytes of the weights, same state of everything else, same curves."""
    assert (run_dir / MODEL).read_bytes() == (reference / MODEL).read_bytes()
    assert_same_state(load(run_dir / LAST), load(reference / LAST))
    for name in CURVES:
        curve = read_curve(run_dir / "metrics.jsonl", name)
        assert curve
        assert curve == read_curve(reference / "metrics.jsonl", name), name
