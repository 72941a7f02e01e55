"""The names of everything in a run folder, for all who write or read it.

<output_dir>/<run_name>/        made by the run, never shared; a taken name gets -2, -3, ...
    config.yaml  split.json     what ran, on which cases
    tracked/config.yaml         the same without paths and addresses, for MLflow
    metrics.jsonl               every metric: the truth, of which MLflow is a copy
    tracking.json               the run's place in MLflow
    checkpoint_last.pt          everything needed to go on; of a finished slim run its progress
    checkpoint_best.pt          network and progress at the best validation: what evaluation needs
    model.pt                    flat state dict of the best network, class weights folded in
    mlflow_model/               the same in MLflow's form
    non_finite_<iteration>.pt   a batch whose loss or gradient was not finite
    figures/                    pictures of validations and curves
    evaluation/<part>/          scores of the test or validation part: tables and their summary
    evaluation/<part>/pictures/ one picture a case, of 12 cases unless set otherwise; at most 60 kB each or so
<output_dir>/latest             link to the newest run
"""

from __future__ import annotations

from pathlib import Path

LATEST = "latest"

CONFIG, SPLIT = "config.yaml", "split.json"
TRACKED_CONFIG = "tracked/config.yaml"
LOCK = ".lock"

JOURNAL = "metrics.jsonl"
TRACKING, TRACKING_LOCK = "tracking.json", ".tracking.lock"
MLFLOW_MODEL = "mlflow_model"

LAST, BEST, MODEL = "checkpoint_last.pt", "checkpoint_best.pt", "model.pt"

FIGURES, EVALUATION = "figures", "evaluation"
PER_IMAGE, PER_CASE, SUMMARY = "per_image.csv", "per_case.csv", "summary.json"  # in evaluation/<part>/
PICTURES = "pictures"  # in evaluation/<part>/


def non_finite_batch(run_dir: Path, iteration: int) -> Path:
    """File of a batch whose loss or gradient was not finite."""
    return run_dir / f"non_finite_{iteration:06d}.pt"


def evaluation_folder(run_dir: Path, part: str) -> Path:
    """Folder of the scores of a part of the split, "val" or "test"."""
    return run_dir / EVALUATION / part


def case_picture(run_dir: Path, part: str, case: str) -> Path:
    """Picture of a case of an evaluated part, where it is one of those that are kept."""
    return evaluation_folder(run_dir, part) / PICTURES / f"{case}.png"
