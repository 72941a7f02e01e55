"""The configuration of another bundle as text: which keys it has, and what its handlers save."""

from __future__ import annotations

import difflib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from pydoc import locate
from typing import Any

from monai.bundle import ConfigComponent, ConfigParser

from ...errors import MissingFileError, UserError

SEPARATOR = "::"
COMPONENT_KEYS = {"_target_", "_disabled_", "_requires_", "_desc_", "_mode_"}  # of MONAI's, beside arguments


def load_config(bundle: Path, files: Sequence[str]) -> ConfigParser:
    """Read configuration files of a bundle, later ones over earlier ones, as MONAI does; nothing is built.

    Raises:
        MissingFileError: there is no such file.
        UserError: a file can't be read; names it.
    """
    for file in files:
        if not (bundle / file).is_file():
            raise MissingFileError(f"no {file} in the bundle {bundle}; name its configuration files in the study file")
    parser = ConfigParser()
    try:
        parser.read_config([str(bundle / file) for file in files])
        parser.resolve_macro_and_relative_ids()
    except Exception as error:  # MONAI, json and yaml each raise their own
        said = " ".join(str(error).split())[:200]
        raise UserError(f"{', '.join(files)} of the bundle {bundle} can't be read: {said}") from error
    return parser


def one_form(key: str) -> str:
    """A key with ``::`` between its parts, where older configurations write ``#``."""
    return key.replace("#", SEPARATOR)


def refuse_unknown_keys(overrides: Mapping[str, Any], parser: ConfigParser, where: str) -> None:
    """Refuse overrides of keys that the bundle has not got, which MONAI would add in silence.

    A new argument of a component is accepted where its class has it, and a new top-level key where another override
    refers to it.

    Raises:
        UserError: names the key and the nearest one.
    """
    for key in map(str, overrides):
        path = one_form(key).split(SEPARATOR)
        if key == "bundle_root":
            raise UserError(f"{where} may not hold bundle_root: each run has a folder of its own, which the study sets")
        if SEPARATOR.join(path) in parser or _is_referred_to(path, overrides) or _is_argument(path, parser):
            continue
        raise UserError(f"{where}: the bundle has no key '{key}'{_nearest(path, parser)}")


def has_place(key: str, parser: ConfigParser) -> bool:
    """Whether a configuration has what an override changes, or is to get a top-level key."""
    parent = SEPARATOR.join(one_form(key).split(SEPARATOR)[:-1])
    return not parent or parent in parser


def components(parser: ConfigParser, kind: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Place and text of every component that is built, or of those whose class has a name.

    Args:
        parser: the configuration.
        kind: the class, such as "MetricsSaver", however it is imported; empty: all.
    """
    yield from _walk(parser.get(), "", kind)


def per_case_metrics(parser: ConfigParser) -> tuple[list[str], str]:
    """Metrics whose score of every case a handler saves, "*" for all that there are, and the key metric or "".

    Raises:
        UserError: no handler does, or it does not know the names of the cases.
    """
    savers = [handler for _, handler in components(parser, "MetricsSaver") if handler.get("metric_details")]
    if not savers:
        raise UserError(
            "no MetricsSaver of the bundle's evaluation saves the scores of every case; give it metric_details, such "
            "as [val_mean_dice]"
        )
    if not any("batch_transform" in handler for handler in savers):
        raise UserError(
            "the bundle's MetricsSaver does not say which case a score is of; give it batch_transform: "
            "\"$lambda batch: [item['image'].meta for item in batch]\""
        )
    details = [handler["metric_details"] for handler in savers]
    names = [name for one in details for name in ([one] if isinstance(one, str) else one)]
    key_metric = parser.get(f"validate{SEPARATOR}key_metric")
    return names, next(iter(key_metric), "") if isinstance(key_metric, dict) else ""


def _walk(config: Any, place: str, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(config, dict):
        if "_target_" in config:
            if config.get("_disabled_") is True:
                return
            if not kind or str(config["_target_"]).rsplit(".", 1)[-1] == kind:
                yield place, config
        items: Any = config.items()
    elif isinstance(config, list):
        items = enumerate(config)
    else:
        return
    for key, value in items:
        yield from _walk(value, f"{place}{SEPARATOR}{key}" if place else str(key), kind)


def _is_referred_to(path: Sequence[str], overrides: Mapping[str, Any]) -> bool:
    others = {key: value for key, value in overrides.items() if key != path[0]}
    return len(path) == 1 and f"@{path[0]}" in json.dumps(others, default=str)


def _is_argument(path: Sequence[str], parser: ConfigParser) -> bool:
    """Whether the last part is an argument of the component that the parts before it name."""
    parent = SEPARATOR.join(path[:-1])
    component = parser.get(parent) if parent and parent in parser else None
    if not isinstance(component, dict) or "_target_" not in component:
        return False
    if path[-1] in COMPONENT_KEYS:
        return True
    found = locate(str(ConfigComponent(config=component, id=parent).resolve_module_name()))
    if not callable(found):
        return False
    arguments = inspect.signature(found).parameters
    return path[-1] in arguments or any(one.kind is one.VAR_KEYWORD for one in arguments.values())


def _nearest(path: Sequence[str], parser: ConfigParser) -> str:
    parent = SEPARATOR.join(path[:-1])
    siblings = parser.get(parent) if not parent or parent in parser else None
    if not isinstance(siblings, dict):
        return ""
    near = difflib.get_close_matches(path[-1], [str(key) for key in siblings], n=1, cutoff=0.5)
    return f"; did you mean {SEPARATOR.join([*path[:-1], near[0]])}?" if near else ""
