"""DeepLabV3+ with a ResNet-18 encoder, the main network of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from ..errors import UserError
from .aspp import ASPP, conv_bn_relu
from .channels import require_channels
from .pretrained import load_pretrained
from .resnet import ResNet18Backbone

__all__ = ["DeepLabV3Plus"]


class DeepLabV3PlusDecoder(nn.Module):
    """Joins deep with low-level features and scores the classes.

    Reference:
        Chen et al., ECCV 2018, section 4.1: low-level features reduced to 48 channels, then two 3 x 3 convolutions of
        256 channels. `classifier` is the score layer.
    """

    def __init__(self, low_level_channels: int, deep_channels: int, num_classes: int) -> None:
        super().__init__()
        self.reduce = nn.Sequential(*conv_bn_relu(low_level_channels, 48, 1))
        self.refine = nn.Sequential(*conv_bn_relu(deep_channels + 48, 256, 3), *conv_bn_relu(256, 256, 3))
        self.classifier = nn.Conv2d(256, num_classes, 1)

    def forward(self, low_level: torch.Tensor, deep: torch.Tensor) -> torch.Tensor:
        """Return class scores (B, num_classes, H/4, W/4) at the size of the low-level features."""
        deep = F.interpolate(deep, size=low_level.shape[-2:], mode="bilinear", align_corners=False)
        scores: torch.Tensor = self.classifier(self.refine(torch.cat([deep, self.reduce(low_level)], dim=1)))
        return scores


class DeepLabV3Plus(nn.Module):
    """DeepLabV3+: ResNet-18 at output stride 16, ASPP, and a decoder with the features of `layer1`.

    Convolutions are plain, not depthwise separable as in Chen et al.'s Xception variant; there is no dropout. Weights
    are drawn from torch's global generator alone. The score layer is `decoder.classifier`. 16,597,026 parameters for
    one channel and two classes.

    Args:
        in_channels: channels of the image, 1 or 3 in the paper's data sets.
        num_classes: classes, background included, >= 2.
        atrous_rates: rates of ASPP. The default is Chen et al.'s for output stride 16.
        output_stride: input size over the size of the encoder's features: 8, 16 or 32.
        pretrained_path: `.pth` or `.safetensors` file with torchvision's ResNet-18 weights; None keeps random ones.

    Shape:
        input: (B, in_channels, H, W), any H and W; in training a batch of one image needs more than `output_stride`
        pixels along an axis, for batch normalisation. output: logits (B, num_classes, H, W).

    Raises:
        ValueError: a number is out of its range, or the pretrained file does not fit.
        FileNotFoundError: there is no pretrained file.

    Reference:
        Chen et al., Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation, ECCV 2018.

    >>> DeepLabV3Plus(num_classes=3).eval()(torch.zeros(1, 1, 33, 47)).shape
    torch.Size([1, 3, 33, 47])
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 2,
        atrous_rates: Sequence[int] = (6, 12, 18),
        output_stride: int = 16,
        pretrained_path: str | Path | None = None,
    ) -> None:
        super().__init__()
        require_channels(in_channels, num_classes)
        if not atrous_rates or min(atrous_rates) < 1:
            raise UserError(f"atrous_rates must be one or more integers >= 1, got {list(atrous_rates)}")
        self.backbone = ResNet18Backbone(in_channels, output_stride)
        self.aspp = ASPP(self.backbone.deep_channels, atrous_rates)
        self.decoder = DeepLabV3PlusDecoder(self.backbone.low_level_channels, 256, num_classes)
        if pretrained_path is not None:
            load_pretrained(self.backbone, pretrained_path, first_convolution="conv1.weight")

    @torch.jit.unused
    def classifier_convolutions(self) -> list[nn.Conv2d]:
        """Return the layers whose output channels, scaled by w (weight and bias), scale the logits by w."""
        return [self.decoder.classifier]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the logits of an image."""
        low_level, deep = self.backbone(image)
        scores = self.decoder(low_level, self.aspp(deep))
        return F.interpolate(scores, size=image.shape[-2:], mode="bilinear", align_corners=False)
