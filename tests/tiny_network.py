"""A network that trains in milliseconds and draws random numbers while it does."""

from __future__ import annotations

from torch import Tensor, nn


class TwoConvolutions(nn.Module):
    """Two convolutions, what stands between them given."""

    def __init__(self, features: nn.Sequential, num_classes: int) -> None:
        super().__init__()
        self.features = features
        self.classifier = nn.Conv2d(8, num_classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(image))
        return logits

    def classifier_convolutions(self) -> list[nn.Module]:
        return [self.classifier]


class TinyNetwork(TwoConvolutions):
    """Two convolutions with batch normalisation and dropout between them."""

    def __init__(self, in_channels: int = 1, num_classes: int = 2) -> None:
        convolution = nn.Conv2d(in_channels, 8, 3, padding=1)
        super().__init__(nn.Sequential(convolution, nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout2d(0.3)), num_classes)


class PlainNetwork(TwoConvolutions):
    """Two convolutions: nothing random, and no image depends on another one in its batch."""

    def __init__(self, in_channels: int = 1, num_classes: int = 2) -> None:
        super().__init__(nn.Sequential(nn.Conv2d(in_channels, 8, 3, padding=1), nn.Tanh()), num_classes)
