"""Factors of a study: parts and keys whose levels are crossed, each combination a condition."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..configuration.keys import REFERENCE, strings
from ..configuration.reading import BASE_CONFIG, load_config
from ..configuration.sections import PART_KEYS
from ..errors import UserError
from .file_values import LONGEST_NAME, level_name

CONFIGS = BASE_CONFIG.parent
KINDS = ("data", "network", "loss", "optimizer")  # of parts: files configs/<kind>_<name>.yaml
OWN_KEYS = {  # set by the study itself, run by run
    "bundle_root", "experiment_name", "fold", "num_folds", "output_dir", "resume", "run_name", "seed", "split_file",
    "split_seed", "split_unit", "tracking_uri",
}  # fmt: skip
_UNSAFE = re.compile(r"[^A-Za-z0-9_.]+")


@dataclass(frozen=True)
class Condition:
    """A combination of one level of each factor.

    Args:
        name: the levels' names, joined by "+".
        levels: name of the level by factor.
        files: parts that the levels name.
        settings: overrides that the levels set.
    """

    name: str
    levels: Mapping[str, str]
    files: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder_name(self) -> str:
        """The name as a part of a folder's name."""
        return _UNSAFE.sub("-", self.name).strip("-.")


def find_parts(parts: Any) -> tuple[str, ...]:
    """The configuration files of every run: ``train.yaml`` and the parts that the study fixes.

    Raises:
        UserError: a kind of part or a part is not there.
    """
    if not isinstance(parts, Mapping):
        raise UserError(f"parts must be such as {{network: unet, optimizer: adam}}, got {parts!r}")
    for kind in parts:
        if kind not in KINDS:
            raise UserError(f"unknown kind of part '{kind}': parts are of {', '.join(KINDS)}")
    return (str(BASE_CONFIG), *(_part(kind, name) for kind, name in parts.items()))


def base_config(files: Sequence[str]) -> dict[str, Any]:
    """The top-level keys of configuration files, later ones in place of earlier ones."""
    merged: dict[str, Any] = {}
    for path in files:
        merged |= load_config(path)
    return merged


def find_conditions(factors: Any, merged: Mapping[str, Any]) -> tuple[Condition, ...]:
    """Cross the levels of all factors, the first factor slowest.

    Args:
        factors: by factor its levels. The levels of a kind of part are names of parts, those of a key are values; as a
            mapping they get names of their own, and a level that is a mapping itself sets several keys.
        merged: the configuration that all runs share.

    Raises:
        UserError: a factor is empty, unknown or has a level twice; there are fewer than two conditions.
    """
    if not isinstance(factors, Mapping) or not factors:
        raise UserError("factors must say what is compared, such as {loss: [ce, adfl]}")
    return cross_levels([_levels(str(factor), given, merged) for factor, given in factors.items()])


def cross_levels(levels: Sequence[Sequence[Condition]]) -> tuple[Condition, ...]:
    """Every combination of one level of each factor, the first factor slowest.

    Args:
        levels: of each factor, each as a condition of its own.

    Raises:
        UserError: there are fewer than two combinations, two would share their run folders, or levels of two factors
            set the same.
    """
    _refuse_common_keys(levels)
    conditions = tuple(_combine(combination) for combination in itertools.product(*levels))
    if len(conditions) < 2:
        raise UserError(f"factors give the one condition {conditions[0].name}; a comparison needs at least two")
    folders: dict[str, str] = {}
    for condition in conditions:
        folder = condition.folder_name
        if not 0 < len(folder) <= LONGEST_NAME:
            raise UserError(
                f"condition {condition.name[:LONGEST_NAME]} can't name its runs' folders, which keep the letters A to "
                f"Z, digits, '_' and '.' of it, 1 to {LONGEST_NAME}; give its levels other names"
            )
        twin = folders.setdefault(folder.casefold(), condition.name)
        if twin != condition.name:
            raise UserError(
                f"conditions {twin} and {condition.name} would share run folders, whose names keep no other signs than "
                "letters A to Z, digits, '_' and '.'; name the levels apart by these"
            )
    return conditions


def _refuse_common_keys(levels: Sequence[Sequence[Condition]]) -> None:
    """Refuse two factors of which the second would take back what a level of the first sets."""
    owner: dict[str, str] = {}
    for factor in levels:
        (name,) = factor[0].levels
        keys = {key for level in factor for key in (*level.settings, *base_config(level.files))}
        for key in sorted(keys):
            first = owner.setdefault(key, name)
            if first != name:
                raise UserError(f"factors {first} and {name} both set {key}, so that one would undo the other's levels")


def refuse_unknown_settings(settings: Any, merged: Mapping[str, Any], where: str) -> None:
    """Refuse keys that ``train.yaml`` and the parts don't have, and those that the study sets itself.

    Raises:
        UserError: names the key and the nearest known one.
    """
    if not isinstance(settings, Mapping):
        raise UserError(f"{where} must hold keys of train.yaml, such as {{max_epochs: 50}}, got {settings!r}")
    for key in map(str, settings):
        top, *places = key.split("::")
        if top in OWN_KEYS:
            raise UserError(f"{where} may not hold {key}: the study sets {top} itself, run by run")
        if top not in merged:
            near = difflib.get_close_matches(top, list(merged), n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else "the keys stand in configs/train.yaml"
            raise UserError(f"unknown key '{key}' in {where}: {hint}")
        there = settings.get(top, merged[top]) if places else merged[top]
        _refuse_lost_keys(key, settings[key], _at(there, places, key, where), where)


def _at(value: Any, places: Sequence[str], key: str, where: str) -> Any:
    """What stands at a place below a key, None where there is nothing yet."""
    for number, place in enumerate(places):
        if isinstance(value, list) and place.isdigit() and int(place) < len(value):
            value = value[int(place)]
        elif isinstance(value, Mapping) and place and (place in value or number == len(places) - 1):
            value = value.get(place)
        else:
            raise UserError(f"{where}: there is no place {key}; name one of train.yaml's or of a part's")
    return value


def _refuse_lost_keys(key: str, value: Any, before: Any, where: str) -> None:
    """Refuse a value in whose place the study's own keys are read, such as the seed: they would be set in vain."""
    read, kept = ({name for text in strings([each]) for name in REFERENCE.findall(text)} for each in (before, value))
    for lost in sorted((read & OWN_KEYS) - kept):
        raise UserError(f"{where} may not hold {key}: it takes @{lost}, which the study sets itself, run by run")


def _levels(factor: str, given: Any, merged: Mapping[str, Any]) -> list[Condition]:
    if factor == "data":
        _refuse_data()
    return [_level(factor, name, value, merged) for name, value in named_levels(factor, given).items()]


def _refuse_data() -> None:
    raise UserError("data is no factor: cases of different data sets can't be compared; name one by parts")


def named_levels(factor: str, given: Any) -> dict[str, Any]:
    """The levels of a factor by their names, which those of a list get from their values.

    Raises:
        UserError: there are none, or one comes twice.
    """
    pairs = list(given.items()) if isinstance(given, Mapping) else []
    if isinstance(given, Sequence) and not isinstance(given, str):
        pairs = [(value, value) for value in given]
    named = {level_name(name): value for name, value in pairs}
    if len(named) < len(pairs):
        raise UserError(f"factor {factor} has a level twice: {', '.join(str(name) for name, _ in pairs)}")
    if not named:
        raise UserError(f"factor {factor} has no levels; give a list, such as [ce, adfl]")
    for name in named:
        if not name.strip() or not name.isprintable():
            raise UserError(f"factor {factor} has a level named {name!r}; give it a name that can be read, in one line")
    return named


def _level(factor: str, name: str, value: Any, merged: Mapping[str, Any]) -> Condition:
    levels = {factor: name}
    if isinstance(value, Mapping):
        settings = {key: item for key, item in value.items() if key not in KINDS}
        if "data" in value:
            _refuse_data()
        files = tuple(_part(kind, value[kind]) for kind in KINDS if kind in value)
        refuse_unknown_settings(settings, {**merged, **base_config(files)}, f"level {name} of factor {factor}")
        return Condition(name, levels, files, settings)
    if factor in KINDS:
        return Condition(name, levels, (_part(factor, value),))
    refuse_unknown_settings({factor: value}, merged, "factors")
    return Condition(name, levels, (), {factor: value})


def _combine(combination: Sequence[Condition]) -> Condition:
    levels: dict[str, str] = {}
    settings: dict[str, Any] = {}
    for level in combination:
        levels |= level.levels
        settings |= level.settings
    name = "+".join(level.name for level in combination)
    return Condition(name, levels, tuple(file for level in combination for file in level.files), settings)


def _part(kind: str, name: Any) -> str:
    """The file of a part: of the bundle by its name, or one of the user's own by its path."""
    text = str(name)
    path = Path(text).expanduser() if text.endswith((".yaml", ".yml", ".json")) else CONFIGS / f"{kind}_{text}.yaml"
    try:
        there = path.is_file()
    except OSError:  # longer than a name can be
        there = False
    if there and not PART_KEYS[kind] & set(load_config(path)):
        raise UserError(f"{path} is no {kind} part: it sets none of {', '.join(sorted(PART_KEYS[kind]))}")
    if there:
        return str(path.resolve())
    known = sorted(file.stem.removeprefix(f"{kind}_") for file in CONFIGS.glob(f"{kind}_*.yaml"))
    near = difflib.get_close_matches(text, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    raise UserError(f"unknown {kind} part '{text[:LONGEST_NAME]}': {hint}")
