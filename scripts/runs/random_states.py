"""The states of all random generators of a process, kept and set again."""

from __future__ import annotations

import random
from typing import Any

import ignite.distributed as idist
import numpy as np
import torch

from .processes import gathered, is_first


def random_states() -> dict[str, Any]:
    """The states of Python's, NumPy's and torch's generators, of tensors and plain values."""
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)  # noqa: NPY002  # the one that libraries draw from
    version, words, gauss_next = random.getstate()
    states: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": [
            str(name),
            torch.from_numpy(np.asarray(keys).astype(np.int64)),
            int(position),
            int(has_gauss),
            float(gauss),
        ],
        "python": [version, list(words), gauss_next],
    }
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state_all()
    return states


def everyones_random_states(own: dict[str, Any]) -> dict[str, Any]:
    """The first process's states, with those of the others, if there are any, in their order under ``others``."""
    first, *others = gathered(own)
    return {**first, "others": others} if others else first


def own_random_states(states: dict[str, Any]) -> dict[str, Any]:
    """This process's part of what ``everyones_random_states`` returned."""
    own: dict[str, Any] = states if is_first() else states["others"][idist.get_rank() - 1]
    return own


def restore_random_states(states: dict[str, Any]) -> None:
    """Set all random generators to the states that ``random_states`` returned."""
    torch.set_rng_state(states["torch"].cpu())
    name, keys, position, has_gauss, gauss = states["numpy"]
    np.random.set_state((name, keys.cpu().numpy().astype(np.uint32), position, has_gauss, gauss))  # noqa: NPY002
    version, words, gauss_next = states["python"]
    random.setstate((version, tuple(words), gauss_next))
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([state.cpu() for state in states["cuda"]][: torch.cuda.device_count()])
