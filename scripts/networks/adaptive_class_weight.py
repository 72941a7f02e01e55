"""Adaptive Class Weight: one learnable factor per class, before the softmax."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..errors import UserError
from ..losses.class_weights import check_normalization, inverse_frequency_weights


class AdaptiveClassWeight(nn.Module):
    r"""Scales the logits of each class by a weight that the network's optimiser learns.

    .. math:: z_i = w_i x_i, \quad p = \mathrm{softmax}(z)

    These are equations 13 and 16 of the paper; the weights begin at equation 5
    (:func:`scripts.losses.inverse_frequency_weights`). Being a part of the network, they are trained, saved and moved
    with it. For inference ``fold_into`` moves them into the last convolution, where they cost nothing.

    Args:
        num_classes: C, >= 1.
        class_counts: pixels of each class in the training part, (C,); None begins with equal weights.
        normalization: the first weights sum to 1 ("sum", as in the paper) or have mean 1 ("mean").
        positive: learn the logarithm of the weights, so that none can reach 0 or change its sign.

    Shape:
        logits: (B, C, *S). output: the same shape and type.

    Raises:
        ValueError: num_classes < 1, or class_counts is not one count >= 0 for each class.

    Reference:
        Hossain, Paplinski, Betts, arXiv:1909.11932v2, equations 5, 13 and 16.

    >>> layer = AdaptiveClassWeight(2, class_counts=[900, 100])
    >>> layer(torch.ones(1, 2, 1, 1)).flatten().tolist()
    [0.10000000149011612, 0.8999999761581421]
    """

    def __init__(
        self,
        num_classes: int,
        class_counts: Sequence[float] | Tensor | None = None,
        normalization: str = "sum",
        positive: bool = False,
    ) -> None:
        super().__init__()
        if num_classes < 1:
            raise UserError(f"num_classes must be >= 1, got {num_classes}")
        check_normalization(normalization)
        counts = [1.0] * num_classes if class_counts is None else class_counts
        if len(counts) != num_classes:
            raise UserError(f"class_counts must have one count for each of {num_classes} classes, got {len(counts)}")
        first = inverse_frequency_weights(counts, normalization)
        self.num_classes = num_classes
        self.positive = positive
        self.raw_weight = nn.Parameter(first.log() if positive else first)

    @property
    def weight(self) -> Tensor:
        """The factor of each class, (C,)."""
        return self.raw_weight.exp() if self.positive else self.raw_weight

    def forward(self, logits: Tensor) -> Tensor:
        """Scale logits (B, C, *S) class by class."""
        if logits.dim() < 2 or logits.size(1) != self.num_classes:
            raise UserError(f"logits must be (B, {self.num_classes}, *S), got shape {list(logits.shape)}")
        shape = [1, self.num_classes] + [1] * (logits.dim() - 2)
        return logits * self.weight.to(logits.dtype).view(shape)

    @torch.jit.unused
    @torch.no_grad()
    def set_to_one(self) -> None:
        """Let every class count once, as behind a network that has its weights folded in."""
        self.raw_weight.fill_(0.0 if self.positive else 1.0)

    @torch.jit.unused
    @torch.no_grad()
    def fold_into(self, convolution: nn.Module) -> None:
        """Multiply the weights into a convolution whose output channels are the class scores.

        Afterwards the convolution alone gives what it gave with this layer behind it, also where only linear steps
        without a bias, such as bilinear upsampling or a sum of scores, lie between the two.

        Args:
            convolution: Conv1d to Conv3d or its transpose with C output channels; it is changed in place.

        Raises:
            ValueError: it is no convolution, or has another number of output channels.
        """
        if not isinstance(convolution, nn.modules.conv._ConvNd):
            raise UserError(f"only a convolution can take the class weights, got {type(convolution).__name__}")
        if convolution.out_channels != self.num_classes:
            raise UserError(
                f"the convolution must have {self.num_classes} output channels, one per class, "
                f"got {convolution.out_channels}"
            )
        weight = self.weight.to(convolution.weight)
        kernel = convolution.weight
        if convolution.transposed:  # (in, out / groups, *K) -> (groups, in / groups, out / groups, *K)
            grouped = kernel.view(convolution.groups, -1, *kernel.shape[1:])
            grouped.mul_(weight.view(convolution.groups, 1, -1, *[1] * (kernel.dim() - 2)))
        else:  # (out, in / groups, *K)
            kernel.mul_(weight.view(-1, *[1] * (kernel.dim() - 1)))
        if convolution.bias is not None:
            convolution.bias.mul_(weight)
