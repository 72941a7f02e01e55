"""Cross entropy, plain and weighted by class."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from ..errors import UserError
from .class_weights import inverse_frequency_weights
from .voxelwise import Reduction, VoxelwiseLoss


class CrossEntropyLoss(VoxelwiseLoss):
    r"""Cross entropy of torch, with the interface of :class:`scripts.losses.DualFocalLoss`.

    .. math:: CE = - \sum_i w_i P_i \log p_i

    Equation 3 of the paper, and with class weights equation 4. The mean is over voxels: torch's own weighted mean
    divides by the sum of the voxels' weights instead.

    Args:
        include_background: False leaves class 0 out of the class sum, after the softmax.
        to_onehot_y: accepted as MONAI users write it; class indices are recognised by their shape.
        weight: factor of each class's term, (C,); None for 1.
        class_counts: pixels of each class in the training part, (C,): the weights are those of equation 5,
            :func:`scripts.losses.inverse_frequency_weights`. Not together with ``weight``.
        ignore_index: label whose voxels enter neither value, gradient nor divisor; None keeps every voxel.
        reduction: "mean" over the voxels that count, "sum" over them, or "none".

    Shape:
        input: logits (B, C, *S), C >= 2. target: class indices (B, 1, *S) or label maps (B, C, *S).
        output: (), or (B, 1, *S) for "none".

    Raises:
        ValueError: an argument is out of its range, shapes disagree, or a label is out of range.

    Reference:
        Hossain, Paplinski, Betts, arXiv:1909.11932v2, equations 3 to 5.

    >>> import torch
    >>> CrossEntropyLoss()(torch.zeros(1, 2, 4, 4), torch.ones(1, 1, 4, 4))  # log 2
    tensor(0.6931)
    >>> CrossEntropyLoss(class_counts=[900, 100])(torch.zeros(1, 2, 4, 4), torch.ones(1, 1, 4, 4))  # 0.9 log 2
    tensor(0.6238)
    """

    def __init__(
        self,
        include_background: bool = True,
        to_onehot_y: bool = False,
        weight: Sequence[float] | Tensor | None = None,
        class_counts: Sequence[float] | Tensor | None = None,
        ignore_index: int | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        if class_counts is not None:
            if weight is not None:
                raise UserError("weight and class_counts both say how classes are weighted: give one of them")
            weight = inverse_frequency_weights(class_counts)
        super().__init__(include_background, to_onehot_y, weight=weight, ignore_index=ignore_index, reduction=reduction)

    def voxel_losses(self, logits: Tensor, labels: Tensor, factors: Tensor | None) -> Tensor:
        """Cross entropy of each voxel, (B, 1, *S)."""
        labels = labels if labels.is_floating_point() else labels[:, 0]
        return F.cross_entropy(logits, labels, factors, reduction="none").unsqueeze(1)
