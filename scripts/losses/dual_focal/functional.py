"""The Dual Focal Loss as a function, as torch has one beside each of its losses."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..voxelwise import Reduction
from .loss import Backend, DualFocalLoss


def dual_focal_loss(
    input: Tensor,
    target: Tensor,
    *,
    include_background: bool = True,
    sigmoid: bool = False,
    alpha: float = 1.0,
    beta: float = 1.0,
    gamma: float = 1.0,
    rho: float = 1.0,
    weight: Sequence[float] | Tensor | None = None,
    ignore_index: int | None = None,
    reduction: Reduction = "mean",
    backend: Backend = "auto",
) -> Tensor:
    """The Dual Focal Loss of logits (B, C, *S); see :class:`scripts.losses.DualFocalLoss` for arguments and errors.

    >>> import torch
    >>> dual_focal_loss(torch.zeros(1, 2, 4, 4), torch.ones(1, 1, 4, 4), alpha=0.0, beta=0.0)  # cross entropy: log 2
    tensor(0.6931)
    """
    loss = DualFocalLoss(
        include_background=include_background,
        sigmoid=sigmoid,
        alpha=alpha,
        beta=beta,
        gamma=gamma,
        rho=rho,
        weight=weight,
        ignore_index=ignore_index,
        reduction=reduction,
        backend=backend,
    )
    value: Tensor = loss(input, target)
    return value
