"""The Dual Focal Loss: module and function, differentiable formula, closed-form gradient, CPU kernel."""

from .functional import dual_focal_loss
from .loss import DualFocalLoss

__all__ = ["DualFocalLoss", "dual_focal_loss"]
