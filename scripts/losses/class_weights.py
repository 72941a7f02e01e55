"""Class weights from the number of pixels of each class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import UserError

NORMALIZATIONS = ("sum", "mean")


def inverse_frequency_weights(class_counts: Sequence[float] | Tensor, normalization: str = "sum") -> Tensor:
    r"""Weights inversely related to the pixel counts of the classes.

    .. math:: w_i = \frac{1 / n_i}{\sum_j 1 / n_j}

    This is equation 5 of the paper: the weights of the weighted cross entropy and the first weights of
    :class:`scripts.networks.AdaptiveClassWeight`. A class that has no pixel gets the weight of the rarest class that
    has some, so that it stays finite and does not push every other weight to zero.

    Args:
        class_counts: pixels of each class in the training part, (C,), each >= 0, at least one > 0.
        normalization: "sum" makes the weights sum to 1, as in the paper; "mean" makes their mean 1.

    Returns:
        float32 weights (C,).

    Raises:
        ValueError: a count is negative or not finite, all are 0, or the normalization is unknown.

    Reference:
        Hossain, Paplinski, Betts, arXiv:1909.11932v2, equation 5.

    >>> inverse_frequency_weights([900, 100])
    tensor([0.1000, 0.9000])
    >>> inverse_frequency_weights([900, 100, 0])
    tensor([0.0526, 0.4737, 0.4737])
    """
    check_normalization(normalization)
    counts = torch.as_tensor(class_counts, dtype=torch.float64).detach().cpu()
    if counts.ndim != 1 or counts.numel() == 0:
        raise UserError(f"class_counts must be one number per class, (C,), got shape {tuple(counts.shape)}")
    if not bool(torch.isfinite(counts).all()) or bool((counts < 0).any()):
        raise UserError(f"class_counts must be finite and >= 0, got {counts.tolist()}")
    if not bool((counts > 0).any()):
        raise UserError(f"class_counts must hold at least one count above 0, got {counts.tolist()}")
    rarest = counts[counts > 0].min()
    inverse = rarest / torch.where(counts > 0, counts, rarest)  # scaled by the rarest: no count is too large or small
    weights = inverse / inverse.sum()
    if normalization == "mean":
        weights = weights * len(weights)
    return weights.float()


def check_normalization(normalization: str) -> None:
    """Refuse a name that is not one of NORMALIZATIONS."""
    if normalization not in NORMALIZATIONS:
        raise UserError(f'normalization must be "sum" or "mean", got {normalization!r}')
