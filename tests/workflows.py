"""Running the bundle's workflows in small: a phantom of few tiny cases, small images, in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "configs"

TINY_PHANTOM = {"cases::num_cases": 6, "cases::size": [40, 40, 6], "image_size": 32, "num_folds": 3}


def tiny_overrides(folder: Path, **overrides: Any) -> dict[str, Any]:
    """Overrides for a training of two short epochs on a tiny phantom, everything below ``folder``.

    In float32 on every processor.
    """
    own = {"output_dir": str(folder / "runs"), "max_epochs": 2, "device": "cpu", "precision": "float32"}
    return {**TINY_PHANTOM, **own, **overrides}


def make_workflow(*names: str, run_id: str = "run", workflow_type: str = "train", **overrides: Any) -> ConfigWorkflow:
    """The workflow of the named config files, not yet initialised; logging is left as it is."""
    files = [str(CONFIGS / name) for name in names]
    return ConfigWorkflow(files, logging_file=False, run_id=run_id, workflow_type=workflow_type, **overrides)


def run_workflow(*names: str, run_id: str = "run", **overrides: Any) -> ConfigWorkflow:
    """Initialise, run and finalize a workflow, as ``python -m monai.bundle run`` does."""
    workflow = make_workflow(*names, run_id=run_id, **overrides)
    workflow.initialize()
    workflow.run()
    workflow.finalize()
    return workflow
