"""From the command to the first step of a training, against the bare imports of what it needs.

    python -m tests.benchmarks.bench_start [--turns 3]

Each is a process of its own, in turns. Times are those of the processor until the first iteration ends, since imports
on a machine that others use wait for its disk. The data are prepared before. What the thread that writes to MLflow
imports beside the first step counts as ours.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.workflows import TINY_PHANTOM

ROOT = Path(__file__).resolve().parents[2]
TARGET = 1.30
IMPORTS = "import torch, monai.bundle, monai.engines, monai.handlers, monai.networks, ignite.engine, matplotlib.figure"

OPTIMIZER = "torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))])"  # the first one imports torch._dynamo, 2 s


def seconds(code: str) -> float:
    """What a process says last."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    return float(done.stdout.splitlines()[-1])


def training(folder: Path) -> str:
    """Code of a training that says its seconds after its first step and ends."""
    settings = {**TINY_PHANTOM, "output_dir": str(folder), "bundle_root": str(folder), "max_epochs": 1, "device": "cpu"}
    return f"""
import os, time
from monai.bundle import ConfigWorkflow
from scripts.training import progress

def first(self, engine):
    print(time.process_time(), flush=True)
    os._exit(0)

progress.TrainingProgress._advance = first
workflow = ConfigWorkflow(["configs/train.yaml"], run_id="training", **{settings!r})
workflow.initialize()
workflow.run()
"""


def main() -> None:
    """Print the table."""
    from tests.benchmarks.measuring import machine, spread, table

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        code = training(Path(folder))
        seconds(code)  # prepares the data
        for _ in range(arguments.turns):
            rows.append((seconds(code), seconds(f"{IMPORTS}, time; {OPTIMIZER}; print(time.process_time())")))
    ratios = [ours / bare for ours, bare in rows]
    head = ["ours, s of processor", "bare imports", "ours / bare: median (range)", "target"]
    row = [spread([a for a, _ in rows]), spread([b for _, b in rows]), spread(ratios), f"{TARGET:.2f}"]
    print(f"{machine()}\n\n{table(head, [row])}", flush=True)


if __name__ == "__main__":
    main()
