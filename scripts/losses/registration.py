"""Makes the losses known to MONAI under their own names, so that a config can say ``_target_: DualFocalLoss``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType

import monai.losses
from torch import nn

MODULE = "monai.losses.dual_focal_loss"


def register_losses(*losses: type[nn.Module]) -> None:
    """Add loss classes to ``monai.losses``.

    ``monai.losses.<Name>`` is the class itself. A bare ``<Name>`` in a config is looked up among what the modules below
    ``monai`` define, hence a module of constructors there. Objects always belong to the class's own module, so that
    they are pickled by its path and need no registration to be loaded.
    """
    module = sys.modules.setdefault(MODULE, ModuleType(MODULE, "Losses that another package adds to MONAI."))
    monai.losses.dual_focal_loss = module
    for loss in losses:
        setattr(monai.losses, loss.__name__, loss)
        setattr(module, loss.__name__, _constructor(loss))


def _constructor(loss: type[nn.Module]) -> Callable[..., nn.Module]:
    def construct(*args: object, **kwargs: object) -> nn.Module:
        return loss(*args, **kwargs)

    construct.__name__ = construct.__qualname__ = loss.__name__
    construct.__module__ = MODULE
    construct.__doc__ = loss.__doc__
    return construct
