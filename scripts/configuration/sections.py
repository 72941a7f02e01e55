"""What a section of the configuration may be: a component with arguments that it has, chosen by a part."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Iterator
from pydoc import locate
from typing import Any

from monai.bundle import ComponentLocator

from ..errors import UserError
from .keys import refuse_unread_keys
from .reading import BASE_CONFIG, load_config
from .workflow import executed_config

# Of each kind of part: the key that it is about, and the key of its name.
KINDS = {
    "loss": ("loss", "loss_name"),
    "network": ("network_def", "network_name"),
    "optimizer": ("optimizer", "optimizer_name"),
    "data": ("cases", "data_name"),
}
PART_KEYS = {kind: {*keys} for kind, keys in KINDS.items()}  # of which a part of a kind has one at least
PART_KEYS["network"].add("network")


def check_sections() -> None:
    """Refuse plain values for components, values that nothing reads, and arguments that a component does not have.

    A step of ``initialize``, before anything is prepared.

    Raises:
        ValueError: names the key and the nearest that would work.
    """
    config, base = executed_config(), load_config()
    refuse_plain_values(config, base)
    refuse_unread_keys(config, base)
    refuse_other_rate(config)
    refuse_other_names(config)
    refuse_unknown_arguments(config)


def refuse_plain_values(config: dict[str, Any], base: dict[str, Any]) -> None:
    """Refuse text or a number where ``train.yaml`` has a section: ``--loss dfl`` names no component."""
    for key, value in config.items():
        plain = not isinstance(value, dict | list) and not (isinstance(value, str) and value[:1] in ("@", "$", "%"))
        if (
            isinstance(base.get(key), dict)
            and plain
            and not (value is None and key in ("class_weight", "lr_scheduler"))
        ):
            kind = next((kind for kind, (section, _) in KINDS.items() if section == key), None)
            raise UserError(
                f"{key} is a section of the configuration and can't be {value!r}; {_remedy(kind, str(value))}"
            )


def refuse_other_rate(config: dict[str, Any]) -> None:
    """Refuse a learning rate in the optimiser beside another in ``learning_rate``, which tables would say."""
    optimizer, rate = config.get("optimizer"), config.get("learning_rate")
    own = optimizer.get("lr") if isinstance(optimizer, dict) else None
    if isinstance(own, int | float) and own != rate:
        raise UserError(
            f"optimizer::lr is {own} and learning_rate {rate}, which tables and reports would say; give "
            f"--learning_rate {own} and let optimizer::lr be @learning_rate"
        )


def refuse_other_names(config: dict[str, Any]) -> None:
    """Refuse the name of a shipped part over another part's component: ``--loss_name dfl`` changes no loss."""
    for kind, (section, name_key) in KINDS.items():
        name = config.get(name_key)
        path = BASE_CONFIG.with_name(f"{kind}_{name}.yaml")
        if (
            kind == "data"
            or not isinstance(name, str)
            or not path.is_file()
            or not isinstance(config.get(section), dict)
        ):
            continue
        part = load_config(path)
        other = config[section].get("_target_") != part[section]["_target_"]
        if kind == "loss":
            other = other or (config.get("class_weight") is None) != (part.get("class_weight") is None)
        if other and not _is_foreign(config[section].get("_target_")):
            raise UserError(f"{name_key} is {name}, but {section} is another one's; {_remedy(kind, name)}")


def refuse_unknown_arguments(config: dict[str, Any]) -> None:
    """Refuse an argument that a component does not have: ``--loss::gama 3``."""
    for place, component in _components(config, ""):
        target = _locate(component["_target_"])
        if target is None:
            continue
        try:
            parameters = inspect.signature(target).parameters
        except (TypeError, ValueError):
            continue
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            continue
        for name in component:
            if name not in parameters and not name.startswith("_"):
                near = difflib.get_close_matches(name, list(parameters), n=1, cutoff=0.5)
                hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(parameters)}"
                raise UserError(f"{place}::{name}: {component['_target_']} has no argument '{name}'; {hint}")


def _remedy(kind: str | None, value: str) -> str:
    if kind is None:
        return "set its keys one by one, as in --section::key VALUE"
    known = sorted(path.stem.removeprefix(f"{kind}_") for path in BASE_CONFIG.parent.glob(f"{kind}_*.yaml"))
    near = difflib.get_close_matches(value, known, n=1, cutoff=0.4)
    if not near:
        return f"give a part: configs/{kind}_{{{','.join(known)}}}.yaml"
    return f"give the part: --config_file \"['configs/train.yaml','configs/{kind}_{near[0]}.yaml']\""


def _is_foreign(target: Any) -> bool:
    """Whether a component is of the user's own, which may have any name."""
    return not str(target).startswith(("scripts.", "torch.", "monai.")) and "." in str(target)


def _components(value: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        if isinstance(value.get("_target_"), str):
            yield place, value
        for key, item in value.items():
            yield from _components(item, f"{place}::{key}" if place else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _components(item, f"{place}::{index}")


@functools.cache
def _locator() -> ComponentLocator:
    """MONAI's table of its components, which takes a moment to make."""
    return ComponentLocator()


def _locate(target: str) -> Any:
    """The class or function of a component; None where it is not known by its name alone."""
    if target.startswith(("$", "@", "%")):
        return None
    module = target if "." in target else _locator().get_component_module_name(target)
    name = module if "." in target else f"{module}.{target}" if isinstance(module, str) else None
    try:
        return locate(name) if name else None
    except Exception:  # a module of the user's own that does not import: MONAI says so in its turn
        return None
