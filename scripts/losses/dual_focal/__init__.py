"""The Dual Focal Loss: module, differentiable formula, closed-form gradient and CPU kernel."""

from .loss import DualFocalLoss

__all__ = ["DualFocalLoss"]
