"""One training by several processes: the network, the loss and the images that each of them has."""

from __future__ import annotations

import logging
import weakref
from typing import Any

import ignite.distributed as idist
import torch
from monai.data import DistributedSampler
from torch import Tensor, nn
from torch.nn.modules.batchnorm import SyncBatchNorm, _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from ..errors import UserError
from ..runs.processes import leave_processes, several

logger = logging.getLogger(__name__)

_shared: weakref.WeakSet[SharedNetwork] = weakref.WeakSet()


class SharedNetwork(nn.Module):
    """A network whose gradients are the means over all processes: torch's ``DistributedDataParallel``.

    It stands in the trainer alone: validation, checkpoints, class weights and the optimiser keep the network itself,
    whose parameters are the same objects. On GPUs batch normalisation takes its statistics over the images of all
    processes (``SyncBatchNorm``); the CPU has none, and each process takes its own images'.

    Args:
        network: what is trained, on its device.
        batch_size: images of one process in a batch.

    Raises:
        ValueError: batch normalisation would see one image at a time.
    """

    def __init__(self, network: nn.Module, batch_size: int) -> None:
        super().__init__()
        self._wrapper: nn.Module | None = network
        if not several():
            return
        device = next(network.parameters()).device
        if device.type == "cuda":
            SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        elif any(isinstance(module, _BatchNorm) for module in network.modules()):
            _check_batch_norm(batch_size)
        self._wrapper = DistributedDataParallel(network, device_ids=[device] if device.type == "cuda" else None)
        _shared.add(self)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the network gives."""
        assert self._wrapper is not None
        return self._wrapper(*args, **kwargs)

    def release(self) -> None:
        """Let go of the other processes."""
        self._wrapper = None


class GlobalMean(nn.Module):
    """A loss over the images of all processes, as one process with all of them has it, in value and gradient.

    Each process has a mean over its own voxels (or images), and gradients are averaged over the processes. Where labels
    are ignored the processes have unequal numbers of voxels, so that its mean is weighted by its share of them.

    Args:
        loss: says by ``parts(input, target)`` what it is the sum of: pairs of a mean and the number of voxels or images
            that it is over, None for a plain sum. All losses of the bundle do.

    Raises:
        ValueError: the loss has no ``parts``, or no such parts.
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss
        if several() and not hasattr(loss, "parts"):
            raise UserError(
                f"loss {type(loss).__name__} does not say what it is a mean over, so that several processes can't have "
                "it together: wrap it in scripts.losses.ignored_voxels.WithoutIgnoredVoxels if that is the images, "
                "give it a method parts(input, target), or train in one process"
            )

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss over all processes; its gradient is this process's share, times their number."""
        if not several():
            whole: Tensor = self.loss(input, target)
            return whole
        parts: list[tuple[Tensor, Tensor | None]] = self.loss.parts(input, target)  # type: ignore[operator]
        values = torch.stack([value for value, _ in parts])
        counts = torch.stack([torch.ones_like(value) if n is None else n.to(value) for value, n in parts]).double()
        sums = idist.all_reduce(torch.stack([values.detach() * counts, counts]))
        shares = counts / sums[1].clamp(min=1)
        plain = torch.tensor([n is None for _, n in parts], device=values.device)
        shares = torch.where(plain, 1.0, shares)
        own = (values * (shares * idist.get_world_size()).to(values)).sum()
        over_all = torch.where(plain, sums[0], sums[0] / sums[1].clamp(min=1)).sum().to(own)
        shared: Tensor = own + (over_all - own).detach()
        return shared


def validation_share(dataset: Any) -> DistributedSampler:
    """The images of a part that this process scores: each image in one process, as evenly as can be, in their order.

    Args:
        dataset: of all images.

    Raises:
        ValueError: there are fewer images than processes.
    """
    count = idist.get_world_size()
    if len(dataset) < count:
        raise UserError(f"{len(dataset)} images can't be scored by {count} processes; start fewer of them")
    return DistributedSampler(dataset, even_divisible=False, shuffle=False, num_replicas=count, rank=idist.get_rank())


def finish() -> None:
    """Leave the other processes when all is done; the last step of a workflow."""
    for network in _shared:
        network.release()  # before the group: a reducer that outlives it waits for gloo's threads, and they for it
    leave_processes()


def _check_batch_norm(batch_size: int) -> None:
    if batch_size < 2:
        raise UserError(
            "batch normalisation can't learn from the one image that each process has in a batch; start fewer "
            f"processes, or set --batch_size to {2 * idist.get_world_size()} or more"
        )
    logger.warning(
        "batch normalisation takes the statistics of each process's own %d images: without GPUs there is none over "
        "all processes, and numbers differ from those of one process",
        batch_size,
    )
