"""What the configurations of runs before ``precision`` name, so that these can be evaluated."""

from __future__ import annotations

from ..networks.precision import PrecisionInferer


class MixedPrecisionInferer(PrecisionInferer):
    """The setting ``amp`` of runs before ``precision``.

    Args:
        enabled: True is bfloat16, False float32.
    """

    def __init__(self, enabled: bool = False) -> None:
        super().__init__("bfloat16" if enabled else "float32")
