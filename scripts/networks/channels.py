"""The one rule for the ends of every network: how many channels go in, how many classes come out."""

from __future__ import annotations

from ..errors import UserError

__all__ = ["require_channels"]


def require_channels(in_channels: int, num_classes: int) -> None:
    """Raise ValueError unless there is an input channel and, background included, a choice of classes."""
    if in_channels < 1:
        raise UserError(f"in_channels must be >= 1, got {in_channels}")
    if num_classes < 2:
        raise UserError(f"num_classes must be >= 2, background included, got {num_classes}")
