"""Losses of the bundle."""

from scripts.losses.class_weights import inverse_frequency_weights
from scripts.losses.cross_entropy import CrossEntropyLoss
from scripts.losses.dice_dual_focal import DiceDualFocalLoss
from scripts.losses.dual_focal import DualFocalLoss
from scripts.losses.focal import FocalLoss
from scripts.losses.registration import register_losses

__all__ = ["CrossEntropyLoss", "DiceDualFocalLoss", "DualFocalLoss", "FocalLoss", "inverse_frequency_weights"]

register_losses(DualFocalLoss, DiceDualFocalLoss)
