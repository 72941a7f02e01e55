"""The end of a training: the result said in plain words."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ignite.engine import Engine

from ..evaluation.score_line import score_line
from ..runs.processes import is_first
from ..runs.run_files import JOURNAL, MODEL
from ..tracking import read_curve


def finish_training(run_dir: str | Path, evaluator: Engine, labels: Sequence[str]) -> None:
    """Print the result, the run folder, how to look at it and how to make its weights the bundle's own.

    Args:
        run_dir: folder of the run.
        evaluator: the validation engine.
        labels: class names, index = class value.
    """
    if not is_first():
        return
    run_dir = Path(run_dir)
    if not (run_dir / MODEL).is_file():
        print(f"No validation took place, so there is no best network. Run folder: {_shown(run_dir)}")
        return
    journal = run_dir / JOURNAL
    names = [f"{kind}/{label}" for kind in ("dice", "iou") for label in (*labels, "mean")]
    curves = {name: list(read_curve(journal, f"best/{name}").values()) for name in names}
    best = {name: values[-1] for name, values in curves.items() if values}
    said = score_line(best, labels) if "dice/mean" in best else "no score"
    print(f"Best validation (epoch {evaluator.state.best_metric_epoch}, cases not trained on): {said}")
    print(f"Run folder: {_shown(run_dir)} (figures, metrics, checkpoints; best weights in {MODEL})")
    print(f"Curves and pictures: make ui. Scores of the test part: make evaluate RUN={run_dir.name}")
    print(f"The bundle's own weights, which inference takes, become these by: make publish RUN={run_dir.name}")


def _shown(path: Path) -> str:
    """A path as a person in the working folder would type it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
