"""What a training takes of its machine, under MLflow's names for system metrics."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import torch

MEGA = 1e6


class MachineUse:
    """Measures the use of processor, memory, disk and GPU since the last measurement.

    ``system/`` puts the values on the page that MLflow has for them. They are of this process, since several trainings
    may share a machine; those of a GPU are what torch has allocated.

    Args:
        run_dir: folder of the run, whose disk is looked at.
    """

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self._processor = self._processor_seconds()
        self._time = time.perf_counter()

    def measure(self) -> dict[str, float]:
        """Values by name."""
        processor, now = self._processor_seconds(), time.perf_counter()
        share = (processor - self._processor) / max(now - self._time, 1e-9)
        self._processor, self._time = processor, now
        values = {
            "system/cpu_utilization_percentage": 100 * share,  # 100 is one core
            "system/system_memory_usage_megabytes": _resident_bytes() / MEGA,
            "system/disk_available_megabytes": shutil.disk_usage(self.run_dir).free / MEGA,
        }
        for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
            values[f"system/gpu_{index}_memory_usage_megabytes"] = torch.cuda.max_memory_allocated(index) / MEGA
        return values

    def _processor_seconds(self) -> float:
        times = os.times()
        return times.user + times.system + times.children_user + times.children_system


def _resident_bytes() -> float:
    """Memory of this process; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return float(pages * os.sysconf("SC_PAGE_SIZE"))
