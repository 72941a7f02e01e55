"""Losses of the bundle."""

from .class_weights import inverse_frequency_weights
from .cross_entropy import CrossEntropyLoss
from .dice_dual_focal import DiceDualFocalLoss
from .dual_focal.loss import DualFocalLoss
from .focal import FocalLoss
from .registration import register_losses

__all__ = ["CrossEntropyLoss", "DiceDualFocalLoss", "DualFocalLoss", "FocalLoss", "inverse_frequency_weights"]

register_losses(DualFocalLoss, DiceDualFocalLoss)
