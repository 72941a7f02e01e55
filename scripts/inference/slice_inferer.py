"""A 2-D network on every slice of a volume, in batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor

from ..errors import UserError
from ..networks.precision import autocast

_FLIPS: tuple[tuple[int, ...], ...] = ((), (2,), (3,), (2, 3))  # axes of (B, C, X, Y)


class SliceBatches(Inferer):  # type: ignore[misc]  # MONAI has no types
    """Class probabilities of every slice.

    Args:
        batch_size: slices at a time.
        flips: average the probabilities of each slice with those of its three mirror images, turned back; four times
            the work.
        precision: of the network, see ``choose_precision``; probabilities are float32.
    """

    def __init__(self, batch_size: int = 4, flips: bool = False, precision: str = "float32") -> None:
        super().__init__()
        self.precision = precision
        self.batch_size = batch_size
        self.flips = flips
        self.on_slices: Callable[[int, int], Any] = lambda _done, _all: None

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Run ``network`` on the slices.

        Args:
            inputs: (1, C, X, Y, Z).
            network: (B, C, X, Y) to logits (B, K, X, Y).
            args: further arguments of the network.
            kwargs: further arguments of the network.

        Returns:
            Probabilities (1, K, X, Y, Z).

        Raises:
            ValueError: logits are not finite.
        """
        planes = torch.as_tensor(inputs)[0].permute(3, 0, 1, 2)  # (C, X, Y, Z) -> (Z, C, X, Y)
        found = torch.empty(0)
        with torch.no_grad():
            for start in range(0, len(planes), self.batch_size):
                batch = planes[start : start + self.batch_size]
                turned = [self._probabilities(batch, axes, network, args, kwargs) for axes in self._axes()]
                mean = torch.stack(turned).mean(dim=0)
                if start == 0:  # the number of classes is known
                    found = mean.new_empty((len(planes), *mean.shape[1:]))
                found[start : start + len(batch)] = mean
                self.on_slices(start + len(batch), len(planes))
        return found.permute(1, 2, 3, 0)[None]  # (Z, K, X, Y) -> (1, K, X, Y, Z)

    def _axes(self) -> tuple[tuple[int, ...], ...]:
        return _FLIPS if self.flips else _FLIPS[:1]

    def _probabilities(
        self, batch: Tensor, axes: tuple[int, ...], network: Callable[..., Tensor], args: Any, kwargs: Any
    ) -> Tensor:
        with autocast(self.precision, batch.device):
            logits = network(batch.flip(axes) if axes else batch, *args, **kwargs).float()
        if not torch.isfinite(logits).all():
            raise UserError("the network gives numbers that are not finite; take other weights, or look at the image")
        probabilities = logits.softmax(dim=1)
        return probabilities.flip(axes) if axes else probabilities
