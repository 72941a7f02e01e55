"""The end of a training: the best network put where the bundle looks for it, and the result said in plain words."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from ignite.engine import Engine

from ..runs.checkpoint import MODEL
from ..storage.atomic_files import write_atomically
from ..tracking import read_curve
from ..tracking.journal import JOURNAL_NAME


def finish_training(
    run_dir: str | Path, evaluator: Engine, labels: Sequence[str], model_file: str | Path | None
) -> None:
    """Copy the best network to ``model_file`` and print the result, the run folder and how to look at it.

    Args:
        run_dir: folder of the run.
        evaluator: the validation engine.
        labels: class names, index = class value.
        model_file: the bundle's own weights, ``models/model.pt``, replaced in one step; None leaves them alone.
    """
    run_dir = Path(run_dir)
    if not (run_dir / MODEL).is_file():
        print(f"No validation took place, so there is no best network. Run folder: {_shown(run_dir)}")
        return
    also = ""
    if model_file is not None:
        Path(model_file).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(Path(model_file), lambda temporary: _copy(run_dir / MODEL, temporary))
        also = f"; best weights also in {_shown(Path(model_file))}"
    journal = run_dir / JOURNAL_NAME
    best = {name: list(read_curve(journal, f"best/{name}").values()) for label in labels for name in _names(label)}
    scores = [
        f"{label} Dice {best[f'dice/{label}'][-1]:.3f} IoU {best[f'iou/{label}'][-1]:.3f}"
        for label in labels
        if best[f"dice/{label}"]
    ]
    print(f"Best validation (epoch {evaluator.state.best_metric_epoch}, cases not trained on): {', '.join(scores)}")
    print(f"Run folder: {_shown(run_dir)} (figures, metrics, checkpoints){also}")
    print("Curves and pictures: make ui")


def _names(label: str) -> tuple[str, str]:
    return f"dice/{label}", f"iou/{label}"


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def _shown(path: Path) -> str:
    """A path as a person in the working folder would type it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
