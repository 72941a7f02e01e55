"""How much of the time of one job two local jobs of a study take.

    python -m tests.benchmarks.bench_studies [--rounds 3]

The same short trainings, one at a time and two at a time, each with one thread, in turns; the process that runs are
forked from is warm. It ends with 1 where the ratio of the medians is above 0.6. Only an idle machine of two cores or
more tells anything: the load before each round is printed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from scripts.studies.blocks import all_runs
from scripts.studies.launch_local import run_locally
from scripts.studies.status import count_states, read_status
from tests.studies.tiny_study import lend_data, tiny_study
from tests.workflows import TINY_PHANTOM

MOST = 0.6
SETTINGS = {**{key: value for key, value in TINY_PHANTOM.items() if key != "num_folds"}, "device": "cpu"}


def seconds_of(folder: Path, jobs: int, repeats: int, of: Path | None = None) -> float:
    """Do a study of 2 losses x 3 folds x so many repeats; its prepared data are there already, if another had them."""
    study = tiny_study(folder, repeats=repeats, settings={**SETTINGS, "max_epochs": 20, "val_interval": 10})
    if of is not None:
        lend_data(of, folder)
    runs = all_runs(study)
    begun = time.perf_counter()
    run_locally(study.output_dir, runs, jobs, 1)
    taken = time.perf_counter() - begun
    if count_states(read_status(study.output_dir, runs)) != {"done": len(runs)}:
        sys.exit(f"some runs failed: {study.output_dir}")
    return taken


def main() -> None:
    """Measure, print, and say whether two jobs are fast enough."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    taken: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as place:
        seconds_of(Path(place) / "warm", 2, 1)
        for number in range(rounds):
            for jobs, times in taken.items():
                load = os.getloadavg()[0]
                times.append(seconds_of(Path(place) / f"{number}-{jobs}", jobs, 2, of=Path(place) / "warm"))
                print(f"round {number + 1}, {jobs} at a time: {times[-1]:.1f} s for 12 runs (load before: {load:.1f})")
    one, two = (statistics.median(times) for times in taken.values())
    print(f"two jobs take {two / one:.2f} of the time of one (medians of {rounds}); at most {MOST} is wanted")
    sys.exit(two / one > MOST)


if __name__ == "__main__":
    main()
