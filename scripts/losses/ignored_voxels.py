"""Any loss of MONAI's without the voxels of an ignored label."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import UserError
from .targets import plain_tensor


class WithoutIgnoredVoxels(nn.Module):
    r"""Gives a loss only the voxels that count; MONAI's Dice losses know no ignored label.

    Each image is reduced to its counted voxels, (1, C, N), and the mean over the images is returned: where nothing is
    ignored, the loss itself, if it is a mean over images or voxels. An image of ignored voxels alone is left out of the
    mean; a batch of such images gives 0.

    Args:
        loss: takes logits (B, C, *S) and class indices (B, 1, *S) in any number of spatial dimensions; returns a mean.
        ignore_index: label whose voxels are left out; None keeps every voxel.

    Shape:
        input: logits (B, C, *S). target: class indices (B, 1, *S). output: ().

    >>> from monai.losses import DiceCELoss
    >>> loss = WithoutIgnoredVoxels(DiceCELoss(to_onehot_y=True, softmax=True), ignore_index=255)
    >>> loss(torch.zeros(1, 2, 4, 4), torch.full((1, 1, 4, 4), 255.0))
    tensor(0.)
    """

    def __init__(self, loss: nn.Module, ignore_index: int | None = None) -> None:
        super().__init__()
        self.loss = loss
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of logits (B, C, *S) for class indices (B, 1, *S)."""
        input, target = plain_tensor(input), plain_tensor(target)
        if self.ignore_index is None:
            whole: Tensor = self.loss(input, target)
            return whole
        values = self._values(input, target)
        return torch.stack(values).mean() if values else input[:0].sum()  # 0, whatever the logits are

    def parts(self, input: Tensor, target: Tensor) -> list[tuple[Tensor, Tensor | None]]:
        """The loss with the number of images that it is the mean over: for several processes.

        Raises:
            ValueError: the loss is no mean over images.
        """
        for module in self.loss.modules():
            if getattr(module, "batch", False) or getattr(module, "reduction", "mean") != "mean":
                raise UserError(
                    f"several processes can't have {type(module).__name__} together, which is no mean over images: set "
                    'batch: false and reduction: "mean", or train in one process'
                )
        count = len(input)
        if self.ignore_index is not None:
            count = int((plain_tensor(target) != self.ignore_index).flatten(1).any(dim=1).sum())
        return [(self(input, target), torch.tensor(count))]

    def _values(self, input: Tensor, target: Tensor) -> list[Tensor]:
        """The loss of each image of which anything counts."""
        values = []
        for logits, labels in zip(input, target, strict=True):
            valid = labels[0] != self.ignore_index
            if bool(valid.any()):  # (C, *S) -> (1, C, N)
                values.append(self.loss(logits[:, valid][None], labels[:, valid][None]))
        return values
