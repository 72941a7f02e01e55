"""The arithmetic of a network's forward pass: float32, or a mixture of it with 16-bit numbers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor

from ..errors import UserError

logger = logging.getLogger(__name__)

PRECISIONS = ("auto", "float32", "bfloat16", "float16")


def choose_precision(precision: str, device: torch.device | str) -> str:
    """What a setting of ``precision`` comes to on a device: "float32", "bfloat16" or "float16".

    Args:
        precision: one of these, or "auto": bfloat16 on a device that computes in it, else float32. A paired comparison
            has shown Dice to be equivalent (docs/results.md).
        device: where the network is.

    Raises:
        ValueError: there is no such precision, or the device does not compute in it.
    """
    if precision not in PRECISIONS:
        raise UserError(f"precision must be {', '.join(PRECISIONS)}, got {precision!r}; set another --precision")
    device = torch.device(device)
    if precision == "auto":
        return "bfloat16" if _has_bfloat16(device) else "float32"
    if precision == "float16" and device.type == "cpu":
        raise UserError("precision float16 needs a GPU; set --precision bfloat16 or float32")
    if precision == "bfloat16" and device.type == "cuda" and not _gpu_has_bfloat16():
        raise UserError(
            "precision bfloat16 needs a GPU that computes in it (NVIDIA Ampere or newer); set --precision float16 or "
            "float32"
        )
    if precision == "bfloat16" and device.type == "cpu" and not processor_has_bfloat16():
        logger.warning("this processor does not compute in bfloat16: each step takes longer than with float32")
    return precision


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return _gpu_has_bfloat16()
    return device.type == "cpu" and processor_has_bfloat16()


def _gpu_has_bfloat16() -> bool:
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def processor_has_bfloat16() -> bool:
    """Whether the processor has instructions for bfloat16 (AVX-512 BF16 or AMX) that torch uses."""
    has = torch.cpu.get_capabilities()
    return bool(has.get("avx512_bf16") or has.get("amx_bf16"))


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context in which a network computes with a precision that ``choose_precision`` returned."""
    kind = torch.float16 if precision == "float16" else torch.bfloat16
    return torch.autocast(device.type, dtype=kind, enabled=precision != "float32")


class PrecisionInferer(Inferer):  # type: ignore[misc]  # MONAI is not typed
    """Runs the network with a precision, in a memory format. Logits are float32: loss and scores are computed in it.

    MONAI's own ``amp`` is float16, and for GPUs alone. Weights stay float32. bfloat16 has the range of float32, so that
    gradients need no scaler; float16 needs the one of MONAI's trainer (``amp``).

    Args:
        precision: what ``choose_precision`` returned.
        channels_last: whether images are given to the network with their channels last in memory.
    """

    def __init__(self, precision: str = "float32", channels_last: bool = False) -> None:
        super().__init__()
        self.precision = precision
        self.channels_last = channels_last

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Logits of the images."""
        if self.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        if self.precision == "float32":
            return network(inputs, *args, **kwargs)
        with autocast(self.precision, inputs.device):
            logits = network(inputs, *args, **kwargs)
        return logits.float()

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training must compute in, for the checkpoint."""
        return {"precision": self.precision}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on in the precision that the training was started in, where "auto" comes to another on this device.

        Raises:
            ValueError: it is no precision that "auto" comes to.
        """
        before = state_dict["precision"]
        if before != self.precision:
            if not {before, self.precision} <= {"float32", "bfloat16"}:
                raise UserError(f"the run was trained in {before!r}, and can't go on in {self.precision}")
            logger.warning("the run goes on in %s, in which it was started, and not in %s", before, self.precision)
            self.precision = before
