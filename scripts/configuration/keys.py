"""Every top-level key of a configuration is read by something, or is refused by name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from monai.bundle.properties import InferProperties, TrainProperties

from ..errors import UserError
from .reading import BASE_CONFIG, load_config
from .workflow import executed_config, running_workflow

REFERENCE = re.compile(r"@(?:::)?([A-Za-z_]\w*)")
WORKFLOWS = {
    "run", "training", "check", "describe", "sync", "evaluating", "comparing", "publishing", "exporting", "reporting",
}  # fmt: skip
SHIPPED = (
    "train.yaml", "evaluate.yaml", "inference.yaml", "compare.yaml", "publish.yaml", "export.yaml", "report.yaml",
    "study_which_loss.yaml",
)  # fmt: skip
PART_NAMES = {"network_name"}  # a network part also goes on inference.yaml, where nothing reads its name
CONSUMER_KEYS = {"pre_transforms", "post_transforms"}  # of inference.yaml, which MONAI Label and Deploy look for

RENAMED = {"amp": "it is precision now: --precision bfloat16 in place of --amp true, float32 in place of false"}


def refuse_unknown_keys(config: dict[str, Any] | None = None) -> None:
    """Refuse a workflow that is none, and a top-level key that nothing reads: a misspelt override or part.

    A key is read when another entry refers to it (``@key``), when MONAI looks for it by name, or when it is an entry
    point.
    Keys of ``train.yaml`` itself are known even where a part has left one of them without a reader.

    Args:
        config: top-level keys and values; the running workflow's by default.

    Raises:
        ValueError: names the workflow or key, and the nearest known one.
    """
    workflow = running_workflow()
    config = executed_config() if config is None else config
    if workflow is not None:
        refuse_unknown_workflow(workflow.run_id, config)
    read = {"imports"} | WORKFLOWS | PART_NAMES | CONSUMER_KEYS | _monai_keys()
    if workflow is not None:
        read |= {workflow.init_id, workflow.run_id, workflow.final_id}
    if "train" in config:
        read |= set(load_config())
    read |= _references(config)
    for key in config:
        if key not in read:
            hint = RENAMED.get(key) or _hint(key, sorted((read & set(config)) - WORKFLOWS - {"imports", "initialize"}))
            raise UserError(f"unknown key or override '{key}': nothing in the configuration reads it; {hint}")


def _hint(key: str, known: list[str]) -> str:
    """Whose key it is, the nearest known one, or all of them."""
    files = {name: BASE_CONFIG.with_name(name) for name in SHIPPED}
    of_others = [f"configs/{name}" for name, path in files.items() if path.is_file() and key in load_config(path)]
    if of_others:
        return f"it is a key of {' and '.join(of_others)}"
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}"


def refuse_unread_keys(config: dict[str, Any], base: dict[str, Any]) -> None:
    """Refuse a value that something reads in ``train.yaml`` and nothing reads here, though tables would say it.

    ``compatibility.check_options`` has a better word for the keys of the class weights.

    Args:
        config: top-level keys and values as they run.
        base: those of ``train.yaml``.

    Raises:
        ValueError: names the key.
    """
    components = {key: value for key, value in base.items() if isinstance(value, dict | list)}
    for key in sorted(_references(components) - _references(config)):
        plain = key in config and not isinstance(config[key], dict | list)
        if plain and config[key] != base.get(key) and not key.startswith("acw_"):
            raise UserError(
                f"{key} is {config[key]!r}, but nothing in the configuration reads it; leave it away, or let the "
                f"component that it is for take @{key}"
            )


def _references(config: dict[str, Any]) -> set[str]:
    """Keys that other keys refer to."""
    return {
        name
        for key, value in config.items()
        for text in strings(value)
        for name in REFERENCE.findall(text)
        if name != key
    }


def refuse_unknown_workflow(run_id: str | None = None, config: dict[str, Any] | None = None) -> None:
    """Refuse to run what is no workflow: a misspelt name, a section such as ``train``, or a word given for a workflow.

    Args:
        run_id: what is to run; by default what the running workflow runs.
        config: top-level keys and values; the running workflow's by default.

    Raises:
        ValueError: names the nearest workflow, and all that are there.
    """
    workflow = running_workflow()
    if run_id is None:
        if workflow is None:
            return
        run_id = workflow.run_id
    config = executed_config() if config is None else config
    known = sorted(WORKFLOWS & set(config))
    _refuse_words_for_workflows(
        {key: config[key] for key in known}, [key for key in ("run_name", "runs") if key in config]
    )
    shipped = load_config()
    if run_id not in config or run_id in shipped:
        require_workflow(run_id, known)


def require_workflow(run_id: str, known: Sequence[str]) -> None:
    """Refuse to run what is none of the workflows.

    Raises:
        ValueError: names the nearest workflow, and all that are there.
    """
    if run_id in known:
        return
    near = difflib.get_close_matches(run_id, known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UserError(f"there is no workflow '{run_id}'; {hint}workflows here: {', '.join(known)}")


def _refuse_words_for_workflows(workflows: dict[str, Any], options: list[str]) -> None:
    """Refuse ``--run NAME``: it would stand in the place of all that is run, so that nothing would be."""
    for key, value in sorted(workflows.items(), key=lambda item: item[0] != "run"):  # which others are a paste of
        steps = value if isinstance(value, list) else [value]
        if not all(isinstance(step, dict) or str(step).startswith(("$", "@", "%")) for step in steps):
            meant = f"the option is --{options[0]}" if key == "run" and options else f"leave --{key} away"
            raise UserError(f"{key} is what the command does and can't be {value!r}, or nothing would be done; {meant}")


def _monai_keys() -> set[str]:
    """Top-level names that MONAI and its consumers look for, from MONAI's own table of properties."""
    properties = {**TrainProperties, **InferProperties}
    return {entry["id"].split("::")[0] for entry in properties.values()}


def strings(value: Any) -> Iterator[str]:
    """Every string below a config value, keys left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from strings(item)
