"""What batch normalisation takes for the mean and variance of the data when nothing is trained."""

from __future__ import annotations

import torch
from ignite.engine import Engine, Events
from torch import nn
from torch.optim.swa_utils import update_bn
from torch.utils.data import DataLoader, Dataset, Subset

from ..errors import UserError
from ..networks.precision import PrecisionInferer
from ..runs.processes import broadcast_buffers, several

LEAST = 16  # images: statistics of fewer are those of a few slices


class PopulationStatistics:
    """Handler that takes the statistics of batch normalisation again, of training images, before every validation.

    The running averages that training keeps are of weights that have moved on since, and of few small batches: early
    in a training a network that segments well in batches can fail when it is validated. Means and variances of one
    pass over training images with the weights of now have no such lag. Training itself is left as it is: it reads the
    statistics of its batches alone, and the random numbers that the pass draws (dropout) are given back.

    MATLAB, in which the paper's authors wrote, ends a training so (``trainNetwork``, over the whole training part);
    here torch's ``update_bn`` does it.

    Args:
        network: whose layers are set; without batch normalisation nothing is done.
        dataset: training images, items with the key ``image`` (channels, H, W).
        num_images: how many of them to take at most, evenly spread, >= 0; 0 keeps the running averages.
        batch_size: of the pass, that of the training.
        device: where the network is.
        interval: epochs between two validations.
        share: of the images to take, above 0 and at most 1, so that the pass costs a short epoch no more than a long
            one; 16 images or a batch are taken even so.
        inferer: of the training, whose precision and memory format the pass has too; None: float32.

    Raises:
        ValueError: ``num_images`` is below 0, or ``share`` out of its range.
    """

    def __init__(
        self,
        network: nn.Module,
        dataset: Dataset[dict[str, torch.Tensor]],
        num_images: int,
        batch_size: int,
        device: torch.device | str = "cpu",
        interval: int = 1,
        share: float = 1.0,
        inferer: PrecisionInferer | None = None,
    ) -> None:
        if num_images < 0:
            raise UserError(f"batch_norm_images must be a number of images >= 0, got {num_images}")
        if not 0 < share <= 1:
            raise UserError(f"batch_norm_share must be a number above 0 and at most 1, got {share}")
        self.network = network
        self.dataset = dataset
        self.num_images = num_images
        self.batch_size = batch_size
        self.device = torch.device(device)
        self.interval = interval
        self.share = share
        self.inferer = inferer or PrecisionInferer()

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, before the handler of validation."""
        if self.num_images > 0:
            engine.add_event_handler(Events.EPOCH_COMPLETED(every=self.interval), self._take)
        if several():
            engine.add_event_handler(Events.EPOCH_COMPLETED(every=self.interval), self._agree)

    def _agree(self, _engine: Engine) -> None:
        broadcast_buffers(self.network)  # without synchronised layers each process has its own averages

    def _take(self, _engine: Engine) -> None:
        available = len(self.dataset)  # type: ignore[arg-type]
        wanted = min(self.num_images, max(round(self.share * available), LEAST))
        taken = min(max(wanted, self.batch_size), available)
        chosen = Subset(self.dataset, [number * available // taken for number in range(taken)])
        with torch.random.fork_rng(), torch.no_grad():
            loader = DataLoader(chosen, self.batch_size, drop_last=True)
            update_bn((batch["image"] for batch in loader), _Inferring(self.network, self.inferer), self.device)


class _Inferring(nn.Module):
    """A network that is run by an inferer: the precision is the network's alone, and not that of loading images."""

    def __init__(self, network: nn.Module, inferer: PrecisionInferer) -> None:
        super().__init__()
        self.network = network
        self.training = network.training
        self.inferer = inferer

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits of images."""
        return self.inferer(image, self.network)
