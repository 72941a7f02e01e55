"""Dual Focal Loss of Hossain, Paplinski and Betts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from ...errors import UserError
from ..targets import check_shapes, holds_indices, plain_tensor, read_indices
from ..voxelwise import Reduction, VoxelwiseLoss, term_factors
from .closed_form import Terms
from .formula import dual_focal_voxels
from .gradient import HardDualFocal
from .kernel import kernel

Backend = Literal["auto", "eager", "compiled"]
BACKENDS = get_args(Backend)


class DualFocalLoss(VoxelwiseLoss):
    r"""Focal loss that learns from the false classes of a voxel as well as from its true class.

    .. math::
        DFL = \sum_i w_i \left[ \alpha |P_i - p_i|^\gamma - P_i \log p_i - \beta (1 - P_i) \log(\rho - p_i) \right]

    for each voxel, with p = softmax(logits) and P the one-hot or soft label: equations 7 to 9 of the paper in the form
    of the authors' journal paper, whose four parameters are all 1 by default. ``docs/dual_focal_loss.md`` explains it.

    Args:
        include_background: False leaves class 0 out of the class sum, after the softmax.
        to_onehot_y: accepted as MONAI users write it; class indices are recognised by their shape and used as they are.
        sigmoid: True takes each channel's sigmoid instead of the softmax over channels.
        alpha: factor of the focal term, >= 0.
        beta: factor of the false classes' logarithm, >= 0. At alpha = beta = 0 the loss is the cross entropy.
        gamma: exponent of the focal term, >= 0.
        rho: margin of the false classes' logarithm, >= 1.
        weight: factor of each class's term, (C,) whatever include_background is; None for 1.
        ignore_index: label whose voxels enter neither value, gradient nor divisor; None keeps every voxel. A voxel of
            a label map is ignored when every channel holds it.
        reduction: "mean" over the voxels that count, "sum" over them, or "none".
        backend: "eager" computes with torch alone. "compiled" takes class indices with float32 logits on a CPU and
            gamma = rho = 1 through a C++ kernel, which g++ builds once per machine, in about a second, and computes all
            else as "eager" does. "auto" is "compiled" where a compiler is there, else "eager"; a compiler that fails is
            told by one warning. Their values differ by rounding.

    Shape:
        input: logits (B, C, *S), C >= 2 (any C with ``sigmoid``), any number of spatial dimensions.
        target: class indices (B, 1, *S) of any integer or float type, or one-hot or soft labels (B, C, *S).
        output: (), or (B, 1, *S) for "none"; float64 for float64 logits, float32 for all others.

    Raises:
        ValueError: an argument is out of its range, shapes disagree, or a label is out of range.
        RuntimeError: backend "compiled" finds no working compiler.

    Reference:
        Hossain, Paplinski, Betts, arXiv:1909.11932v2, equations 7 to 9;
        Hossain, Betts, Paplinski, Neurocomputing 462 (2021), doi 10.1016/j.neucom.2021.07.055.

    >>> import torch
    >>> loss = DualFocalLoss()
    >>> loss(torch.zeros(1, 2, 4, 4), torch.ones(1, 1, 4, 4))  # 2 (log 2 + 1 - 0.5)
    tensor(2.3863)
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
        reduction: Reduction = "mean",
        backend: Backend = "auto",
    ) -> None:
        super().__init__(include_background, to_onehot_y, sigmoid, weight, ignore_index, reduction)
        for name, value, least in (("alpha", alpha, 0), ("beta", beta, 0), ("gamma", gamma, 0), ("rho", rho, 1)):
            if not least <= value < float("inf"):
                raise UserError(f"{name} must be finite and >= {least}, got {value}")
        if backend not in BACKENDS:
            raise UserError(f'backend must be "auto", "eager" or "compiled", got {backend!r}')
        if backend == "compiled":
            kernel()
        self.backend = backend
        self.alpha, self.beta, self.gamma, self.rho = float(alpha), float(beta), float(gamma), float(rho)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of logits (B, C, *S) for class indices (B, 1, *S) or label maps (B, C, *S)."""
        if torch.jit.is_scripting():  # type: ignore[attr-defined]
            return self.reduced_loss(input, target)
        closed_form = holds_indices(input, target) and not self.sigmoid and self.rho == 1.0
        if closed_form and not torch.compiler.is_compiling():
            return self._closed_form(input, target)
        return self.reduced_loss(input, target)

    @torch.jit.unused
    def _closed_form(self, input: Tensor, target: Tensor) -> Tensor:
        input, target = plain_tensor(input), plain_tensor(target)
        check_shapes(input, target, self.sigmoid)
        index, valid = read_indices(target, input.size(1), self.ignore_index)
        factors = term_factors(self.weight, input.size(1), self.include_background)
        if factors is not None:
            factors = factors.to(input.device, torch.promote_types(input.dtype, torch.float32))
        terms = Terms(self.alpha, self.beta, self.gamma, factors, self.backend)
        value: Tensor = HardDualFocal.apply(input, index, valid, terms, self.reduction)  # type: ignore[no-untyped-call]
        return value

    def voxel_losses(self, logits: Tensor, labels: Tensor, factors: Tensor | None) -> Tensor:
        """Dual focal loss of each voxel, (B, 1, *S)."""
        parameters = (self.alpha, self.beta, self.gamma, self.rho)
        return dual_focal_voxels(logits, labels, factors, parameters, self.sigmoid)
