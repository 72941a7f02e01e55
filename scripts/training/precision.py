"""Mixed precision for the forward pass of a training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor

from ..errors import UserError


class MixedPrecisionInferer(Inferer):  # type: ignore[misc]  # MONAI is not typed
    """Runs the network in bfloat16 where torch finds that safe, on CPU and GPU alike.

    MONAI's own ``amp`` is float16, and for GPUs alone. bfloat16 has the range of float32, so that gradients need no
    scaler and a checkpoint holds none. Logits are returned in float32: the loss is computed as without it.

    Args:
        enabled: False runs the network as it is.

    Raises:
        ValueError: at the first batch, when the GPU has no bfloat16.
    """

    def __init__(self, enabled: bool = False) -> None:
        super().__init__()
        self.enabled = enabled

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Logits of the images."""
        if not self.enabled:
            return network(inputs, *args, **kwargs)
        device = inputs.device.type
        if device == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
            raise UserError("amp needs a GPU that computes in bfloat16 (NVIDIA Ampere or newer); set --amp false")
        with torch.autocast(device, dtype=torch.bfloat16):
            logits = network(inputs, *args, **kwargs)
        return logits.float()
