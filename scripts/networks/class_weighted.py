"""A network with Adaptive Class Weight behind its last layer."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import UserError
from .adaptive_class_weight import AdaptiveClassWeight


class ClassWeightedNetwork(nn.Module):
    """Applies a segmentation network, then the adaptive class weights to its logits.

    Args:
        network: gives logits (B, C, *S). To be folded it must name the convolutions whose output channels are the class
            scores through ``classifier_convolutions()``.
        class_weight: the layer behind it; None leaves the logits as they are.

    >>> network = ClassWeightedNetwork(nn.Conv2d(1, 2, 1), AdaptiveClassWeight(2, class_counts=[900, 100]))
    >>> network(torch.zeros(1, 1, 4, 4)).shape
    torch.Size([1, 2, 4, 4])
    """

    def __init__(self, network: nn.Module, class_weight: AdaptiveClassWeight | None = None) -> None:
        super().__init__()
        self.network = network
        self.class_weight = class_weight

    def forward(self, image: Tensor) -> Tensor:
        """Weighted logits of an image."""
        logits: Tensor = self.network(image)
        if self.class_weight is not None:
            logits = self.class_weight(logits)
        return logits

    @torch.jit.unused
    def folded(self) -> nn.Module:
        """A copy of the network alone that gives the weighted logits: it holds no trace of the class weights.

        Raises:
            ValueError: there are class weights, and the network does not name its classifier convolutions.
        """
        plain = copy.deepcopy(self.network)
        if self.class_weight is not None:
            for convolution in classifier_convolutions(plain):
                self.class_weight.fold_into(convolution)
        return plain

    @torch.jit.unused
    def parameter_groups(
        self,
        weight_decay: float = 0.0,
        class_weight_learning_rate: float | None = None,
        classifier_learning_rate: float | None = None,
    ) -> list[dict[str, Any]]:
        """Parameters for an optimiser, the class weights apart: weight decay leaves them alone.

        Args:
            weight_decay: of the network's own parameters.
            class_weight_learning_rate: of the class weights; None for the optimiser's own.
            classifier_learning_rate: of the network's last layer, its classifier convolutions; None for the optimiser's
                own.

        Raises:
            ValueError: a rate is no number of at least 0, or the last layer is to have one and the network does not
                name its classifier convolutions.
        """
        _check_rate("class_weight_learning_rate", class_weight_learning_rate)
        _check_rate("classifier_learning_rate", classifier_learning_rate)
        last: list[nn.Parameter] = []
        if classifier_learning_rate is not None:
            last = [parameter for layer in classifier_convolutions(self.network) for parameter in layer.parameters()]
        apart = {id(parameter) for parameter in last}
        own = [parameter for parameter in self.network.parameters() if id(parameter) not in apart]
        groups: list[dict[str, Any]] = [{"params": own, "weight_decay": weight_decay}]
        if last:
            groups.append({"params": last, "weight_decay": weight_decay, "lr": classifier_learning_rate})
        if self.class_weight is not None:
            group: dict[str, Any] = {"params": list(self.class_weight.parameters()), "weight_decay": 0.0}
            groups.append(group if class_weight_learning_rate is None else {**group, "lr": class_weight_learning_rate})
        return groups


def _check_rate(name: str, rate: Any) -> None:
    """Refuse what torch would only see in the first step, or never: its optimisers look at no group's rate."""
    is_number = isinstance(rate, int | float) and not isinstance(rate, bool)
    if rate is not None and not (is_number and 0 <= rate < math.inf):
        raise UserError(f"{name} of parameter_groups must be a number of at least 0, got {rate!r}; set another")


def classifier_convolutions(network: nn.Module) -> list[nn.Module]:
    """The layers of a network whose output channels are the class scores, as the network itself names them."""
    named = getattr(network, "classifier_convolutions", None)
    layers = list(named() if callable(named) else named or [])
    if not layers:
        raise UserError(
            f"{type(network).__name__} does not say where its class scores come from: give it a method "
            "classifier_convolutions() that returns the layers whose output channels are the classes"
        )
    return layers
