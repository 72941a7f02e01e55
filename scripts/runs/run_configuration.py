"""Everything that a finished run's numbers depend on, taken from the run itself.

Whoever scores or draws a run names it and gives no more: parts, size, labels, split, intensities, network and loss
stand in the ``config.yaml`` of its folder. What is given again and equals the run's does no harm; what differs and
would change the numbers is refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from ..configuration.keys import refuse_unknown_keys, refuse_unknown_workflow
from ..configuration.reading import BASE_CONFIG, load_config
from ..configuration.workflow import executed_config, running_workflow
from ..errors import MissingFileError, UserError
from .recorded_settings import refuse_changed_settings
from .resume import FREE_KEYS, flatten, read_table
from .run_files import CONFIG, TRACKING

# Keys that may differ from the run's: where things lie and how fast it goes. The split is compared by its hash, and
# the precision is written beside the scores.
EVALUATION_FREE_KEYS = FREE_KEYS | {"batch_size", "precision", "split_file"}
EVALUATION = "evaluation"  # the section of an overlay that is laid over the run's configuration, place by place
PLACES = ("dataset_dir", "split_file")
SHOWN = 3  # differences that a refusal names


def take_run_configuration(run_dir: str | Path, overlay: str) -> None:
    """Let the running workflow go on with the configuration of a run: a step of ``initialize``.

    The run's configuration replaces all but the overlay's own keys and what may differ (``EVALUATION_FREE_KEYS``).
    Behind a training's configuration, with a run folder that records none, it is a federated client's: the network is
    handed over, and the training's own evaluator scores the validation part.

    Args:
        run_dir: folder of the run.
        overlay: name of the overlay in ``configs/``, whose keys are this workflow's own.

    Raises:
        FileNotFoundError: the folder holds no run, or a place that its configuration names is not there any more.
        ValueError: a key is given that differs from the run's and changes the numbers; names it.
    """
    workflow = running_workflow()
    if workflow is None:
        raise RuntimeError("a step of a workflow's initialize, which none is running")
    given = executed_config()
    if EVALUATION not in given:
        return  # laid over already: a program that changes a setting initialises once more
    refuse_unknown_workflow(workflow.run_id, given)  # before the run's own workflows, such as its training, are there
    client = "train" in given and not (Path(run_dir) / CONFIG).is_file()
    config = _client_configuration(given) if client else run_configuration(Path(run_dir), given, overlay)
    if not client:  # which leaves the overlay's own keys without a reader, and may bring some of its own
        refuse_unknown_keys(config)
    meta = workflow.parser.get(ConfigParser.meta_key, {})
    workflow.parser.set({ConfigParser.meta_key: meta, **config})
    workflow.parser.parse(reset=True)


def run_configuration(run_dir: Path, given: Mapping[str, Any], overlay: str) -> dict[str, Any]:
    """The configuration that a run is evaluated with.

    Args:
        run_dir: folder of the run.
        given: the configuration as it was given: files and overrides merged.
        overlay: see ``take_run_configuration``.

    Returns:
        The run's configuration with the overlay's keys, what may differ, and the overlay's section ``evaluation`` laid
        over it.

    Raises:
        FileNotFoundError, ValueError: see ``take_run_configuration``.
    """
    run = read_run_configuration(run_dir)
    own = load_config(BASE_CONFIG.with_name(overlay))
    base = {**load_config(), **own} if "train" in given else own
    changed = _changed(_flat(base), flatten(dict(given)))
    free = [place for place in changed if place.split("::")[0] in EVALUATION_FREE_KEYS - set(own)]
    fixed = [place for place in changed if place.split("::")[0] not in EVALUATION_FREE_KEYS | set(own)]
    _refuse_other_values(run_dir, run, given, fixed)
    config = {**run, **{key: given[key] for key in own if key in given}}
    config |= {key: given[key] for key in free if key in given and not _is_a_parts_default(key, given[key])}
    config |= {key: given[key] for place in fixed if (key := place.split("::")[0]) not in config and key in given}
    _refuse_missing_places(run_dir, config)
    return _with_section(config)


def _client_configuration(given: dict[str, Any]) -> dict[str, Any]:
    """The training's own validation behind the loader of a checkpoint, which such a client switches off.

    Where nobody switches it off it finds no checkpoint, and nothing is scored with a network that is not trained.
    """
    handlers = given[EVALUATION].get("validate::handlers", [])
    loaders = [handler for handler in handlers if "CheckpointLoader" in handler.get("_target_", "")]
    config = {key: value for key, value in given.items() if key != EVALUATION}
    return {**config, "validate": {**config["validate"], "handlers": loaders}}


def read_run_configuration(run_dir: Path) -> dict[str, Any]:
    """The configuration that a run was trained with.

    Raises:
        FileNotFoundError: the folder holds none.
        ValueError: it can't be read, or was changed after the training.
    """
    path = run_dir / CONFIG
    if not path.is_file():
        raise MissingFileError(f"{run_dir} holds no {CONFIG}, so it is no trained run; name another --run_name")
    config = read_table(path)
    if not {"network_def", "labels", "image_size", "in_channels"} <= set(config):
        raise UserError(f"{path} is damaged: it holds no configuration of a training; put the run's own file back")
    refuse_changed_settings(path, config)
    return config


def run_labels(run_dir: Path, config: Mapping[str, Any]) -> list[str]:
    """The class names of a run as plain texts, also where its configuration read them from the data set.

    What a run is used for names other data, or lies on a machine without its own: so what the run has recorded comes
    before the data set, which is asked only where nothing is recorded.

    Raises:
        ValueError: nothing is recorded, and the run's data set is not there or can't be read.
    """
    if isinstance(config["labels"], list):
        return [str(label) for label in config["labels"]]
    try:
        labels = json.loads((run_dir / TRACKING).read_text(encoding="utf-8"))["params"]["labels"]
    except (OSError, ValueError, KeyError, TypeError):
        labels = None
    if not isinstance(labels, list) or not labels:
        labels = ConfigParser(dict(config)).get_parsed_content("labels")
    if not isinstance(labels, list | tuple):
        raise UserError(f"{run_dir / CONFIG} is damaged: labels is {labels!r}, no list; put the run's own file back")
    return [str(label) for label in labels]


def _flat(config: dict[str, Any]) -> dict[str, str]:
    """Every value by its place, with macros replaced as a running workflow has them."""
    parser = ConfigParser(config)
    parser.resolve_macro_and_relative_ids()
    return flatten({key: value for key, value in parser.get().items() if key != ConfigParser.meta_key})


def _changed(base: dict[str, str], given: dict[str, str]) -> list[str]:
    """Places whose value is not the shipped one, in order; what a part has left out of a component counts."""
    tops = {place.split("::")[0] for place in given}
    lost = [place for place in base if place not in given and place.split("::")[0] in tops]
    return [place for place, value in given.items() if base.get(place) != value] + lost


def _refuse_other_values(run_dir: Path, run: dict[str, Any], given: Mapping[str, Any], places: list[str]) -> None:
    before, now = flatten(run), flatten(dict(given))
    different = [
        f"{place} is {now.get(place, 'missing')} and was {before.get(place, 'missing')}"
        for place in places
        if place.split("::")[0] in run and before.get(place) != now.get(place)
    ]
    if different:
        more = f"; and {len(different) - SHOWN} more" if len(different) > SHOWN else ""
        raise UserError(
            f"{'; '.join(different[:SHOWN])}{more} in run {run_dir.name}, whose scores depend on it: give --run_name "
            "alone, everything else is taken from the run"
        )


def _is_a_parts_default(key: str, value: Any) -> bool:
    """Whether a value is what a shipped file says, such as a data part's folder, and nothing that a user has said."""
    shipped = (load_config(path) for path in BASE_CONFIG.parent.glob("*.yaml"))
    return any(key in config and config[key] == value for config in shipped)


def _refuse_missing_places(run_dir: Path, config: dict[str, Any]) -> None:
    for key in PLACES:
        value = config.get(key)
        if isinstance(value, str) and not value.startswith(("$", "@", "%")) and not Path(value).expanduser().exists():
            raise MissingFileError(
                f"{key} of run {run_dir.name} is {value}, which is not there (any more); say where it is by --{key}"
            )


def _with_section(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with its section ``evaluation`` laid over it; weights to begin from are not needed again."""
    parser = ConfigParser({key: value for key, value in config.items() if key != EVALUATION})
    for place, value in (config.get(EVALUATION) or {}).items():
        parser[place] = value
    if "network_def::pretrained_path" in parser:
        parser["network_def::pretrained_path"] = None
    laid: dict[str, Any] = parser.get()
    return {key: value for key, value in laid.items() if key != ConfigParser.meta_key}
