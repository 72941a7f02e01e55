"""The folder of a run: who owns it and where its files lie.

<output_dir>/<run_name>/        made by the run, never shared; a taken name gets -2, -3, ...
    config.yaml  split.json     what ran, on which cases
    metrics.jsonl               every metric: the truth, of which MLflow is a copy
    tracking.json               the run's place in MLflow
    checkpoint_last.pt          everything needed to go on
    checkpoint_best.pt          the same, at the best validation
    model.pt                    flat state dict of the best network, class weights folded in
    figures/  evaluation/
<output_dir>/latest             link to the newest run
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from scripts.files import write_text
from scripts.guards import executed_config

if TYPE_CHECKING:
    from scripts.datasets import PreparedDataset

LATEST = "latest"


def new_run_dir(output_dir: str | Path, run_name: str) -> Path:
    """Make the folder of a new run under ``output_dir``; ``record_run`` points ``latest`` at it once it starts.

    Args:
        output_dir: the folder of all runs; made when it is missing.
        run_name: wanted name; letters, digits and ``._-`` only. A number is added when it is taken.

    Raises:
        ValueError: ``run_name`` would leave ``output_dir``, or ``output_dir`` can't be written.
    """
    if not run_name or run_name != Path(run_name).name or run_name.startswith("."):
        raise ValueError(f"run_name must be a plain folder name, got '{run_name}'")
    root = Path(output_dir).resolve()
    try:
        root.mkdir(parents=True, exist_ok=True)
        path = _first_free(root, run_name)
    except OSError as error:
        raise ValueError(
            f"output_dir {root} can't be written: {error.strerror}; choose another --output_dir"
        ) from error
    return path


def find_run_dir(output_dir: str | Path, run_name: str | None = None) -> Path:
    """The folder of an earlier run: ``run_name``, or the newest one.

    Raises:
        FileNotFoundError: there is no such run.
    """
    root = Path(output_dir).resolve()
    path = root / (run_name or LATEST)
    if not path.is_dir():
        known = sorted(
            child.name for child in root.glob("*") if (child / "config.yaml").is_file() and child.name != LATEST
        )
        there = (
            f"runs there: {', '.join(known)}"
            if known
            else "train first, or name the folder of your runs by --output_dir"
        )
        wanted = f"no run '{run_name}'" if run_name not in (None, LATEST) else "no finished or running training"
        raise FileNotFoundError(f"{wanted} under {root}; {there}")
    return path.resolve()


def find_checkpoint(path: str | Path) -> Path:
    """The checkpoint file, if it is there.

    Raises:
        FileNotFoundError: names the file that is missing.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"no checkpoint {path}; train first, or name another file or run (--run_name, --checkpoint)"
        )
    return path


def record_run(run_dir: Path, dataset: PreparedDataset) -> None:
    """Write what runs into the run folder, the executed configuration and the split, and point ``latest`` at it."""
    write_text(run_dir / "config.yaml", yaml.safe_dump(executed_config(), sort_keys=False, allow_unicode=True))
    split = {"dataset": dataset.name, "fingerprint": dataset.fingerprint, "sha256": dataset.split_sha256}
    write_text(run_dir / "split.json", json.dumps({**split, "fold": dataset.fold, "cases": dataset.split}, indent=1))
    _point_latest(run_dir.parent, run_dir.name)


def _first_free(root: Path, name: str) -> Path:
    number = 1
    while True:
        path = root / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
        else:
            return path


def _point_latest(root: Path, name: str) -> None:
    temporary = root / f".{LATEST}.{os.getpid()}.tmp"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(name)
    temporary.replace(root / LATEST)
