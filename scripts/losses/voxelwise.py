"""What the losses that are a mean over voxels have in common."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn.modules.loss import _Loss

from ..errors import UserError
from .targets import counted_voxels, read_voxels

Reduction = Literal["mean", "sum", "none"]
REDUCTIONS = get_args(Reduction)


class VoxelwiseLoss(_Loss):
    """One value per voxel, then its mean over the voxels that count.

    A loss of this family says in ``voxel_losses`` what one voxel costs; arguments, checks, ignored voxels and
    reduction are the same for all. :class:`scripts.losses.DualFocalLoss` explains the arguments.
    """

    def __init__(
        self,
        include_background: bool = True,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        weight: Sequence[float] | Tensor | None = None,
        ignore_index: int | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        check_reduction(reduction)
        super().__init__(reduction=reduction)
        self.include_background = include_background
        self.to_onehot_y = to_onehot_y  # indices are recognised by their shape: nothing is left to do for it
        self.sigmoid = sigmoid
        self.ignore_index = ignore_index
        self.weight: Tensor | None
        self.register_buffer("weight", None if weight is None else checked_weight(weight))

    def extra_repr(self) -> str:
        """The arguments that were given, as torch's own modules show them."""
        shown = []
        for name, parameter in inspect.signature(type(self)).parameters.items():
            value = getattr(self, name, parameter.default)
            value = [float(f"{number:.6g}") for number in value.tolist()] if isinstance(value, Tensor) else value
            if value != parameter.default:
                shown.append(f"{name}={value!r}")
        return ", ".join(shown)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of logits (B, C, *S) for class indices (B, 1, *S) or label maps (B, C, *S)."""
        return self.reduced_loss(input, target)

    def reduced_loss(self, input: Tensor, target: Tensor) -> Tensor:
        """Check, mask, compute voxel by voxel, reduce."""
        logits, labels, valid = read_voxels(input, target, self.sigmoid, self.ignore_index)
        factors = term_factors(self.weight, logits.size(1), self.include_background)
        if factors is not None:
            factors = factors.to(logits)
        return reduce_voxels(self.voxel_losses(logits, labels, factors), valid, self.reduction)

    @torch.jit.unused
    def parts(self, input: Tensor, target: Tensor) -> list[tuple[Tensor, Tensor | None]]:
        """The loss with the number of voxels that it is the mean over, None for a sum: for several processes.

        Raises:
            ValueError: the reduction is "none", which has no one value.
        """
        if self.reduction == "none":
            raise UserError('several processes need a loss with one value: set its reduction to "mean" or "sum"')
        counted = counted_voxels(input, target, self.ignore_index) if self.reduction == "mean" else None
        return [(self(input, target), counted)]

    def voxel_losses(self, logits: Tensor, labels: Tensor, factors: Tensor | None) -> Tensor:
        """One value per voxel, (B, 1, *S).

        Args:
            logits: (B, C, *S), float32 or float64.
            labels: class indices (B, 1, *S), int64, or label maps (B, C, *S) of the logits' type.
            factors: factor of each class's term (C,), or None for 1.
        """
        raise NotImplementedError


def term_factors(weight: Tensor | None, num_classes: int, include_background: bool) -> Tensor | None:
    """Factor of each class's term, (C,): the weight, and 0 for a background that is left out. None: all are 1."""
    if weight is not None and weight.numel() != num_classes:
        raise UserError(f"weight must have one value for each of {num_classes} classes, got {weight.numel()}")
    if include_background or num_classes == 1:
        return weight
    factors = torch.ones(num_classes) if weight is None else weight.clone()
    factors[0] = 0.0
    return factors


def reduce_voxels(values: Tensor, valid: Tensor | None, reduction: str) -> Tensor:
    """Reduce one value per voxel, (B, 1, *S), over the voxels that count; the mean of none is 0."""
    if valid is not None:
        values = torch.where(valid, values, 0.0)
    if reduction == "none":
        return values
    if reduction == "sum":
        return values.sum()
    if valid is None:
        return values.sum() / max(values.numel(), 1)
    return values.sum() / valid.sum().clamp(min=1)


def check_reduction(reduction: str) -> None:
    """Refuse a name that is not one of REDUCTIONS."""
    if reduction not in REDUCTIONS:
        raise UserError(f'reduction must be "mean", "sum" or "none", got {reduction!r}')


def checked_weight(weight: Sequence[float] | Tensor) -> Tensor:
    """The class weights as a float32 tensor (C,) of its own."""
    values = torch.as_tensor(weight, dtype=torch.float32).detach().clone()
    if values.ndim != 1 or values.numel() == 0:
        raise UserError(f"weight must be one number per class, (C,), got shape {tuple(values.shape)}")
    if not bool(torch.isfinite(values).all()) or bool((values < 0).any()):
        raise UserError(f"weight must be finite and >= 0, got {values.tolist()}")
    return values
