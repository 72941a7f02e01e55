"""One network, or several that vote."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from ignite.engine import Engine, Events
from torch import Tensor, nn

from ..errors import UserError
from ..runs.checkpoint import load_network, require_network
from .model import Member, build_networks


class Ensemble(nn.Module):
    """Networks whose class probabilities are averaged.

    Args:
        networks: each (B, C, X, Y) to logits (B, K, X, Y).
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, image: Tensor) -> Tensor:
        """The logarithm of the mean probabilities, whose softmax these are; (B, C, X, Y) to (B, K, X, Y)."""
        logits = [network(image) for network in self.networks]
        if len({each.shape for each in logits}) > 1:
            shapes = " and ".join(str(list(each.shape)) for each in logits)
            raise UserError(f"the networks of the ensemble give logits of different shapes, {shapes}; name other runs")
        logarithms = torch.stack([each.log_softmax(dim=1) for each in logits])
        mean = torch.logsumexp(logarithms, dim=0) - torch.log(torch.tensor(float(len(logits))))
        finite = torch.stack([torch.isfinite(each).all() for each in logits]).all()
        return mean if finite else torch.full_like(mean, torch.nan)  # one member's fault is not outvoted


def assemble_network(network: nn.Module, members: Sequence[Member], device: torch.device | str) -> nn.Module:
    """The network of one member, or the ensemble of several, without weights.

    Args:
        network: of the first member.
        members: see ``find_members``.
        device: where it computes.

    Raises:
        ValueError: a configuration's network is none.
    """
    networks = [network, *build_networks(members[1:])]
    for each in networks:
        require_network(each)
    return (network if len(members) == 1 else Ensemble(networks)).to(device)


def load_weights(network: nn.Module, members: Sequence[Member], device: torch.device | str) -> nn.Module:
    """Load the weights of every member.

    Raises:
        ValueError: weights are of another network or run, or not finite.
    """
    parts = list(network.networks) if isinstance(network, Ensemble) else [network]
    for part, member in zip(parts, members, strict=True):
        load_network(part, member.weights, device, member.config_sha256)
    return network.eval()


class WeightsLoader:
    """Handler of an evaluator that loads the weights before it starts; see ``load_weights``.

    Args:
        network: see ``assemble_network``.
        members: see ``find_members``.
        device: where the network is.
    """

    def __init__(self, network: nn.Module, members: Sequence[Member], device: torch.device | str) -> None:
        self.network = network
        self.members = members
        self.device = device

    def attach(self, engine: Engine) -> None:
        """Attach to the evaluator."""
        engine.add_event_handler(Events.STARTED, lambda _: load_weights(self.network, self.members, self.device))
