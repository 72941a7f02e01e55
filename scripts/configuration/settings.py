"""Numbers that a training can use, and a device that is there."""

from __future__ import annotations

import torch

from ..errors import UserError

NUMBERS = (
    "max_epochs", "batch_size", "val_interval", "learning_rate", "num_workers", "batch_norm_images", "seed",
)  # fmt: skip


KEEP = ("all", "slim")  # which checkpoints a finished run keeps


def check_keep(keep: str) -> None:
    """Refuse a word for ``keep_checkpoints`` that is none.

    Raises:
        ValueError: says which there are.
    """
    if keep not in KEEP:
        raise UserError(f"keep_checkpoints must be {' or '.join(KEEP)}, got {keep!r}; set another --keep_checkpoints")


def check_settings(device: str | torch.device, **settings: float) -> None:
    """Refuse numbers that no training can use and a device that is not there, before anything is prepared.

    Args:
        device: where to compute.
        settings: ``learning_rate``, > 0; every other must be a whole number >= 1, such as ``max_epochs``;
            ``num_workers``,
            ``batch_norm_images`` and ``seed`` may be 0.

    Raises:
        ValueError: names the key, what it must be and what came.
    """
    for name, value in settings.items():
        if name == "learning_rate":
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
                raise UserError(f"{name} must be a number > 0, got {value!r}; set another --{name}")
            continue
        least = 0 if name in ("batch_norm_images", "num_workers", "seed") else 1
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise UserError(f"{name} must be a whole number >= {least}, got {value!r}; set another --{name}")
    try:
        wanted = torch.device(device)
    except RuntimeError:
        raise UserError(f"device must be cpu, cuda or cuda:N, got {device!r}; set another --device") from None
    if wanted.type == "cuda" and (wanted.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"device {wanted} is not there: torch finds {torch.cuda.device_count()} GPU(s); set --device cpu or another"
        )
