"""Networks of the bundle."""

from scripts.networks.deeplabv3plus import DeepLabV3Plus

__all__ = ["DeepLabV3Plus"]
