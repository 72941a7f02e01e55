"""Focal loss of Lin et al. for classes that exclude each other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import UserError
from .dual_focal.formula import per_class, power
from .voxelwise import Reduction, VoxelwiseLoss


class FocalLoss(VoxelwiseLoss):
    r"""Focal loss over a softmax, with the interface of :class:`scripts.losses.DualFocalLoss`.

    .. math:: FL = - \sum_i w_i \alpha P_i (1 - p_i)^\gamma \log p_i

    Unlike MONAI's focal loss, the background is left out after the softmax (MONAI's is 0 for two classes without
    background), ignored voxels enter no divisor, and the terms of a voxel are summed over its classes, not averaged.

    Args:
        include_background: False leaves class 0 out of the class sum, after the softmax.
        to_onehot_y: accepted as MONAI users write it; class indices are recognised by their shape.
        alpha: factor of every term, >= 0; the paper uses 0.25, and 1 in its Table 7.
        gamma: focusing exponent, >= 0. At gamma = 0 and alpha = 1 the loss is the cross entropy.
        weight: factor of each class's term, (C,); None for 1.
        ignore_index: label whose voxels enter neither value, gradient nor divisor; None keeps every voxel.
        reduction: "mean" over the voxels that count, "sum" over them, or "none".

    Shape:
        input: logits (B, C, *S), C >= 2. target: class indices (B, 1, *S) or label maps (B, C, *S).
        output: (), or (B, 1, *S) for "none".

    Raises:
        ValueError: an argument is out of its range, shapes disagree, or a label is out of range.

    Reference:
        Lin, Goyal, Girshick, He, Dollar, ICCV 2017; Hossain, Paplinski, Betts, arXiv:1909.11932v2, equation 6.

    >>> FocalLoss()(torch.zeros(1, 2, 4, 4), torch.ones(1, 1, 4, 4))  # 0.25 * 0.5^2 * log 2
    tensor(0.0433)
    """

    def __init__(
        self,
        include_background: bool = True,
        to_onehot_y: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        weight: Sequence[float] | Tensor | None = None,
        ignore_index: int | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(include_background, to_onehot_y, weight=weight, ignore_index=ignore_index, reduction=reduction)
        for name, value in (("alpha", alpha), ("gamma", gamma)):
            if not 0 <= value < float("inf"):
                raise UserError(f"{name} must be finite and >= 0, got {value}")
        self.alpha = float(alpha)
        self.gamma = float(gamma)

    def voxel_losses(self, logits: Tensor, labels: Tensor, factors: Tensor | None) -> Tensor:
        """Focal loss of each voxel, (B, 1, *S)."""
        log_p = F.log_softmax(logits, dim=1)
        if not labels.is_floating_point():
            log_p = log_p.gather(1, labels)
        terms = -self.alpha * power(-torch.expm1(log_p), self.gamma) * log_p
        if labels.is_floating_point():
            terms = labels * terms
            terms = terms if factors is None else terms * per_class(factors, logits)
            return terms.sum(dim=1, keepdim=True)
        return terms if factors is None else terms * factors[labels]
