"""Equation 9 written with differentiable operations: for TorchScript, torch.compile and second derivatives."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def softmax_terms(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Softmax p with log p and log(1 - p), each (B, C, *S), exact however large the gaps between logits are.

    Only the largest logit can have p near 1. Its 1 - p is summed from the other classes, never subtracted from 1.
    """
    largest = torch.zeros_like(logits, dtype=torch.bool).scatter(1, logits.argmax(dim=1, keepdim=True), True)
    top = logits.detach().amax(dim=1, keepdim=True)
    powers = (logits - top).exp()
    log_total = powers.sum(dim=1, keepdim=True).log()
    log_p = logits - top - log_total
    p = log_p.exp()
    others = logits.masked_fill(largest, -float("inf"))
    second = others.detach().amax(dim=1, keepdim=True)  # exp is taken of differences only: large logits stay exact
    log_q_largest = (others - second).exp().sum(dim=1, keepdim=True).log() + (second - top - log_total)
    log_q = torch.where(largest, log_q_largest, torch.log1p(-p.masked_fill(largest, 0.0)))
    return p, log_p, log_q


def sigmoid_terms(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sigmoid p of each channel by itself, with log p and log(1 - p)."""
    return logits.sigmoid(), F.logsigmoid(logits), F.logsigmoid(-logits)


def dual_focal_voxels(
    logits: Tensor,
    labels: Tensor,
    factors: Tensor | None,
    parameters: tuple[float, float, float, float],
    sigmoid: bool,
) -> Tensor:
    """Dual focal loss of each voxel, (B, 1, *S).

    Args:
        logits: (B, C, *S), float32 or float64.
        labels: class indices (B, 1, *S), int64, or label maps (B, C, *S).
        factors: factor of each class's term, (C,).
        parameters: alpha, beta, gamma, rho.
        sigmoid: channels are independent; else a softmax joins them.
    """
    p, log_p, log_q = sigmoid_terms(logits) if sigmoid else softmax_terms(logits)
    alpha, beta, gamma, rho = parameters
    log_margin = log_q if rho == 1.0 else torch.log(rho - p)
    if labels.is_floating_point():
        distance = torch.where(p > 0.5, (labels - 1.0) + log_q.exp(), labels - p).abs()
        terms = alpha * power(distance, gamma) - labels * log_p - beta * (1.0 - labels) * log_margin
        terms = terms if factors is None else terms * per_class(factors, logits)
        return terms.sum(dim=1, keepdim=True)
    false_terms = alpha * power(p, gamma) - beta * log_margin
    true_terms = alpha * power(log_q.gather(1, labels).exp(), gamma) - log_p.gather(1, labels)
    if factors is not None:
        false_terms = false_terms * per_class(factors, logits)
        true_terms = true_terms * factors[labels]
    return false_terms.scatter(1, labels, 0.0).sum(dim=1, keepdim=True) + true_terms


def power(base: Tensor, exponent: float) -> Tensor:
    """``base ** exponent`` of a base >= 0, finite for exponents from -1 on, and so is its derivative."""
    if exponent == 1.0:
        return base
    if exponent == 0.0:
        return torch.ones_like(base)
    return base.clamp(min=1e-38) ** exponent  # at 0 the derivative is infinite for an exponent below 1


def per_class(values: Tensor, logits: Tensor) -> Tensor:
    """Values (C,) shaped to go with logits (B, C, *S)."""
    return values.view([1, -1] + [1] * (logits.dim() - 2))
