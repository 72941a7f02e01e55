"""FCN-8s on the features of VGG19."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from ..errors import UserError
from .channels import require_channels
from .pretrained import load_pretrained

__all__ = ["VGG19FCN", "VGG19Backbone"]

# Simonyan & Zisserman, ICLR 2015, Table 1, column E: (convolutions, channels) of the five stages.
STAGES = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))


class VGG19Backbone(nn.Module):
    """The convolutions of VGG19 under torchvision's names, `features.0` to `features.36`.

    The pooling layers round sizes up, as Caffe's do, on which FCN was built; for sizes that 32 divides this is
    torchvision's VGG19. 20,024,384 parameters for three input channels.

    Shape:
        input: (B, in_channels, H, W), any H and W.
        output: pool3 (B, 256, H/8, W/8), pool4 (B, 512, H/16, W/16), pool5 (B, 512, H/32, W/32), rounded up.
    """

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        self.pools: list[int] = []
        for convolutions, channels in STAGES:
            for _ in range(convolutions):
                layers += [nn.Conv2d(in_channels, channels, 3, padding=1), nn.ReLU(inplace=True)]
                in_channels = channels
            self.pools.append(len(layers))
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2, ceil_mode=True))
        self.features = nn.Sequential(*layers)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the features after the third, fourth and fifth pooling."""
        pooled: list[torch.Tensor] = []
        features = image
        for number, layer in enumerate(self.features):
            features = layer(features)
            if number in self.pools:
                pooled.append(features)
        return pooled[2], pooled[3], pooled[4]


class VGG19FCN(nn.Module):
    """FCN-8s: VGG19 with its fully connected layers as convolutions, and scores of pool3, pool4 and fc7 added up.

    With the paper's width, fc6 and fc7 hold 119.5 of 139.6 M parameters (1 or 3 channels, 2 classes), about 2.2 GB with
    Adam; `fc_channels=512` leaves 33.1 M. FCN-8s on VGG16 is known as 134 M for 21 classes, to which VGG19 adds 5.3 M.

    Departures from Long et al.: the image is not padded by 100 pixels, fc6 is padded instead, so that the output has
    the image's size; scores are upsampled by fixed bilinear interpolation, channel by channel, not by deconvolutions
    that start bilinear and learn; the skips train at once, not in stages; score layers start random, not at zero.
    Weights are drawn from torch's global generator alone, He normal, biases 0; score layers with torch's default. The
    score layers are `score_fr`, `score_pool4` and `score_pool3`.

    Args:
        in_channels: channels of the image, 1 or 3 in the paper's data sets.
        num_classes: classes, background included, >= 2.
        fc_channels: channels of fc6 and fc7, >= 1; 4096 in VGG and FCN.
        dropout: probability that a value of fc6 or fc7 is dropped in training; 0.5 in VGG and FCN.
        pretrained_path: `.pth` or `.safetensors` file with torchvision's VGG19 weights (without batch normalisation),
            of which `features.*` are used; None keeps random ones.

    Shape:
        input: (B, in_channels, H, W), any H and W. output: logits (B, num_classes, H, W).

    Raises:
        ValueError: a number is out of its range, or the pretrained file does not fit.
        FileNotFoundError: there is no pretrained file.

    Reference:
        Long, Shelhamer, Darrell, Fully Convolutional Networks for Semantic Segmentation, CVPR 2015, section 4.

    >>> VGG19FCN(num_classes=3, fc_channels=8).eval()(torch.zeros(1, 1, 33, 47)).shape
    torch.Size([1, 3, 33, 47])
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 2,
        fc_channels: int = 4096,
        dropout: float = 0.5,
        pretrained_path: str | Path | None = None,
    ) -> None:
        super().__init__()
        require_channels(in_channels, num_classes)
        if fc_channels < 1:
            raise UserError(f"fc_channels must be >= 1, got {fc_channels}")
        self.backbone = VGG19Backbone(in_channels)
        self.fc6 = nn.Conv2d(512, fc_channels, 7, padding=3)
        self.fc7 = nn.Conv2d(fc_channels, fc_channels, 1)
        self.dropout = nn.Dropout(dropout)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]  # every convolution here has a bias
        self.score_fr = nn.Conv2d(fc_channels, num_classes, 1)
        self.score_pool4 = nn.Conv2d(512, num_classes, 1)
        self.score_pool3 = nn.Conv2d(256, num_classes, 1)
        if pretrained_path is not None:
            load_pretrained(self.backbone, pretrained_path, first_convolution="features.0.weight")

    @torch.jit.unused
    def classifier_convolutions(self) -> list[nn.Conv2d]:
        """Return the layers whose output channels, scaled by w (weight and bias), scale the logits by w."""
        return [self.score_fr, self.score_pool4, self.score_pool3]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the logits of an image."""
        pool3, pool4, pool5 = self.backbone(image)
        fc6 = self.dropout(F.relu(self.fc6(pool5)))
        fc7 = self.dropout(F.relu(self.fc7(fc6)))
        scores = self.score_pool4(pool4) + _upsample(self.score_fr(fc7), 2, pool4)
        scores = self.score_pool3(pool3) + _upsample(scores, 2, pool3)
        return _upsample(scores, 8, image)


def _upsample(scores: torch.Tensor, factor: int, like: torch.Tensor) -> torch.Tensor:
    """Enlarge by a whole factor, so that pixels stay where they are, and crop what pooling had rounded up."""
    larger = F.interpolate(scores, scale_factor=float(factor), mode="bilinear", align_corners=False)
    return larger[:, :, : like.shape[2], : like.shape[3]]
