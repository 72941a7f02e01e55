"""What a study says of its jobs on Slurm."""

from __future__ import annotations

from typing import Any

# What a study file's key "slurm" may hold, and what stands where it does not say.
SETTINGS: dict[str, Any] = {
    "time": None,           # limit of a task, as sbatch takes it; a run that needs longer is requeued and goes on
    "partition": None,
    "account": None,
    "gpus": 0,
    "cpus": 2,
    "memory": None,         # of a task, such as 16G
    "at_once": 8,           # tasks at a time
    "lead": 120,            # seconds before the limit at which a run is asked to save
    "setup": None,          # shell line before a run, such as "module load cuda"
    "options": [],          # further options of sbatch
    "follow": True,         # submit a job that goes on with the study when the runs have ended
}  # fmt: skip
