"""Soft Dice beside Dual Focal Loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from monai.losses import DiceLoss
from torch import Tensor
from torch.nn.modules.loss import _Loss

from ..errors import UserError
from .dual_focal.loss import Backend, DualFocalLoss
from .targets import read_voxels


class DiceDualFocalLoss(_Loss):
    r"""Weighted sum of soft Dice loss and Dual Focal Loss, as MONAI's DiceCE and DiceFocal are.

    .. math:: L = \lambda_{dice} \left( 1 - \frac{2 \sum \min(p, P) + s_{nr}}{\sum p + \sum P + s_{dr}} \right)
        + \lambda_{dual\_focal} \, DFL

    with sums over the voxels of one class in one image; min(p, P) is p P for one-hot labels.

    Args:
        include_background: False leaves class 0 out of both parts.
        to_onehot_y: accepted as MONAI users write it; class indices are recognised by their shape.
        sigmoid: True takes each channel's sigmoid instead of the softmax over channels.
        alpha: of :class:`scripts.losses.DualFocalLoss`, as are beta, gamma and rho.
        beta: see alpha.
        gamma: see alpha.
        rho: see alpha.
        weight: factor of each class in both parts, (C,) whatever include_background is; None for 1.
        ignore_index: label whose voxels enter neither part; None keeps every voxel.
        reduction: "mean" or "sum": Dice over images and classes, the other part over voxels. "none" is refused,
            because Dice has no value per voxel.
        batch: True counts the overlap over the whole batch instead of image by image.
        smooth_nr: added to the numerator of Dice.
        smooth_dr: added to its denominator.
        lambda_dice: factor of Dice, >= 0.
        lambda_dual_focal: factor of Dual Focal Loss, >= 0.
        backend: of :class:`scripts.losses.DualFocalLoss`.

    Shape:
        input: logits (B, C, *S). target: class indices (B, 1, *S) or label maps (B, C, *S). output: ().

    Raises:
        ValueError: an argument is out of its range, shapes disagree, or a label is out of range.

    >>> loss = DiceDualFocalLoss()
    >>> loss(torch.zeros(1, 2, 4, 4), torch.ones(1, 1, 4, 4))  # (1 + 1/3) / 2 + 2 (log 2 + 1 - 0.5)
    tensor(3.0530)
    """

    def __init__(
        self,
        include_background: bool = True,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        alpha: float = 1.0,
        beta: float = 1.0,
        gamma: float = 1.0,
        rho: float = 1.0,
        weight: Sequence[float] | Tensor | None = None,
        ignore_index: int | None = None,
        reduction: Literal["mean", "sum"] = "mean",
        batch: bool = False,
        smooth_nr: float = 1e-5,
        smooth_dr: float = 1e-5,
        lambda_dice: float = 1.0,
        lambda_dual_focal: float = 1.0,
        backend: Backend = "auto",
    ) -> None:
        if reduction not in ("mean", "sum"):
            raise UserError(f'reduction must be "mean" or "sum", got {reduction!r}')
        for name, value in (("lambda_dice", lambda_dice), ("lambda_dual_focal", lambda_dual_focal)):
            if not 0 <= value < float("inf"):
                raise UserError(f"{name} must be finite and >= 0, got {value}")
        super().__init__(reduction=reduction)
        self.dual_focal = DualFocalLoss(
            include_background, to_onehot_y, sigmoid, alpha, beta, gamma, rho, weight, ignore_index, reduction, backend
        )
        dice_weight = self.dual_focal.weight
        if dice_weight is not None and not include_background and dice_weight.numel() > 1:
            dice_weight = dice_weight[1:].clone()
        # MONAI's Dice leaves the weight of a class that stands alone out
        self.lone_weight = 1.0 if dice_weight is None or dice_weight.numel() > 1 else float(dice_weight)
        self.dice = DiceLoss(
            include_background=include_background,
            reduction=reduction,
            batch=batch,
            smooth_nr=smooth_nr,
            smooth_dr=smooth_dr,
            weight=dice_weight,
            soft_label=True,
        )
        self.lambda_dice = float(lambda_dice)
        self.lambda_dual_focal = float(lambda_dual_focal)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of logits (B, C, *S) for class indices (B, 1, *S) or label maps (B, C, *S)."""
        dual_focal: Tensor = self.dual_focal(input, target)
        total: Tensor = self.lambda_dice * self._dice(input, target) + self.lambda_dual_focal * dual_focal
        return total

    @torch.jit.unused
    def parts(self, input: Tensor, target: Tensor) -> list[tuple[Tensor, Tensor | None]]:
        """Both terms, each with the number of images or voxels that it is the mean over: for several processes.

        Raises:
            ValueError: Dice is counted over the whole batch, of which each process has a part.
        """
        if self.dice.batch:
            raise UserError("several processes can't count the overlap over a batch that they share: set batch: false")
        images = torch.tensor(len(input)) if self.reduction == "mean" else None
        terms: list[tuple[Tensor, Tensor | None]] = [(self.lambda_dice * self._dice(input, target), images)]
        return terms + [(self.lambda_dual_focal * v, n) for v, n in self.dual_focal.parts(input, target)]

    def _dice(self, input: Tensor, target: Tensor) -> Tensor:
        """Soft Dice, with the weight of a class that stands alone."""
        sigmoid = self.dual_focal.sigmoid
        logits, labels, valid = read_voxels(input, target, sigmoid, self.dual_focal.ignore_index)
        p = logits.sigmoid() if sigmoid else logits.softmax(dim=1)
        if not labels.is_floating_point():
            labels = torch.zeros_like(p).scatter_(1, labels, 1.0)
        if valid is not None:
            p, labels = p * valid, labels * valid
        dice: Tensor = self.lone_weight * self.dice(p, labels)
        return dice
