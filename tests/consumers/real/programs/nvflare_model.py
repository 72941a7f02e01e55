"""The global model: NVFlare writes down its class and plain arguments, so that it needs none."""

from __future__ import annotations

from scripts.networks import AdaptiveClassWeight, ClassWeightedNetwork, UNet


class GlobalModel(ClassWeightedNetwork):
    """The network of the bundle that ``tests/release_check/small_run.py`` builds."""

    def __init__(self) -> None:
        super().__init__(UNet(1, 2, channels=[4, 8, 16, 32, 64]), AdaptiveClassWeight(2))
