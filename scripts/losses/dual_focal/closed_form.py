"""Dual Focal Loss and its gradient in closed form for one piece of the logits.

With e_i = exp(z_i - max z), S = sum e and o = S - 1, the share of all classes but the largest, everything is written in
quantities that lose no digits: 1 - p_i = ((1 - e_i) + o) / S. Let y be the true class, w the factors of the classes and
r_i = p_i / (1 - p_i). The derivative for z_k is

    k != y:  p_k (w_y + beta (w_k - Q_k) + f_k - F)            Q_k = sum of w_i r_i over all i but k and y
    k == y:  p_y (f_y - F - beta Q_y) - w_y (1 - p_y)          f_k = +- alpha gamma w_k |P_k - p_k|^(gamma - 1)
                                                               F = sum of f_i p_i

Q never subtracts a large number from itself, because r of the largest class, 1 / o, is summed apart from the others.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .formula import power


class Terms(NamedTuple):
    """What the loss of hard labels with rho = 1 depends on."""

    alpha: float
    beta: float
    gamma: float
    factors: Tensor | None
    """Of each class's term, (C,); None for 1."""
    backend: str = "eager"
    """Whether the C++ kernel takes what it can: "compiled", "auto" (where it can be built) or "eager"."""


def two_class_chunk(x: Tensor, y: Tensor, terms: Terms) -> tuple[Tensor, Tensor]:
    """Values (1, n) and derivatives (2, n) of voxels of two classes.

    Both classes have the same distance 1 - p_y and the same logarithm: with all parameters 1 the value is
    2 (CE + 1 - p_y).

    Args:
        x: logits (2, n), float32 or float64.
        y: class indices (1, n).
        terms: parameters.
    """
    alpha, beta, gamma, factors, _ = terms
    sign = (2 * y - 1).to(x.dtype)
    against = (x[:1] - x[1:]).mul_(sign)  # logit of the false class less that of the true one
    q = against.sigmoid()  # 1 - p_y
    distance = power(q, gamma)
    log_p = F.softplus(against)
    if factors is None:
        focal = 2.0 * alpha
        value = torch.add(focal * distance, log_p, alpha=1.0 + beta)
        slope = (1.0 - q).mul_(distance).mul_(focal * gamma).add_(q, alpha=1.0 + beta)
    else:
        focal = alpha * float(factors.sum())
        log_factor = (factors + beta * factors.flip(0))[y]
        value = (focal * distance).addcmul_(log_factor, log_p)
        slope = (1.0 - q).mul_(distance).mul_(focal * gamma).addcmul_(log_factor, q)
    slope.mul_(sign)
    return value, torch.cat([slope, -slope])


def many_class_chunk(x: Tensor, y: Tensor, terms: Terms) -> tuple[Tensor, Tensor, Tensor]:
    """Values (1, n) and derivatives (C, n) of n voxels, and their shares o (1, n).

    Where o is 0, or so small that 1 / o overflows, the result is wrong and the caller has to take another way.

    Args:
        x: logits (C, n), float32 or float64.
        y: class indices (1, n).
        terms: parameters.
    """
    z = x - x.amax(dim=0, keepdim=True)
    z_y = z.gather(0, y)
    e_y = z_y.exp()
    e = z.exp_().scatter_(0, y, 0.0)  # 0 at the true class: from here on the sums are over the false ones
    r = e.frac()  # all classes but the largest, ...
    largest = e - r  # ... which is 1 here
    ties = largest.sum(dim=0, keepdim=True)
    o = r.sum(dim=0, keepdim=True).add_((ties - 1.0).add_(e_y))
    total = o + 1.0
    margin = (1.0 - e).add_(o)  # (1 - p) S
    r.div_(margin)
    margin.div_(total)  # 1 at the true class
    p = e.div_(total)
    p_y, q_y = e_y / total, (1.0 - e_y).add_(o).div_(total)
    value, derivative = _assemble(p, r, largest, margin, (p_y, q_y, z_y, total, o.reciprocal()), y, terms)
    return value, derivative, o


def _assemble(
    p: Tensor,
    r: Tensor,
    largest: Tensor,
    margin: Tensor,
    row: tuple[Tensor, ...],
    y: Tensor,
    terms: Terms,
) -> tuple[Tensor, Tensor]:
    """Values and derivatives from (C, n): p, r, 1 at the largest class and 1 - p, which are 0, 0, 0 and 1 at y."""
    alpha, beta, gamma, factors, _ = terms
    p_y, q_y, z_y, total, inverse_o = row
    w_y: Tensor | float = 1.0
    powers = p if gamma == 1.0 else power(p, gamma).scatter_(0, y, 0.0)
    if factors is None:
        margins = margin.prod(dim=0, keepdim=True)
        if beta == 1.0:  # one logarithm per voxel
            logarithms = total.div_(margins).log_().sub_(z_y)
        else:
            logarithms = total.log_().sub_(z_y).sub_(margins.log_(), alpha=beta)
    else:
        w, w_y = factors.view(-1, 1), factors[y]
        logarithms = total.log_().sub_(z_y).mul_(w_y).sub_(margin.log_().mul_(w).sum(dim=0, keepdim=True), alpha=beta)
        r, largest, powers = r.mul_(w), largest.mul_(w), powers * w
    r_sum, largest_sum = r.sum(dim=0, keepdim=True), largest.sum(dim=0, keepdim=True)
    power_sum = powers.sum(dim=0, keepdim=True)
    focal = _times(alpha, power_sum + _times(w_y, power(q_y, gamma)))
    value = focal + logarithms

    slope_y = p_y if gamma == 1.0 else power(q_y, gamma - 1.0) * p_y
    mean_slope = _times(alpha * gamma, power_sum - _times(w_y, slope_y))
    against_y = (largest_sum * inverse_o).add_(r_sum)
    at_y = _times(beta, against_y).add_(_times(gamma, focal)).mul_(p_y).add_(_times(w_y, q_y)).neg_()
    derivative = largest.sub_(largest_sum).mul_(inverse_o).add_(r)  # r_sum - Q, but for its sign
    if beta != 1.0:
        derivative.mul_(beta)
    row_slope = w_y - mean_slope.add_(r_sum, alpha=beta)
    if factors is not None:
        derivative.add_(row_slope).add_(beta * w).mul_(p).add_(powers, alpha=alpha * gamma)
    elif gamma == 1.0:  # the powers are p
        derivative.add_(row_slope + (beta + alpha)).mul_(p)
    else:
        derivative.add_(row_slope + beta).mul_(p).add_(powers, alpha=alpha * gamma)
    return value, derivative.scatter_(0, y, at_y)


def _times(factor: Tensor | float, values: Tensor) -> Tensor:
    """The product, without a pass over the values where the factor is the number 1."""
    return values if isinstance(factor, float) and factor == 1.0 else factor * values
