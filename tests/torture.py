"""Kills trainings at random moments, in the middle of a save too, and proves that nothing is lost.

    python -m tests.torture --kills 50

Every training is killed by SIGKILL and resumed until the kills are used up. After each kill every checkpoint that is
there must load; in the end the weights must have the same bytes, everything else kept the same bits, and the journal
and MLflow the same points as in a training that was never killed, each of them once.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mlflow
import torch

from scripts.runs.checkpoint import load
from scripts.runs.run_files import BEST, LAST, MODEL
from scripts.tracking import read_records
from tests.comparison_of_runs import assert_same_run
from tests.processes import renew_thread_pool
from tests.workflows import run_workflow, tiny_overrides

SETTINGS: dict[str, Any] = {
    "network_def::_target_": "tests.tiny_network.TinyNetwork",
    "augmentation": True,
    "max_epochs": 16,
    "val_interval": 4,
    "checkpoint_interval": 0,  # a checkpoint at every iteration
}
RUN_NAME = "tortured"


def start(folder: Path) -> int:
    """Begin or resume a training below ``folder`` in a forked process; returns its id."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        with (folder / "output.txt").open("a") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        os.setsid()
        renew_thread_pool()
        paths = {"tracking_uri": f"sqlite:///{folder.parent}/mlflow.db", "dataset_dir": str(folder.parent / "data")}
        overrides = tiny_overrides(folder, bundle_root=str(folder), run_name=RUN_NAME, resume=True, **SETTINGS, **paths)
        run_workflow("train.yaml", **overrides)
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def finish(folder: Path) -> Path:
    """Train to the end; returns the run folder."""
    folder.mkdir(exist_ok=True)
    _, status = os.waitpid(start(folder), 0)
    if status:
        raise RuntimeError(f"a training ended with status {status}:\n{(folder / 'output.txt').read_text()[-4000:]}")
    return folder / "runs" / RUN_NAME


def kill_one(folder: Path, draw: random.Random, in_save: bool, longest: float) -> str:
    """Begin or resume a training and kill it; returns where it was hit: "start", "training", "save" or "end"."""
    process = start(folder)
    run_dir = folder / "runs" / RUN_NAME
    moment = time.monotonic() + draw.uniform(0, longest)
    while os.waitpid(process, os.WNOHANG) == (0, 0):
        saving = any(run_dir.glob(".*.tmp"))
        if time.monotonic() >= moment and (saving or not in_save):
            os.kill(process, signal.SIGKILL)
            _, status = os.waitpid(process, 0)
            if os.WIFSIGNALED(status):
                hit = any(run_dir.glob(".*.tmp"))
                return "save" if hit else "training" if (run_dir / LAST).is_file() else "start"
            return "end"
        time.sleep(0.0005)
    return "end"


def check_files(run_dir: Path) -> None:
    """Every file under a final name must be whole."""
    for name in (LAST, BEST, MODEL):
        if (run_dir / name).is_file():
            load(run_dir / name)
    for name in ("tracking.json", "split.json"):
        if (run_dir / name).is_file():
            json.loads((run_dir / name).read_text())


def check_points(run_dir: Path) -> int:
    """Journal and MLflow must hold the same points, each once; returns how many."""
    records = [record for record, _ in read_records(run_dir / "metrics.jsonl") if "metrics" in record]
    points = Counter((name, r["step"], v) for r in records for name, v in r["metrics"].items())
    state = json.loads((run_dir / "tracking.json").read_text())
    client = mlflow.MlflowClient(state["tracking_uri"])
    there = Counter(
        (point.key, point.step, point.value)
        for name in {name for name, _, _ in points}
        for point in client.get_metric_history(state["run_id"], name)
    )
    if there != points:
        raise RuntimeError(f"MLflow and the journal differ: {(there - points) + (points - there)}")
    twice = [key for key, count in points.items() if count > 1]
    if twice:
        raise RuntimeError(f"recorded more than once: {twice[:5]}")
    return len(points)


def torture(root: Path, kills: int, seed: int) -> dict[str, int]:
    """Kill trainings below ``root``; returns how many were hit where, and how many runs and points were compared."""
    draw = random.Random(seed)
    reference = finish(root / "reference")
    began = time.monotonic()
    assert_same_run(finish(root / "again"), reference)
    longest = (time.monotonic() - began) / 2
    hits: Counter[str] = Counter()
    killed = number = 0
    while killed < kills:
        folder = root / f"run{number}"
        folder.mkdir(exist_ok=True)
        where = kill_one(folder, draw, in_save=killed % 2 == 1, longest=longest)
        if where == "end":
            hits["points"] += _compare(folder, reference)
            number += 1
            continue
        killed += 1
        hits[where] += 1
        check_files(folder / "runs" / RUN_NAME)
        print(f"{killed}/{kills}: killed at {where}", flush=True)
    hits["points"] += _compare(root / f"run{number}", reference)
    hits["runs"] = number + 1
    return dict(hits)


def _compare(folder: Path, reference: Path) -> int:
    run_dir = finish(folder)
    assert_same_run(run_dir, reference)
    if left := list(run_dir.glob(".*.tmp")):
        raise RuntimeError(f"left behind: {left}")
    return check_points(run_dir)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and torture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=SETTINGS["max_epochs"])
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    SETTINGS["max_epochs"] = options.epochs
    with tempfile.TemporaryDirectory() as folder:
        hits = torture(Path(folder), options.kills, options.seed)
    where = ", ".join(f"{hits.get(place, 0)} {words}" for place, words in PLACES.items())
    print(f"{options.kills} kills: {where}; every checkpoint loaded")
    print(
        f"{hits['runs']} run(s) ended with the bytes of one never killed; {hits['points']} points in MLflow, each once"
    )


PLACES = {"start": "before the first checkpoint", "training": "between saves", "save": "in the middle of a save"}

if __name__ == "__main__":
    main()
