"""Dual Focal Loss of hard labels as one autograd function, whose gradient is made together with its value."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..voxelwise import reduce_voxels
from .closed_form import Terms, many_class_chunk, two_class_chunk
from .formula import dual_focal_voxels
from .kernel import compiled_dual_focal, takes

CHUNK = 2**18
"""Logits in one piece on a CPU, about: its temporaries stay in the cache."""
DEVICE_CHUNK = 2**25
"""The same on a device: few launches, and temporaries that stay small beside the network's."""
LEAST_SHARE = 1e-30
"""Least share of the other classes that the closed form is used for, well inside the range of float32."""


class HardDualFocal(torch.autograd.Function):
    """Reduced loss of logits (B, C, *S) for class indices (B, 1, *S).

    It keeps the gradient and nothing else of the logits' size. A second backward pass through the same graph computes
    it again; a backward pass that is itself to be differentiated goes through the differentiable form.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, index: Tensor, valid: Tensor | None, terms: Terms, reduction: str) -> Tensor:
        """Value, and the gradient in ``ctx`` where it will be asked for."""
        ctx.terms, ctx.reduction, ctx.gradient = terms, reduction, None
        ctx.save_for_backward(logits, index, valid)
        value, ctx.gradient, ctx.factor = _value_and_gradient(
            logits, index, valid, terms, reduction, ctx.needs_input_grad[0]
        )
        return value

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        """Gradient for the logits."""
        if torch.is_grad_enabled():  # create_graph=True
            logits, index, valid = ctx.saved_tensors
            voxels = _differentiable(logits, index, valid, ctx.terms)
            value = reduce_voxels(voxels, valid, ctx.reduction)
            (gradient,) = torch.autograd.grad(value, logits, grad_output, create_graph=True)
            return gradient, None, None, None, None
        gradient, ctx.gradient = ctx.gradient, None  # handed over: it may be written to from here on
        if gradient is None:
            logits, index, valid = ctx.saved_tensors
            _, gradient, _ = _value_and_gradient(logits, index, valid, ctx.terms, ctx.reduction, True)
        factor = grad_output * ctx.factor
        if factor.dim() > 0 or grad_output.is_cuda or factor.item() != 1.0:
            gradient.mul_(factor)
        return gradient, None, None, None, None


def _value_and_gradient(
    logits: Tensor, index: Tensor, valid: Tensor | None, terms: Terms, reduction: str, wants_gradient: bool
) -> tuple[Tensor, Tensor | None, float]:
    """Reduced value, gradient, and the factor that the gradient still lacks.

    The gradient of half-precision logits is kept before it is divided by the number of voxels, which would round it
    to zero; the scale that mixed precision puts on the loss comes first.
    """
    batch, classes = logits.shape[:2]
    size = math.prod(logits.shape[2:])
    x, y = logits.detach().reshape(batch, classes, size), index.reshape(batch, 1, size)
    kept = None if valid is None else valid.reshape(batch, 1, size)
    count = y.numel() if kept is None else int(kept.sum())
    divisor = max(count, 1) if reduction == "mean" else 1
    late = logits.dtype in (torch.float16, torch.bfloat16)
    wants = (wants_gradient, reduction == "none")
    done = compiled_dual_focal(x, y, kept, terms, divisor, wants) if takes(x, terms) else None
    if done is None:
        done = _by_pieces(x, y, kept, terms, 1 if late else divisor, wants)
    total, gradient, values = done
    total = total / divisor if late else total
    value = total if values is None else values.view(index.shape)
    return value, None if gradient is None else gradient.view(logits.shape), 1.0 / divisor if late else 1.0


def _by_pieces(
    x: Tensor, y: Tensor, kept: Tensor | None, terms: Terms, divisor: int, wants: tuple[bool, bool]
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Sum of the values over ``divisor``, gradient (B, C, N) and values (B, 1, N), each as wanted."""
    batch, classes, size = x.shape
    gradient = torch.empty_like(x) if wants[0] else None
    values = torch.empty_like(y, dtype=_working_type(x)) if wants[1] else None
    total = torch.zeros((), dtype=torch.float32 if x.is_mps else torch.float64, device=x.device)
    chunk = CHUNK if x.device.type == "cpu" else DEVICE_CHUNK
    pieces = max(round(size * max(classes, 4) / chunk), 1)  # two classes have as many temporaries as four
    step = max(-(-size // pieces), 1)
    for b in range(batch):
        for start in range(0, size, step):
            part = slice(start, start + step)
            value, derivative = _chunk(x[b, :, part], y[b, :, part], terms)
            if kept is not None:
                value, derivative = (torch.where(kept[b, :, part], t, 0.0) for t in (value, derivative))
            if gradient is not None:
                torch.mul(derivative, 1.0 / divisor, out=gradient[b, :, part])
            if values is not None:
                values[b, :, part] = value
            total += value.sum()
    return (total / divisor).to(_working_type(x)), gradient, values


def _chunk(x: Tensor, y: Tensor, terms: Terms) -> tuple[Tensor, Tensor]:
    """Values (1, n) and derivatives (C, n) of one piece, whatever its logits are."""
    x = x.to(_working_type(x))
    if x.shape[0] == 2:
        return two_class_chunk(x, y, terms)
    value, derivative, share = many_class_chunk(x, y, terms)
    if not bool(share.min() >= LEAST_SHARE):
        with torch.enable_grad():
            leaf = x.detach().unsqueeze(0).requires_grad_()
            voxels = _differentiable(leaf, y.unsqueeze(0), None, terms)
            (slope,) = torch.autograd.grad(voxels.sum(), leaf)
        return voxels.detach()[0], slope[0]
    return value, derivative


def _differentiable(logits: Tensor, index: Tensor, valid: Tensor | None, terms: Terms) -> Tensor:
    """The same voxel by voxel in differentiable operations, (B, 1, *S)."""
    logits = logits.to(_working_type(logits))
    if valid is not None:
        logits = torch.where(valid, logits, 0.0)
    return dual_focal_voxels(logits, index, terms.factors, (terms.alpha, terms.beta, terms.gamma, 1.0), False)


def _working_type(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32
