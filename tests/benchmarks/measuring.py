"""What the benchmarks share: processor time, tables with their targets, and the machine."""

from __future__ import annotations

import datetime
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path

import torch


def machine() -> str:
    """The machine, torch and the date in one line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    capability = torch.backends.cpu.get_cpu_capability()
    return (
        f"{name}, {capability}, torch {torch.__version__}, {torch.get_num_threads()} thread(s), {datetime.date.today()}"
    )


def spread(values: Sequence[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The power of the size that the cost grows with: the slope of a line through their logarithms."""
    x, y = (torch.tensor(values, dtype=torch.float64).log() for values in (sizes, costs))
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).sum() / (x * x).sum())
