"""Speed and memory of preparing: cases a second and peak memory for 10, 100 and 1,000 phantom cases.

    python tests/benchmarks/bench_prepare.py [number of cases ...]

Each number of cases and threads is a process of its own, so that peaks don't mix. Then the cost of finding the largest
set unchanged, and the speed-up of all cores over one: both prepare in turn, the best of five each, since others may use
the machine too.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SIZE = (160, 160, 12)  # the embedded phantom's own
IMAGE_SIZE = 224


def measure(folder: Path, num_cases: int, threads: int) -> dict[str, float]:
    """Prepare phantom cases in this process."""
    import torch

    from scripts.datasets import find_phantom, prepare_dataset

    torch.set_num_threads(1)
    phantom = {"dataset_dir": folder / f"phantom{num_cases}", "num_cases": num_cases, "size": SIZE}
    cases = find_phantom(**phantom)
    settings = {"name": "bench", "labels": ["background", "prostate"], "image_size": IMAGE_SIZE, "num_workers": threads}
    place = folder / f"prepared{num_cases}_{threads}"
    warm_up = prepare_dataset(cases[:3], num_folds=3, prepared_dir=folder / "warm_up", **settings)  # loads ITK
    assert warm_up.case_names
    start = time.perf_counter()
    prepare_dataset(cases, prepared_dir=place, **settings)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    prepare_dataset(
        find_phantom(folder / f"phantom{num_cases}", num_cases=num_cases, size=SIZE), prepared_dir=place, **settings
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rate": num_cases / seconds, "peak": peak, "unchanged": time.perf_counter() - start}


def measure_speed_up(folder: Path, cores: int, num_cases: int = 48) -> float:
    """Prepare with one thread and with one per core, in turn, and compare the best times."""
    import torch

    from scripts.datasets import find_phantom, prepare_dataset

    torch.set_num_threads(1)
    cases = find_phantom(folder / "phantom", num_cases=num_cases, size=SIZE)
    settings = {"name": "bench", "labels": ["background", "prostate"], "image_size": IMAGE_SIZE}
    best: dict[int, float] = {}
    for turn in range(-1, 5):  # the first turn loads ITK and is left out
        for threads in (1, cores):
            start = time.perf_counter()
            prepare_dataset(cases, prepared_dir=folder / f"{turn}_{threads}", num_workers=threads, **settings)
            if turn >= 0:
                best[threads] = min(best.get(threads, 1e9), time.perf_counter() - start)
    return best[1] / best[cores]


def apart(*words: str) -> dict[str, float]:
    """Call one of the measurements in a process of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, __file__, *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(counts: list[int]) -> None:
    """Print the table."""
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        if cores > 1:
            ratio = apart("--speed-up", folder, str(cores))["ratio"]
            print(f"speed-up on {cores} cores: {ratio:.2f}, {ratio / cores:.2f} of linear", flush=True)
        print(f"{'cases':>6} {'threads':>8} {'cases/s':>8} {'peak MiB':>9} {'unchanged s':>12}", flush=True)
        for num_cases in counts:
            found = apart("--one", folder, str(num_cases), str(cores))
            values = f"{found['rate']:8.2f} {found['peak']:9.0f} {found['unchanged']:12.2f}"
            print(f"{num_cases:6d} {cores:8d} {values}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
    elif sys.argv[1:2] == ["--speed-up"]:
        print(json.dumps({"ratio": measure_speed_up(Path(sys.argv[2]), int(sys.argv[3]))}))
    else:
        main([int(word) for word in sys.argv[1:]] or [10, 100, 1000])
