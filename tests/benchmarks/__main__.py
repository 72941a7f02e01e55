"""All benchmarks, one after the other, each in a process of its own: python -m tests.benchmarks"""

from __future__ import annotations

import subprocess
import sys

NAMES = (
    "bench_training",
    "bench_start",
    "bench_inference",
    "bench_growth",
    "bench_segment",
    "bench_loss",
    "bench_prepare",
)

for name in NAMES:
    print(f"\n## {name}\n", flush=True)
    subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}"], check=True)
