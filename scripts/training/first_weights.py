"""A training that begins with the weights of a published network."""

from __future__ import annotations

from pathlib import Path

import torch
from ignite.engine import Engine, Events

from ..networks import ClassWeightedNetwork
from ..runs.checkpoint import load_network


class FirstWeights:
    """Handler that lets a training begin where a published network is: it gives the same logits.

    The class weights of a published network are folded into its last layer; those of this training begin at 1.
    A run that is resumed goes on with its own weights, which are set behind these.

    Args:
        network: that is trained.
        weights: ``model.pt``, the plain network's.
        device: where the network is.

    Raises:
        FileNotFoundError, ValueError: at the start, see ``load_network``.
    """

    def __init__(self, network: ClassWeightedNetwork, weights: str | Path, device: torch.device | str = "cpu") -> None:
        self.network = network
        self.weights = Path(weights)
        self.device = device

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, before ``Resume``."""
        engine.add_event_handler(Events.STARTED, self._load)

    def _load(self, engine: Engine) -> None:
        load_network(self.network.network, self.weights, self.device)
        if self.network.class_weight is not None:
            self.network.class_weight.set_to_one()
