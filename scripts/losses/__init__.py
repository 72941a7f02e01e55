"""Losses of the bundle."""

from .class_weights import inverse_frequency_weights
from .cross_entropy import CrossEntropyLoss
from .dice_dual_focal import DiceDualFocalLoss
from .dual_focal import DualFocalLoss, dual_focal_loss
from .focal import FocalLoss

__all__ = [
    "CrossEntropyLoss",
    "DiceDualFocalLoss",
    "DualFocalLoss",
    "FocalLoss",
    "dual_focal_loss",
    "inverse_frequency_weights",
]
