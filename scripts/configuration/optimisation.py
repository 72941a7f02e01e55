"""Whether optimiser and learning rates of a training make sense, found out before its run folder is made."""

from __future__ import annotations

import copy
import math
import warnings

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from ..errors import UserError


def check_optimisation(optimizer: Optimizer, lr_scheduler: LRScheduler, max_epochs: int) -> None:
    """Refuse an optimiser that can't approach a minimum, and learning rates that are none in some epoch.

    A rate below 0 climbs the loss and a momentum of 1 or more forgets nothing, both without a word of PyTorch's. The
    schedule is followed to its end on a copy, which shares the parameters and changes nothing.

    Args:
        optimizer: over all parameter groups.
        lr_scheduler: steps once an epoch.
        max_epochs: epochs of the training.

    Raises:
        UserError: names the key and, of a schedule, the epoch.
    """
    for group in optimizer.param_groups:
        if not 0 <= group.get("momentum", 0) < 1:
            raise UserError(f"optimizer::momentum must be at least 0 and below 1, got {group['momentum']}")
    if isinstance(lr_scheduler, ReduceLROnPlateau):
        return  # its rates follow from the scores
    shared = {id(p): p for group in optimizer.param_groups for p in group["params"]}
    scheduler = copy.deepcopy(lr_scheduler, shared)
    name = type(lr_scheduler).__name__
    for epoch in range(1, max_epochs + 1):
        rates = [float(group["lr"]) for group in scheduler.optimizer.param_groups]
        if not all(math.isfinite(rate) and rate >= 0 for rate in rates):
            raise UserError(
                f"lr_scheduler ({name}) and optimizer give epoch {epoch} the learning rates {rates}, which must be "
                "numbers of at least 0; set other values"
            )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # no step of the optimiser comes between
                scheduler.step()
        except Exception as error:  # whatever a schedule of the user's choice raises
            raise UserError(
                f"lr_scheduler ({name}) can't go on behind epoch {epoch} of {max_epochs}: "
                f"{type(error).__name__}: {error}; set other values"
            ) from error
