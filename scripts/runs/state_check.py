"""Whether a resume state can be what a training of this configuration has saved, found out before any of it is used.

Everything that stands in the file is compared with what is there to take it: names, types, shapes, finite numbers, and
counts that agree with each other. What could only be told by a signature (other finite numbers of the same shape) is
not found.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError

PARTS = ("progress", "random", "metadata")
COUNTS = ("epoch", "iteration")


def refuse_odd_state(
    path: Path,
    state: dict[str, Any],
    expected: dict[str, Any],
    shapes: Sequence[torch.Size],
    max_epochs: int,
    epoch_length: int,
) -> None:
    """Refuse a state that no training of this configuration can have saved.

    Args:
        path: the file, for the message.
        state: what was loaded from it.
        expected: state dicts of the objects that take it, by name.
        shapes: of the optimiser's parameters, in its order; none leaves its state's shapes unchecked.
        max_epochs: of the training.
        epoch_length: iterations per epoch.

    Raises:
        ValueError: names the place and what is wrong with it.
    """
    for fault in _faults(state, expected, shapes, max_epochs, epoch_length):
        raise UserError(
            f"{path} is no state that this training has saved: {fault}; put the run's own file back, or start a new "
            "run (--resume false)"
        )


def refuse_odd_tables(path: Path, state: dict[str, Any]) -> None:
    """Refuse a best checkpoint whose progress or metadata no training has written.

    Args:
        path: the file, for the message.
        state: its content; a flat state dict has neither.

    Raises:
        ValueError: names the place.
    """
    fault = next((name for name in ("progress", "metadata") if not isinstance(state.get(name, {}), dict)), None)
    progress = {} if fault else state.get("progress", {})
    epoch = progress.get("epoch", math.inf)
    if fault is None and epoch != math.inf and not (_is_whole(epoch) and epoch >= 1):
        fault = "progress::epoch"
    elif fault is None and not _is_best(progress.get("best", {}), epoch):
        fault = "progress::best"
    if fault is not None:
        raise UserError(
            f"{path} is no checkpoint that a training has saved: {fault} is odd; put the run's own file back"
        )


def _faults(
    state: dict[str, Any],
    expected: dict[str, Any],
    shapes: Sequence[torch.Size],
    max_epochs: int,
    epoch_length: int,
) -> Iterator[str]:
    for name in (*expected, *PARTS):
        if name not in state:
            yield f"'{name}' is missing"
        elif not isinstance(state[name], dict):
            yield f"'{name}' is a {type(state[name]).__name__} and no table"
    yield from _progress_faults(state["progress"], max_epochs, epoch_length)
    for name, own in expected.items():
        if name == "optimizer":
            yield from _optimizer_faults(state[name], own, shapes)
        else:
            yield from _differences(state[name], own, name)
    others = state["random"].get("others", [])
    if not isinstance(others, list) or not all(isinstance(states, dict) for states in others):
        yield f"random::others is {_short(others)}, no list of tables"
    for states in (state["random"], *others):
        yield from _random_faults(states)


def _progress_faults(progress: dict[str, Any], max_epochs: int, epoch_length: int) -> Iterator[str]:
    for name in COUNTS:
        if not _is_whole(progress.get(name)) or progress[name] < 1:
            yield f"progress::{name} is {progress.get(name)!r}, not a whole number >= 1"
    for name in ("epoch_completed", "terminated"):
        if not isinstance(progress.get(name), bool):
            yield f"progress::{name} is {progress.get(name)!r}, neither true nor false"
    epoch, iteration = progress["epoch"], progress["iteration"]
    if epoch > max_epochs:
        yield f"progress::epoch is {epoch}, beyond max_epochs {max_epochs}"
    if -(-iteration // epoch_length) != epoch or (progress["epoch_completed"] and iteration % epoch_length):
        yield f"progress::iteration {iteration} does not belong to epoch {epoch} of {epoch_length} iterations per epoch"
    if not _is_best(progress.get("best"), epoch):
        yield f"progress::best is {_short(progress.get('best'))}, no score and epoch"
    history = progress.get("history")
    if not isinstance(history, list) or len(history) > epoch or not all(map(_is_entry, history)):
        yield f"progress::history is {_short(history)}, no list of [epoch, score]"


def _optimizer_faults(state: dict[str, Any], own: dict[str, Any], shapes: Sequence[torch.Size]) -> Iterator[str]:
    """The optimiser's groups must be those of now; its state may lack parameters that had no gradient yet."""
    yield from _differences(state.get("param_groups"), own["param_groups"], "optimizer::param_groups")
    if [group["params"] for group in state["param_groups"]] != [group["params"] for group in own["param_groups"]]:
        yield "optimizer::param_groups are of other parameters"
    kept = state.get("state")
    if not isinstance(kept, dict):
        yield f"optimizer::state is {_short(kept)}, no table"
        return
    known = {index for group in own["param_groups"] for index in group["params"]}
    for index, values in kept.items():
        if index not in known or not isinstance(values, dict):
            yield f"optimizer::state::{index} belongs to no parameter"
            continue
        for name, value in values.items():
            place = f"optimizer::state::{index}::{name}"
            if isinstance(value, Tensor) and value.dim() and shapes and value.shape != shapes[index]:
                yield f"{place} has the shape {list(value.shape)} where {list(shapes[index])} is needed"
            elif isinstance(value, Tensor) and not _all_finite(value):
                yield f"{place} is not finite"


def _differences(value: Any, own: Any, place: str) -> Iterator[str]:
    """Where a value is of another form than its counterpart: names, lengths, types, shapes, numbers not finite."""
    if isinstance(own, Tensor):
        if not isinstance(value, Tensor) or value.shape != own.shape or value.dtype != own.dtype:
            yield f"{place} is {_short(value)} where a tensor {list(own.shape)} of {own.dtype} is needed"
        elif not _all_finite(value):
            yield f"{place} is not finite"
    elif isinstance(own, dict | list | tuple):
        before, now = _entries(own), _entries(value)
        if now is None or before is None or set(now) != set(before):
            other = sorted(map(str, set(now) ^ set(before))) if now is not None and before is not None else value
            yield f"{place} has other entries than the training: {_short(other)}"
            return
        for name, item in before.items():
            yield from _differences(now[name], item, f"{place}::{name}")
    elif isinstance(own, int | float) and not isinstance(own, bool):
        if not _is_finite(value):
            yield f"{place} is {_short(value)}, not a finite number"
    elif None not in (own, value) and type(value) is not type(own):
        yield f"{place} is {_short(value)} where {_short(own)} is"


def _entries(value: Any) -> dict[Any, Any] | None:
    """A table, or a list as a table of its places; None for anything else."""
    if isinstance(value, list | tuple):
        return dict(enumerate(value))
    return value if isinstance(value, dict) else None


def _random_faults(states: dict[str, Any]) -> Iterator[str]:
    """Try the states on generators that nobody uses."""
    try:
        torch.Generator().set_state(states["torch"].cpu())
    except Exception:
        yield f"random::torch is {_short(states.get('torch'))}, no state of torch's generator"
    try:
        name, keys, position, has_gauss, gauss = states["numpy"]
        if not _is_whole(position) or not 0 <= position <= keys.numel():  # NumPy would read beyond the words
            raise ValueError(position)
        np.random.RandomState().set_state((name, keys.cpu().numpy().astype(np.uint32), position, has_gauss, gauss))
    except Exception:
        yield f"random::numpy is {_short(states.get('numpy'))}, no state of NumPy's generator"
    try:
        version, words, gauss_next = states["python"]
        if not all(_is_whole(word) and 0 <= word < 2**32 for word in words):  # Python would cut them
            raise ValueError(words)
        random.Random().setstate((version, tuple(words), gauss_next))
    except Exception:
        yield f"random::python is {_short(states.get('python'))}, no state of Python's generator"


def _is_best(best: Any, epoch: float) -> bool:
    if best == {}:
        return True
    if not isinstance(best, dict) or not _is_finite(best.get("score")) or not _is_whole(best.get("epoch")):
        return False
    return bool(-1 <= best["epoch"] <= epoch)


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, list | tuple) and len(entry) == 2 and all(map(_is_finite, entry))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _all_finite(value: Tensor) -> bool:
    return bool(torch.isfinite(value).all()) if value.is_floating_point() else True


def _short(value: Any) -> str:
    text = (
        f"a tensor {list(value.shape)} of {value.dtype}" if isinstance(value, Tensor) else " ".join(repr(value).split())
    )
    return text if len(text) <= 80 else f"{text[:77]}..."
