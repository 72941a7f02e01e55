"""Speed and memory of preparing: cases a second and peak memory for 10, 100 and 1,000 phantom cases.

    python tests/benchmarks/bench_prepare.py [number of cases ...]

Each number of cases and threads is a process of its own, so that peaks don't mix. Then the cost of finding the largest
set unchanged, and the speed-up of all cores over one.
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


def measure_apart(folder: str, num_cases: int, threads: int) -> dict[str, float]:
    """Prepare phantom cases in a process of its own."""
    command = [sys.executable, __file__, "--one", folder, str(num_cases), str(threads)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(counts: list[int]) -> None:
    """Print the table."""
    cores = len(os.sched_getaffinity(0))
    print(f"{'cases':>6} {'threads':>8} {'cases/s':>8} {'peak MiB':>9} {'unchanged s':>12}")
    with tempfile.TemporaryDirectory() as folder:
        rates = {}
        for num_cases, threads in [(n, cores) for n in counts] + [(min(counts[-1], 100), 1)]:
            found = measure_apart(folder, num_cases, threads)
            rates[num_cases, threads] = found["rate"]
            values = f"{found['rate']:8.2f} {found['peak']:9.0f} {found['unchanged']:12.2f}"
            print(f"{num_cases:6d} {threads:8d} {values}", flush=True)
        few = min(counts[-1], 100)
        if (few, cores) in rates and cores > 1:
            ratio = rates[few, cores] / rates[few, 1]
            print(f"speed-up on {cores} cores: {ratio:.2f}, {ratio / cores:.2f} of linear")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))))
    else:
        main([int(word) for word in sys.argv[1:]] or [10, 100, 1000])
