"""ResNet-18 as a dense feature extractor, with torchvision's parameter names.

The stem and the stages are those of MONAI's `ResNet`: its constructor can express torchvision's ResNet-18 (2-D,
shortcut B without bias, first stride 2, no `fc`), names included. `ResNetFeatures("resnet18")` cannot, since it fixes
shortcut A, which has no parameters and cuts its gradient. Neither knows dilation, and neither `forward` returns the two
feature maps that DeepLabV3+ needs; so the strides of the last stages are changed here, once, after construction.
"""

from __future__ import annotations

import torch
from monai.networks.nets.resnet import ResNet
from torch import nn

from ..errors import UserError

__all__ = ["ResNet18Backbone"]

# Dilation of (the first convolution, all later ones) of a stage that gives up its stride, by output stride.
DILATIONS: dict[int, dict[str, tuple[int, int]]] = {
    8: {"layer3": (1, 2), "layer4": (2, 4)},
    16: {"layer4": (1, 2)},
    32: {},
}


class ResNet18Backbone(nn.Module):
    """ResNet-18 without its classifier, whose last stages may trade their stride for dilation.

    Parameters are named as in torchvision (`conv1`, `bn1`, `layer1.0.conv1`, ..., `layer4.0.downsample.0`), so that its
    published state dict fits. At output stride 16 or 8 every second (or fourth) feature equals that of the undilated
    network with the same weights. 11,176,512 parameters for three input channels.

    Args:
        in_channels: channels of the image.
        output_stride: input size over the size of the deepest features: 8, 16 or 32.

    Shape:
        input: (B, in_channels, H, W), any H and W.
        output: low-level features of `layer1` (B, 64, H/4, W/4) and deep features of `layer4`
        (B, 512, H/output_stride, W/output_stride), sizes rounded up.

    Raises:
        ValueError: `output_stride` is not 8, 16 or 32.

    Reference:
        He et al., Deep Residual Learning for Image Recognition, CVPR 2016, Table 1 (18 layers). Dilation in place of
        stride: Chen et al., Rethinking Atrous Convolution, arXiv:1706.05587, section 3.1.
    """

    low_level_channels = 64
    deep_channels = 512

    def __init__(self, in_channels: int = 3, output_stride: int = 16) -> None:
        super().__init__()
        if output_stride not in DILATIONS:
            raise UserError(f"output_stride must be one of {sorted(DILATIONS)}, got {output_stride}")
        net = ResNet(
            block="basic",
            layers=[2, 2, 2, 2],
            block_inplanes=[64, 128, 256, 512],
            spatial_dims=2,
            n_input_channels=in_channels,
            conv1_t_stride=2,
            shortcut_type="B",
            bias_downsample=False,
            feed_forward=False,
        )
        for name, (first, later) in DILATIONS[output_stride].items():
            _replace_stride_with_dilation(getattr(net, name), first, later)
        self.conv1: nn.Module = net.conv1
        self.bn1: nn.Module = net.bn1
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1: nn.Module = net.layer1
        self.layer2: nn.Module = net.layer2
        self.layer3: nn.Module = net.layer3
        self.layer4: nn.Module = net.layer4

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the low-level and the deep features of an image."""
        low_level = self.layer1(self.maxpool(self.relu(self.bn1(self.conv1(image)))))
        return low_level, self.layer4(self.layer3(self.layer2(low_level)))


def _replace_stride_with_dilation(stage: nn.Module, first: int, later: int) -> None:
    """Let a stage keep its input's size; its first convolution still sees the grid of the stage before."""
    is_first = True
    for module in stage.modules():
        if not isinstance(module, nn.Conv2d):
            continue
        module.stride = (1, 1)
        if module.kernel_size == (3, 3):
            rate = first if is_first else later
            module.dilation = module.padding = (rate, rate)
            is_first = False
