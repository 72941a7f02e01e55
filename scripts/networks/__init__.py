"""Networks of the bundle."""

from .adaptive_class_weight import AdaptiveClassWeight
from .class_weighted import ClassWeightedNetwork
from .deeplabv3plus import DeepLabV3Plus
from .unet import UNet
from .vgg19_fcn import VGG19FCN

__all__ = ["VGG19FCN", "AdaptiveClassWeight", "ClassWeightedNetwork", "DeepLabV3Plus", "UNet"]
