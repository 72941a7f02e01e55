"""Starts trainings together in a new folder, and proves that each becomes a whole run of its own.

    python -m tests.tracking.simultaneous_starts --rounds 6 --trainings 6

The command lines are those of users. All trainings want one name, and none finds data, prepared slices or MLflow's
SQLite store there. Each must exit with 0 and leave every file, its own settings, metrics and artefacts like the
others, and every point once in MLflow, in a run that is FINISHED.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlflow
import yaml

from scripts.runs.checkpoint import load
from scripts.runs.run_files import BEST, CONFIG, JOURNAL, LAST, MLFLOW_MODEL, MODEL, SPLIT, TRACKED_CONFIG, TRACKING
from scripts.runs.run_folder import run_names
from scripts.tracking import read_curve, sync_runs
from tests.conditions import NARROW
from tests.torture import check_points
from tests.workflows import ROOT, tiny_overrides

NAME = "together"
FILES = (BEST, CONFIG, JOURNAL, LAST, MLFLOW_MODEL, MODEL, SPLIT, TRACKED_CONFIG, TRACKING)


def start(folder: Path, seed: int) -> subprocess.Popen[bytes]:
    """Start a training of one epoch below ``folder``; what it says goes to a file named for its seed."""
    network = "network_unet.yaml"
    settings = tiny_overrides(folder, run_name=NAME, max_epochs=1, seed=seed, **NARROW[network])
    command = [sys.executable, "-m", "monai.bundle", "run", "training"]
    command += ["--config_file", f"['configs/train.yaml','configs/{network}']"]
    for key, value in settings.items():
        command += [f"--{key}", str(value)]
    with (folder / f"{seed}.log").open("wb") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)


def read_run(run_dir: Path) -> dict[str, Any]:
    """What a run is, from its folder and from MLflow.

    Raises:
        RuntimeError: it is not whole.
    """
    lacking = [name for name in FILES if not (run_dir / name).exists()]
    left = [path.name for path in run_dir.rglob(".*.tmp")]
    if lacking or left:
        raise RuntimeError(f"{run_dir.name} lacks {lacking} and holds {left}")
    iterations = load(run_dir / LAST)["progress"]["iteration"]
    if sorted(read_curve(run_dir / JOURNAL, "train/loss")) != list(range(1, iterations + 1)):
        raise RuntimeError(f"{run_dir.name} lacks training losses")
    state = json.loads((run_dir / TRACKING).read_text())
    client = mlflow.MlflowClient(state["tracking_uri"])
    run = client.get_run(state["run_id"])
    seed = yaml.safe_load((run_dir / CONFIG).read_text())["seed"]
    if (run.info.status, run.info.run_name, run.data.params["seed"]) != ("FINISHED", run_dir.name, str(seed)):
        raise RuntimeError(f"{run_dir.name} is {run.info.status} in MLflow, as {run.info.run_name}")
    return {
        "seed": seed,
        "run": run.info.run_id,
        "weights": hashlib.sha256((run_dir / MODEL).read_bytes()).hexdigest(),
        "points": check_points(run_dir),
        "names": sorted(name for name in run.data.metrics if not name.startswith("system/")),  # these are by the clock
        "artefacts": sorted(item.path for item in client.list_artifacts(state["run_id"])),
    }


def check_round(folder: Path, trainings: int) -> int:
    """Start trainings together below ``folder`` and check each; returns how many points MLflow has of all.

    Raises:
        RuntimeError: one is not whole, or not by itself.
    """
    codes = [process.wait() for process in [start(folder, seed) for seed in range(trainings)]]
    if any(codes):
        logs = "\n".join((folder / f"{seed}.log").read_text()[-2000:] for seed, code in enumerate(codes) if code)
        raise RuntimeError(f"exit codes {codes}:\n{logs}")
    root = folder / "runs"
    expected = sorted(NAME if number == 1 else f"{NAME}-{number}" for number in range(1, trainings + 1))
    if run_names(root) != expected:
        raise RuntimeError(f"run folders {run_names(root)}, not {expected}")
    runs = [read_run(root / name) for name in expected]
    for key in ("seed", "run", "weights"):
        if len({run[key] for run in runs}) != trainings:
            raise RuntimeError(f"runs share their {key}: {[run[key] for run in runs]}")
    for key in ("names", "artefacts"):
        if any(run[key] != runs[0][key] for run in runs):
            raise RuntimeError(f"runs differ in {key}: {[run[key] for run in runs]}")
    if late := sync_runs(root):
        raise RuntimeError(f"only sync has completed {late}")
    return sum(run["points"] for run in runs)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, start and check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--trainings", type=int, default=6, help="started together in each round")
    options = parser.parse_args(arguments)
    points = 0
    for number in range(1, options.rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            points += check_round(Path(folder), options.trainings)
        print(f"round {number}: {options.trainings} of {options.trainings} whole", flush=True)
    total = options.rounds * options.trainings
    print(f"{total} of {total} trainings started together are whole; {points} points in MLflow, each once")


if __name__ == "__main__":
    main()
