"""Numbers that a training can use, and a device that is there."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable

import torch

from ..errors import UserError

NUMBERS = {  # what each must be
    "max_epochs": "a whole number >= 1",
    "batch_size": "a whole number >= 1",
    "val_interval": "a whole number >= 1",
    "loss_interval": "a whole number >= 1",
    "num_workers": "a whole number >= 0",
    "batch_norm_images": "a whole number >= 0",
    "max_skipped_batches": "a whole number >= 0",
    "seed": "a whole number >= 0",
    "split_seed": "a whole number >= 0",
    "fold": "a whole number >= 0",
    "num_folds": "a whole number >= 3",
    "early_stopping": "a whole number >= 1, or null",
    "figure_interval": "a whole number >= 1, or null",
    "learning_rate": "a number > 0",
    "weight_decay": "a number >= 0",
    "checkpoint_interval": "a number >= 0",
    "batch_norm_share": "a number > 0 and <= 1",
    "cache_share": "a number >= 0 and < 1",
    "no_foreground_share": "a number > 0 and < 1, or null",
}
FLAGS = (
    "deterministic_algorithms",
    "channels_last",
    "compile",
    "augmentation",
    "include_background",
    "acw_positive",
)
_LIMITS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}


KEEP = ("all", "slim")  # which checkpoints a finished run keeps


def check_keep(keep: str) -> None:
    """Refuse a word for ``keep_checkpoints`` that is none.

    Raises:
        ValueError: says which there are.
    """
    if keep not in KEEP:
        raise UserError(f"keep_checkpoints must be {' or '.join(KEEP)}, got {keep!r}; set another --keep_checkpoints")


def check_flags(**flags: object) -> None:
    """Refuse words that are no truth of YAML's: any of them would count as true.

    Args:
        flags: by name.

    Raises:
        ValueError: names the key and what came.

    >>> check_flags(compile=False)
    """
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise UserError(f"{name} must be true or false, got {value!r}; set another --{name}")


def check_settings(device: str | torch.device, **settings: float) -> None:
    """Refuse numbers that no training can use and a device that is not there, before anything is prepared.

    Args:
        device: where to compute.
        settings: numbers by name; ``NUMBERS`` says what each must be.

    Raises:
        ValueError: names the key, what it must be and what came.
    """
    for name, value in settings.items():
        if not _is(NUMBERS[name], value):
            raise UserError(f"{name} must be {NUMBERS[name]}, got {value!r}; set another --{name}")
    try:
        wanted = torch.device(device)
    except (RuntimeError, TypeError):
        raise UserError(f"device must be cpu, cuda or cuda:N, got {device!r}; set another --device") from None
    if wanted.type == "cuda" and (wanted.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"device {wanted} is not there: torch finds {torch.cuda.device_count()} GPU(s); set --device cpu or another"
        )


def _is(rule: str, value: object) -> bool:
    """Whether a value is what a rule of ``NUMBERS`` says.

    >>> _is("a whole number >= 1, or null", None), _is("a number > 0 and < 1", 1), _is("a whole number >= 0", 0.5)
    (True, False, False)
    """
    if value is None:
        return rule.endswith("or null")
    if isinstance(value, bool) or not isinstance(value, int if "whole" in rule else int | float):
        return False
    limits = re.findall(r"([<>]=?) (\d+)", rule)
    return math.isfinite(value) and all(_LIMITS[sign](value, int(limit)) for sign, limit in limits)
