"""The U-Net of 2015, from MONAI's blocks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.nets.basic_unet import BasicUNet, UpCat
from torch import nn

from ..errors import UserError
from .channels import require_channels

__all__ = ["UNet"]


class UNet(nn.Module):
    """Ronneberger's U-Net with padded convolutions: MONAI's `BasicUNet` whose last up-convolution halves its channels.

    31,030,658 parameters for one channel and two classes, those of Ronneberger's Figure 1. `BasicUNet` with the same
    channels has 31,100,354 (69,696 more: its last up-convolution keeps 128 channels), so that its joining blocks are
    replaced (`JoinLevels`); `UNet` adds strided convolutions for pooling and one convolution a level, `DynUNet` needs a
    normalisation. The often quoted 31,031,685 is a Keras version with one more convolution before the scores.

    Departures from Ronneberger et al.: convolutions pad with zeros and nothing is cropped, so that the output has the
    image's size; where pooling had rounded down, the last row or column is repeated. Weights are drawn from torch's
    global generator alone, normal with standard deviation sqrt(2 / N), N the inputs of a neuron (their section 3). The
    score layer is `unet.final_conv`.

    Args:
        in_channels: channels of the image, 1 or 3 in the paper's data sets.
        num_classes: classes, background included, >= 2.
        channels: channels of the five levels, each twice the one before.
        dropout: probability that a value at the end of the two deepest levels is dropped in training. Ronneberger et
            al. name the place ("at the end of the contracting path"), their published network 0.5.
        norm: normalisation after each convolution in MONAI's words, "batch" for example; None as in 2015.

    Shape:
        input: (B, in_channels, H, W), H and W >= 16. output: logits (B, num_classes, H, W).

    Raises:
        ValueError: a number is out of its range.

    Reference:
        Ronneberger, Fischer, Brox, U-Net: Convolutional Networks for Biomedical Image Segmentation, MICCAI 2015.

    >>> UNet(num_classes=3, channels=(2, 4, 8, 16, 32)).eval()(torch.zeros(1, 1, 33, 47)).shape
    torch.Size([1, 3, 33, 47])
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 2,
        channels: Sequence[int] = (64, 128, 256, 512, 1024),
        dropout: float = 0.5,
        norm: str | None = None,
    ) -> None:
        super().__init__()
        require_channels(in_channels, num_classes)
        channels = list(channels)
        if not channels or channels[0] < 1 or channels != [channels[0] * 2**level for level in range(5)]:
            raise UserError(f"channels must be five integers, each twice the one before, got {channels}")
        self.unet = BasicUNet(
            spatial_dims=2,
            in_channels=in_channels,
            out_channels=num_classes,
            features=[*channels, channels[0]],
            act=("relu", {"inplace": True}),
            norm=norm,
        )
        for level in range(4, 0, -1):
            block = JoinLevels(
                spatial_dims=2,
                in_chns=channels[level],
                cat_chns=channels[level - 1],
                out_chns=channels[level - 1],
                act=("relu", {"inplace": True}),
                norm=norm,
                bias=True,
            )
            setattr(self.unet, f"upcat_{level}", block)
        for level in (self.unet.down_3, self.unet.down_4):
            level.add_module("dropout", nn.Dropout(dropout))
        for name, child in self.unet.named_children():
            if name != "final_conv":
                child.apply(_initialise)

    @torch.jit.unused
    def classifier_convolutions(self) -> list[nn.Conv2d]:
        """Return the layers whose output channels, scaled by w (weight and bias), scale the logits by w."""
        return [self.unet.final_conv]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the logits of an image."""
        logits: torch.Tensor = self.unet(image)
        return logits


class JoinLevels(UpCat):  # type: ignore[misc]  # MONAI has no types
    """MONAI's block that joins a level with the one above it, where the upsampled level is a row or a column short.

    MONAI pads by replication, whose gradient torch.compile gets wrong on a CPU (torch 2.13). Repeating the last row or
    column is the same.
    """

    def forward(self, x: torch.Tensor, x_e: torch.Tensor) -> torch.Tensor:
        """Return the features of the level above, from those below it (B, C, h, w) and its own (B, C', H, W)."""
        upsampled = self.upsample(x)
        if upsampled.size(2) < x_e.size(2):
            upsampled = torch.cat([upsampled, upsampled[:, :, -1:]], dim=2)
        if upsampled.size(3) < x_e.size(3):
            upsampled = torch.cat([upsampled, upsampled[:, :, :, -1:]], dim=3)
        joined: torch.Tensor = self.convs(torch.cat([x_e, upsampled], dim=1))
        return joined


def _initialise(module: nn.Module) -> None:
    """Draw a convolution's weights so that features keep unit variance, and set its biases to 0."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    elif isinstance(module, nn.ConvTranspose2d):
        # Stride equals kernel size: an output sees one position of the input. No ReLU follows: gain 1.
        nn.init.normal_(module.weight, std=module.in_channels**-0.5)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
