"""Networks of the bundle."""

from scripts.networks.adaptive_class_weight import AdaptiveClassWeight
from scripts.networks.class_weighted import ClassWeightedNetwork
from scripts.networks.deeplabv3plus import DeepLabV3Plus
from scripts.networks.unet import UNet
from scripts.networks.vgg19_fcn import VGG19FCN

__all__ = ["VGG19FCN", "AdaptiveClassWeight", "ClassWeightedNetwork", "DeepLabV3Plus", "UNet"]
