"""Images of an object that is bright, at every place and in every format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.inference.stub_run import write_run
from tests.workflows import run_workflow


def bright_object(shape: tuple[int, ...] = (16, 16, 5), seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    """A mask with no symmetry, off every border, and an image that is bright there."""
    x, y, z = np.indices(shape)
    rng = np.random.default_rng(seed)
    inside = (x > 3) & (x < 11) & (y > 2) & (y < 7 + x // 3 + z)
    inside &= (y < shape[1] - 2) & ((z > 0) & (z < shape[2] - 1) if shape[2] > 2 else True)
    image = np.where(inside, 1000, 0) + rng.integers(0, 100, shape)
    return inside.astype(np.uint8), image.astype(np.int16)


def segment(folder: Path, source: Path, **overrides: Any) -> int:
    """Segment by the configuration with the stub network; outputs are in ``out``; returns the exit code."""
    if not (folder / "runs").exists():
        write_run(folder / "runs")
    settings = {"output_dir": str(folder / "out"), "runs_dir": str(folder / "runs"), "run_name": "stub"}
    try:
        run_workflow(
            "inference.yaml",
            workflow_type="infer",
            **{"dataset_dir": str(source), "device": "cpu", **settings, **overrides},
        )
    except SystemExit as end:
        return int(end.code or 0)
    return 0
