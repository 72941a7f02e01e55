"""What the conditions of a study are: losses, networks, optimisers, or something that has no name of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .factors import Condition
from .grid import configured
from .study_file import Study
from .terms import Terms

# Factors whose levels have a name, and the keys that a level of theirs sets.
KEYS = {
    "loss": ("loss_name", "class_weight", "loss"),
    "network": ("network_name", "network_def", "network"),
    "optimizer": ("optimizer_name", "optimizer"),
}
NAMES = {"loss": "loss", "network": "network", "optimizer": "optimiser"}
SAME = {"network_def": "network"}  # another bundle's factor is called as its key


def study_terms(study: Study) -> Terms:
    """The words for a study's conditions and units."""
    configs = [configured(study, condition) for condition in study.conditions]
    return terms_of(study.conditions, configs, study.unit, "image" if study.leaky else "")


def terms_of(
    conditions: Sequence[Condition], configs: Sequence[Mapping[str, Any]], unit: str, parted: str = ""
) -> Terms:
    """The words for conditions: of losses only where each has another loss and nothing else is crossed with it.

    Args:
        conditions: what is compared.
        configs: keys of each condition, of which at least those that differ; "loss::gamma" is a place in "loss".
        unit: what is independent.
        parted: what the folds share out, where that is not the unit.
    """
    different = {kind: _different(configs, keys) for kind, keys in KEYS.items()}
    factors = [name for name in conditions[0].levels if len({each.levels[name] for each in conditions}) > 1]
    kind = SAME.get(factors[0], factors[0]) if len(factors) == 1 else ""
    thing = NAMES[kind] if different.get(kind) == len(conditions) else "condition"
    return Terms(thing, unit, parted, losses_differ=different["loss"] > 1)


def _different(configs: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> int:
    """How many different values some keys, and the places below them, have together."""
    found: list[dict[str, Any]] = []
    for config in configs:
        values = {key: value for key, value in config.items() if key.split("::")[0] in keys}
        if values not in found:
            found.append(values)
    return len(found)
