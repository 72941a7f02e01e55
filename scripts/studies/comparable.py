"""Whether the conditions of a study can be compared: each trained otherwise, all scored alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from ..configuration.sections import KINDS
from ..errors import UserError
from .factors import Condition

# Keys that decide which cases, classes or pixels are scored.
SCORED = (
    "cases",
    "data_name",
    "data_settings",
    "dataset_dir",
    "ignore_index",
    "include_background",
    "labels",
    "prepared",
)
_NAMES = {name for _, name in KINDS.values()}


def refuse_incomparable(conditions: Sequence[Condition], configs: Sequence[Mapping[str, Any]]) -> None:
    """Refuse conditions that differ in nothing, or in what they are scored on.

    Args:
        conditions: of the study.
        configs: keys of the configuration of each, places such as "loss::gamma" among them.

    Raises:
        UserError: names two conditions, or the key.
    """
    first = configs[0]
    for config in configs:
        for key in sorted({*first, *config}):
            if key.split("::")[0] in SCORED and config.get(key) != first.get(key):
                raise UserError(
                    f"{key} is a factor, but decides which cases, classes or pixels are scored, so that scores could "
                    "not be compared; set it once, in settings"
                )
    refuse_twins(conditions, [_in_place(config) for config in configs])


def refuse_twins(conditions: Sequence[Condition], configs: Sequence[Mapping[str, Any]]) -> None:
    """Refuse conditions that differ in nothing but their names.

    Args:
        conditions: of the study.
        configs: what is set for each.

    Raises:
        UserError: names the first two.
    """
    seen: list[tuple[dict[str, Any], str]] = []
    for condition, config in zip(conditions, configs, strict=True):
        trained = {key: value for key, value in config.items() if key not in _NAMES}
        twin = next((name for other, name in seen if other == trained), None)
        if twin is not None:
            raise UserError(
                f"conditions {twin} and {condition.name} differ in nothing but their names, so that their runs would "
                "be the same; leave one of them away, or say what it changes"
            )
        seen.append((trained, condition.name))


def _in_place(config: Mapping[str, Any]) -> dict[str, Any]:
    """The same keys with places set where they belong, as far as these are there."""
    placed = {key: deepcopy(value) for key, value in config.items() if "::" not in key}
    for key, value in config.items():
        *parents, last = key.split("::")
        holder: Any = placed
        for parent in parents:
            holder = holder.get(parent) if isinstance(holder, Mapping) else None
        if parents and isinstance(holder, dict):
            holder[last] = value
        elif parents:
            placed[key] = value
    return placed
