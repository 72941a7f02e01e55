"""What a study says of its jobs on Slurm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import UserError
from .file_values import refuse_unknown, whole_number

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
_NUMBERS = {"cpus": (1, 10000), "at_once": (1, 100000), "lead": (0, 65535)}  # 65535: the most that sbatch takes
_ONE_LINE = ("time", "partition", "account", "memory", "setup")


def read_slurm(slurm: Any) -> Mapping[str, Any] | None:
    """What a study file says of Slurm; None where the study does not run there.

    Raises:
        UserError: a setting is unknown, or holds what sbatch would take for something else.
    """
    if slurm is None or slurm is False:
        return None
    if slurm is True:
        return {}
    if not isinstance(slurm, Mapping):
        raise UserError(f"slurm must be true or hold settings such as {{time: '04:00:00'}}, got {slurm!r}")
    refuse_unknown(slurm, SETTINGS, "slurm")
    value = {**SETTINGS, **slurm}
    if isinstance(value["time"], int | float):
        raise UserError(
            f"slurm::time must be a text in quotes, such as '04:00:00', got {value['time']!r}: YAML reads 12:00:00 as "
            "43200, which sbatch takes for minutes"
        )
    for key in _ONE_LINE:
        _refuse_lines(value[key], f"slurm::{key}")
    _check_numbers(value)
    if not isinstance(value["follow"], bool):
        raise UserError(f"slurm::follow must be true or false, got {value['follow']!r}")
    options = value["options"]
    if not isinstance(options, list) or not all(isinstance(one, str) and one.startswith("-") for one in options):
        raise UserError(f'slurm::options must be a list such as ["--mail-type=END"], got {options!r}')
    for one in options:
        _refuse_lines(one, "slurm::options")
    return slurm


def _check_numbers(value: Mapping[str, Any]) -> None:
    for key, (least, most) in _NUMBERS.items():
        whole_number(value[key], f"slurm::{key}", least, most)
    if isinstance(value["gpus"], str):  # a kind and a number, such as a100:1
        _refuse_lines(value["gpus"], "slurm::gpus")
    elif value["gpus"] is not None:
        whole_number(value["gpus"], "slurm::gpus", 0, 1000)
    if value["memory"] is not None and str(value["memory"]).startswith("-"):
        raise UserError(f"slurm::memory must be such as 16G, got {value['memory']!r}")


def _refuse_lines(value: Any, key: str) -> None:
    """Refuse what is no line of a script, or an empty one."""
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise UserError(f"{key} must be a text of one line, got {value!r}")
