"""Atrous spatial pyramid pooling: one feature map seen at several rates and as a whole."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

__all__ = ["ASPP", "ASPPConv", "ASPPPooling", "conv_bn_relu"]


def conv_bn_relu(in_channels: int, out_channels: int, kernel_size: int, dilation: int = 1) -> list[nn.Module]:
    """Layers of a convolution that keeps the size, batch normalisation and ReLU."""
    padding = dilation * (kernel_size // 2)
    return [
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


class ASPPConv(nn.Sequential):
    """3 x 3 convolution at one atrous rate.

    A rate at or above the size of the feature map leaves only the kernel's centre inside it: at 224 x 224 and output
    stride 16 the map is 14 x 14, and the paper's rate 18 acts as a 1 x 1 convolution (Chen et al. 2017, section 3.3).
    """

    def __init__(self, in_channels: int, out_channels: int, rate: int) -> None:
        super().__init__(*conv_bn_relu(in_channels, out_channels, kernel_size=3, dilation=rate))


class ASPPPooling(nn.Module):
    """Mean of the whole feature map, projected and spread over the map again.

    A training batch of one image leaves batch normalisation a single value per channel, which has no variance (torch
    raises). Such a batch is normalised with the running statistics instead, and does not change them, so that the last,
    incomplete batch of an epoch neither stops a training nor turns this branch into a constant.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the pooled features (B, out_channels, h, w) of features (B, in_channels, h, w)."""
        pooled = self.conv(features.mean(dim=(2, 3), keepdim=True))
        if self.training and pooled.shape[0] == 1:
            bn = self.bn
            pooled = F.batch_norm(pooled, bn.running_mean, bn.running_var, bn.weight, bn.bias, eps=bn.eps)
        else:
            pooled = self.bn(pooled)
        return F.relu(pooled).expand(-1, -1, features.shape[2], features.shape[3])


class ASPP(nn.Module):
    """A 1 x 1 convolution, one `ASPPConv` a rate and `ASPPPooling`, side by side, joined by a 1 x 1 projection.

    Args:
        in_channels: channels of the features.
        atrous_rates: one positive rate for each `ASPPConv`.
        out_channels: channels of each branch and of the output.

    Shape:
        input: (B, in_channels, h, w). output: (B, out_channels, h, w).

    Reference:
        Chen et al., Rethinking Atrous Convolution, arXiv:1706.05587, section 3.3 and Figure 5; 256 channels each.
    """

    def __init__(self, in_channels: int, atrous_rates: Sequence[int], out_channels: int = 256) -> None:
        super().__init__()
        branches: list[nn.Module] = [nn.Sequential(*conv_bn_relu(in_channels, out_channels, 1))]
        branches += [ASPPConv(in_channels, out_channels, rate) for rate in atrous_rates]
        branches.append(ASPPPooling(in_channels, out_channels))
        self.branches = nn.ModuleList(branches)
        self.project = nn.Sequential(*conv_bn_relu(len(branches) * out_channels, out_channels, 1))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the joined features."""
        joined: torch.Tensor = self.project(torch.cat([branch(features) for branch in self.branches], dim=1))
        return joined
