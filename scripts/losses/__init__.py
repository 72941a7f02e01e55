"""Losses of the bundle."""

from scripts.losses.class_weights import inverse_frequency_weights
from scripts.losses.dual_focal import DualFocalLoss

__all__ = ["DualFocalLoss", "inverse_frequency_weights"]
