"""The options of inference, checked before anything is read or written."""

from __future__ import annotations

from typing import Any

from ..configuration.settings import check_flags
from ..errors import UserError


def check_options(
    flips: Any, probabilities: Any, min_component_voxels: Any, min_confidence: Any, channel: Any = None
) -> None:
    """Refuse options that mean nothing; a word that is no YAML truth would count as true.

    Args:
        flips: true or false.
        probabilities: true or false.
        min_component_voxels: a whole number >= 0.
        min_confidence: 0 to 1.
        channel: None or a whole number >= 0.

    Raises:
        ValueError: names the option, what it must be and what came.
    """
    check_flags(flips=flips, probabilities=probabilities)
    if channel is not None and (isinstance(channel, bool) or not isinstance(channel, int) or channel < 0):
        raise UserError(f"channel must be null or a whole number >= 0, got {channel!r}; set another --channel")
    voxels, share = min_component_voxels, min_confidence
    if isinstance(voxels, bool) or not isinstance(voxels, int) or voxels < 0:
        raise UserError(
            f"min_component_voxels must be a whole number >= 0, got {voxels!r}; set another --min_component_voxels"
        )
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise UserError(f"min_confidence must be a number from 0 to 1, got {share!r}; set another --min_confidence")
